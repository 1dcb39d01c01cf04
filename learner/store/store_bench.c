#include "learner/store/store_bench.h"

#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/wire/codec.h"
#include "learner/store/ledger.h"
#include "learner/store/replay.h"

enum {
    GROUP = 32, // segments of one poll
    RUN = 1,
    SEGMENT_BYTES = 15200, // about that of 32 steps
    BOUND = 256 << 20
};

static double now(void)
{
    return clock_s(clock_system());
}

static enum status put_group(struct replay *r, struct bytes frame)
{
    const uint64_t top = replay_top(r);
    uint64_t serial = 0;

    TRY(replay_begin(r));
    for (int i = 0; i < GROUP; i++) {
        TRY(replay_put_segment(r, frame, &serial));
    }
    TRY(replay_put_cursor(r, top > GROUP ? top - GROUP : 0));
    return replay_commit(r);
}

static enum status bench_replay(const char *dir, struct bytes frame, double seconds,
                                struct metrics_row *out)
{
    struct replay *r = NULL;
    struct replay_view *v = NULL;
    uint64_t put = 0, viewed = 0, sum = 0;
    enum status st = replay_open(dir, RUN, BOUND, &r);
    double start = now();

    for (; st == ST_OK && now() - start < seconds; put += GROUP) {
        st = put_group(r, frame);
    }
    metrics_int(out, "segment_bytes", (int64_t)frame.len);
    metrics_num(out, "segments_put_per_s", (double)put / (now() - start));
    if (st == ST_OK) {
        st = replay_view_open(r, &v);
    }
    start = now();
    for (uint64_t s = 0; st == ST_OK && now() - start < seconds / 2; s++) {
        const uint64_t low = replay_bottom(r), high = replay_top(r);
        struct bytes b;
        st = replay_view_segment(v, low + s % (high - low + 1), &b);
        sum += st == ST_OK ? ((const uint8_t *)b.data)[b.len - 1] : 0;
        viewed++;
    }
    metrics_num(out, "segments_viewed_per_s", (double)viewed / (now() - start));
    metrics_int(out, "checksum", (int64_t)(sum & 0xff));
    if (r != NULL) {
        metrics_num(out, "file_ratio", replay_file_ratio(r));
    }
    if (v != NULL) {
        replay_view_close(v);
    }
    replay_close(r);
    return st;
}

static enum status put_verdicts(struct ledger *l, uint64_t *n)
{
    char text[64];

    for (int i = 0; i < QUESTIONS_PER_FRAME; i++) {
        struct ledger_entry e = {.time_ms = clock_wall_ms(),
                                 .question = ++*n,
                                 .goal = bytes_text("treasure"),
                                 .judge = bytes_text("bench"),
                                 .question_kind = QUESTION_RATE,
                                 .verdict_kind = VERDICT_LABEL,
                                 .trains = true,
                                 .captions = 1};
        (void)text_format(text, sizeof(text), "You see caption number %llu.",
                          (unsigned long long)*n);
        e.caption[0] = bytes_text(text);
        e.key = hash_128(e.caption[0]);
        TRY(ledger_append(l, &e));
    }
    return ledger_commit(l);
}

static enum status bench_ledger(const char *dir, double seconds,
                                struct metrics_row *out)
{
    struct ledger *l = NULL;
    uint64_t n = 0, commits = 0;
    enum status st = ledger_open(dir, RUN, &l);
    const double start = now();

    for (; st == ST_OK && now() - start < seconds / 2; commits++) {
        st = put_verdicts(l, &n);
    }
    const double took = now() - start;
    metrics_num(out, "verdicts_durable_per_s", (double)n / took);
    metrics_num(out, "commit_ms", took * 1e3 / (double)(commits + (commits == 0)));
    ledger_close(l);
    return st;
}

/* A frame of the usual size; the store does not look inside. */
static uint8_t *make_frame(void)
{
    uint8_t *frame = mem_new(SEGMENT_BYTES, 1);
    const struct frame_header h = {FRAME_SEGMENT, RUN, 1, 1, 0};

    frame_write_header(&h, frame);
    for (int i = FRAME_HEADER; i < SEGMENT_BYTES; i++) {
        frame[i] = (uint8_t)(i * 31);
    }
    return frame;
}

enum status store_bench(const char *dir, double seconds, struct metrics_row *out)
{
    char top[PATH_MAX_], replay[PATH_MAX_ + 16], ledger[PATH_MAX_ + 16];
    uint8_t *frame = make_frame();

    (void)text_format(top, sizeof(top), "%s/minos-bench-store-%d", dir, (int)getpid());
    (void)text_format(replay, sizeof(replay), "%s/replay", top);
    (void)text_format(ledger, sizeof(ledger), "%s/ledger", top);
    enum status st = file_make_dirs(top);
    if (st == ST_OK) {
        st = bench_replay(replay, bytes_of(frame, SEGMENT_BYTES), seconds, out);
    }
    if (st == ST_OK) {
        st = bench_ledger(ledger, seconds, out);
    }
    const enum status removed = file_remove_tree(top);
    mem_free(frame);
    return st == ST_OK ? removed : st;
}
