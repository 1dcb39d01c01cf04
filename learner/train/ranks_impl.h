#ifndef LEARNER_TRAIN_RANKS_IMPL_H
#define LEARNER_TRAIN_RANKS_IMPL_H
/* What stands behind ranks.h: MPI in ranks.c, and in tests a twin on threads. */

#include "learner/train/ranks.h"

struct ranks_door {
    /* Returns when all ranks have come. */
    enum status (*arrive)(struct ranks *r);
    enum status (*sum_doubles)(struct ranks *r, double *v, int n);
    enum status (*sum_floats)(struct ranks *r, float *v, size_t n);
    enum status (*from_first)(struct ranks *r, void *data, size_t bytes);
    /* out: count blocks, lens[i] bytes each, packed. */
    enum status (*gather)(struct ranks *r, struct bytes mine, uint8_t *out,
                          const size_t *lens);
    void (*abort)(struct ranks *r, int exit_code);
    void (*close)(struct ranks *r);
};

struct ranks {
    const struct ranks_door *door; // NULL: alone
    int index, count;
    double waited, hang_seconds;
    double *arrivals; // (count) seconds each rank waited in this round
    void *impl;
};

#endif
