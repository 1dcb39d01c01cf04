#ifndef LEARNER_REWARD_MOTIF_FIT_IMPL_H
#define LEARNER_REWARD_MOTIF_FIT_IMPL_H
/* What motif_fit.c (steps) and motif_measure.c (what is held out, statistics) share; nobody
 * else. */

#include "common/base/rng.h"
#include "common/nn/adam.h"
#include "learner/reward/motif_fit.h"

enum {
    FIT_ROWS = 256,  // texts of a pass
    FIT_PAIRS = 4096 // of ratings, for what is held out
};

struct fit_list {
    uint32_t *number; // of labels
    uint32_t count;
};

/* A comparison: an order's number twice, or of two ratings the helpful one first. */
struct fit_item {
    uint32_t better, worse;
};

struct fit {
    struct motif_fit_options options;
    const struct labels *labels;
    struct motif_about *about;
    struct capnet *net;
    struct adam adam;
    struct rng rng;
    float *best; // weights
    double best_loss, gained_loss;
    uint64_t told_ms;
    // ratings by [helpful][held out]; orders by [held out], those all tied too
    struct fit_list rate[2][2], order[2];
    struct fit_item *item; // of an epoch
    uint32_t items;
    struct fit_item *test; // held out
    uint32_t tests;
    // a pass
    struct bytes text[FIT_ROWS];
    uint8_t place[FIT_ROWS];
    int first[FIT_ROWS + 1];
    float dout[FIT_ROWS];
};

/* The pass of items[from..): as many as fit; returns where the next begins. */
uint32_t fit_gather(struct fit *f, const struct fit_item *items, uint32_t from,
                    uint32_t to, int *taken);
/* Any of a list, by chance; it must have one. */
uint32_t fit_draw(struct rng *rng, const struct fit_list *l);

void fit_choose_tests(struct fit *f);
struct fit_measured {
    double items, loss;     // sum over items
    double compared, right; // pairs that are no tie
};
void fit_measure(struct fit *f, struct fit_measured *out);
/* Mean, deviation and quantiles of what the captions of training labels score. ST_CORRUPT
 * (logged): all the same, or no numbers. */
MUST_USE enum status fit_statistics(struct fit *f);

#endif
