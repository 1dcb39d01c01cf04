#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/option.h"
#include "learner/store/audit.h"
#include "learner/store/ledger.h"

struct ledger_options {
    char run_dir[OPTION_TEXT_MAX], store_dir[OPTION_TEXT_MAX];
    int64_t from, to;
};

#define ROW(field, name, type, preset, help)                                           \
    OPT(struct ledger_options, field, name, type, preset, 0, 0, help)
static struct option ledger_options_table[] = {
    ROW(run_dir, "run-dir", OPT_TEXT, "", "the run whose ledger is read"),
    ROW(store_dir, "store-dir", OPT_TEXT, "", "where its store lies; empty: run-dir"),
    ROW(from, "from", OPT_INT, "1", "first serial"),
    ROW(to, "to", OPT_INT, "0", "last serial; 0: the end"),
    OPT_END,
};

static const char usage[] = "minos ledger list|export --run-dir=DIR [--NAME=VALUE ...]";

/* For people: what was asked, what came back, from whom. */
static bool print_entry(void *ctx, const struct ledger_entry *e)
{
    struct text_buf text = {0};

    (void)ctx;
    for (int i = 0; i < e->captions; i++) {
        text_buf_add(&text, "%s", i > 0 ? " | " : "");
        text_buf_add_json(&text, e->caption[i]);
    }
    printf("%8" PRIu64 "  %-11s %5.2f  %.*s%s%.*s  %s%s%s\n", e->serial,
           verdict_kind_name(e->verdict_kind), (double)e->label, (int)e->judge.len,
           (const char *)e->judge.data, e->model.len > 0 ? "/" : "", (int)e->model.len,
           (const char *)e->model.data, text.data != NULL ? text.data : "",
           e->late ? "  late" : "", e->trains ? "" : "  does not train");
    text_buf_release(&text);
    return !ferror(stdout);
}

static bool export_entry(void *ctx, const struct ledger_entry *e)
{
    struct text_buf *line = ctx;

    text_buf_clear(line);
    ledger_json(e, line);
    fputs(line->data, stdout);
    return !ferror(stdout);
}

static enum status read_options(int argc, char **argv, struct ledger_options *o)
{
    char path[OPTION_TEXT_MAX + 16];
    FILE *there;

    option_defaults(ledger_options_table, o);
    TRY(option_parse(ledger_options_table, o, argc, argv));
    if (o->run_dir[0] == '\0') {
        fprintf(stderr, "--run-dir is missing: name the run directory\n");
        return ST_INVALID;
    }
    snprintf(path, sizeof(path), "%s/config.ini", o->run_dir);
    there = fopen(path, "re");
    if (there != NULL) {
        fclose(there);
        TRY(option_read_file(ledger_options_table, o, path, true));
        TRY(option_parse(ledger_options_table, o, argc, argv));
    }
    return ST_OK;
}

int ledger_main(int argc, char **argv)
{
    struct ledger_options o;
    struct text_buf line = {0};
    struct ledger *l = NULL;
    char path[OPTION_TEXT_MAX + 16];
    const char *what = argc > 1 ? argv[1] : "";

    const bool help = option_is_given(argc, argv, "help");

    if (help || (strcmp(what, "list") != 0 && strcmp(what, "export") != 0)) {
        option_print_help(ledger_options_table, usage, NULL, help ? stdout : stderr);
        return help ? EXIT_DONE : EXIT_USAGE;
    }
    if (read_options(argc - 1, argv + 1, &o) != ST_OK) {
        return EXIT_USAGE;
    }
    snprintf(path, sizeof(path), "%s/ledger",
             o.store_dir[0] != '\0' ? o.store_dir : o.run_dir);
    enum status st = ledger_open_read(path, &l);
    if (st == ST_NOTFOUND) {
        LOG_ERROR("LEDGER-NONE", "there is no ledger at %s", path);
    }
    if (st == ST_OK) {
        const bool list = strcmp(what, "list") == 0;
        st = ledger_scan(l, o.from > 0 ? (uint64_t)o.from : 1,
                         o.to > 0 ? (uint64_t)o.to : 0,
                         list ? print_entry : export_entry, &line);
    }
    text_buf_release(&line);
    ledger_close(l);
    return st == ST_OK ? EXIT_DONE : EXIT_FAILED;
}
