#ifndef LEARNER_REWARD_REWARD_SUMS_H
#define LEARNER_REWARD_REWARD_SUMS_H
/* What rewards count of a batch: doubles alone, so that ranks can add them up. */

#include <stdint.h>

enum {
    REWARD_AGES = 48 // bins of updates, half powers of two: 0, 1, 1.8, 3, 4.7, 7, ...
};

/* Sums over the fresh rows of one batch. */
struct reward_sums {
    double rows;
    double ext, ext2, ext_size; // of a_ext clip(...): sum, squares, absolute values
    double in, in2, in_size;    // of a_int r_int / N^beta
    double captions;            // rows with a caption that is not empty
    double labelled, helpful;   // of those: with a label or in an order, with p > 0.5
    double label_age[REWARD_AGES]; // of the labelled ones: updates since the label came
    double model_lag[REWARD_AGES]; // rows that a model pays: updates since it was made
};

/* The bin of an age in updates. */
int reward_age_bin(uint64_t updates);

#endif
