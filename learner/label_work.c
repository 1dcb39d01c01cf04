#include <inttypes.h>
#include <math.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/base/stop.h"
#include "learner/label_impl.h"

enum {
    FEED = 8192,      // captions handed over at a time
    FEED_MS = 500,    // at least, between: the counters come 5 times a second
    SETTLE_MS = 1000, // no caption waits for so long: none will
    SPENT_MS = 5000,  // all judges have spent their budgets for so long: none comes
    STEP_MS = 20,
    SECOND_MS = 1000
};
static const char *const ends[] = {"",     "done",   "budget", "judges' budget",
                                   "idle", "stopped"};

/* ---- telling ---- */

static void add_judging(const struct label *l, struct metrics_row *m)
{
    char key[48];

    metrics_int(m, "captions_to_label", label_captions_count(l->captions));
    metrics_text(m, "ask", l->own.ask);
    if (l->orders) {
        metrics_int(m, "labelled", label_captions_compared(l->captions));
        metrics_int(m, "orders", (int64_t)l->told.labels);
        metrics_num(m, "orders_tied_share",
                    l->told.labels > 0
                        ? (double)l->told.orders_tied / (double)l->told.labels
                        : NAN);
    } else {
        metrics_int(m, "labelled", label_captions_labels(l->captions));
    }
    metrics_int(m, "given_up", (int64_t)l->told.captions_given_up);
    metrics_num(m, "seconds",
                l->dir.seconds + (double)(clock_ms(l->clock) - l->begin_ms) / 1e3);
    metrics_int(m, "questions_asked", (int64_t)l->told.questions_asked);
    metrics_int(m, "questions_duplicate", (int64_t)l->told.questions_duplicate);
    metrics_int(m, "questions_in_flight", (int64_t)l->told.questions_in_flight);
    for (int k = VERDICT_LABEL; k < VERDICT_KINDS; k++) {
        text_format(key, sizeof(key), "verdicts_%s",
                    verdict_kind_name((enum verdict_kind)k));
        metrics_int(m, key, (int64_t)l->told.verdicts[k]);
    }
    metrics_int(m, "tokens_in", (int64_t)l->told.tokens_in);
    metrics_int(m, "tokens_out", (int64_t)l->told.tokens_out);
    metrics_num(m, "money", (double)l->told.judge_cost_micro / 1e6);
    metrics_int(m, "judges", l->told.judges);
}

static void write_progress(struct label *l, const char *state)
{
    const double seconds = (double)(clock_ms(l->clock) - l->begin_ms) / 1e3;
    struct metrics_row m = {0};

    metrics_begin(&m);
    metrics_text(&m, "state", state);
    add_judging(l, &m);
    metrics_num(&m, "failing_share", l->told.failing_share);
    metrics_text(&m, "asking_state", io_asking_name((enum io_asking)l->told.asking));
    rundir_put_quick(l->options.run_dir, "progress.json", metrics_end(&m));
    rundir_put_seconds(l->options.run_dir, l->dir.seconds + seconds);
    metrics_release(&m);
}

static enum status write_summary(struct label *l)
{
    struct metrics_row m = {0};
    char path[PATH_MAX_];

    metrics_begin(&m);
    metrics_text(&m, "env", l->options.env);
    metrics_text(&m, "goal", l->goal.name);
    metrics_text(&m, "captions_of", l->own.captions);
    metrics_text(&m, "end", ends[l->end]);
    metrics_text(&m, "asking_state", io_asking_name(l->asking));
    metrics_int(&m, "starts", l->dir.start);
    add_judging(l, &m);
    (void)metrics_end(&m);
    text_buf_add(&m.buf, "\n");
    text_format(path, sizeof(path), "%s/summary.json", l->options.run_dir);
    const enum status st = file_write_atomic(path, bytes_of(m.buf.data, m.buf.len));
    metrics_release(&m);
    return st;
}

/* ---- at work ---- */

/* Labels come with those of earlier starts first; what is to be asked anew has none yet. */
static void take_records(struct label *l)
{
    struct to_training m;

    while (ring_pop(l->rings.to_training, &m)) {
        if (m.kind == TO_TRAINING_VERDICT &&
            m.verdict.ledger_serial > l->relabel_serial) {
            if (l->orders) {
                label_captions_order(l->captions, m.verdict.caption,
                                     m.verdict.captions);
            } else {
                (void)label_captions_label(l->captions, m.verdict.key);
            }
        } else if (m.kind == TO_TRAINING_STOP) {
            l->end = END_STOP;
        } else if (m.kind == TO_TRAINING_DRAINED) {
            l->drained = true;
        }
    }
}

/* The next captions that have no label. Their visits decide the order, no more. */
static void feed(struct label *l, uint64_t now)
{
    const uint32_t count = label_captions_count(l->captions);
    struct to_io m = {.kind = TO_IO_CAPTION};

    l->fed_ms = now;
    for (int n = 0; n < FEED && l->next < count; l->next++) {
        if (label_captions_labelled(l->captions, l->next)) {
            continue;
        }
        label_captions_get(l->captions, l->next, &m.caption);
        if (!ring_push(l->rings.to_io, &m)) {
            return;
        }
        l->busy_ms = now;
        n++;
    }
}

/* Every caption was handed over, and none waits any more. One that was pushed out of a
 * full queue, failed too often, or may be compared once more, is handed over again as long
 * as that gives labels. */
static void end_round(struct label *l)
{
    const uint32_t done = label_captions_labels(l->captions);
    const uint64_t labels = l->orders ? label_captions_orders(l->captions) : done;

    if (done == label_captions_count(l->captions) || labels == l->before) {
        l->end = END_DONE;
        return;
    }
    l->before = labels;
    l->next = 0;
}

static void take_counters(struct label *l, uint64_t now)
{
    const struct io_counters *t = &l->told;
    uint64_t answers = 0;

    io_report_get(l->report, &l->told);
    answers = t->verdicts_late;
    for (int k = VERDICT_LABEL; k < VERDICT_KINDS; k++) {
        answers += t->verdicts[k];
    }
    if (answers != l->answers || t->asking == IO_ASKING_BUDGET_HOUR ||
        t->asking == IO_ASKING_JUDGES_HOUR) {
        l->answers = answers;
        l->verdict_ms = now;
    }
    if (t->questions_open > 0) {
        l->busy_ms = now;
    }
    if (t->asking != IO_ASKING_JUDGES_BUDGET || t->questions_in_flight > 0) {
        l->hopeful_ms = now;
    }
}

static void look_around(struct label *l)
{
    const uint64_t now = clock_ms(l->clock);
    const struct io_counters *t = &l->told;

    take_counters(l, now);
    if (l->next < label_captions_count(l->captions) && t->questions_open < FEED &&
        now - l->fed_ms >= FEED_MS) {
        feed(l, now);
    }
    if (t->asking == IO_ASKING_BUDGET && t->questions_in_flight == 0 &&
        now - l->begin_ms >= SETTLE_MS) {
        l->end = label_captions_labels(l->captions) < label_captions_count(l->captions)
                     ? END_BUDGET
                     : END_DONE;
    } else if (now - l->hopeful_ms >= SPENT_MS) {
        l->end = END_JUDGES;
    } else if (now - l->verdict_ms >= (uint64_t)(l->own.idle_seconds * 1e3)) {
        l->end = END_IDLE;
    } else if (l->next == label_captions_count(l->captions) &&
               now - l->busy_ms >= SETTLE_MS) {
        end_round(l);
    }
    if (now - l->second_ms >= SECOND_MS) {
        l->second_ms = now;
        write_progress(l, "running");
    }
}

static enum status step(struct label *l)
{
    const enum status st = io_step(l->io, STEP_MS);

    take_records(l);
    return st;
}

/* Judges are told, and what they still send is taken. */
static enum status leave(struct label *l)
{
    struct to_io m = {.kind = TO_IO_STOP};
    enum status st = ST_OK;

    while (!ring_push(l->rings.to_io, &m)) {
        TRY(step(l));
    }
    while (st == ST_OK && !l->drained && !stop_at_once()) {
        st = step(l);
    }
    m.kind = TO_IO_END;
    while (st == ST_OK && !ring_push(l->rings.to_io, &m)) {
        st = step(l);
    }
    while (st == ST_OK) {
        st = step(l);
    }
    io_report_get(l->report, &l->told);
    return st == ST_CLOSED ? ST_OK : st;
}

enum status label_work(struct label *l)
{
    while (l->end == END_NOT) {
        TRY(step(l));
        if (l->end == END_NOT) {
            look_around(l);
        }
    }
    l->asking = (enum io_asking)l->told.asking;
    write_progress(l, "stopping");
    TRY(leave(l));
    LOG_INFO("LABEL-END",
             "%u of %u captions have %s, %" PRIu64 " were given up; %" PRIu64
             " questions in this start; %s",
             l->orders ? label_captions_compared(l->captions)
                       : label_captions_labels(l->captions),
             label_captions_count(l->captions), l->orders ? "been compared" : "labels",
             l->told.captions_given_up, l->told.questions_asked, ends[l->end]);
    TRY(write_summary(l));
    write_progress(l, "done");
    return ST_OK;
}
