#ifndef LAUNCH_SETTINGS_H
#define LAUNCH_SETTINGS_H
/* All settings of a run as one table: minos's own rows and those that the role programs
 * print with --print-config. minos knows the names and passes the values on; what a
 * value may be is each program's own business, asked by running it. Main thread. */

#include "common/base/option.h"

enum settings_owner {
    OWNER_MINOS = 1,
    OWNER_LEARNER = 2,
    OWNER_ACTOR = 4,
    OWNER_JUDGE = 8
};

enum { SETTINGS_MAX = 320 };

struct settings {
    struct option row[SETTINGS_MAX + 1]; // all OPT_TEXT
    uint8_t owners[SETTINGS_MAX];
    char (*value)[OPTION_TEXT_MAX]; // (SETTINGS_MAX); what row offsets point into
    int count;
};

/* minos's rows, with their ranges. */
struct train_options {
    char run_dir[OPTION_TEXT_MAX], preset[OPTION_TEXT_MAX], hostfile[OPTION_TEXT_MAX];
    int64_t ranks, actors, judges, envs_total;
    bool quiet;
};
extern struct option train_option_table[];

/* Asks the role programs for their rows. ST_IO (logged): one cannot be run. */
MUST_USE enum status settings_init(struct settings *s);
void settings_release(struct settings *s);
/* Back to the defaults, nothing set. */
void settings_reset(struct settings *s);
/* The command line (argv[0] is the program's name in errors); a bare --name is true. As
 * option_parse(). */
MUST_USE enum status settings_parse(struct settings *s, int argc, char **argv);
MUST_USE enum status settings_read_file(struct settings *s, const char *path,
                                        bool ignore_unknown);
/* NULL when there is no such row. */
const char *settings_get(const struct settings *s, const char *name);
bool settings_is_set(const struct settings *s, const char *name);
/* CHECKs that the row exists. */
void settings_put(struct settings *s, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* 0 where it is no number. */
double settings_number(const struct settings *s, const char *name);
/* Has every owner check every value (one error on stderr by whom it concerns, ST_INVALID),
 * and takes the values in the form in which it prints them. */
MUST_USE enum status settings_check(struct settings *s);
/* As --print-config, by owner; rows that belong to one process (run-dir, id, ...) are
 * left out. */
void settings_print(const struct settings *s, FILE *to);
/* settings_print() into a file, whole or not at all. */
MUST_USE enum status settings_write(const struct settings *s, const char *path);
/* With the values of the settings file `preset` (NULL: none), that were read last, as the
 * defaults that they are. */
void settings_print_help(const struct settings *s, const char *preset, FILE *to);

#endif
