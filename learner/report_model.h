#ifndef LEARNER_REPORT_MODEL_H
#define LEARNER_REPORT_MODEL_H
/* What a run tells of its reward's model, where it has one. Rank 0's training thread. */

#include <stddef.h>

#include "common/base/metrics.h"
#include "learner/train/train.h"

enum { REPORT_MODEL_STATE = 128 };

/* For people: what the gate waits for, how far the ramp is, or the version that pays; ""
 * where there is no model. */
void report_model_state(const struct fitting_figures *f, char out[REPORT_MODEL_STATE]);

/* Says when a run ends whose model, or whose whole reward, never paid. */
void report_reward_end(const struct train *t);

/* Where a line begins, or a start: what came before. */
struct report_model_mark {
    uint64_t update;
    double scoring, fitting; // seconds of CPU
};
/* Fields of a line of metrics.jsonl; *line is moved on. */
void report_add_model(struct metrics_row *m, const struct train *t,
                      struct report_model_mark *line);
/* Fields of summary.json. before: what earlier starts did. */
void report_add_model_run(struct metrics_row *m, const struct train *t,
                          const struct report_model_mark *before);

#endif
