#include "learner/explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "learner/explain_impl.h"

#define ROW(field, name, type, preset, help)                                           \
    OPT(struct explain, field, name, type, preset, 0, 0, help)
static struct option explain_table[] = {
    ROW(run_dir, "run-dir", OPT_TEXT, "", "the run, over or going on"),
    ROW(store_dir, "store-dir", OPT_TEXT, "", "where its store lies; empty: run-dir"),
    ROW(segment, "segment", OPT_TEXT, "",
        "RANK:SERIAL, a stored segment: what each of its steps was paid"),
    ROW(caption, "caption", OPT_TEXT, "",
        "a caption, to the byte: its verdicts, scores and latest pay"),
    ROW(json, "json", OPT_BOOL, "false", "one JSON object instead"),
    OPT_END,
};

static const char usage[] =
    "minos explain --run-dir=DIR --segment=RANK:SERIAL | --caption=TEXT [--json]";
static const char examples[] =
    "Examples:\n"
    "  minos explain --run-dir=runs/vault --segment=0:812\n"
    "  minos explain --run-dir=runs/vault --caption='The door opens.'\n";

/* ---- the run ---- */

enum status explain_open_rank(const struct explain *x, int rank, struct replay **replay,
                              struct replay_view **view)
{
    char path[PATH_MAX_];
    const char *dir = x->store_dir[0] != '\0' ? x->store_dir : x->run_dir;

    (void)text_format(path, sizeof(path), "%s/store/rank-%d", dir, rank);
    const enum status st = replay_open_read(path, replay);
    if (st == ST_NOTFOUND) {
        LOG_ERROR("EXPLAIN-STORE",
                  "there is no store at %s: it is lost, or lies on another host", path);
    }
    TRY(st);
    return replay_view_open(*replay, view);
}

static enum status look_at_run(struct explain *x)
{
    const enum status st = rundir_look(x->run_dir, &x->told);

    if (st == ST_NOTFOUND) {
        fprintf(stderr, "--run-dir: %s holds no run\n", x->run_dir);
        return ST_INVALID;
    }
    TRY(st);
    if (strcmp(x->told.reward, "label") == 0) {
        fprintf(stderr,
                "--run-dir: %s was made by minos label and paid nothing; see its "
                "verdicts with minos ledger grep %s\n",
                x->run_dir, x->run_dir);
        return ST_INVALID;
    }
    x->kind = reward_find(x->told.reward);
    if (x->kind == NULL) {
        return ST_VERSION;
    }
    if (x->segment[0] != '\0' && x->rank >= x->told.ranks) {
        fprintf(stderr, "--segment: %s has ranks 0 to %d, not %d\n", x->run_dir,
                x->told.ranks - 1, x->rank);
        return ST_INVALID;
    }
    return ST_OK;
}

/* ---- the command line ---- */

static bool read_segment_name(struct explain *x)
{
    char text[OPTION_TEXT_MAX];
    int64_t rank, serial;

    (void)text_format(text, sizeof(text), "%s", x->segment);
    char *colon = strchr(text, ':');
    if (colon == NULL) {
        return false;
    }
    *colon = '\0';
    if (!text_to_i64(text, 0, 65535, &rank) ||
        !text_to_i64(colon + 1, 1, INT64_MAX, &serial)) {
        return false;
    }
    x->rank = (int)rank;
    x->serial = (uint64_t)serial;
    return true;
}

static enum status check_question(struct explain *x)
{
    const bool segment = x->segment[0] != '\0', caption = x->caption[0] != '\0';

    if (segment == caption) {
        fprintf(stderr,
                segment
                    ? "--segment and --caption: give one of them\n"
                    : "--segment=RANK:SERIAL or --caption=TEXT is missing; an empty "
                      "caption is never paid\n");
        return ST_INVALID;
    }
    if (caption && strlen(x->caption) > SEGMENT_TEXT_MAX) {
        fprintf(stderr, "--caption: a caption has %d bytes at most, this one %zu\n",
                SEGMENT_TEXT_MAX, strlen(x->caption));
        return ST_INVALID;
    }
    if (segment && !read_segment_name(x)) {
        fprintf(stderr,
                "--segment: %s is not RANK:SERIAL, two whole numbers as in 0:812, the "
                "serial from 1\n",
                x->segment);
        return ST_INVALID;
    }
    return ST_OK;
}

/* A run's store may lie elsewhere; its config.ini knows. */
static enum status read_options(struct explain *x, int argc, char **argv)
{
    char path[PATH_MAX_];

    option_defaults(explain_table, x);
    TRY(option_parse(explain_table, x, argc, argv));
    if (x->run_dir[0] == '\0') {
        fprintf(stderr, "--run-dir is missing: name the run directory\n");
        return ST_INVALID;
    }
    TRY(check_question(x));
    if (text_format(path, sizeof(path), "%s/config.ini", x->run_dir) &&
        file_exists(path)) {
        TRY(option_read_file(explain_table, x, path, true));
        TRY(option_parse(explain_table, x, argc, argv));
    }
    return look_at_run(x);
}

int explain_main(int argc, char **argv)
{
    static struct explain x;

    if (option_is_given(argc, argv, "help")) {
        option_print_help(explain_table, usage, examples, stdout);
        return EXIT_DONE;
    }
    log_open("explain", -1, LOG_INFO_);
    enum status st = read_options(&x, argc, argv);
    if (st != ST_OK) {
        return st == ST_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    st = x.segment[0] != '\0' ? explain_segment(&x) : explain_caption(&x);
    if (x.out.len > 0) {
        fputs(x.out.data, stdout);
    }
    text_buf_release(&x.out);
    return st == ST_OK ? EXIT_DONE : EXIT_FAILED;
}
