/* `minos ledger`: what judges said, for people and other programs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/option.h"
#include "learner/store/audit.h"
#include "learner/store/ledger_filter.h"
#include "learner/store/ledger_line.h"
#include "learner/store/ledger_source.h"
#include "learner/store/ledger_stats.h"
#include "learner/store/ledger_tools.h"

enum { SOURCES_MAX = 64, ARGS_MAX = 128 };

struct ledger_options {
    char run_dir[OPTION_TEXT_MAX], store_dir[OPTION_TEXT_MAX], out[OPTION_TEXT_MAX];
    char text[OPTION_TEXT_MAX], regex[OPTION_TEXT_MAX], verdict[OPTION_TEXT_MAX];
    char purpose[OPTION_TEXT_MAX], judge[OPTION_TEXT_MAX], goal[OPTION_TEXT_MAX];
    int64_t from, to;
    bool json;
};

#define ROW(field, name, type, preset, help)                                           \
    OPT(struct ledger_options, field, name, type, preset, 0, 0, help)
static struct option ledger_options_table[] = {
    ROW(run_dir, "run-dir", OPT_TEXT, "", "a ledger: a run directory"),
    ROW(store_dir, "store-dir", OPT_TEXT, "", "a ledger: a run's --store-dir"),
    ROW(from, "from", OPT_INT, "1", "first serial"),
    ROW(to, "to", OPT_INT, "0", "last serial; 0: the end"),
    ROW(text, "text", OPT_TEXT, "", "grep: in a caption or the raw answer"),
    ROW(regex, "regex", OPT_TEXT, "", "grep: likewise, an extended regular expression"),
    ROW(verdict, "verdict", OPT_TEXT, "", "grep: label, tie, abstain, ..."),
    ROW(purpose, "purpose", OPT_TEXT, "", "grep: label, consistency, canary or probe"),
    ROW(judge, "judge", OPT_TEXT, "", "grep: backend, model or BACKEND/MODEL"),
    ROW(goal, "goal", OPT_TEXT, "", "grep: name of the goal"),
    ROW(json, "json", OPT_BOOL, "false", "grep: lines as of export; stats: one object"),
    ROW(out, "out", OPT_TEXT, "",
        "export: file, empty: to stdout; import, merge: ledger or new directory"),
    OPT_END,
};

static const char usage[] =
    "minos ledger list|grep|stats|export LEDGER [--NAME=VALUE ...]\n"
    "       minos ledger import LEDGER --out=DIR\n"
    "       minos ledger merge LEDGER LEDGER ... --out=DIR";
static const char examples[] =
    "A LEDGER is a run directory, a ledger directory or an exported .jsonl file.\n\n"
    "Examples:\n"
    "  minos ledger grep runs/vault --text=gold --verdict=label\n"
    "  minos ledger export runs/vault --out=vault.jsonl\n"
    "  minos ledger merge runs/a runs/b vault.jsonl --out=ledgers/all\n";

struct ledger_command {
    struct ledger_options o;
    const char *source[SOURCES_MAX];
    int sources;
    struct ledger_filter filter;
    struct text_buf line;
    FILE *to;
    const char *to_name;
    int error; // errno of a write that failed, 0: none did
    uint64_t found;
};

/* All that was written lies on disk, or it is said that it does not. */
static enum status end_writing(struct ledger_command *c)
{
    if (c->error == 0 && fflush(c->to) == 0 && ferror(c->to) == 0 &&
        (c->to == stdout || fsync(fileno(c->to)) == 0)) {
        return ST_OK;
    }
    LOG_ERROR("LEDGER-WRITE", "cannot write all of it to %s, %s", c->to_name,
              strerror(c->error != 0 ? c->error : errno));
    return ST_IO;
}

/* ---- list, grep ---- */

/* For people: what was asked, what came back, from whom. */
static void print_entry(struct ledger_command *c, const struct ledger_entry *e)
{
    const bool placed =
        e->question_kind == QUESTION_ORDER &&
        (e->verdict_kind == VERDICT_LABEL || e->verdict_kind == VERDICT_TIE);
    char label[16] = "";

    if (e->question_kind == QUESTION_RATE && e->verdict_kind == VERDICT_LABEL) {
        (void)text_format(label, sizeof(label), "%.2f", (double)e->label);
    }
    text_buf_clear(&c->line);
    for (int i = 0; i < e->captions; i++) {
        text_buf_add(&c->line, "%s", i > 0 ? " | " : "");
        if (placed) { // 1 is the best, equal ones are a tie
            text_buf_add(&c->line, "%d. ", e->order[i] + 1);
        }
        text_buf_add_json(&c->line, e->caption[i]);
    }
    fprintf(c->to, "%8" PRIu64 "  %-11s %5s  %.*s%s%.*s  %s%s%s%s%.*s\n", e->serial,
            verdict_kind_name(e->verdict_kind), label, (int)e->judge.len,
            (const char *)e->judge.data, e->model.len > 0 ? "/" : "", (int)e->model.len,
            (const char *)e->model.data, c->line.data != NULL ? c->line.data : "",
            e->late ? "  late" : "", e->trains ? "" : "  does not train",
            e->origin.len > 0 ? "  from " : "", (int)e->origin.len,
            e->origin.len > 0 ? (const char *)e->origin.data : "");
}

static void export_entry(struct ledger_command *c, const struct ledger_entry *e)
{
    text_buf_clear(&c->line);
    ledger_line_write(e, &c->line);
    fwrite(c->line.data, 1, c->line.len, c->to);
}

static bool show(void *ctx, const struct ledger_entry *e)
{
    struct ledger_command *c = ctx;

    if (ledger_filter_matches(&c->filter, e)) {
        c->found++;
        if (c->o.json) {
            export_entry(c, e);
        } else {
            print_entry(c, e);
        }
    }
    if (ferror(c->to)) {
        c->error = errno; // of the write just now
    }
    return c->error == 0;
}

static enum status read_filter(struct ledger_command *c)
{
    struct ledger_filter *f = &c->filter;
    const struct ledger_options *o = &c->o;

    *f = (struct ledger_filter){.text = o->text,
                                .judge = o->judge,
                                .goal = o->goal,
                                .verdict = -1,
                                .purpose = -1};
    if (o->verdict[0] != '\0') {
        f->verdict = ledger_verdict_of(o->verdict);
        if (f->verdict < 0) {
            fprintf(stderr,
                    "--verdict: %s is not label, tie, abstain, unparseable, timeout, "
                    "refused or overload\n",
                    o->verdict);
            return ST_INVALID;
        }
    }
    if (o->purpose[0] != '\0') {
        f->purpose = ledger_purpose_of(o->purpose);
        if (f->purpose < 0) {
            fprintf(stderr,
                    "--purpose: %s is not label, consistency, canary or probe\n",
                    o->purpose);
            return ST_INVALID;
        }
    }
    return o->regex[0] != '\0' ? ledger_filter_set_regex(f, o->regex) : ST_OK;
}

static enum status scan(struct ledger_command *c, struct ledger_source *s,
                        bool (*each)(void *ctx, const struct ledger_entry *e),
                        void *ctx)
{
    return ledger_source_scan(s, c->o.from > 0 ? (uint64_t)c->o.from : 1,
                              c->o.to > 0 ? (uint64_t)c->o.to : 0, each, ctx);
}

static void write_head(struct ledger_command *c, const struct ledger_source *s)
{
    struct ledger_head h = {.run = ledger_source_run(s)};

    (void)text_format(h.environment, sizeof(h.environment), "%s",
                      ledger_source_environment(s));
    text_buf_clear(&c->line);
    ledger_line_write_head(&h, &c->line);
    fputs(c->line.data, c->to);
}

static enum status run_list(struct ledger_command *c)
{
    struct ledger_source *s = NULL;

    TRY(read_filter(c));
    enum status st = ledger_source_open(c->source[0], &s);
    if (st == ST_OK) {
        if (c->o.json) {
            write_head(c, s);
        }
        st = scan(c, s, show, c);
    }
    st = st == ST_OK ? end_writing(c) : st;
    ledger_source_close(s);
    ledger_filter_release(&c->filter);
    return st;
}

/* ---- stats, export, import, merge ---- */

static bool add_to_stats(void *stats, const struct ledger_entry *e)
{
    ledger_stats_add(stats, e);
    return true;
}

static enum status run_stats(struct ledger_command *c)
{
    struct ledger_stats *stats = ledger_stats_new();
    struct ledger_source *s = NULL;
    enum status st = ledger_source_open(c->source[0], &s);

    if (st == ST_OK) {
        st = scan(c, s, add_to_stats, stats);
    }
    if (st == ST_OK) {
        (c->o.json ? ledger_stats_json : ledger_stats_print)(stats, &c->line);
        fputs(c->line.data, c->to);
        st = end_writing(c);
    }
    ledger_source_close(s);
    ledger_stats_free(stats);
    return st;
}

/* Beside its name, which it gets when it is whole. */
static enum status export_to(struct ledger_command *c, const char *part)
{
    c->to = fopen(part, "we");
    if (c->to == NULL) {
        fprintf(stderr, "--out: cannot make %s, %s\n", part, strerror(errno));
        c->to = stdout;
        return ST_INVALID;
    }
    c->to_name = part;
    enum status st = run_list(c);
    if (fclose(c->to) != 0 && st == ST_OK) {
        LOG_ERROR("LEDGER-WRITE", "cannot write %s, %s", part, strerror(errno));
        st = ST_IO;
    }
    c->to = stdout;
    if (st == ST_OK && rename(part, c->o.out) != 0) {
        LOG_ERROR("LEDGER-WRITE", "cannot rename %s to %s, %s", part, c->o.out,
                  strerror(errno));
        st = ST_IO;
    }
    if (st != ST_OK) {
        (void)remove(part); // no half of a ledger
    }
    return st;
}

static enum status run_export(struct ledger_command *c)
{
    char part[OPTION_TEXT_MAX + 8];

    c->o.json = true;
    if (c->o.out[0] == '\0') {
        return run_list(c);
    }
    if (file_exists(c->o.out)) {
        fprintf(stderr, "--out: %s is there already\n", c->o.out);
        return ST_INVALID;
    }
    (void)text_format(part, sizeof(part), "%s.part", c->o.out);
    return export_to(c, part);
}

static enum status run_import(struct ledger_command *c)
{
    return ledger_tools_import(c->source[0], c->o.out);
}

static enum status run_merge(struct ledger_command *c)
{
    return ledger_tools_merge(c->source, c->sources, c->o.out);
}

/* ---- the command line ---- */

static const struct word {
    const char *name;
    enum status (*run)(struct ledger_command *c);
    bool many, writes; // several sources; needs --out
} words[] = {{"list", run_list, false, false},    {"grep", run_list, false, false},
             {"stats", run_stats, false, false},  {"export", run_export, false, false},
             {"import", run_import, false, true}, {"merge", run_merge, true, true}};
enum { WORDS = sizeof(words) / sizeof(words[0]) };

static enum status add_source(struct ledger_command *c, const char *name)
{
    if (c->sources == SOURCES_MAX) {
        fprintf(stderr, "at most %d ledgers at a time\n", SOURCES_MAX);
        return ST_INVALID;
    }
    c->source[c->sources++] = name;
    return ST_OK;
}

/* What stands bare is a ledger. */
static enum status read_options(struct ledger_command *c, const struct word *w,
                                int argc, char **argv)
{
    char *rest[ARGS_MAX];
    int count = 0;

    option_defaults(ledger_options_table, &c->o);
    for (int i = 0; i < argc && count < ARGS_MAX; i++) {
        if (i > 0 && argv[i][0] != '-') {
            TRY(add_source(c, argv[i]));
        } else {
            rest[count++] = argv[i];
        }
    }
    TRY(option_parse(ledger_options_table, &c->o, count, rest));
    if (c->o.store_dir[0] != '\0' || c->o.run_dir[0] != '\0') {
        TRY(add_source(c, c->o.store_dir[0] != '\0' ? c->o.store_dir : c->o.run_dir));
    }
    if (c->sources == 0 || (c->sources > 1 && !w->many)) {
        fprintf(stderr, "minos ledger %s: %s\n", w->name,
                c->sources == 0 ? "which ledger? A run directory, a ledger directory "
                                  "or an exported .jsonl file"
                                : "one ledger at a time");
        return ST_INVALID;
    }
    if (w->writes && c->o.out[0] == '\0') {
        fprintf(stderr, "minos ledger %s: --out=DIR is missing\n", w->name);
        return ST_INVALID;
    }
    return ST_OK;
}

static int exit_of(const struct word *w, const struct ledger_command *c, enum status st)
{
    const bool grep = strcmp(w->name, "grep") == 0;

    return st == ST_IO || st == ST_FULL ? EXIT_FAILED
           : st != ST_OK                ? EXIT_USAGE
           : grep && c->found == 0      ? EXIT_FAILED
                                        : EXIT_DONE;
}

static int refuse_word(const char *name)
{
    const char *names[WORDS];

    for (int i = 0; i < WORDS; i++) {
        names[i] = words[i].name;
    }
    const char *nearest = text_nearest(name, names, WORDS);
    fprintf(stderr,
            "minos ledger: %s%s%s%s; there are list, grep, stats, export, import and "
            "merge\n",
            name[0] != '\0' ? name : "a word is needed",
            name[0] != '\0' ? " is none of its words" : "",
            nearest != NULL ? ", did you mean " : "", nearest != NULL ? nearest : "");
    return EXIT_USAGE;
}

int ledger_main(int argc, char **argv)
{
    static struct ledger_command c; // large
    const char *name = argc > 1 ? argv[1] : "";
    const bool help = option_is_given(argc, argv, "help");
    const struct word *w = NULL;

    for (int i = 0; i < WORDS; i++) {
        w = strcmp(words[i].name, name) == 0 ? &words[i] : w;
    }
    if (help) {
        option_print_help(ledger_options_table, usage, examples, stdout);
        return EXIT_DONE;
    }
    if (w == NULL) {
        return refuse_word(name);
    }
    c.to = stdout;
    c.to_name = "standard output";
    if (read_options(&c, w, argc - 1, argv + 1) != ST_OK) {
        return EXIT_USAGE;
    }
    const enum status st = w->run(&c);
    text_buf_release(&c.line);
    return exit_of(w, &c, st);
}
