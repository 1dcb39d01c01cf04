#include "learner/learner_bench.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/option.h"
#include "common/base/stop.h"
#include "common/nn/nn_bench.h"
#include "common/wire/wire_bench.h"
#include "learner/judge_bench.h"
#include "learner/label_bench.h"
#include "learner/store/store_bench.h"

struct bench_options {
    char net[OPTION_TEXT_MAX], dir[OPTION_TEXT_MAX], work[OPTION_TEXT_MAX];
    int64_t actions, segment_steps, sequences;
    int64_t verdicts, judges, credits, raw, segments;
    double seconds;
    bool json;
};

#define ROW(field, name, type, preset, least, most, help)                              \
    OPT(struct bench_options, field, name, type, preset, least, most, help)

static struct option bench_option_table[] = {
    OPT_ONE_OF(struct bench_options, net, "net", "cells", "cells|tiles",
               "policy network"),
    ROW(actions, "actions", OPT_INT, "28", 2, 64, "actions of the network"),
    ROW(segment_steps, "segment-steps", OPT_INT, "32", 1, 512, "steps of a sequence"),
    ROW(sequences, "sequences", OPT_INT, "32", 1, 4096, "sequences of a batch"),
    ROW(seconds, "seconds", OPT_FLOAT, "3", 0.1, 3600, "how long to measure"),
    ROW(dir, "dir", OPT_TEXT, ".", 0, 0,
        "directory on the disk that bench store measures"),
    ROW(work, "work", OPT_TEXT, "minos-bench-judge", 0, 0,
        "directory of bench judge; keeps the ledger that is there before"),
    ROW(verdicts, "verdicts", OPT_INT, "1000000", 0, 1500000,
        "judge: verdicts in the ledger before"),
    ROW(judges, "judges", OPT_INT, "1", 1, 16, "judge: judge processes"),
    ROW(credits, "credits", OPT_INT, "1024", 1, 4096,
        "judge: questions that each holds"),
    ROW(raw, "raw", OPT_INT, "256", 0, 2048, "judge: bytes of raw answer in a verdict"),
    ROW(segments, "segments", OPT_INT, "100", 0, 100000,
        "judge: segments a second that come in beside it"),
    ROW(json, "json", OPT_BOOL, "false", 0, 0, "JSON lines, which it prints anyway"),
    OPT_END,
};

/* False: *code is the exit code. */
static bool parse(int argc, char **argv, struct bench_options *o, int *code)
{
    option_defaults(bench_option_table, o);
    if (option_is_given(argc, argv, "help")) {
        option_print_help(bench_option_table,
                          "minos bench update|bus|store|codec|judge [--NAME=VALUE ...]",
                          NULL, stdout);
        *code = EXIT_DONE;
        return false;
    }
    *code = EXIT_USAGE;
    return option_parse(bench_option_table, o, argc, argv) == ST_OK;
}

/* The network's share of an update: forward and backward of one batch, one BLAS thread. */
static int bench_update(int argc, char **argv)
{
    struct bench_options o;
    struct metrics_row row = {0};
    int code;

    if (!parse(argc, argv, &o, &code)) {
        return code;
    }
    metrics_begin(&row);
    metrics_text(&row, "bench", "update");
    const enum status st = nn_bench_update(o.net, (int)o.actions, (int)o.segment_steps,
                                           (int)o.sequences, o.seconds, &row);
    if (st == ST_OK) {
        puts(metrics_end(&row));
    }
    metrics_release(&row);
    return st == ST_OK ? EXIT_DONE : EXIT_FAILED;
}

/* The wire's two, and the store. */
static int bench_bytes(const char *name, int argc, char **argv)
{
    struct bench_options o;
    struct metrics_row row = {0};
    enum status st;
    int code;

    if (!parse(argc, argv, &o, &code)) {
        return code;
    }
    metrics_begin(&row);
    metrics_text(&row, "bench", name);
    if (strcmp(name, "codec") == 0) {
        st = wire_bench_codec(o.seconds, &row);
    } else if (strcmp(name, "bus") == 0) {
        st = wire_bench_bus(o.seconds, &row);
    } else {
        st = store_bench(o.dir, o.seconds, &row);
    }
    if (st == ST_OK) {
        puts(metrics_end(&row));
    }
    metrics_release(&row);
    return st == ST_OK ? EXIT_DONE : EXIT_FAILED;
}

/* The whole way of a verdict, with judge processes. */
static int bench_judge(int argc, char **argv)
{
    struct bench_options o;
    struct metrics_row row = {0};
    int code;

    if (!parse(argc, argv, &o, &code)) {
        return code;
    }
    stop_open();
    const struct judge_bench_plan plan = {.work = o.work,
                                          .seconds = o.seconds,
                                          .verdicts = o.verdicts,
                                          .judges = o.judges,
                                          .credits = o.credits,
                                          .raw = o.raw,
                                          .segments = o.segments};
    metrics_begin(&row);
    metrics_text(&row, "bench", "judge");
    const enum status st = judge_bench(&plan, &row);
    if (st == ST_OK) {
        puts(metrics_end(&row));
    }
    metrics_release(&row);
    return st == ST_OK ? EXIT_DONE : EXIT_FAILED;
}

int learner_bench(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "codec") == 0 || strcmp(name, "bus") == 0 ||
        strcmp(name, "store") == 0) {
        return bench_bytes(name, argc - 1, argv + 1);
    }
    if (strcmp(name, "update") == 0) {
        return bench_update(argc - 1, argv + 1);
    }
    if (strcmp(name, "judge") == 0) {
        return bench_judge(argc - 1, argv + 1);
    }
    if (strcmp(name, "label-budget") == 0) {
        return label_bench_main(argc - 1, argv + 1);
    }
    fprintf(stderr,
            "minos-learner bench: %s: no such bench; there are update, codec, bus, "
            "store, judge and label-budget\n",
            name);
    return EXIT_USAGE;
}
