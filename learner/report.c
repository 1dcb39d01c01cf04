#include "learner/report.h"

#include <math.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/nn/mat.h"
#include "learner/report_fields.h"
#include "learner/rundir.h"

static const double log_seconds = 30;
/* CPU seconds over all starts, one number in each. */
static const char judging_file[] = "judging"; // minos reads it, too
static const char scoring_file[] = "scoring", fitting_file[] = "fitting";

enum status report_open(struct report *r, struct train *t)
{
    char path[PATH_MAX_];

    *r = (struct report){.train = t, .state = "running"};
    r->sps = r->paid = NAN;
    r->row_s = r->second_s = r->log_s = clock_s(t->plan.clock);
    r->row_seconds = train_seconds(t);
    r->row_steps = t->env_steps;
    r->row_samples = t->samples;
    r->model.update = r->before.update = t->update;
    if (ranks_index(t->ranks) != 0) {
        return ST_OK;
    }
    r->judging_before = rundir_get_number(t->options.run_dir, judging_file);
    r->before.scoring = rundir_get_number(t->options.run_dir, scoring_file);
    r->before.fitting = rundir_get_number(t->options.run_dir, fitting_file);
    text_format(path, sizeof(path), "%s/metrics.jsonl", t->options.run_dir);
    return metrics_open(path, &r->metrics);
}

void report_close(struct report *r)
{
    if (r->metrics != NULL) {
        fclose(r->metrics);
    }
    metrics_release(&r->row);
    *r = (struct report){0};
}

/* Seconds since the last row that the rank slept which slept longest for its actors: the
 * others wait for it in turn, where nobody sees for whom. */
static double longest_wait(const struct report *r)
{
    double most = 0;

    for (int i = 0; i < ranks_count(r->train->ranks); i++) {
        most = fmax(most, r->train->agreed.of_rank[i].draw_wait - r->row_wait[i]);
    }
    return most;
}

/* Whom the run waits for most: what a user would want to have more of. */
static const char *waiting_for(const struct report *r)
{
    const struct train *t = r->train;
    const double total = clock_s(t->plan.clock) - r->row_s;
    const struct reward_sums *s = &t->recent.reward;
    const double queued = report_outside(&t->gauges, "questions_queued") +
                          report_outside(&t->gauges, "questions_in_flight");

    if (t->reward.kind->needs_labels && s->labelled < 0.5 * s->captions &&
        queued > 0.1 * report_outside(&t->gauges, "captions")) {
        return "judge";
    }
    return longest_wait(r) > 0.3 * total ? "actors" : "learner";
}

/* Of the last row; before there is one, since the start. NAN: nothing trained yet. */
static double steps_per_second(const struct report *r)
{
    const struct train *t = r->train;
    const double used = train_seconds(t) - r->row_seconds;

    if (!isnan(r->sps)) {
        return r->sps;
    }
    return used > 0 ? (double)(t->env_steps - r->row_steps) / used : NAN;
}

/* CPU seconds of the run that ranks spent on being judged: meeting captions, questions,
 * verdicts, the ledger, and rewards out of them. */
static double judging_cpu(const struct report *r)
{
    const struct gauges *g = &r->train->gauges;

    return r->judging_before + g->cpu_scoring + g->cpu_fitting +
           report_outside(g, "cpu_asking_ns") * 1e-9;
}

/* Replaced as they grow, so that a start that dies leaves what it spent. */
static void put_spent(const struct report *r)
{
    const char *dir = r->train->options.run_dir;
    const struct gauges *g = &r->train->gauges;

    rundir_put_number(dir, judging_file, judging_cpu(r));
    rundir_put_number(dir, scoring_file, r->before.scoring + g->cpu_scoring);
    rundir_put_number(dir, fitting_file, r->before.fitting + g->cpu_fitting);
}

static bool asks_orders(const struct train *t)
{
    return t->reward.kind->asks == REWARD_ASKS_ORDER;
}

/* Training's table counts captions; orders are counted where they are given. */
static int64_t labels_of(const struct train *t)
{
    return asks_orders(t) ? (int64_t)report_outside(&t->gauges, "labels")
                          : (int64_t)t->reward.table.labels;
}

/* That judges left a run that ended is no news. */
static double asking_of(const struct report *r)
{
    return r->leaving ? r->asking : report_outside(&r->train->gauges, "asking");
}

/* ---- once a second ---- */

static void add_reward(struct report *r)
{
    const struct train *t = r->train;
    const struct fitting_figures *f = &t->reward.fitting;
    struct metrics_row *m = &r->row;
    char model[REPORT_MODEL_STATE];

    report_model_state(f, model);
    metrics_text(m, "reward", t->options.reward);
    metrics_text(m, "reward_note", t->reward.note != NULL ? t->reward.note : "");
    metrics_text(m, "reward_model", model);
    metrics_num(m, "r_int_mean", r->paid);
    metrics_num(m, "held_accuracy", f->on ? f->accuracy : NAN);
    metrics_num(m, "held_recall", f->on && !f->orders ? f->recall : NAN);
    metrics_num(m, "held_precision", f->on && !f->orders ? f->precision : NAN);
}

static void write_progress(struct report *r)
{
    const struct train *t = r->train;
    const struct gauges *g = &t->gauges;
    struct metrics_row *m = &r->row;

    metrics_begin(m);
    metrics_text(m, "state", r->state);
    metrics_int(m, "update", (int64_t)t->update);
    metrics_int(m, "env_steps", (int64_t)t->env_steps);
    metrics_int(m, "steps", t->options.steps);
    metrics_num(m, "seconds", train_seconds(t));
    metrics_num(m, "seconds_given", t->options.seconds);
    metrics_num(m, "sps", steps_per_second(r));
    metrics_int(m, "episodes", (int64_t)t->totals.episodes);
    metrics_num(m, "return_mean", g->window > 0 ? g->window_return / g->window : NAN);
    metrics_num(m, "success_rate", g->window > 0 ? g->window_success / g->window : NAN);
    metrics_int(m, "labels", labels_of(t));
    report_add_asking(m, g, asking_of(r));
    add_reward(r);
    metrics_num(m, "policy_lag_p99", tallies_lag_quantile(&t->totals, 0.99));
    metrics_int(m, "actors", (int64_t)report_outside(g, "members"));
    metrics_int(m, "judges", (int64_t)report_outside(g, "judges"));
    metrics_int(m, "tokens_in", (int64_t)report_outside(g, "tokens_in"));
    metrics_int(m, "tokens_out", (int64_t)report_outside(g, "tokens_out"));
    metrics_num(m, "money", report_outside(g, "judge_cost_micro") * 1e-6);
    metrics_text(m, "waiting_for", waiting_for(r));
    rundir_put_quick(t->options.run_dir, "progress.json", metrics_end(m));
    rundir_put_seconds(t->options.run_dir, train_seconds(t));
    put_spent(r);
}

/* ---- once a row ---- */

/* They are more than sums: straight from the I/O thread's counters, which this thread may
 * read. */
static void add_judges(struct report *r)
{
    static struct io_counters c; // large

    io_report_get(r->train->plan.outside_ctx, &c);
    report_add_judges(&r->row, &c);
}

static void add_stages(struct report *r)
{
    const struct train *t = r->train;
    char key[48];

    for (int s = 0; s < STAGES; s++) {
        text_format(key, sizeof(key), "stage_%s_s", train_stage_name(s));
        metrics_num(&r->row, key, t->stage_s[s] - r->row_stage[s]);
        r->row_stage[s] = t->stage_s[s];
    }
}

/* What the reward tells of itself. */
static void add_own(struct metrics_row *m, const struct train *t, bool summary)
{
    if (t->reward.kind->report != NULL) {
        t->reward.kind->report(&t->reward, m, summary);
    }
}

static void write_row(struct report *r, struct train *t)
{
    const double seconds = train_seconds(t), used = seconds - r->row_seconds;
    struct metrics_row *m = &r->row;

    r->sps = used > 0 ? (double)(t->env_steps - r->row_steps) / used : NAN;
    r->paid =
        t->recent.reward.rows > 0 ? t->recent.reward.in / t->recent.reward.rows : NAN;
    metrics_begin(m);
    metrics_int(m, "update", (int64_t)t->update);
    metrics_int(m, "env_steps", (int64_t)t->env_steps);
    metrics_num(m, "seconds", seconds);
    metrics_num(m, "sps", r->sps);
    metrics_num(m, "learner_samples_per_s",
                used > 0 ? (double)(t->samples - r->row_samples) / used : 0);
    metrics_text(m, "waiting_for", waiting_for(r));
    report_add_training(m, t);
    report_add_rewards(m, &t->recent.reward, asks_orders(t));
    add_own(m, t, false);
    report_add_episodes(m, &t->recent, &t->gauges);
    report_add_lags(m, &t->recent);
    if (t->replaying.on) {
        report_add_replay(m, &t->recent);
    }
    report_add_outside(m, &t->gauges);
    add_judges(r);
    metrics_int(m, "cpu_scoring_ns", (int64_t)(t->gauges.cpu_scoring * 1e9));
    report_add_model(m, t, &r->model);
    report_add_ranks(m, t);
    add_stages(r);
    metrics_append(r->metrics, metrics_end(m));
    r->row_s = clock_s(t->plan.clock);
    r->row_seconds = seconds;
    for (int i = 0; i < ranks_count(t->ranks); i++) {
        r->row_wait[i] = t->agreed.of_rank[i].draw_wait;
    }
    r->row_steps = t->env_steps;
    r->row_samples = t->samples;
    t->recent = (struct tallies){0};
}

static void write_log(const struct report *r)
{
    const struct train *t = r->train;
    const struct gauges *g = &t->gauges;

    LOG_INFO("TRAIN-PROGRESS",
             "update %llu, %.2f M env steps, %.0f steps/s, success %.2f over %.0f "
             "episodes, %lld labels, lag p99 %.0f",
             (unsigned long long)t->update, (double)t->env_steps * 1e-6,
             steps_per_second(r), g->window > 0 ? g->window_success / g->window : 0,
             g->window, (long long)labels_of(t),
             fmax(tallies_lag_quantile(&t->totals, 0.99), 0));
}

void report_tick(struct report *r, struct train *t)
{
    const double now = clock_s(t->plan.clock);

    if (r->metrics == NULL) {
        return;
    }
    if (now >= r->row_s + t->options.metrics_seconds && t->recent.samples > 0) {
        write_row(r, t);
    }
    if (now >= r->second_s + 1) {
        r->second_s = now;
        write_progress(r);
    }
    if (now >= r->log_s + log_seconds) {
        r->log_s = now;
        write_log(r);
    }
}

/* ---- once a run ---- */

void report_leaving(struct report *r)
{
    r->asking = report_outside(&r->train->gauges, "asking");
    r->leaving = true;
    r->state = "stopping";
}

static bool count_verdict(void *report, const struct ledger_entry *e)
{
    struct report *r = report;

    if (e->origin.len > 0) { // another run asked for it, and paid
        r->copied++;
        return true;
    }
    r->requests += e->requests;
    r->cost_micro += e->cost_micro;
    // A question's attempt says in which start it was asked (learner/intake/asking.c).
    r->answered_before += (e->question >> 8 & 0xff) != (r->train->plan.start & 0xff);
    if (e->verdict_kind < VERDICT_KINDS && e->purpose == PURPOSE_LABEL) {
        r->verdicts[e->verdict_kind]++;
    }
    r->verdicts_late += e->late ? 1 : 0;
    r->tokens_in += e->tokens_in;
    r->tokens_out += e->tokens_out;
    return true;
}

enum status report_read_ledger(struct report *r, struct ledger *l)
{
    return l == NULL ? ST_OK : ledger_scan(l, 1, 0, count_verdict, r);
}

static const char *const as_they_are[] = {
    "captions_given_up",     "forms",
    "consistency_asked",     "consistency_answered",
    "progress_emissions",    "progress_helpful",
    "other_helpful",         "progress_delay_p50_ms",
    "progress_delay_p99_ms", "orders_tied",
    "pairs_by_form",         "pairs_by_uncertainty",
    "pairs_by_quartile",     "judge_p50_ms",
    "judge_p99_ms",          "tokens_estimated"};

static void add_judging(struct report *r, const struct train *t)
{
    struct metrics_row *m = &r->row;
    char key[48];

    metrics_int(m, "captions", (int64_t)report_outside(&t->gauges, "captions"));
    metrics_int(m, "captions_met", (int64_t)t->gauges.captions);
    metrics_int(m, "labels", labels_of(t));
    metrics_num(m, "labels_per_million_steps",
                t->env_steps > 0 ? (double)labels_of(t) * 1e6 / (double)t->env_steps
                                 : NAN);
    if (asks_orders(t)) {
        metrics_num(m, "orders_tied_share",
                    labels_of(t) > 0 ? report_outside(&t->gauges, "orders_tied") /
                                           (double)labels_of(t)
                                     : NAN);
    }
    for (int k = 1; k < VERDICT_KINDS; k++) {
        text_format(key, sizeof(key), "verdicts_%s",
                    verdict_kind_name((enum verdict_kind)k));
        metrics_int(m, key, (int64_t)r->verdicts[k]);
    }
    metrics_int(m, "verdicts_late", (int64_t)r->verdicts_late);
    metrics_int(m, "verdicts_copied", (int64_t)r->copied);
    metrics_int(m, "tokens_in", (int64_t)r->tokens_in);
    metrics_int(m, "tokens_out", (int64_t)r->tokens_out);
    // What earlier starts asked is in the ledger, as far as it was answered.
    metrics_int(m, "questions_asked",
                (int64_t)r->answered_before +
                    (int64_t)report_outside(&t->gauges, "questions_asked"));
    metrics_int(m, "questions_duplicate",
                (int64_t)report_outside(&t->gauges, "questions_duplicate"));
    metrics_int(m, "questions_expired",
                (int64_t)report_outside(&t->gauges, "questions_expired"));
    metrics_int(m, "questions_dropped",
                (int64_t)report_outside(&t->gauges, "questions_dropped"));
    metrics_int(m, "judge_requests", (int64_t)r->requests);
    metrics_num(m, "judge_cost", (double)r->cost_micro * 1e-6);
    for (size_t i = 0; i < sizeof(as_they_are) / sizeof(as_they_are[0]); i++) {
        report_add_one(m, &t->gauges, as_they_are[i]);
    }
    report_add_asking(m, &t->gauges, asking_of(r));
    add_judges(r);
}

static enum status write_summary(struct report *r, struct train *t,
                                 const char *store_dir)
{
    const double seconds = train_seconds(t);
    struct metrics_row *m = &r->row;
    char path[PATH_MAX_];

    metrics_begin(m);
    metrics_text(m, "env", t->options.env);
    metrics_text(m, "reward", t->options.reward);
    metrics_text(m, "goal", t->plan.goal_name != NULL ? t->plan.goal_name : "");
    metrics_text(m, "judge", t->reward.kind->needs_labels ? t->options.judge : "none");
    metrics_text(m, "net", t->options.net);
    metrics_int(m, "seed", t->options.seed);
    metrics_int(m, "ranks", ranks_count(t->ranks));
    metrics_int(m, "starts", t->plan.start);
    metrics_int(m, "updates", (int64_t)t->update);
    metrics_int(m, "env_steps", (int64_t)t->env_steps);
    metrics_num(m, "seconds", seconds);
    metrics_num(m, "sps", seconds > 0 ? (double)t->env_steps / seconds : 0);
    metrics_int(m, "samples", (int64_t)t->samples);
    metrics_num(m, "learner_samples_per_s",
                seconds > 0 ? (double)t->samples / seconds : 0);
    report_add_window(m, &t->totals, &t->gauges);
    report_add_rewards(m, &t->totals.reward, asks_orders(t));
    add_judging(r, t);
    add_own(m, t, true);
    report_add_model_run(m, t, &r->before);
    report_add_lags(m, &t->totals);
    if (t->replaying.on) {
        report_add_replay(m, &t->totals);
    }
    report_add_segments(m, t, store_dir);
    metrics_num(m, "peak_anon_mb", report_anon_peak(t));
    metrics_text(m, "blas_core", mat_core_name());
    (void)metrics_end(m);
    text_buf_add(&m->buf, "\n");
    text_format(path, sizeof(path), "%s/summary.json", t->options.run_dir);
    return file_write_atomic(path, bytes_of(m->buf.data, m->buf.len));
}

enum status report_finish(struct report *r, struct train *t, const char *store_dir)
{
    if (r->metrics == NULL) {
        return ST_OK;
    }
    if (t->recent.samples > 0) {
        write_row(r, t);
    }
    TRY(write_summary(r, t, store_dir));
    r->state = "done";
    write_progress(r);
    report_reward_end(t);
    LOG_INFO("TRAIN-END", "ended after %llu updates and %llu env steps in %.0f s",
             (unsigned long long)t->update, (unsigned long long)t->env_steps,
             train_seconds(t));
    return ST_OK;
}
