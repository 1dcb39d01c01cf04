#ifndef LEARNER_TRAIN_TALLIES_H
#define LEARNER_TRAIN_TALLIES_H
/* What training counts, and what of it ranks tell each other: structs of doubles alone, so
 * that one small allreduce sums them all. Training thread. */

#include <stdint.h>

#include "common/wire/segment.h"
#include "learner/reward/reward_sums.h"
#include "learner/train/loss.h"

enum {
    TALLIES_LAGS = 64,            // updates behind; the last bin holds all above
    TALLIES_DELAYS = REWARD_AGES, // half powers of two of updates
    TALLIES_WINDOW =
        200,             // episodes that the success rate looks back on, over all ranks
    TALLIES_OUTSIDE = 96 // the I/O thread's own figures; learner/report.c knows them
};

/* Replay of trained segments. */
struct replay_tallies {
    double windows;         // of labels that came late
    double window_segments; // in those windows; in two windows counts twice
    double window_aged;     // of these, too old already when the label came
    double marked;          // segments that were to be replayed
    double aged, gone;      // of these, too old before their turn; not in the store
    double segments;        // replayed
    double cut;             // of these, too far from what the policy does now: no loss
    double samples;         // rows that carried loss, every pass counted
    double lag[TALLIES_DELAYS]; // of replayed segments: half powers of two of updates
    struct loss_sums loss;
};

/* Grows; summed over ranks and then over updates. */
struct tallies {
    double samples;        // fresh rows trained, every pass counted
    struct loss_sums loss; // of fresh rows
    struct reward_sums reward;
    double scored; // captions that the reward's model scored anew
    struct replay_tallies replay;
    double segments, rolled_back, missing; // drawn; from a lost future; evicted before
    double dropped_lag, dropped_schema, dropped_corrupt;
    double lag[TALLIES_LAGS];
    double delay[TALLIES_DELAYS]; // of labels: updates from first sight to the label
    double episodes, returns, returns2, lengths, successes, depth, gold, experience,
        scout, score;
};

/* As it is now; summed over ranks. */
struct gauges {
    double window, window_success, window_return, window_return2; // last episodes
    double captions;    // distinct, met in training; rank 0's
    double cpu_scoring; // seconds of CPU that rewards took, since this start
    double cpu_fitting; // and their model's gradient steps
    double outside[TALLIES_OUTSIDE];
};

/* One rank's, which no sum over ranks would mean anything of. */
struct rank_gauges {
    double draw_wait;       // seconds asleep for actors, since this start
    double anon, anon_peak; // MB: mem_anon_mb()
    double file_ratio;      // of its store
};

/* The last episodes of this rank. */
struct tallies_window {
    int size, count, at;
    float *success, *ret;
};

void tallies_window_init(struct tallies_window *w, int ranks);
void tallies_window_release(struct tallies_window *w);

/* A segment that is about to be trained: its lag and the episodes that ended in it. */
void tallies_segment(struct tallies *t, struct tallies_window *w, uint64_t lag,
                     const struct segment_view *v);
void tallies_delay(struct tallies *t, int64_t updates);
void tallies_replayed(struct tallies *t, uint64_t lag);
void tallies_add(struct tallies *sum, const struct tallies *more);
void tallies_gauge(struct gauges *g, const struct tallies_window *w);

/* The bin's lower edge below which a share q of the histogram lies; NAN when empty. */
double tallies_lag_quantile(const struct tallies *t, double q);
double tallies_delay_quantile(const struct tallies *t, double q);
/* The same of one of those of half powers of two. */
double tallies_age_quantile(const double bins[TALLIES_DELAYS], double q);

#endif
