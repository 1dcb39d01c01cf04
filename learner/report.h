#ifndef LEARNER_REPORT_H
#define LEARNER_REPORT_H
/* What a run tells of itself, written by rank 0's training thread: metrics.jsonl (a line
 * each --metrics-seconds), progress.json and seconds (after an update, each second at
 * most), summary.json (once, at the end). The I/O thread's counters of all ranks come along
 * with the small allreduce. */

#include <stdio.h>

#include "common/base/metrics.h"
#include "common/base/status.h"
#include "learner/intake/io_report.h"
#include "learner/report_model.h"
#include "learner/store/ledger.h"
#include "learner/train/train.h"

struct report {
    const struct train *train;
    const char *state; // "starting", "running", "stopping", "done"
    FILE *metrics;     // NULL: not rank 0
    struct metrics_row row;
    double row_s, second_s, log_s;   // clock at the last of each
    double row_seconds;              // used seconds at the last row
    uint64_t row_steps, row_samples; // at the last row
    double row_stage[STAGES];        // likewise
    double row_wait[RANKS_MAX];      // likewise, of each rank, for actors
    struct report_model_mark model;  // likewise
    struct report_model_mark before; // what earlier starts did
    double sps;                      // env steps per second over the last row, or NAN
    double judging_before;           // CPU seconds that earlier starts spent on judging
    double paid;                     // r_int a step over the last row, or NAN
    bool leaving;                    // judges are being told to leave
    double asking;                   // who was asked before they were, enum io_asking
    /* Of the whole run, as the ledger has it; rank 0. */
    uint64_t verdicts[VERDICT_KINDS], verdicts_late, tokens_in, tokens_out;
    uint64_t requests, cost_micro; // that answers took
    uint64_t copied;               // verdicts of other runs, in none of these
    uint64_t answered_before;      // questions of earlier starts that were answered
};

/* For train_plan.outside; ctx is a struct io_report. */
void report_read_outside(void *ctx, int rank, double *v, struct rank_gauges *own);

/* ST_IO (logged): metrics.jsonl cannot be written. */
MUST_USE enum status report_open(struct report *r, struct train *t);
/* After each step: writes what is due. */
void report_tick(struct report *r, struct train *t);
/* Training is over: actors and judges leave in what follows. */
void report_leaving(struct report *r);
/* The last line, summary.json and progress.json. store_dir: where the audit looks. */
MUST_USE enum status report_finish(struct report *r, struct train *t,
                                   const char *store_dir);
/* Counts the run's verdicts, restarts included, for the summary. */
MUST_USE enum status report_read_ledger(struct report *r, struct ledger *l);
void report_close(struct report *r);

#endif
