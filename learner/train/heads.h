#ifndef LEARNER_TRAIN_HEADS_H
#define LEARNER_TRAIN_HEADS_H
/* What the critic predicts: one value, of all that is paid, or two, of the game's reward
 * and of what is paid beside it, each with its own V-trace, its own moments and its own
 * output of the network. The policy's advantage is the sum of theirs, in reward units, in
 * which a_ext and a_int are already (reward.h); it is divided by one scale, that of the one
 * head, or of two independent ones' sum, sqrt(s_0^2 + s_1^2).
 *
 * A reward that is not of an episode (reward_kind.endless) goes on over its ends: with two
 * heads the second one's return is then never cut, and the value after an end is that of the
 * first observation of the next episode. One head alone cannot tell the two apart and cuts.
 * Training thread. */

#include "common/nn/policy.h"
#include "learner/train/batch.h"
#include "learner/train/loss.h"
#include "learner/train/moments.h"
#include "learner/train/vtrace.h"

enum { HEADS_MAX = POLICY_HEADS_MAX };

/* All (rows). */
struct head {
    struct moments moments;
    struct vtrace_options vtrace;
    float *value, *value_n;                 // V in reward units, and normalised
    float *old_value_n, *target, *target_n; // likewise
    float *advantage; // reward units; NULL in the first, whose is the sum's
    float *dvalue;
};

struct heads {
    int count;
    struct head head[HEADS_MAX];
    float *gradient; // (rows, count), as the network takes it; NULL with one head
};

/* Sums over rows: doubles alone. */
struct heads_sums {
    double target, target2, error, error2;
};

void heads_init(struct heads *h, int count, size_t rows, bool value_norm, double rate);
void heads_release(struct heads *h);
/* Mean 0 and scale 1 where there is no such head. */
struct moments heads_moments(const struct heads *h, int head);

/* The network's (N, count), whose first row is `row` of the batch. */
void heads_take_values(struct heads *h, size_t row, const float *values, int N);
/* Targets of all heads. A value in a segment was denormalised with the moments that acted,
 * ours with the present ones. advantage (rows) gets the sum, in reward units. */
void heads_targets(struct heads *h, float *advantage, const struct batch *b,
                   const float *log_ratio);
/* What advantages are divided by before they are compared with --adv-floor. */
double heads_scale(const struct heads *h);
/* Normalises the targets of all rows; adds up what moments and report need, over fresh rows:
 * sums (count). */
void heads_add_up(struct heads *h, struct heads_sums *sums, const struct batch *b);
/* The gradient by the values of rows from `row` on, N of them, as the network takes it. */
const float *heads_gradient(struct heads *h, size_t row, int N);
/* After a step: moments follow the sums over n rows, the network's outputs are rescaled. */
void heads_move(struct heads *h, struct policy *p, double n,
                const struct heads_sums *sums);

#endif
