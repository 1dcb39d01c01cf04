/* What asking tells of itself. */
#include <math.h>
#include <string.h>

#include "learner/intake/asking_impl.h"

/* All judges want no questions. */
static enum io_asking paused_state(enum judge_pause pause)
{
    static const enum io_asking states[PAUSES] = {
        [PAUSE_UNSAID] = IO_ASKING_PAUSED,
        [PAUSE_SERVER] = IO_ASKING_SERVER,
        [PAUSE_BUDGET_HOUR] = IO_ASKING_JUDGES_HOUR,
        [PAUSE_BUDGET] = IO_ASKING_JUDGES_BUDGET};

    return states[pause];
}

static enum io_asking asking_state(const struct asking *a)
{
    const uint32_t alive = judges_alive(&a->judges);

    return !a->plan->needs_labels                   ? IO_ASKING_NOT
           : allowance_is_spent(&a->allowance)      ? IO_ASKING_BUDGET
           : allowance_hour_is_spent(&a->allowance) ? IO_ASKING_BUDGET_HOUR
           : alive == 0                             ? IO_ASKING_NOBODY
           : alive == judges_pausing(&a->judges)
               ? paused_state(judges_pause(&a->judges))
               : IO_ASKING_ON;
}

/* Processes of one name and model are one judge; of those that have left the fastest. */
static void report_judges(const struct asking *a, struct io_counters *out)
{
    out->judges_told = (uint32_t)a->repute.count;
    for (int i = 0; i < a->repute.count; i++) {
        struct io_judge *told = &out->judge[i];
        double gone = 0;
        *told = a->repute.one[i].told;
        for (int k = 0; k < JUDGES_MAX; k++) {
            const struct judge *j = &a->judges.list[k];
            if (j->number == 0 ||
                strncmp(j->name, told->name, IO_JUDGE_NAME - 1) != 0 ||
                strncmp(j->model, told->model, IO_JUDGE_NAME - 1) != 0) {
                continue;
            }
            if (j->alive) {
                told->per_s += judges_speed_told(j);
            } else {
                gone = fmax(gone, judges_speed_told(j));
            }
        }
        told->per_s = told->per_s > 0 ? told->per_s : gone;
    }
}

void asking_report(const struct asking *a, struct io_counters *out)
{
    // What only this module counts is all in `told`; the rest of `out` is others'.
    const struct io_counters *t = &a->told;

    out->labels = t->labels;
    out->orders_tied = t->orders_tied;
    memcpy(out->pairs, t->pairs, sizeof(out->pairs));
    out->questions_asked = t->questions_asked;
    out->questions_duplicate = t->questions_duplicate;
    out->questions_dropped = t->questions_dropped;
    out->questions_expired = t->questions_expired;
    out->questions_in_flight = a->leases;
    out->questions_queued = schedule_count(a->schedule);
    out->questions_open = schedule_count(a->schedule) + a->delayed_count + a->leases;
    memcpy(out->verdicts, t->verdicts, sizeof(out->verdicts));
    out->verdicts_late = t->verdicts_late;
    out->verdicts_repeated = t->verdicts_repeated;
    out->tokens_in = t->tokens_in;
    out->tokens_out = t->tokens_out;
    out->tokens_estimated = t->tokens_estimated;
    out->judge_requests = t->judge_requests;
    out->judge_cost_micro = t->judge_cost_micro;
    out->captions_given_up = t->captions_given_up;
    out->forms = schedule_forms(a->schedule);
    out->consistency_asked = t->consistency_asked;
    out->consistency_answered = t->consistency_answered;
    out->progress_emissions = t->progress_emissions;
    out->progress_helpful = t->progress_helpful;
    out->other_helpful = t->other_helpful;
    out->progress_delay_p50_ms = latency_quantile_ms(&a->progress_delay, 0.5);
    out->progress_delay_p99_ms = latency_quantile_ms(&a->progress_delay, 0.99);
    out->failing_share = alarm_share(&a->alarm);
    out->alarm = a->alarm.raised;
    out->failing_kind = alarm_worst(&a->alarm);
    out->asking = asking_state(a);
    out->judge_p50_ms = latency_quantile_ms(&a->latency, 0.5);
    out->judge_p99_ms = latency_quantile_ms(&a->latency, 0.99);
    out->judges = judges_alive(&a->judges);
    out->cpu_ledger_ns = t->cpu_ledger_ns;
    report_judges(a, out);
}
