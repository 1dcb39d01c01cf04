#ifndef LEARNER_REPORT_FIELDS_H
#define LEARNER_REPORT_FIELDS_H
/* The groups of fields that rows of metrics.jsonl and summary.json are made of. */

#include "common/base/metrics.h"
#include "learner/intake/io_report.h"
#include "learner/train/train.h"

/* One of the I/O thread's counters by its name in metrics.jsonl: summed over ranks, or
 * rank 0's where that speaks for all. */
double report_outside(const struct gauges *g, const char *name);
/* The same as a field; null where it is a time of which nothing was measured yet. */
void report_add_one(struct metrics_row *m, const struct gauges *g, const char *name);

void report_add_training(struct metrics_row *m, const struct train *t);
/* orders: those are what judges give. */
void report_add_rewards(struct metrics_row *m, const struct reward_sums *s,
                        bool orders);
void report_add_episodes(struct metrics_row *m, const struct tallies *t,
                         const struct gauges *g);
/* How old: weights, labels, what a model pays; with histograms. */
void report_add_lags(struct metrics_row *m, const struct tallies *t);
/* Where trained segments are replayed. */
void report_add_replay(struct metrics_row *m, const struct tallies *t);
void report_add_outside(struct metrics_row *m, const struct gauges *g);
/* Each judge's answers, as an array; rank 0's counters. */
void report_add_judges(struct metrics_row *m, const struct io_counters *c);
/* For people: whether judges are asked (enum io_asking), the share of failures, the alarm
 * or "". */
void report_add_asking(struct metrics_row *m, const struct gauges *g, double asking);
/* Of the rank where it is largest: memory, the store's file over its live bytes. */
void report_add_ranks(struct metrics_row *m, const struct train *t);
double report_anon_peak(const struct train *t);
/* Of the run: episodes, and the last ones with 95 % intervals. */
void report_add_window(struct metrics_row *m, const struct tallies *t,
                       const struct gauges *g);
/* produced, trained, waiting, in flight, dropped by reason: from the audit where it sees
 * every rank's store, else from the counters of this start. */
void report_add_segments(struct metrics_row *m, const struct train *t,
                         const char *store_dir);

#endif
