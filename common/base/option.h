#ifndef COMMON_BASE_OPTION_H
#define COMMON_BASE_OPTION_H
/* Settings: one table per program. Parsing, ranges, --help, --print-config and the run's
 * config.ini all come from it; a setting that is not a row does not exist.
 * The same name is used in the file (segment-steps = 32), on the command line
 * (--segment-steps=32) and in the docs. Later wins: default, preset, file, command line.
 * Main thread, at start. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/status.h"

enum option_type {
    OPT_INT,    // int64_t
    OPT_FLOAT,  // double
    OPT_BOOL,   // bool: true/false/1/0/yes/no; a bare --name is true
    OPT_TEXT,   // char[OPTION_TEXT_MAX]
    OPT_CHOICE, // char[OPTION_TEXT_MAX], one of `choices`, "a|b|c"
};

enum { OPTION_TEXT_MAX = 512 };

struct option {
    const char *name; // "segment-steps"
    enum option_type type;
    size_t offset;       // into the program's options struct
    const char *preset;  // default, as text
    double least, most;  // for INT and FLOAT; both 0 = any
    const char *choices; // for CHOICE
    const char *help;
    const char *group; // heading in --help; NULL = as the row above
    bool set;          // filled while parsing: given by file or command line
};

#define OPT(strct, field, name_, type_, preset_, least_, most_, help_)                 \
    {                                                                                  \
        .name = (name_), .type = (type_), .offset = offsetof(strct, field),            \
        .preset = (preset_), .least = (least_), .most = (most_), .help = (help_)       \
    }
#define OPT_ONE_OF(strct, field, name_, preset_, choices_, help_)                      \
    {                                                                                  \
        .name = (name_), .type = OPT_CHOICE, .offset = offsetof(strct, field),         \
        .preset = (preset_), .choices = (choices_), .help = (help_)                    \
    }
#define OPT_END                                                                        \
    {                                                                                  \
        .name = NULL                                                                   \
    }

/* Sets every field to its default. */
void option_defaults(struct option *table, void *options);
/* Parses --name=value (and --name value is refused). Unknown names, values out of range
 * and wrong types print ONE error to stderr that names the option, the value and what
 * is allowed (with the nearest right name) and return ST_INVALID. argv[0] is skipped.
 * --config=FILE is read where it stands first, so the command line wins. Positional
 * arguments are refused. */
MUST_USE enum status option_parse(struct option *table, void *options, int argc,
                                  char **argv);
/* As option_parse, but where --run-dir=DIR is given and DIR/config.ini exists, that file is
 * read before the command line, rows of other programs in it ignored: a process that
 * joins a run by hand gets the run's settings. */
MUST_USE enum status option_parse_run(struct option *table, void *options, int argc,
                                      char **argv);
/* Whether the bare --name stands on the command line; for --help, --print-config and
 * --version, which mains look for before anything is checked. */
bool option_is_given(int argc, char **argv, const char *name);
/* Reads an ini file (inih); keys in any section. Errors name file and line.
 * ignore_unknown: for a run's config.ini, which holds rows of several programs. */
MUST_USE enum status option_read_file(struct option *table, void *options,
                                      const char *path, bool ignore_unknown);
/* Sets one by name, with the same checks and error text; `origin` begins the error. */
MUST_USE enum status option_set(struct option *table, void *options, const char *name,
                                const char *value, const char *origin);
/* NULL when there is no such row. */
struct option *option_find(struct option *table, const char *name);
/* The row's present value as text, as --print-config writes it. */
void option_value(const struct option *row, const void *options,
                  char out[OPTION_TEXT_MAX]);
/* name = value lines with the help as comments; a file that --config accepts. */
void option_print_config(const struct option *table, const void *options, FILE *to);
/* "Usage: " and `usage` ("minos-actor [--NAME=VALUE ...]"), rows grouped, then
 * `examples` (may be NULL; ends with a line break). */
void option_print_help(const struct option *table, const char *usage,
                       const char *examples, FILE *to);

#endif
