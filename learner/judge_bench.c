#include "learner/judge_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/share.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "learner/feeder.h"
#include "learner/intake/io.h"
#include "learner/intake/io_report.h"
#include "learner/store/counts.h"
#include "learner/store/ledger.h"
#include "learner/store/replay.h"

enum {
    RUN = 20000,
    RING_SLOTS = 1 << 15,
    ASKED_MOST = 6000, // captions told and not labelled yet: all may wait (schedule.h)
    TOLD_MOST = 512,   // captions told between two polls
    STEPS = 32,
    STATE = 128,
    ACTIONS = 20,
    ENVIRONMENTS = 64,
    BUILD_GROUP = 16384, // verdicts of one commit of the first ledger
    JUDGES_MOST = 16,
    RAW_MOST = 2048,
    COPY_BYTES = 1 << 20,
    NAME_MAX_ = 40
};

static const double warm_s = 2, patience_s = 30;
static const uint64_t store_bytes = (uint64_t)2 << 30;
static const struct hash128 goal_digest = {20000, 1};
static const char goal_text[] = "Find what is worth having.\n";

extern char **environ;

struct bench {
    const struct judge_bench_plan *plan;
    char dir[PATH_MAX_], ledger_dir[PATH_MAX_ + NAME_MAX_];
    struct bus *bus;
    struct io_listener listener;
    struct rings rings;
    struct io_report *report;
    struct replay *replay;
    struct ledger *ledger;
    struct counts counts;
    struct io *io;
    struct feeder *feeder;
    pid_t judge[JUDGES_MOST];
    double judges_cpu_s;
    uint64_t told, labels, trained, ahead; // captions; segments trained, to be let in
    double longest_step_ms, begin, trained_s;
};

static double now(void)
{
    return clock_s(clock_system());
}

/* ---- the ledger that is there before ---- */

static void fill_raw(char raw[RAW_MOST], int64_t len, uint64_t n)
{
    char text[FEEDER_TEXT_MAX];

    for (int64_t at = 0; at < len; n++) {
        const size_t more = feeder_caption(n * 31 % FEEDER_CAPTIONS, text);
        const size_t fits = more < (size_t)(len - at) ? more : (size_t)(len - at);
        memcpy(raw + at, text, fits);
        at += (int64_t)fits;
    }
}

static enum status append(struct ledger *l, uint64_t n, int64_t raw_len)
{
    char text[FEEDER_TEXT_MAX], raw[RAW_MOST];
    struct ledger_entry e = {.time_ms = clock_wall_ms(),
                             .question = n << 16,
                             .goal_digest = goal_digest,
                             .goal = bytes_text("treasure"),
                             .judge = bytes_text("sim"),
                             .model = bytes_text("truth"),
                             .question_kind = QUESTION_RATE,
                             .purpose = PURPOSE_LABEL,
                             .verdict_kind = VERDICT_LABEL,
                             .trains = true,
                             .label = 1,
                             .confidence = 1,
                             .position = POSITION_UNKNOWN,
                             .captions = 1};

    e.caption[0] = bytes_of(text, feeder_caption(n, text));
    e.key = hash_128(e.caption[0]);
    fill_raw(raw, raw_len, n);
    e.raw = bytes_of(raw, (size_t)raw_len);
    TRY(ledger_append(l, &e));
    return ledger_pending(l) >= BUILD_GROUP ? ledger_commit(l) : ST_OK;
}

/* Kept in the work directory under a name that tells what it holds. */
static enum status build_first(const struct bench *b, const char *dir)
{
    struct ledger *l = NULL;

    TRY(ledger_open(dir, RUN, &l));
    enum status st = ST_OK;
    if (ledger_top(l) < (uint64_t)b->plan->verdicts) {
        LOG_INFO("BENCH-LEDGER", "writes %" PRId64 " verdicts to %s, once",
                 b->plan->verdicts, dir);
    }
    while (st == ST_OK && ledger_top(l) < (uint64_t)b->plan->verdicts) {
        st = append(l, ledger_top(l), b->plan->raw);
    }
    if (st == ST_OK) {
        st = ledger_commit(l);
    }
    ledger_close(l);
    return st;
}

static enum status copy_file(const char *from, const char *to)
{
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    ssize_t n = in >= 0 && out >= 0 ? 1 : -1;

    while (n > 0) {
        n = copy_file_range(in, NULL, out, NULL, COPY_BYTES, 0);
    }
    // On disk before anything is measured.
    const bool ok = n == 0 && fsync(out) == 0;
    if (!ok) {
        LOG_ERROR("BENCH-COPY", "cannot copy %s to %s: %s", from, to, strerror(errno));
    }
    if (in >= 0) {
        close(in);
    }
    if (out >= 0) {
        close(out);
    }
    return ok ? ST_OK : ST_IO;
}

static enum status make_ledger(struct bench *b)
{
    char first[PATH_MAX_ + NAME_MAX_], from[PATH_MAX_ + 2 * NAME_MAX_],
        to[PATH_MAX_ + 2 * NAME_MAX_];

    (void)text_format(first, sizeof(first), "%s/first-%" PRId64 "-%" PRId64,
                      b->plan->work, b->plan->verdicts, b->plan->raw);
    TRY(build_first(b, first));
    TRY(file_make_dirs(b->ledger_dir));
    (void)text_format(from, sizeof(from), "%s/data.mdb", first);
    (void)text_format(to, sizeof(to), "%s/data.mdb", b->ledger_dir);
    TRY(copy_file(from, to));
    return ledger_open(b->ledger_dir, RUN, &b->ledger);
}

/* ---- rank 0's I/O side, and who joins it ---- */

static enum status open_rank(struct bench *b)
{
    static char endpoints[1][BUS_ENDPOINT_MAX], hosts[1][64] = {"bench"};
    char path[PATH_MAX_ + NAME_MAX_];

    b->bus = bus_new();
    b->rings.to_training = ring_new(sizeof(struct to_training), RING_SLOTS);
    b->rings.to_io = ring_new(sizeof(struct to_io), RING_SLOTS);
    b->report = io_report_new();
    TRY(io_listen(
        &(struct io_listen_plan){.bus = b->bus, .addr = "127.0.0.1", .run_dir = b->dir},
        &b->listener));
    memcpy(endpoints[0], b->listener.endpoint, BUS_ENDPOINT_MAX);
    (void)text_format(path, sizeof(path), "%s/store", b->dir);
    TRY(replay_open(path, RUN, store_bytes, &b->replay));
    const struct io_plan plan = {
        .listener = &b->listener,
        .clock = clock_system(),
        .rings = b->rings,
        .report = b->report,
        .replay = b->replay,
        .ledger = b->ledger,
        .run_dir = b->dir,
        .run = RUN,
        .start = 1,
        .ranks = 1,
        .endpoints = (const char(*)[BUS_ENDPOINT_MAX])endpoints,
        .hosts = (const char(*)[64])hosts,
        .spec = {.task = "chain", .actions = ACTIONS, .spec_digest = 1},
        .net = "cells",
        .segment_steps = STEPS,
        .value_heads = 1,
        .state_floats = STATE,
        .goal = "treasure",
        .goal_digest = goal_digest,
        .goal_text = bytes_text(goal_text),
        .reward = "retrieval",
        .needs_labels = true,
        .judge_alarm = 1,
        .ledger_serial = ledger_top(b->ledger), // these are training's already
        .counts = &b->counts,
    };
    return io_open(&plan, &b->io);
}

static enum status open_feeder(struct bench *b)
{
    const struct feeder_plan plan = {.bus = b->bus,
                                     .clock = clock_system(),
                                     .endpoint = b->listener.endpoint,
                                     .task = "chain",
                                     .actions = ACTIONS,
                                     .segment_steps = STEPS,
                                     .state_floats = STATE,
                                     .environments = ENVIRONMENTS,
                                     .nonce = (uint64_t)getpid()};

    return feeder_new(&plan, &b->feeder);
}

static enum status start_judge(struct bench *b, int i)
{
    char dir[512], program[640], learner[300], id[32], credits[32], raw[32];

    share_program_dir(dir, sizeof(dir));
    (void)text_format(program, sizeof(program), "%s/minos-judge", dir);
    (void)text_format(learner, sizeof(learner), "--learner=%s", b->listener.endpoint);
    (void)text_format(id, sizeof(id), "--id=%d", i);
    (void)text_format(credits, sizeof(credits), "--credits=%" PRId64, b->plan->credits);
    (void)text_format(raw, sizeof(raw), "--sim-raw=%" PRId64, b->plan->raw);
    char sim[] = "--judge=sim", level[] = "--log-level=warn";
    char *const argv[] = {program, learner, id, sim, credits, raw, level, NULL};
    const int rc = posix_spawn(&b->judge[i], program, NULL, NULL, argv, environ);
    if (rc != 0) {
        b->judge[i] = 0;
        LOG_ERROR("BENCH-JUDGE", "cannot start %s: %s", program, strerror(rc));
    }
    return rc == 0 ? ST_OK : ST_IO;
}

static void end_judges(struct bench *b)
{
    struct rusage use;

    for (int i = 0; i < JUDGES_MOST; i++) {
        if (b->judge[i] > 0) {
            kill(b->judge[i], SIGTERM);
            if (wait4(b->judge[i], NULL, 0, &use) == b->judge[i]) {
                b->judges_cpu_s +=
                    (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                    (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e-6;
            }
            b->judge[i] = 0;
        }
    }
}

/* ---- training's side ---- */

/* Takes labels, handles the segments that came at the rate wanted, and tells captions as
 * another rank would: there are always some to ask about. */
static void train(struct bench *b)
{
    const uint64_t due = (uint64_t)((now() - b->begin) * (double)b->plan->segments);
    struct to_training m;
    struct to_io out = {.kind = TO_IO_TRAINED};
    char text[FEEDER_TEXT_MAX];

    while (ring_pop(b->rings.to_training, &m)) {
        b->labels += m.kind == TO_TRAINING_VERDICT;
        b->ahead = m.kind == TO_TRAINING_STORED ? m.serial : b->ahead;
    }
    while (b->trained < b->ahead && b->trained < due) {
        out.segment.serial = b->trained + 1;
        if (!ring_push(b->rings.to_io, &out)) {
            break;
        }
        b->trained++;
    }
    out.kind = TO_IO_CAPTION;
    for (int i = 0; i < TOLD_MOST && b->told - b->labels < ASKED_MOST; i++) {
        const uint64_t n = (uint64_t)b->plan->verdicts + b->told;
        const size_t len = feeder_caption(n % FEEDER_CAPTIONS, text);
        out.caption = (struct ring_caption){.key = hash_128(bytes_of(text, len)),
                                            .visits = 1,
                                            .truth = (int8_t)(n % 2),
                                            .len = (uint8_t)len};
        memcpy(out.caption.text, text, len);
        if (!ring_push(b->rings.to_io, &out)) {
            break;
        }
        b->told++;
    }
}

static enum status turn(struct bench *b)
{
    const double start = now();

    TRY(io_step(b->io, 1));
    const double ms = (now() - start) * 1e3;
    b->longest_step_ms = ms > b->longest_step_ms ? ms : b->longest_step_ms;
    train(b);
    const uint64_t due = (uint64_t)((now() - b->begin) * (double)b->plan->segments);
    const uint64_t sent = feeder_counters(b->feeder)->segments;
    return feeder_step(b->feeder, due > sent ? (int)(due - sent) : 0);
}

static enum status run_for(struct bench *b, double seconds)
{
    const double end = now() + seconds;

    while (now() < end) {
        stop_poll();
        if (stop_asked()) {
            return ST_CLOSED;
        }
        TRY(turn(b));
    }
    return ST_OK;
}

static enum status warm_up(struct bench *b)
{
    const double end = now() + patience_s;

    for (int i = 0; i < b->plan->judges; i++) {
        TRY(start_judge(b, i));
    }
    while (b->labels == 0 || !feeder_counters(b->feeder)->joined) {
        TRY(turn(b));
        if (now() > end) {
            LOG_ERROR("BENCH-JUDGE", "no label came within %g s", patience_s);
            return ST_TIMEOUT;
        }
    }
    return run_for(b, warm_s);
}

static enum status measure(struct bench *b, struct metrics_row *out)
{
    struct io_counters before, c;

    TRY(warm_up(b));
    io_report_get(b->report, &before);
    const uint64_t labels = b->labels, top = ledger_top(b->ledger);
    const uint64_t cpu = clock_thread_cpu_ns(),
                   acked = feeder_counters(b->feeder)->acknowledged;
    const double start = now();
    b->longest_step_ms = feeder_counters(b->feeder)->longest_ack_ms = 0;
    TRY(run_for(b, b->plan->seconds));
    const double took = now() - start;
    const double cpu_s = (double)(clock_thread_cpu_ns() - cpu) * 1e-9;
    io_report_get(b->report, &c);
    metrics_num(out, "seconds", took);
    metrics_num(out, "verdicts_per_s", (double)(b->labels - labels) / took);
    metrics_int(out, "verdicts_before", (int64_t)top);
    metrics_int(out, "verdicts", (int64_t)(b->labels - labels));
    metrics_int(out, "raw_bytes", b->plan->raw);
    metrics_num(out, "segments_per_s",
                (double)(feeder_counters(b->feeder)->acknowledged - acked) / took);
    metrics_int(out, "segments_dropped", (int64_t)feeder_counters(b->feeder)->dropped);
    metrics_num(out, "longest_segment_wait_ms",
                feeder_counters(b->feeder)->longest_ack_ms);
    metrics_num(out, "longest_io_turn_ms", b->longest_step_ms);
    metrics_num(out, "question_p50_ms", c.judge_p50_ms);
    metrics_num(out, "question_p99_ms", c.judge_p99_ms);
    metrics_int(out, "questions_duplicate", (int64_t)c.questions_duplicate);
    metrics_num(out, "cpu_io_share", cpu_s / took);
    metrics_num(out, "cpu_ledger_share",
                (double)(c.cpu_ledger_ns - before.cpu_ledger_ns) / 1e9 / took);
    return ST_OK;
}

static void close_all(struct bench *b)
{
    end_judges(b);
    feeder_free(b->feeder);
    io_close(b->io);
    ledger_close(b->ledger);
    replay_close(b->replay);
    counts_release(&b->counts);
    if (b->listener.socket != NULL) {
        io_listener_close(&b->listener);
    }
    ring_free(b->rings.to_training);
    ring_free(b->rings.to_io);
    io_report_free(b->report);
    if (b->bus != NULL) {
        bus_free(b->bus);
    }
}

/* What was counted lies on disk. */
static enum status check_ledger(const struct bench *b)
{
    struct ledger *l = NULL;

    TRY(ledger_open_read(b->ledger_dir, &l));
    const uint64_t top = ledger_top(l);
    ledger_close(l);
    if (top < (uint64_t)b->plan->verdicts + b->labels) {
        LOG_ERROR("BENCH-LOST",
                  "the ledger holds %" PRIu64 " verdicts, %" PRIu64
                  " were acknowledged",
                  top, (uint64_t)b->plan->verdicts + b->labels);
        return ST_CORRUPT;
    }
    return ST_OK;
}

enum status judge_bench(const struct judge_bench_plan *plan, struct metrics_row *out)
{
    struct bench *b = mem_new(1, sizeof(*b));

    b->plan = plan;
    b->begin = now();
    (void)text_format(b->dir, sizeof(b->dir), "%s/run-%d", plan->work, (int)getpid());
    (void)text_format(b->ledger_dir, sizeof(b->ledger_dir), "%s/ledger", b->dir);
    enum status st = make_ledger(b);
    if (st == ST_OK) {
        st = open_rank(b);
    }
    if (st == ST_OK) {
        st = open_feeder(b);
    }
    b->begin = now();
    if (st == ST_OK) {
        st = measure(b, out);
    }
    close_all(b);
    if (st == ST_OK) {
        metrics_num(out, "judges_cpu_s", b->judges_cpu_s);
        st = check_ledger(b);
    }
    const enum status removed = file_remove_tree(b->dir);
    mem_free(b);
    return st == ST_OK ? removed : st;
}
