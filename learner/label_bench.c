/* The captions of a run's stored segments, in their order, are asked about again for
 * several budgets by this schedule, newest first (the reference's), and uniformly. */
#include "learner/label_bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/metrics.h"
#include "common/base/option.h"
#include "common/base/text.h"
#include "common/wire/codec.h"
#include "learner/intake/label_stream.h"
#include "learner/options.h"
#include "learner/store/ledger.h"
#include "learner/store/replay.h"

enum { RANKS_MOST = 64, TEXTS_MOST = 2 * SEGMENT_STEPS_MAX + 1 };

struct label_bench_options {
    char run_dir[OPTION_TEXT_MAX], store_dir[OPTION_TEXT_MAX], labels[OPTION_TEXT_MAX];
    int64_t delay, in_flight, least, most, seed;
    bool json;
};

#define ROW(field, name, type, preset, least, most, help)                              \
    OPT(struct label_bench_options, field, name, type, preset, least, most, help)

static struct option table[] = {
    ROW(run_dir, "run-dir", OPT_TEXT, "", 0, 0, "directory of a run that has stopped"),
    ROW(store_dir, "store-dir", OPT_TEXT, "", 0, 0,
        "where its segments are; empty: run-dir"),
    OPT_ONE_OF(struct label_bench_options, labels, "labels", "ledger", "ledger|truth",
               "what a label is: the judge's where the run's ledger has one, or the "
               "truth"),
    ROW(delay, "delay", OPT_INT, "40", 0, 1e6, "updates from question to label"),
    ROW(in_flight, "in-flight", OPT_INT, "64", 1, 65536, "questions at a time"),
    ROW(least, "least", OPT_INT, "100", 1, 1e9, "smallest budget of labels; doubles"),
    ROW(most, "most", OPT_INT, "0", 0, 1e9,
        "largest; 0 = as many as there are captions"),
    ROW(seed, "seed", OPT_INT, "1", 0, 4294967295.0, "of the uniform order"),
    ROW(json, "json", OPT_BOOL, "false", 0, 0, "JSON lines, which it prints anyway"),
    OPT_END,
};

struct reading {
    struct label_stream *stream;
    struct codec *codec;
    uint16_t visits[TEXTS_MOST];
    uint64_t labels; // of the ledger that the stream knows
};

static bool read_segment(void *ctx, uint64_t serial, struct bytes frame)
{
    struct reading *r = ctx;
    struct segment_view v;

    (void)serial;
    if (codec_decode_segment(r->codec, frame, &(struct codec_limits){0}, &v) != ST_OK ||
        v.texts > TEXTS_MOST) {
        return true; // damaged; the others are not
    }
    label_stream_segment(r->stream, (uint32_t)v.T, v.version.update);
    memset(r->visits, 0, (size_t)v.texts * sizeof(*r->visits));
    for (int t = 0; t < v.T; t++) {
        r->visits[v.caption[t]]++;
    }
    for (int i = 0; i < v.texts; i++) {
        const struct segment_text text = segment_view_text(&v, i);
        if (r->visits[i] > 0 && text.text.len > 0) {
            label_stream_caption(r->stream, text.text, r->visits[i], text.truth);
        }
    }
    return true;
}

static enum status read_store(struct reading *r, const char *path)
{
    struct replay *replay = NULL;
    struct replay_view *view = NULL;
    enum status st = replay_open_read(path, &replay);

    if (st == ST_OK) {
        st = replay_view_open(replay, &view);
    }
    if (st == ST_OK) {
        st = replay_view_scan(view, 1, read_segment, r);
        replay_view_close(view);
    }
    replay_close(replay);
    return st;
}

/* A rank's segments after the other's: they are of the same weights, but each rank's
 * captions come from games of its own. */
static enum status read_stores(struct reading *r, const char *dir)
{
    char path[PATH_MAX_];
    int ranks = 0;

    for (; ranks < RANKS_MOST; ranks++) {
        (void)text_format(path, sizeof(path), "%s/store/rank-%d", dir, ranks);
        if (!file_exists(path)) {
            break;
        }
        TRY(read_store(r, path));
    }
    if (label_stream_captions(r->stream) == 0) {
        LOG_ERROR("BENCH-LABELS", "%s/store holds no segment with captions%s", dir,
                  ranks == 0 ? ": it is no directory of a run" : "");
        return ST_NOTFOUND;
    }
    return ST_OK;
}

static bool read_label(void *ctx, const struct ledger_entry *e)
{
    struct reading *r = ctx;

    if (e->trains && e->captions == 1 && e->verdict_kind == VERDICT_LABEL) {
        r->labels += label_stream_label(r->stream, e->caption[0], e->label);
    }
    return true;
}

static enum status read_labels(struct reading *r, const char *dir)
{
    struct ledger *ledger = NULL;
    char path[PATH_MAX_];

    (void)text_format(path, sizeof(path), "%s/ledger", dir);
    TRY(ledger_open_read(path, &ledger));
    const enum status st = ledger_scan(ledger, 1, 0, read_label, r);
    ledger_close(ledger);
    return st;
}

static void print_play(const struct reading *r, const struct label_play *play)
{
    struct metrics_row row = {0};
    struct label_score score;

    label_stream_play(r->stream, play, &score);
    metrics_begin(&row);
    metrics_text(&row, "bench", "label-budget");
    metrics_text(&row, "order", label_order_name(play->order));
    metrics_int(&row, "budget", (int64_t)play->budget);
    metrics_int(&row, "labels", (int64_t)score.labels);
    metrics_num(&row, "recall", label_score_recall(&score));
    metrics_num(&row, "precision", label_score_precision(&score));
    metrics_num(&row, "balanced_accuracy", label_score_balanced(&score));
    metrics_num(&row, "progress_delay_p50", score.delay_p50);
    metrics_num(&row, "progress_delay_p90", score.delay_p90);
    metrics_int(&row, "steps", (int64_t)label_stream_steps(r->stream));
    metrics_int(&row, "captions", (int64_t)label_stream_captions(r->stream));
    metrics_int(&row, "captions_with_label", (int64_t)r->labels);
    metrics_int(&row, "forms", (int64_t)score.forms);
    metrics_num(&row, "ns_per_caption", score.ns_per_caption);
    puts(metrics_end(&row));
    metrics_release(&row);
}

static void play_all(const struct reading *r, const struct label_bench_options *o)
{
    const uint64_t most =
        o->most > 0 ? (uint64_t)o->most : label_stream_captions(r->stream);
    uint64_t budget = (uint64_t)o->least;

    for (bool last = false; !last; budget *= 2) {
        last = budget >= most;
        for (int order = 0; order < LABEL_ORDERS; order++) {
            const struct label_play play = {.order = (enum label_order)order,
                                            .budget = last ? most : budget,
                                            .delay = (uint64_t)o->delay,
                                            .in_flight = (uint32_t)o->in_flight,
                                            .seed = (uint64_t)o->seed};
            print_play(r, &play);
        }
    }
}

int label_bench_main(int argc, char **argv)
{
    struct label_bench_options o;
    struct reading r = {0};

    option_defaults(table, &o);
    if (option_is_given(argc, argv, "help")) {
        option_print_help(table,
                          "minos bench label-budget --run-dir=DIR [--NAME=VALUE ...]",
                          NULL, stdout);
        return EXIT_DONE;
    }
    if (option_parse(table, &o, argc, argv) != ST_OK) {
        return EXIT_USAGE;
    }
    if (o.run_dir[0] == '\0') {
        fprintf(stderr, "minos bench label-budget: --run-dir: nothing given; the "
                        "directory of a run is needed\n");
        return EXIT_USAGE;
    }
    const char *dir = o.store_dir[0] != '\0' ? o.store_dir : o.run_dir;
    r.stream = label_stream_new();
    r.codec = codec_new();
    enum status st = read_stores(&r, dir);
    if (st == ST_OK && strcmp(o.labels, "ledger") == 0) {
        st = read_labels(&r, dir);
    }
    if (st == ST_OK) {
        play_all(&r, &o);
    }
    codec_free(r.codec);
    label_stream_free(r.stream);
    return st == ST_OK ? EXIT_DONE : st == ST_NOTFOUND ? EXIT_USAGE : EXIT_FAILED;
}
