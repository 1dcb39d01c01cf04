#include "common/base/option.h"

#include <errno.h>
#include <ini.h>
#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/text.h"

enum {
    WHERE_MAX = 640,
    ALLOWED_MAX = 640,
    HELP_MAX = OPTION_TEXT_MAX + ALLOWED_MAX,
    LINE_MAX_ = 1024,
    ROWS_MAX = 256
};

/* Whom an error names: "minos-actor" and "--", or "vault.ini:12" and "". */
struct where {
    const char *origin, *dashes;
};

struct option *option_find(struct option *table, const char *name)
{
    for (struct option *row = table; row->name != NULL; row++) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

static void *field_of(const struct option *row, void *options)
{
    return (char *)options + row->offset;
}

/* What mains look for by option_is_given(). */
static bool is_bare(const char *name)
{
    return strcmp(name, "help") == 0 || strcmp(name, "print-config") == 0 ||
           strcmp(name, "version") == 0;
}

/* Rows that steer parsing itself and would be wrong in a file. */
static bool is_command(const struct option *row)
{
    return strcmp(row->name, "config") == 0 || is_bare(row->name);
}

/* "a|b|c" as "a, b or c". */
static void list_choices(const char *choices, char *out, size_t size)
{
    size_t len = 0;

    for (const char *c = choices; *c != '\0' && len + 5 < size; c++) {
        if (*c != '|') {
            out[len++] = *c;
        } else {
            const char *glue = strchr(c + 1, '|') != NULL ? ", " : " or ";
            memcpy(out + len, glue, strlen(glue));
            len += strlen(glue);
        }
    }
    out[len] = '\0';
}

/* What may stand in a row, as the end of an error: "a whole number from 1 to 1024". */
static void say_allowed(const struct option *row, char out[ALLOWED_MAX])
{
    char least[TEXT_F64_MAX], most[TEXT_F64_MAX], choices[ALLOWED_MAX - 8];
    const bool bounded = row->least != 0 || row->most != 0;
    const char *kind = row->type == OPT_INT ? "a whole number" : "a number";

    switch (row->type) {
    case OPT_INT:
    case OPT_FLOAT:
        text_from_f64(row->least, least);
        text_from_f64(row->most, most);
        if (row->type == OPT_INT) {
            text_format(least, sizeof(least), "%.0f", row->least);
            text_format(most, sizeof(most), "%.0f", row->most);
        }
        if (bounded) {
            text_format(out, ALLOWED_MAX, "%s from %s to %s", kind, least, most);
        } else {
            text_format(out, ALLOWED_MAX, "%s", kind);
        }
        break;
    case OPT_BOOL:
        text_format(out, ALLOWED_MAX, "true or false");
        break;
    case OPT_TEXT:
        text_format(out, ALLOWED_MAX,
                    "at most %d bytes, without control characters or ' ;'",
                    OPTION_TEXT_MAX - 1);
        break;
    case OPT_CHOICE:
        list_choices(row->choices, choices, sizeof(choices));
        text_format(out, ALLOWED_MAX, "one of %s", choices);
        break;
    }
}

static bool parse_bool(const char *value, bool *out)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes"};

    for (int i = 0; i < 6; i++) {
        if (strcmp(value, words[i]) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static bool is_choice(const char *choices, const char *value)
{
    const size_t len = strlen(value);

    for (const char *c = choices; c != NULL; c = strchr(c, '|')) {
        c += *c == '|';
        if (strcspn(c, "|") == len && memcmp(c, value, len) == 0) {
            return true;
        }
    }
    return false;
}

/* Text must come back unchanged from a file that option_print_config() wrote: one line,
 * and nothing that inih takes for a comment. */
static bool is_plain(const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || (*c == ';' && (c == value || c[-1] == ' '))) {
            return false;
        }
    }
    return strlen(value) < OPTION_TEXT_MAX;
}

/* Puts `value` into the row's field; false, and nothing changed, when not allowed. */
static bool put_value(const struct option *row, void *options, const char *value)
{
    void *field = field_of(row, options);
    const bool bounded = row->least != 0 || row->most != 0;

    switch (row->type) {
    case OPT_INT:
        return text_to_i64(value, bounded ? (int64_t)row->least : INT64_MIN,
                           bounded ? (int64_t)row->most : INT64_MAX, field);
    case OPT_FLOAT:
        return text_to_f64(value, bounded ? row->least : -HUGE_VAL,
                           bounded ? row->most : HUGE_VAL, field);
    case OPT_BOOL:
        return parse_bool(value, field);
    case OPT_CHOICE:
        if (!is_choice(row->choices, value)) {
            return false;
        }
        // fall through
    case OPT_TEXT:
        if (!is_plain(value)) {
            return false;
        }
        memmove(field, value, strlen(value) + 1);
        return true;
    }
    return false;
}

/* The row that someone who wrote `name` may have meant: the nearest by spelling, else
 * the one that begins alike (env-count for envs). */
static const char *guess(const struct option *table, const char *name)
{
    const char *names[ROWS_MAX] = {NULL}, *best = NULL;
    size_t longest = 2; // fewer than 3 letters alike is chance
    int count = 0;

    for (const struct option *row = table; row->name != NULL; row++) {
        CHECK(count < ROWS_MAX);
        names[count++] = row->name;
    }
    const char *nearest = text_nearest(name, names, count);
    if (nearest != NULL) {
        return nearest;
    }
    for (int i = 0; i < count; i++) {
        size_t alike = 0;
        while (name[alike] != '\0' && name[alike] == names[i][alike]) {
            alike++;
        }
        if (alike > longest) {
            longest = alike;
            best = names[i];
        }
    }
    return best;
}

static enum status unknown(const struct option *table, const char *name,
                           const struct where *at)
{
    const char *meant = guess(table, name);

    if (meant != NULL) {
        fprintf(stderr, "%s: %s%s: no such option; did you mean %s%s?\n", at->origin,
                at->dashes, name, at->dashes, meant);
    } else {
        fprintf(stderr, "%s: %s%s: no such option; --help lists them all\n", at->origin,
                at->dashes, name);
    }
    return ST_INVALID;
}

static enum status refuse(const struct option *row, const char *value,
                          const struct where *at)
{
    char allowed[ALLOWED_MAX];

    say_allowed(row, allowed);
    if (value == NULL || (value[0] == '\0' && row->type != OPT_TEXT)) {
        fprintf(stderr, "%s: %s%s: needs a value, as in %s%s=%s; %s\n", at->origin,
                at->dashes, row->name, at->dashes, row->name,
                row->preset != NULL && row->preset[0] != '\0' ? row->preset : "VALUE",
                allowed);
    } else {
        fprintf(stderr, "%s: %s%s: %.80s%s is not allowed; %s\n", at->origin,
                at->dashes, row->name, value, strlen(value) > 80 ? "..." : "", allowed);
    }
    return ST_INVALID;
}

static enum status set_one(struct option *table, void *options, const char *name,
                           const char *value, const struct where *at)
{
    struct option *row = option_find(table, name);

    if (row == NULL) {
        return unknown(table, name, at);
    }
    if (value == NULL && row->type == OPT_BOOL) {
        value = "true";
    }
    if (value == NULL || !put_value(row, options, value)) {
        return refuse(row, value, at);
    }
    row->set = true;
    return ST_OK;
}

enum status option_set(struct option *table, void *options, const char *name,
                       const char *value, const char *origin)
{
    return set_one(table, options, name, value, &(struct where){origin, "--"});
}

void option_defaults(struct option *table, void *options)
{
    for (struct option *row = table; row->name != NULL; row++) {
        const char *preset = row->preset;
        if (preset == NULL) {
            preset = row->type == OPT_BOOL ? "false" : row->type == OPT_TEXT ? "" : "0";
        }
        if (!put_value(row, options, preset)) {
            refuse(row, preset, &(struct where){"a default in the table", "--"});
            CHECK(!"every default is allowed");
        }
        row->set = false;
    }
}

struct reading {
    struct option *table;
    void *options;
    FILE *file;
    const char *path;
    int line; // of the last one read; inih as packaged does not tell its handler
    bool ignore_unknown;
    enum status st;
};

/* inih's handler: returns 1 for good. */
static int take_pair(void *user, const char *section, const char *name,
                     const char *value)
{
    struct reading *r = user;
    char origin[WHERE_MAX];

    (void)section; // a heading for people
    if (r->ignore_unknown && option_find(r->table, name) == NULL) {
        return 1;
    }
    text_format(origin, sizeof(origin), "%s:%d", r->path, r->line);
    r->st = set_one(r->table, r->options, name, value, &(struct where){origin, ""});
    return r->st == ST_OK;
}

static void refuse_line(struct reading *r, const char *why)
{
    if (r->st == ST_OK) {
        fprintf(stderr, "%s:%d: %s\n", r->path, r->line, why);
        r->st = ST_INVALID;
    }
}

/* inih's reader, as fgets(). Three things that inih would let pass are settled here: it
 * takes an indented line for more of the value above and what is beyond byte 198 for a
 * line of its own, and it tells of a line that it cannot read only at the end. */
static char *read_line(char *out, int size, void *user)
{
    struct reading *r = user;
    char line[LINE_MAX_];

    // After an error the file is at its end: one is told, not all.
    if (r->st != ST_OK || fgets(line, sizeof(line), r->file) == NULL) {
        return NULL;
    }
    r->line++;
    if (strlen(line) == sizeof(line) - 1 && line[sizeof(line) - 2] != '\n') {
        refuse_line(r, "a line is longer than 1022 bytes");
        return NULL;
    }
    char *text = text_trim(line), *equals = strchr(text, '=');
    if (text[0] == '\0' || text[0] == '#' || text[0] == ';') {
        return strcpy(out, "\n");
    }
    const bool fits = strlen(text) + 1 < (size_t)size;
    if (equals == NULL && (text[0] != '[' || !fits)) {
        refuse_line(r, "neither name = value, [section] nor a comment");
        return NULL;
    }
    if (fits) {
        return strcpy(out, text);
    }
    *equals = '\0';
    take_pair(r, "", text_trim(text), text_trim(equals + 1));
    return strcpy(out, "\n");
}

enum status option_read_file(struct option *table, void *options, const char *path,
                             bool ignore_unknown)
{
    struct reading r = {.table = table,
                        .options = options,
                        .file = fopen(path, "re"),
                        .path = path,
                        .ignore_unknown = ignore_unknown,
                        .st = ST_OK};

    if (r.file == NULL) {
        fprintf(stderr, "%s: cannot be read: %s\n", path, strerror(errno));
        return ST_INVALID;
    }
    const int bad_line = ini_parse_stream(read_line, &r, take_pair, &r);
    if (bad_line != 0 && r.st == ST_OK) {
        r.line = bad_line;
        refuse_line(&r, "neither name = value, [section] nor a comment");
    } else if (ferror(r.file) && r.st == ST_OK) {
        fprintf(stderr, "%s: cannot be read: %s\n", path, strerror(errno));
        r.st = ST_INVALID;
    }
    fclose(r.file);
    return r.st;
}

/* Splits "--name=value"; value is NULL where there is no "=". */
static enum status split(const char *arg, char name[OPTION_TEXT_MAX],
                         const char **value, const char *program)
{
    const char *equals = strchr(arg, '=');
    const size_t len = equals != NULL ? (size_t)(equals - arg) : strlen(arg);

    if (strncmp(arg, "--", 2) != 0 || len <= 2 || len - 2 >= OPTION_TEXT_MAX) {
        fprintf(stderr, "%s: %.80s: not an option; settings are written --name=value\n",
                program, arg);
        return ST_INVALID;
    }
    memcpy(name, arg + 2, len - 2);
    name[len - 2] = '\0';
    *value = equals != NULL ? equals + 1 : NULL;
    return ST_OK;
}

static enum status take_config(struct option *table, void *options, const char *path,
                               const char *program)
{
    struct option *row = option_find(table, "config");

    if (path == NULL || path[0] == '\0') {
        fprintf(stderr, "%s: --config: needs a file, as in --config=FILE\n", program);
        return ST_INVALID;
    }
    TRY(option_read_file(table, options, path, false));
    if (row == NULL) {
        return ST_OK;
    }
    return set_one(table, options, "config", path, &(struct where){program, "--"});
}

enum status option_parse(struct option *table, void *options, int argc, char **argv)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *program = argc > 0 ? slash != NULL ? slash + 1 : argv[0] : "minos";
    char name[OPTION_TEXT_MAX];
    const char *value;

    for (int i = 1; i < argc; i++) {
        TRY(split(argv[i], name, &value, program));
        if (strcmp(name, "config") == 0) {
            TRY(take_config(table, options, value, program));
        }
    }
    for (int i = 1; i < argc; i++) {
        TRY(split(argv[i], name, &value, program));
        if (value == NULL && is_bare(name) && option_find(table, name) == NULL) {
            continue; // main looks for it with option_is_given()
        }
        if (strcmp(name, "config") != 0) {
            TRY(set_one(table, options, name, value, &(struct where){program, "--"}));
        }
    }
    return ST_OK;
}

bool option_is_given(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0) {
            return true;
        }
    }
    return false;
}

void option_value(const struct option *row, const void *options,
                  char out[OPTION_TEXT_MAX])
{
    const char *field = (const char *)options + row->offset;
    char number[TEXT_F64_MAX];

    switch (row->type) {
    case OPT_INT:
        text_format(out, OPTION_TEXT_MAX, "%lld", (long long)*(const int64_t *)field);
        break;
    case OPT_FLOAT:
        text_from_f64(*(const double *)field, number);
        text_format(out, OPTION_TEXT_MAX, "%s", number);
        break;
    case OPT_BOOL:
        text_format(out, OPTION_TEXT_MAX, *(const bool *)field ? "true" : "false");
        break;
    case OPT_TEXT:
    case OPT_CHOICE:
        text_format(out, OPTION_TEXT_MAX, "%s", field);
        break;
    }
}

enum status option_parse_run(struct option *table, void *options, int argc, char **argv)
{
    static const char flag[] = "--run-dir=";
    char path[OPTION_TEXT_MAX + 16];

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], flag, sizeof(flag) - 1) != 0) {
            continue;
        }
        if (!text_format(path, sizeof(path), "%s/config.ini",
                         argv[i] + sizeof(flag) - 1)) {
            continue; // too long to be a directory: option_parse says so
        }
        if (file_exists(path)) {
            TRY(option_read_file(table, options, path, true));
        }
    }
    return option_parse(table, options, argc, argv);
}

/* The row's help, with the choices where there are such. */
static void say_help(const struct option *row, char out[HELP_MAX])
{
    char choices[ALLOWED_MAX] = "";

    if (row->type == OPT_CHOICE) {
        list_choices(row->choices, choices, sizeof(choices));
    }
    text_format(out, HELP_MAX, "%s%s%s", row->help, choices[0] != '\0' ? ": " : "",
                choices);
}

void option_print_config(const struct option *table, const void *options, FILE *to)
{
    char value[OPTION_TEXT_MAX], help[HELP_MAX];

    for (const struct option *row = table; row->name != NULL; row++) {
        if (row->group != NULL) {
            fprintf(to, "%s[%s]\n", row == table ? "" : "\n", row->group);
        }
        if (!is_command(row)) {
            option_value(row, options, value);
            say_help(row, help);
            fprintf(to, "# %s\n%s = %s\n", help, row->name, value);
        }
    }
}

/* Prints `text` in words from column `at` on, broken before column 88. */
static void print_wrapped(const char *text, int at, FILE *to)
{
    int column = at;

    while (*text != '\0') {
        const int len = (int)strcspn(text, " ");
        if (column > at && column + 1 + len > 88) {
            fprintf(to, "\n%*s", at, "");
            column = at;
        }
        column += fprintf(to, "%s%.*s", column > at ? " " : "", len, text);
        text += len;
        text += strspn(text, " ");
    }
    fputc('\n', to);
}

void option_print_help(const struct option *table, const char *usage,
                       const char *examples, FILE *to)
{
    int width = 0;

    for (const struct option *row = table; row->name != NULL; row++) {
        const int len = (int)strlen(row->name);
        width = len > width ? len : width;
    }
    fprintf(to, "Usage: %s\n", usage);
    for (const struct option *row = table; row->name != NULL; row++) {
        char help[HELP_MAX], text[HELP_MAX + OPTION_TEXT_MAX];
        if (row->group != NULL) {
            fprintf(to, "\n%s:\n", row->group);
        } else if (row == table) {
            fputc('\n', to);
        }
        say_help(row, help);
        const bool shown = row->preset != NULL && !is_command(row);
        text_format(text, sizeof(text), "%s%s%s%s", help, shown ? " [" : "",
                    shown ? row->preset : "", shown ? "]" : "");
        const int used = fprintf(to, "  --%s%s", row->name, is_command(row) ? "" : "=");
        fprintf(to, "%*s", width + 7 - used, "");
        print_wrapped(text, width + 7, to);
    }
    if (examples != NULL) {
        fprintf(to, "\n%s", examples);
    }
}
