#include "learner/report_model.h"

#include <math.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/text.h"

static const char gate[] = "gate waits";

static double ratio(double a, double b)
{
    return b > 0 ? a / b : NAN;
}

static void add_need(char out[REPORT_MODEL_STATE], uint64_t has, uint64_t needs,
                     const char *of)
{
    const size_t len = strlen(out);

    if (has < needs) {
        text_format(out + len, REPORT_MODEL_STATE - len, ", %llu of %llu %s",
                    (unsigned long long)has, (unsigned long long)needs, of);
    }
}

/* What is still missing: what is there already is not what it waits for. */
static void gate_state(const struct fitting_figures *f, char out[REPORT_MODEL_STATE])
{
    const uint64_t least =
        f->orders || f->of_class[1] < f->of_class[0] ? f->of_class[1] : f->of_class[0];

    text_format(out, REPORT_MODEL_STATE, "%s", gate);
    add_need(out, f->labels, f->need_labels, "labels");
    add_need(out, least, f->need_class, f->orders ? "decided" : "of a class");
    add_need(out, f->steps, f->need_steps, "steps");
    if (strlen(out) == strlen(gate)) {
        text_format(out, REPORT_MODEL_STATE, "%s for the next version", gate);
    }
}

void report_model_state(const struct fitting_figures *f, char out[REPORT_MODEL_STATE])
{
    out[0] = '\0';
    if (!f->on) {
        return;
    }
    if (f->ramp >= 1) {
        text_format(out, REPORT_MODEL_STATE, "version %llu pays",
                    (unsigned long long)f->version);
    } else if (f->open) {
        text_format(out, REPORT_MODEL_STATE, "version %llu pays %.0f %%",
                    (unsigned long long)f->version, 100 * f->ramp);
    } else {
        gate_state(f, out);
    }
}

/* A silent zero is no reward, but looks like a run with one. One whose captions were told
 * to be worth nothing (--a-int=0) was meant so. */
static void tell_silence(const struct train *t)
{
    const struct reward_sums *s = &t->totals.reward;

    if (strcmp(t->options.reward, "none") != 0 && t->options.a_int > 0 && s->rows > 0 &&
        s->in_size <= 0) {
        char helpful[48] = "";
        if (t->reward.kind->asks != REWARD_ASKS_ORDER) { // which never says that of one
            text_format(helpful, sizeof(helpful), ", %.0f of them a helpful one",
                        s->helpful);
        }
        LOG_WARN("REWARD-SILENT",
                 "the reward %s paid nothing in the whole run: of %.0f captions that "
                 "came %.0f had a label%s",
                 t->options.reward, s->captions, s->labelled, helpful);
    }
}

void report_reward_end(const struct train *t)
{
    const struct fitting_figures *f = &t->reward.fitting;
    char state[REPORT_MODEL_STATE];

    if (!f->on || f->open) {
        tell_silence(t);
        return;
    }
    report_model_state(f, state);
    LOG_WARN("REWARD-GATE", "the reward's model never paid (%s); %s", state,
             f->orders ? "captions paid nothing"
                       : "captions paid by their labels alone");
}

/* As it is now. */
static void add_state(struct metrics_row *m, const struct train *t)
{
    const struct fitting_figures *f = &t->reward.fitting;

    metrics_num(m, "reward_ramp", f->ramp);
    metrics_int(m, "reward_version", (int64_t)f->version);
    metrics_int(m, "fit_steps", (int64_t)f->steps);
    metrics_int(m, "fit_resting", f->resting ? 1 : 0);
    metrics_int(m, "fit_labels", (int64_t)f->labels);
    metrics_int(m, f->orders ? "fit_decided" : "fit_helpful", (int64_t)f->of_class[1]);
    metrics_int(m, "fit_held", (int64_t)f->held);
    metrics_num(m, "held_loss", f->loss);
    metrics_num(m, "held_accuracy", f->accuracy);
    if (!f->orders) {
        metrics_num(m, "held_recall", f->recall);
        metrics_num(m, "held_precision", f->precision);
        metrics_num(m, "held_ece", f->ece);
    }
    metrics_int(m, "fresh_labels", (int64_t)f->fresh);
    metrics_int(m, "fresh_compared", (int64_t)f->decided);
    metrics_num(m, "fresh_agreement", ratio((double)f->agreed, (double)f->decided));
    metrics_num(m, "reward_drift", f->drift);
    if (f->orders) {
        metrics_num(m, "reward_score_mean", f->mean);
        metrics_num(m, "reward_score_sigma", f->sigma);
    }
}

void report_add_model(struct metrics_row *m, const struct train *t,
                      struct report_model_mark *line)
{
    const struct gauges *g = &t->gauges;
    const double updates = (double)(t->update - line->update);

    metrics_int(m, "cpu_fitting_ns", (int64_t)(g->cpu_fitting * 1e9));
    if (t->reward.fitting.on) {
        metrics_num(m, "reward_lag", (double)(t->update - t->reward.fitting.published));
        add_state(m, t);
        metrics_num(m, "captions_scored", t->recent.scored);
        metrics_num(m, "captions_scored_per_update", ratio(t->recent.scored, updates));
        metrics_num(m, "scoring_ms_per_update",
                    ratio((g->cpu_scoring - line->scoring) * 1e3, updates));
        metrics_num(m, "fitting_ms_per_update",
                    ratio((g->cpu_fitting - line->fitting) * 1e3, updates));
    }
    *line = (struct report_model_mark){t->update, g->cpu_scoring, g->cpu_fitting};
}

void report_add_model_run(struct metrics_row *m, const struct train *t,
                          const struct report_model_mark *before)
{
    const double updates = (double)t->update;
    const double own = (double)(t->update - before->update);
    char state[REPORT_MODEL_STATE];

    metrics_num(m, "cpu_scoring_s", before->scoring + t->gauges.cpu_scoring);
    metrics_num(m, "cpu_fitting_s", before->fitting + t->gauges.cpu_fitting);
    metrics_num(m, "scoring_ms_per_update", ratio(t->gauges.cpu_scoring * 1e3, own));
    metrics_num(m, "fitting_ms_per_update", ratio(t->gauges.cpu_fitting * 1e3, own));
    if (t->reward.fitting.on) {
        report_model_state(&t->reward.fitting, state);
        metrics_text(m, "text_net", t->options.text_net);
        metrics_text(m, "reward_model", state);
        add_state(m, t);
        metrics_num(m, "captions_scored", t->totals.scored);
        metrics_num(m, "captions_scored_per_update", ratio(t->totals.scored, updates));
        metrics_num(m, "fit_steps_per_update",
                    ratio((double)t->reward.fitting.steps, updates));
    }
}
