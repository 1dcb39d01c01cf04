#ifndef LEARNER_REWARD_FITTING_H
#define LEARNER_REWARD_FITTING_H
/* What a fitted reward is asked for, what it hears from judges and from other ranks, and
 * what it tells of itself: plain data. Training thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/hash.h"
#include "common/base/status.h"
#include "common/wire/judgement.h"

enum { FITTING_BURST = 32, FITTING_BURST_LABELS = 25000 };

struct fitting_options {
    const char *text_net;    // "ngram", "cnn"
    double lr;               // of Adam
    int64_t steps, batch;    // gradient steps for an update, labels in each
    int64_t version_updates; // at least so many updates between two versions
    int64_t gate_labels, gate_class, gate_steps, ramp_updates;
    double held_out; // share of the labels
    double balance;  // share of the draws that are of helpful labels alone
    uint64_t seed;
    int64_t label_budget; // 0 = none
    bool labels_come;     // from other ledgers, beside the budget
    /* The reference's schedule instead of `steps`: FITTING_BURST steps in an update that
     * brings labels, as long as there are fewer than FITTING_BURST_LABELS, then one in each
     * update; it never rests. */
    bool bursts;
};

/* A label that may train, taken by all ranks at the same update. */
struct reward_label {
    struct hash128 key; // of the item; of one caption: the caption's
    uint64_t serial;    // the ledger's
    uint8_t kind;       // VERDICT_LABEL or VERDICT_TIE
    uint8_t captions;   // 1: a rating; K: an order
    float p;            // rating: P(helpful)
    struct hash128 caption[ITEM_CAPTIONS_MAX]; // order: the captions'
    uint8_t place[ITEM_CAPTIONS_MAX];          // order: 0 is best; equal = tie
};

/* The other ranks, as a model that is fitted on all of them together sees them. Each rank
 * calls the same ones in the same order. */
struct reward_peers {
    int index, count;
    MUST_USE enum status (*sum)(void *ctx, float *v, size_t n); // over all ranks
    MUST_USE enum status (*agree)(void *ctx, double *v, int n); // likewise
    void *ctx;
};

/* Of a model; all zero where there is none. Equal on all ranks but for the last line. */
struct fitting_figures {
    bool on;     // there is a model
    bool open;   // its gate
    bool orders; // its labels are orders: class 1 is 'not all tied'
    double ramp; // share of its opinion in what is paid, 0..1
    uint64_t labels, of_class[2], held;
    uint64_t need_labels, need_class, need_steps; // for the gate
    uint64_t version, steps;       // weights that pay; gradient steps so far
    uint64_t published;            // update at which that version began to pay
    uint64_t update_steps;         // of this update
    bool resting;                  // the held-out loss does not fall; until labels come
    uint64_t chance, digest;       // data order; XXH3 of the weights that are fitted
    double loss;                   // held out, by the last version
    double recall, precision, ece; // likewise, of labels above 1/2; NAN: not known
    double accuracy;               // likewise, of ratings, or of pairs that are no tie
    /* Labels that came while a version was there; of these ratings, and orders that are not
     * all tied; of those the version had on its side, of an order most pairs. */
    uint64_t fresh, decided, agreed;
    double drift;       // mean change of what the probe set is paid, NAN
    double mean, sigma; // of scores, where they are normalised
    uint64_t scored;    // captions that this rank scored, since this start
};

/* A caption scored anew: journal, and whoever chooses what to ask. */
struct fitting_scored {
    struct hash128 key;
    float score;
};

#endif
