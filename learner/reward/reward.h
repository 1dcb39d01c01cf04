#ifndef LEARNER_REWARD_REWARD_H
#define LEARNER_REWARD_REWARD_H
/* What a step pays:
 *   r_t = a_ext clip(scale r_env, +-clip) + a_int r_int(caption) / N_ep(caption)^beta
 * for the caption that action t caused; an empty one pays 0. N_ep, counted by the actor, is
 * how often it has come in its episode, now included. r_int is the business of a reward
 * kind: one file each, one line in the list of reward.c. Computed when a batch is gathered,
 * never written back into segments. Training thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/status.h"
#include "learner/reward/caption_table.h"

enum { REWARD_POWERS = 64 };

/* A batch as rewards see it. */
struct reward_rows {
    int rows, texts;
    const float *env_reward;   // (rows)
    const uint16_t *count;     // (rows) N_ep >= 1
    const uint32_t *caused;    // (rows) index into text
    const struct bytes *text;  // (texts) distinct
    const struct hash128 *key; // (texts)
    const uint32_t *emissions; // (texts) rows that caused it
};

struct reward_options {
    const char *kind; // "none", "count", "retrieval"
    double a_ext, a_int, scale, clip, beta;
};

/* One intrinsic reward. */
struct reward_kind {
    const char *name;
    bool needs_visits; // the table's visits must be exact over all ranks before score()
    bool needs_labels; // a judge is of use
    /* score (texts) = r_int of each caption; what empty captions get is not read. */
    void (*score)(float *score, const struct caption_table *t,
                  const struct reward_rows *in);
};

/* Sums over the rows of one batch. */
struct reward_sums {
    double rows;
    double ext, ext2, ext_size; // of a_ext clip(...): sum, squares, absolute values
    double in, in2, in_size;    // of a_int r_int / N^beta
    double captions;            // rows with a caption that is not empty
    double labelled, helpful;   // of those: with a label, with p > 0.5
};

struct reward {
    struct reward_options options;
    const struct reward_kind *kind;
    struct caption_table table;
    float *score;               // (texts)
    float power[REWARD_POWERS]; // N^-beta
    uint64_t version;           // counts the labels taken
};

/* ST_INVALID (logged): no such kind. most_texts: distinct captions of one batch. */
MUST_USE enum status reward_init(struct reward *r, const struct reward_options *o,
                                 int most_texts);
void reward_release(struct reward *r);

/* A label that all ranks take at the same update. Returns the number of updates since this
 * rank first trained on the caption, or -1 when it has not met it. */
int64_t reward_take_label(struct reward *r, struct hash128 key, float p,
                          uint64_t update);
/* Adds emissions of one caption, for kinds that need visits: of all ranks' batches. */
void reward_add_visits(struct reward *r, struct hash128 key, uint64_t emissions,
                       uint64_t update);
/* Fills reward (rows); *sums is overwritten. */
void reward_apply(struct reward *r, float *reward, struct reward_sums *sums,
                  const struct reward_rows *in, uint64_t update);

extern const struct reward_kind reward_retrieval, reward_count;

#endif
