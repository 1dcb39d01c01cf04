#ifndef LEARNER_TRAIN_MOMENTS_H
#define LEARNER_TRAIN_MOMENTS_H
/* Running moments of the value targets, which the critic predicts as (v - mean) / scale
 * (PopArt, van Hasselt et al. 2016). Plain numbers: saved whole in the checkpoint. */

#include <stdbool.h>

struct moments {
    bool on;              // off: mean 0, scale 1 for ever
    double rate;          // of the running averages, per update
    double weight;        // of what was seen so far: 1 - (1 - rate)^updates
    double first, second; // running averages of v and v^2, not yet debiased
    double mean, scale;   // V = normalised * scale + mean
};

void moments_init(struct moments *m, bool on, double rate);
/* One update's targets, over all ranks: n, sum of v, sum of v^2, in reward units. n = 0
 * changes nothing. */
void moments_move(struct moments *m, double n, double sum, double squares);

#endif
