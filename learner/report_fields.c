#include "learner/report_fields.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "learner/intake/io_report.h"
#include "learner/report.h"
#include "learner/store/audit.h"

/* ---- the I/O thread's counters ---- */

enum type {
    U64,
    U32,
    F64,
    MS
}; // MS: a quantile of what took time, 0 where nothing did
struct field {
    const char *name;
    size_t offset;
    enum type type;
    bool first; // rank 0 tells it for all
};

#define AT(member) offsetof(struct io_counters, member)
#define FIELD(member, type)                                                            \
    {                                                                                  \
#member, AT(member), type, false                                               \
    }
#define FIRST(member, type)                                                            \
    {                                                                                  \
#member, AT(member), type, true                                                \
    }
#define DROP(name, reason)                                                             \
    {                                                                                  \
        "arrival_dropped_" name, AT(segments_dropped) + 8 * (reason), U64, false       \
    }
#define BAD(name, reason)                                                              \
    {                                                                                  \
        "frames_bad_" name, AT(frames_bad) + 8 * (reason), U64, false                  \
    }
#define VERDICT(name, kind)                                                            \
    {                                                                                  \
        "verdicts_" name, AT(verdicts) + 8 * (kind), U64, false                        \
    }
#define PAIRS(name, how)                                                               \
    {                                                                                  \
        "pairs_" name, AT(pairs) + 8 * (how), U64, false                               \
    }

static const struct field fields[] = {
    FIELD(segments_taken, U64),
    FIELD(segments_duplicate, U64),
    FIELD(segments_ahead, U64),
    FIELD(segments_forced, U64),
    FIELD(segments_waiting, U64),
    FIELD(run_taken, U64),
    FIELD(run_dropped, U64),
    // On arrival; what is dropped later training and the audit count.
    DROP("corrupt", DROP_CORRUPT),
    DROP("schema", DROP_SCHEMA),
    FIELD(bytes_in, U64),
    FIELD(bytes_out, U64),
    FIELD(frames_in, U64),
    BAD("header", IO_BAD_HEADER),
    BAD("protocol", IO_BAD_PROTOCOL),
    BAD("kind", IO_BAD_KIND),
    BAD("body", IO_BAD_BODY),
    BAD("run", IO_BAD_RUN),
    BAD("stranger", IO_BAD_STRANGER),
    BAD("multipart", IO_BAD_MULTIPART),
    BAD("size", IO_BAD_SIZE),
    BAD("empty", IO_BAD_EMPTY),
    FIELD(go_backs, U64),
    FIELD(refusals, U64),
    FIELD(stop_lost, U64),
    FIELD(members, U32),
    FIELD(environments, U32),
    FIELD(store_live_bytes, U64),
    // Captions of every rank come to rank 0, which knows them all.
    FIRST(captions, U64),
    FIRST(lexicon_full, U64),
    FIELD(labels, U64),
    FIELD(orders_tied, U64),
    PAIRS("by_form", PAIRS_BY_FORM),
    PAIRS("by_uncertainty", PAIRS_BY_UNCERTAINTY),
    PAIRS("by_quartile", PAIRS_BY_QUARTILE),
    FIELD(questions_asked, U64),
    FIELD(questions_duplicate, U64),
    FIELD(questions_in_flight, U64),
    FIELD(questions_queued, U64),
    FIELD(questions_dropped, U64),
    FIELD(questions_expired, U64),
    VERDICT("label", VERDICT_LABEL),
    VERDICT("tie", VERDICT_TIE),
    VERDICT("abstain", VERDICT_ABSTAIN),
    VERDICT("unparseable", VERDICT_UNPARSEABLE),
    VERDICT("timeout", VERDICT_TIMEOUT),
    VERDICT("refused", VERDICT_REFUSED),
    VERDICT("overload", VERDICT_OVERLOAD),
    FIELD(verdicts_late, U64),
    FIELD(verdicts_repeated, U64),
    FIELD(tokens_in, U64),
    FIELD(tokens_out, U64),
    FIELD(tokens_estimated, U64),
    FIELD(judge_requests, U64),
    FIELD(judge_cost_micro, U64),
    FIELD(captions_given_up, U64),
    FIELD(forms, U64),
    FIELD(consistency_asked, U64),
    FIELD(consistency_answered, U64),
    FIELD(progress_emissions, U64),
    FIELD(progress_helpful, U64),
    FIELD(other_helpful, U64),
    FIELD(progress_delay_p50_ms, MS),
    FIELD(progress_delay_p99_ms, MS),
    FIELD(failing_share, F64),
    FIELD(failing_kind, U32),
    FIELD(alarm, U32),
    FIELD(asking, U32),
    FIELD(judge_p50_ms, MS),
    FIELD(judge_p99_ms, MS),
    FIELD(judges, U32),
    FIELD(cpu_total_ns, U64),
    FIELD(cpu_store_ns, U64),
    FIELD(cpu_asking_ns, U64),
    FIELD(cpu_ledger_ns, U64),
};
enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };
_Static_assert((int)FIELDS <= (int)TALLIES_OUTSIDE, "room for every counter");

static double value_of(const struct io_counters *c, const struct field *f)
{
    const char *at = (const char *)c + f->offset;
    uint64_t u64;
    uint32_t u32;
    double f64;

    switch (f->type) {
    case U64:
        memcpy(&u64, at, sizeof(u64));
        return (double)u64;
    case U32:
        memcpy(&u32, at, sizeof(u32));
        return (double)u32;
    case F64:
    case MS:
        memcpy(&f64, at, sizeof(f64));
        return isfinite(f64) ? f64 : 0;
    }
    return 0;
}

void report_read_outside(void *ctx, int rank, double *v, struct rank_gauges *own)
{
    struct io_counters c;

    io_report_get(ctx, &c);
    for (int i = 0; i < FIELDS; i++) {
        v[i] = rank > 0 && fields[i].first ? 0 : value_of(&c, &fields[i]);
    }
    own->file_ratio = isfinite(c.store_file_ratio) ? c.store_file_ratio : 0;
}

static int field_named(const char *name)
{
    for (int i = 0; i < FIELDS; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return i;
        }
    }
    CHECK(!"a counter of that name exists");
    return 0;
}

double report_outside(const struct gauges *g, const char *name)
{
    return g->outside[field_named(name)];
}

static void add_field(struct metrics_row *m, const struct field *f, double value)
{
    if (f->type == MS) {
        metrics_num(m, f->name, value > 0 ? value : NAN);
    } else if (f->type == F64) {
        metrics_num(m, f->name, value);
    } else {
        metrics_int(m, f->name, (int64_t)value);
    }
}

void report_add_one(struct metrics_row *m, const struct gauges *g, const char *name)
{
    const int i = field_named(name);

    add_field(m, &fields[i], g->outside[i]);
}

void report_add_outside(struct metrics_row *m, const struct gauges *g)
{
    for (int i = 0; i < FIELDS; i++) {
        add_field(m, &fields[i], g->outside[i]);
    }
}

static void add_judge(struct text_buf *b, const struct io_judge *j)
{
    text_buf_add(b, "{\"name\": ");
    text_buf_add_json(b, bytes_text(j->name));
    text_buf_add(b, ", \"model\": ");
    text_buf_add_json(b, bytes_text(j->model));
    text_buf_add(b,
                 ", \"answers\": %llu, \"labels\": %llu, \"failures\": %llu, "
                 "\"per_s\": %.3f, \"asked_again\": %llu",
                 (unsigned long long)j->answers, (unsigned long long)j->labels,
                 (unsigned long long)j->failures, j->per_s,
                 (unsigned long long)j->again);
    if (j->again > 0) {
        text_buf_add(b, ", \"consistency\": %.4f, \"consistency_difference\": %.4f",
                     (double)j->agreed / (double)j->again, j->difference);
    }
    if (j->pairs > 0) {
        text_buf_add(b, ", \"position_bias\": %.4f",
                     ((double)j->first_won - (double)j->second_won) / (double)j->pairs);
    }
    text_buf_add(b, "}");
}

void report_add_judges(struct metrics_row *m, const struct io_counters *c)
{
    struct text_buf b = {0};

    text_buf_add(&b, "[");
    for (uint32_t i = 0; i < c->judges_told; i++) {
        text_buf_add(&b, "%s", i == 0 ? "" : ", ");
        add_judge(&b, &c->judge[i]);
    }
    text_buf_add(&b, "]");
    metrics_raw(m, "by_judge", b.data);
    text_buf_release(&b);
}

void report_add_asking(struct metrics_row *m, const struct gauges *g, double asking)
{
    const double share = report_outside(g, "failing_share");
    char alarm[96] = "";

    if (report_outside(g, "alarm") > 0) {
        text_format(
            alarm, sizeof(alarm), "%.0f %% of judges' answers fail (%s)", 100 * share,
            verdict_kind_name((enum verdict_kind)report_outside(g, "failing_kind")));
    }
    metrics_text(m, "asking_state", io_asking_name((enum io_asking)asking));
    metrics_num(m, "failing_share", share);
    metrics_text(m, "alarm", alarm);
}

void report_add_ranks(struct metrics_row *m, const struct train *t)
{
    double anon = 0, file_ratio = 0;

    for (int r = 0; r < ranks_count(t->ranks); r++) {
        anon = fmax(anon, t->agreed.of_rank[r].anon);
        file_ratio = fmax(file_ratio, t->agreed.of_rank[r].file_ratio);
    }
    metrics_num(m, "store_file_ratio", file_ratio);
    metrics_num(m, "anon_mb", anon);
}

double report_anon_peak(const struct train *t)
{
    double most = 0;

    for (int r = 0; r < ranks_count(t->ranks); r++) {
        most = fmax(most, t->agreed.of_rank[r].anon_peak);
    }
    return most;
}

/* ---- training ---- */

static double ratio(double a, double b)
{
    return b > 0 ? a / b : NAN;
}

static double variance(double n, double sum, double squares)
{
    return n > 0 ? fmax(squares / n - (sum / n) * (sum / n), 0) : NAN;
}

void report_add_training(struct metrics_row *m, const struct train *t)
{
    const struct loss_sums *s = &t->recent.loss;
    const double n = t->recent.samples;

    metrics_num(m, "policy_loss", ratio(s->policy, n));
    metrics_num(m, "value_loss", ratio(s->value, n));
    metrics_num(m, "entropy", ratio(s->entropy, n));
    metrics_num(m, "kl", ratio(s->kl, n));
    metrics_num(m, "clip_fraction", ratio(s->clipped, n));
    metrics_num(m, "rho_mean", ratio(s->rho, n));
    metrics_num(m, "ess", ratio(s->weight * s->weight, n * s->weight2));
    metrics_num(m, "adv_sigma", t->last.sigma);
    metrics_num(m, "explained_variance", t->last.explained[0]);
    metrics_num(m, "grad_norm", t->last.grad_norm);
    metrics_num(m, "lr", t->last.lr);
    metrics_num(m, "value_mean", heads_moments(&t->heads, 0).mean);
    metrics_num(m, "value_scale", heads_moments(&t->heads, 0).scale);
    if (t->heads.count > 1) {
        metrics_num(m, "explained_variance_int", t->last.explained[1]);
        metrics_num(m, "value_mean_int", heads_moments(&t->heads, 1).mean);
        metrics_num(m, "value_scale_int", heads_moments(&t->heads, 1).scale);
    }
}

void report_add_rewards(struct metrics_row *m, const struct reward_sums *s, bool orders)
{
    const double size = s->ext_size + s->in_size;

    metrics_num(m, "r_ext_mean", ratio(s->ext, s->rows));
    metrics_num(m, "r_int_mean", ratio(s->in, s->rows));
    metrics_num(m, "r_ext_variance", variance(s->rows, s->ext, s->ext2));
    metrics_num(m, "r_int_variance", variance(s->rows, s->in, s->in2));
    metrics_num(m, "r_ext_share", ratio(s->ext_size, size));
    metrics_num(m, "r_int_share", ratio(s->in_size, size));
    metrics_num(m, "captions_labelled_share", ratio(s->labelled, s->captions));
    // An order says which is better, never that one is good.
    metrics_num(m, "captions_helpful_share",
                orders ? NAN : ratio(s->helpful, s->captions));
}

/* Half the width of a 95 % interval of a mean (normal approximation). */
static double ci95(double n, double sum, double squares)
{
    return n > 1 ? 1.96 * sqrt(variance(n, sum, squares) / (n - 1)) : NAN;
}

void report_add_episodes(struct metrics_row *m, const struct tallies *t,
                         const struct gauges *g)
{
    const double n = t->episodes;

    metrics_int(m, "episodes", (int64_t)n);
    metrics_num(m, "return_mean", ratio(t->returns, n));
    metrics_num(m, "return_ci95", ci95(n, t->returns, t->returns2));
    metrics_num(m, "success_rate", ratio(t->successes, n));
    metrics_num(m, "success_ci95", ci95(n, t->successes, t->successes));
    metrics_num(m, "success_last", ratio(g->window_success, g->window));
    metrics_num(m, "length_mean", ratio(t->lengths, n));
    metrics_num(m, "depth_mean", ratio(t->depth, n));
    metrics_num(m, "gold_mean", ratio(t->gold, n));
    metrics_num(m, "experience_mean", ratio(t->experience, n));
    metrics_num(m, "scout_mean", ratio(t->scout, n));
    metrics_num(m, "score_mean", ratio(t->score, n));
}

/* Its non-zero beginning, as an array. */
static void add_histogram(struct metrics_row *m, const char *name, const double *bins,
                          int count)
{
    struct text_buf b = {0};

    for (; count > 1 && bins[count - 1] <= 0; count--) {
    }
    text_buf_add(&b, "[");
    for (int i = 0; i < count; i++) {
        text_buf_add(&b, "%s%.0f", i == 0 ? "" : ", ", bins[i]);
    }
    text_buf_add(&b, "]");
    metrics_raw(m, name, b.data);
    text_buf_release(&b);
}

static void add_ages(struct metrics_row *m, const char *what,
                     const double bins[TALLIES_DELAYS])
{
    char key[64];

    text_format(key, sizeof(key), "%s_p50", what);
    metrics_num(m, key, tallies_age_quantile(bins, 0.5));
    text_format(key, sizeof(key), "%s_p99", what);
    metrics_num(m, key, tallies_age_quantile(bins, 0.99));
    text_format(key, sizeof(key), "%s_histogram", what);
    add_histogram(m, key, bins, TALLIES_DELAYS);
}

void report_add_replay(struct metrics_row *m, const struct tallies *t)
{
    const struct replay_tallies *r = &t->replay;

    metrics_int(m, "replay_segments", (int64_t)r->segments);
    metrics_int(m, "replay_samples", (int64_t)r->samples);
    metrics_int(m, "replay_windows", (int64_t)r->windows);
    metrics_int(m, "replay_marked", (int64_t)r->marked);
    metrics_int(m, "replay_gone", (int64_t)r->gone);
    metrics_num(m, "replay_window_lost_age", ratio(r->window_aged, r->window_segments));
    metrics_num(m, "replay_lost_age", ratio(r->aged, r->marked));
    metrics_num(m, "replay_lost_ess", ratio(r->cut, r->segments));
    metrics_num(m, "replay_rho_mean", ratio(r->loss.rho, r->samples));
    metrics_num(m, "replay_kl", ratio(r->loss.kl, r->samples));
    metrics_num(m, "replay_value_loss", ratio(r->loss.value, r->samples));
    add_ages(m, "replay_lag", r->lag);
}

void report_add_lags(struct metrics_row *m, const struct tallies *t)
{
    metrics_num(m, "policy_lag_p50", tallies_lag_quantile(t, 0.5));
    metrics_num(m, "policy_lag_p99", tallies_lag_quantile(t, 0.99));
    add_histogram(m, "policy_lag_histogram", t->lag, TALLIES_LAGS);
    add_ages(m, "label_delay", t->delay);
    add_ages(m, "label_age", t->reward.label_age);
    add_ages(m, "model_lag", t->reward.model_lag);
    metrics_int(m, "segments_drawn", (int64_t)t->segments);
    metrics_int(m, "segments_rolled_back", (int64_t)t->rolled_back);
    metrics_int(m, "dropped_lag", (int64_t)t->dropped_lag);
    metrics_int(m, "dropped_schema", (int64_t)t->dropped_schema);
    metrics_int(m, "dropped_corrupt", (int64_t)t->dropped_corrupt);
    metrics_int(m, "dropped_evicted_before_checkpoint", (int64_t)t->missing);
}

/* ---- the whole run ---- */

void report_add_window(struct metrics_row *m, const struct tallies *t,
                       const struct gauges *g)
{
    metrics_int(m, "episodes", (int64_t)t->episodes);
    metrics_int(m, "episodes_last", (int64_t)g->window);
    metrics_num(m, "return_mean", ratio(g->window_return, g->window));
    metrics_num(m, "return_ci95", ci95(g->window, g->window_return, g->window_return2));
    metrics_num(m, "success_rate", ratio(g->window_success, g->window));
    metrics_num(m, "success_ci95",
                ci95(g->window, g->window_success, g->window_success));
    metrics_num(m, "length_mean", ratio(t->lengths, t->episodes));
    metrics_num(m, "depth_mean", ratio(t->depth, t->episodes));
}

static void add_audit(struct metrics_row *m, const struct audit *a, int64_t T)
{
    static const char *const reasons[DROP_REASONS] = {NULL,
                                                      "lag",
                                                      "corrupt",
                                                      "schema",
                                                      "evicted",
                                                      "lost_store",
                                                      "evicted_before_checkpoint"};
    char key[64];

    metrics_int(m, "env_steps_produced", (int64_t)a->total.produced * T);
    metrics_int(m, "segments_produced", (int64_t)a->total.produced);
    metrics_int(m, "segments_trained", (int64_t)a->total.trained);
    metrics_int(m, "segments_waiting", (int64_t)a->total.waiting);
    metrics_int(m, "segments_in_flight", (int64_t)a->total.in_flight);
    metrics_int(m, "segments_lost_with_actor", (int64_t)a->total.lost_with_actor);
    for (int i = 1; i < DROP_REASONS; i++) {
        text_format(key, sizeof(key), "segments_dropped_%s", reasons[i]);
        metrics_int(m, key, (int64_t)a->total.dropped[i]);
    }
    metrics_int(m, "audit_balances", a->balances ? 1 : 0);
}

void report_add_segments(struct metrics_row *m, const struct train *t,
                         const char *store_dir)
{
    const int64_t T = t->options.segment_steps;
    struct audit a;

    if (audit_run(t->options.run_dir, store_dir, &a) == ST_OK) {
        add_audit(m, &a, T);
        audit_release(&a);
        return;
    }
    const double taken = report_outside(&t->gauges, "run_taken");
    metrics_int(m, "env_steps_produced", (int64_t)taken * T);
    metrics_int(m, "segments_produced", (int64_t)taken);
    metrics_int(m, "segments_waiting",
                (int64_t)report_outside(&t->gauges, "segments_waiting"));
    metrics_int(m, "segments_dropped",
                (int64_t)report_outside(&t->gauges, "run_dropped"));
}
