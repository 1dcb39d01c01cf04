#include "learner/learner_bench.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/option.h"
#include "common/nn/nn_bench.h"
#include "common/wire/wire_bench.h"
#include "learner/store/store_bench.h"

struct bench_options {
    char net[OPTION_TEXT_MAX], dir[OPTION_TEXT_MAX];
    int64_t actions, segment_steps, sequences;
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
    ROW(json, "json", OPT_BOOL, "false", 0, 0, "JSON lines, which it prints anyway"),
    OPT_END,
};

/* False: *code is the exit code. */
static bool parse(int argc, char **argv, struct bench_options *o, int *code)
{
    option_defaults(bench_option_table, o);
    if (option_is_given(argc, argv, "help")) {
        option_print_help(bench_option_table,
                          "minos bench update|bus|store|codec [--NAME=VALUE ...]", NULL,
                          stdout);
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
    fprintf(stderr,
            "minos-learner bench: %s: no such bench; there are update, codec, bus and "
            "store\n",
            name);
    return EXIT_USAGE;
}
