#ifndef LEARNER_REWARD_RND_NET_H
#define LEARNER_REWARD_RND_NET_H
/* The two networks of random network distillation (Burda et al. 2018): a target that is
 * drawn once and stays, and a predictor that learns to say what the target says of what is
 * seen. Where they differ is what has rarely been seen.
 *
 *   look       each cell of the crop: two numbers drawn for its char + two for its colour;
 *              27 scaled stats; 32 condition bits          -> x (INPUTS), not normalised
 *   target     x -> 128 ReLU -> 64                         drawn, never trained
 *   predictor  x -> 128 ReLU -> 128 ReLU -> 64
 *   error      mean over the 64 outputs of their squared difference
 *
 * Smaller than the paper's two convolutional networks: both together cost a row a fifth of
 * what the policy `cells` does. One owner thread; all memory at rnd_net_new(). */

#include <stdint.h>

#include "common/nn/param.h"
#include "common/nn/policy.h"

enum {
    RND_NET_BITS = 32,
    RND_NET_INPUTS = 2 * POLICY_CELLS + POLICY_STATS + RND_NET_BITS,
    RND_NET_OUTPUTS = 64,
    RND_NET_ROWS = 256 // most in one pass
};

struct rnd_net;

/* Equal seeds give equal networks, on every rank. */
struct rnd_net *rnd_net_new(uint64_t seed);
void rnd_net_free(struct rnd_net *n); // NULL is fine
/* Borrowed. What is drawn: the looks and the target. */
struct params *rnd_net_target(struct rnd_net *n);
struct params *rnd_net_predictor(struct rnd_net *n); // with gradients
/* After either's weights changed, before the next pass. */
void rnd_net_weights_changed(struct rnd_net *n);

/* x (INPUTS) of one row: chars and colors (POLICY_CELLS), stats (POLICY_STATS). */
void rnd_net_look(const struct rnd_net *n, float *x, const uint8_t *chars,
                  const uint8_t *colors, const int32_t *stats);
/* error (N) of x (N, INPUTS), N <= RND_NET_ROWS. x is borrowed until the backward pass. */
void rnd_net_forward(struct rnd_net *n, float *error, const float *x, int N);
/* Adds the gradient of the sum of the first `rows` errors of the last forward pass into
 * the predictor's gradients. Once per forward. */
void rnd_net_backward(struct rnd_net *n, int rows);

#endif
