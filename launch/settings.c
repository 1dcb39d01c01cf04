#include "launch/settings.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/share.h"
#include "common/base/text.h"
#include "launch/process.h"

#define ROW(field, name_, type, preset_, least_, most_, help_)                         \
    OPT(struct train_options, field, name_, type, preset_, least_, most_, help_)

struct option train_option_table[] = {
    ROW(run_dir, "run-dir", OPT_TEXT, "", 0, 0,
        "where the run lives; one that exists is gone on with; empty: a new one in "
        "./runs"),
    ROW(preset, "preset", OPT_TEXT, "", 0, 0,
        "settings file of share/minos/conf by name; empty: the one of the "
        "environment's "
        "family"),
    ROW(ranks, "ranks", OPT_INT, "0", 0, 256,
        "learner processes, joined by MPI; 0: by the cores of this machine"),
    ROW(actors, "actors", OPT_INT, "0", 0, 4096,
        "actor processes on this machine; 0: by its cores"),
    ROW(judges, "judges", OPT_INT, "-1", -1, 1024,
        "judge processes on this machine; -1: one where the reward asks one"),
    ROW(envs_total, "envs-total", OPT_INT, "64", 1, 1048576,
        "environments of all actors together, where --envs is not given"),
    ROW(hostfile, "hostfile", OPT_TEXT, "", 0, 0,
        "hosts of the ranks, for mpirun; empty: this one"),
    ROW(quiet, "quiet", OPT_BOOL, "false", 0, 0, "no progress lines"),
    OPT_END,
};

/* Rows that say something of one process, never of the run: minos train gives each its
 * own, and has those of them that are in its own table. */
static const char *const of_one_process[] = {"run-dir", "learner", "id", "mpi",
                                             "config",  "quiet",   NULL};

static const struct {
    enum settings_owner owner;
    const char *program, *heading;
} roles[] = {{OWNER_LEARNER, "minos-learner", "learner"},
             {OWNER_ACTOR, "minos-actor", "actor"},
             {OWNER_JUDGE, "minos-judge", "judge"}};
enum { ROLES = sizeof(roles) / sizeof(roles[0]) };

static bool is_in(const char *name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcmp(name, *names) == 0) {
            return true;
        }
    }
    return false;
}

static void add_row(struct settings *s, enum settings_owner owner, const char *name,
                    const char *preset, const char *help)
{
    struct option *row = option_find(s->row, name);

    if (row != NULL) {
        s->owners[row - s->row] |= (uint8_t)owner;
        return;
    }
    if (owner != OWNER_MINOS && is_in(name, of_one_process)) {
        return;
    }
    CHECK(s->count < SETTINGS_MAX);
    s->owners[s->count] = (uint8_t)owner;
    s->row[s->count] = (struct option){.name = mem_text(name),
                                       .type = OPT_TEXT,
                                       .offset = (size_t)s->count * OPTION_TEXT_MAX,
                                       .preset = mem_text(preset),
                                       .help = mem_text(help)};
    s->count++;
}

typedef void take_row_fn(struct settings *s, enum settings_owner owner,
                         const char *name, const char *value, const char *help);

static void set_row(struct settings *s, enum settings_owner owner, const char *name,
                    const char *value, const char *help)
{
    struct option *row = option_find(s->row, name);

    (void)owner;
    (void)help;
    if (row != NULL && !is_in(name, of_one_process)) {
        text_format(s->value[row - s->row], OPTION_TEXT_MAX, "%s", value);
    }
}

/* What --print-config wrote: "# help" above "name = value". */
static void take_printed(struct settings *s, enum settings_owner owner, char *text,
                         take_row_fn *take)
{
    const char *help = "";
    char *rest = text;

    while (rest != NULL && *rest != '\0') {
        char *line = rest;
        rest = strchr(line, '\n');
        if (rest != NULL) {
            *rest++ = '\0';
        }
        if (line[0] == '#') {
            help = text_trim(line + 1);
            continue;
        }
        char *value = strchr(line, '=');
        if (value != NULL && line[0] != '[') {
            *value++ = '\0';
            take(s, owner, text_trim(line), text_trim(value), help);
            help = "";
        }
    }
}

/* Runs a role program with --print-config and the given settings. */
static enum status ask_role(struct settings *s, int role, bool with_values,
                            take_row_fn *take)
{
    struct process_args args = {0};
    struct text_buf out = {0};
    char dir[512];
    int code = 0;

    share_program_dir(dir, sizeof(dir));
    process_arg(&args, "%s/%s", dir, roles[role].program);
    process_arg(&args, "--print-config");
    args.secrets = roles[role].owner == OWNER_JUDGE;
    for (int i = 0; with_values && i < s->count; i++) {
        if ((s->owners[i] & roles[role].owner) != 0 &&
            !is_in(s->row[i].name, of_one_process)) {
            process_arg(&args, "--%s=%s", s->row[i].name, s->value[i]);
        }
    }
    enum status st = process_capture(&args, &out, &code);
    if (st == ST_OK && code != 0) {
        // It has said why on stderr.
        st = code == EXIT_USAGE ? ST_INVALID : ST_IO;
    }
    if (st == ST_OK && out.data != NULL) {
        take_printed(s, roles[role].owner, out.data, take);
    }
    if (st == ST_IO && code != 0) {
        LOG_ERROR("SETTINGS-ASK", "%s --print-config ended with exit code %d",
                  args.arg[0], code);
    }
    text_buf_release(&out);
    process_args_release(&args);
    return st;
}

enum status settings_init(struct settings *s)
{
    struct train_options own;
    char value[OPTION_TEXT_MAX];

    *s = (struct settings){.value = mem_new(SETTINGS_MAX, OPTION_TEXT_MAX)};
    option_defaults(train_option_table, &own);
    for (const struct option *row = train_option_table; row->name != NULL; row++) {
        option_value(row, &own, value);
        add_row(s, OWNER_MINOS, row->name, value, row->help);
    }
    s->row[0].group = "minos";
    for (int i = 0; i < ROLES; i++) {
        const int first = s->count;
        const enum status st = ask_role(s, i, false, add_row);
        if (st != ST_OK) {
            settings_release(s);
            return st;
        }
        s->row[first].group = s->count > first ? roles[i].heading : NULL;
    }
    settings_reset(s);
    return ST_OK;
}

void settings_release(struct settings *s)
{
    for (int i = 0; i < s->count; i++) {
        mem_free((void *)(uintptr_t)s->row[i].name);
        mem_free((void *)(uintptr_t)s->row[i].preset);
        mem_free((void *)(uintptr_t)s->row[i].help);
    }
    mem_free(s->value);
    *s = (struct settings){0};
}

void settings_reset(struct settings *s)
{
    option_defaults(s->row, s->value);
}

enum status settings_parse(struct settings *s, int argc, char **argv)
{
    struct process_args args = {0};

    for (int i = 0; i < argc; i++) {
        const char *name = strncmp(argv[i], "--", 2) == 0 ? argv[i] + 2 : "";
        const struct option *row = option_find(s->row, name);
        // Only a truth value may stand bare; its default shows that it is one.
        const bool bare = row != NULL && (strcmp(row->preset, "false") == 0 ||
                                          strcmp(row->preset, "true") == 0);
        CHECK(args.count < PROCESS_ARGS_MAX);
        if (strlen(argv[i]) > 1024) {
            fprintf(stderr, "%s: %.40s...: longer than 1024 bytes\n", argv[0], argv[i]);
            process_args_release(&args);
            return ST_INVALID;
        }
        process_arg(&args, "%s%s", argv[i], bare ? "=true" : "");
    }
    const enum status st = option_parse(s->row, s->value, args.count, args.arg);
    process_args_release(&args);
    return st;
}

enum status settings_read_file(struct settings *s, const char *path,
                               bool ignore_unknown)
{
    return option_read_file(s->row, s->value, path, ignore_unknown);
}

static int index_of(const struct settings *s, const char *name)
{
    for (int i = 0; i < s->count; i++) {
        if (strcmp(s->row[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

const char *settings_get(const struct settings *s, const char *name)
{
    const int i = index_of(s, name);

    return i >= 0 ? s->value[i] : NULL;
}

bool settings_is_set(const struct settings *s, const char *name)
{
    const int i = index_of(s, name);

    return i >= 0 && s->row[i].set;
}

void settings_put(struct settings *s, const char *name, const char *fmt, ...)
{
    const int i = index_of(s, name);
    va_list args;

    CHECK(i >= 0);
    va_start(args, fmt);
    const int len = vsnprintf(s->value[i], OPTION_TEXT_MAX, fmt, args);
    va_end(args);
    CHECK(len >= 0 && len < OPTION_TEXT_MAX);
}

double settings_number(const struct settings *s, const char *name)
{
    const char *value = settings_get(s, name);

    return value != NULL ? strtod(value, NULL) : 0;
}

static enum status check_own(struct settings *s)
{
    struct train_options own;

    option_defaults(train_option_table, &own);
    for (struct option *row = train_option_table; row->name != NULL; row++) {
        const char *value = settings_get(s, row->name);
        CHECK(value != NULL);
        TRY(option_set(train_option_table, &own, row->name, value, "minos train"));
    }
    return ST_OK;
}

enum status settings_check(struct settings *s)
{
    const char *key = settings_get(s, "llm-key-env");

    process_hide(key != NULL ? key : "");
    TRY(check_own(s));
    for (int i = 0; i < ROLES; i++) {
        TRY(ask_role(s, i, true, set_row));
    }
    return ST_OK;
}

void settings_print(const struct settings *s, FILE *to)
{
    for (int i = 0; i < s->count; i++) {
        if (s->row[i].group != NULL) {
            fprintf(to, "%s[%s]\n", i == 0 ? "" : "\n", s->row[i].group);
        }
        if (!is_in(s->row[i].name, of_one_process)) {
            fprintf(to, "# %s\n%s = %s\n", s->row[i].help, s->row[i].name, s->value[i]);
        }
    }
}

enum status settings_write(const struct settings *s, const char *path)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    CHECK(f != NULL);
    fprintf(f, "# Everything that this run is made of; minos train --run-dir goes on "
               "with it.\n\n");
    settings_print(s, f);
    CHECK(fclose(f) == 0);
    const enum status st = file_write_atomic(path, bytes_of(text, len));
    free(text);
    return st;
}

void settings_print_help(const struct settings *s, const char *preset, FILE *to)
{
    const size_t size = OPTION_TEXT_MAX + 64;
    struct option *rows = mem_new((size_t)s->count + 1, sizeof(*rows));
    char *defaults = mem_new((size_t)s->count, size);

    memcpy(rows, s->row, (size_t)s->count * sizeof(*rows));
    for (int i = 0; i < s->count; i++) {
        if (preset != NULL && rows[i].set) {
            rows[i].preset = defaults + (size_t)i * size;
            text_format(defaults + (size_t)i * size, size, "%s by preset %s",
                        s->value[i], preset);
        } else if (strcmp(rows[i].name, "envs") == 0) {
            // The role's own default holds for actors that are started by hand.
            rows[i].preset = "by --envs-total";
        }
    }
    option_print_help(
        rows, "minos train [--config=FILE] [--NAME=VALUE ...]",
        "Examples:\n"
        "  minos train --env=crypt-vault --run-dir=runs/vault --steps=2700000\n"
        "  minos train --env=nethack-stairs3 --goal=stairs --seconds=600\n"
        "  minos train --run-dir=runs/vault --steps=5000000     (goes on with it)\n",
        to);
    if (preset != NULL) {
        fprintf(to,
                "\nThe environment or --preset chooses the preset; share/minos/conf "
                "holds them, and\nminos train --preset=NAME --help shows the defaults "
                "with another one.\n");
    }
    mem_free(defaults);
    mem_free(rows);
}
