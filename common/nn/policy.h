#ifndef COMMON_NN_POLICY_H
#define COMMON_NN_POLICY_H
/* The policy network behind one door: `cells` (default, made for CPUs) and `tiles`
 * (the reference's, 2,798,205 parameters with 28 actions). An actor runs it one step at
 * a time, a learner over whole sequences with gradients; both from one flat array of
 * weights, in f32, with the same arithmetic, so that with equal weights the actor's
 * log-probabilities are the learner's to 1e-4.
 *
 * nn knows pointers and sizes, not segments or batches. One owner thread. All memory is
 * taken in policy_new(). */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/rng.h"
#include "common/base/status.h"
#include "common/nn/param.h"

enum {
    POLICY_CROP = 12, // rows and columns seen around the hero
    POLICY_CELLS = POLICY_CROP * POLICY_CROP,
    POLICY_HERO = 6, // the hero's row and column in the crop
    POLICY_STATS = 27,
    POLICY_NO_ACTION = 255, // "previous action" at the start of an episode
    POLICY_HEADS_MAX = 2,   // value heads
    // room for captions that a segment's table holds but no row of the call names
    POLICY_CAPTIONS_PER_ROW = 2
};

struct policy_shape {
    char net[16];    // "cells" or "tiles"
    int actions;     // 2..64
    int value_heads; // 1..POLICY_HEADS_MAX
};

/* N rows of what the network sees; a sequence batch is time-major, row = t * B + b.
 * Borrowed for the call (for forward_seq: until backward_seq returned). */
struct policy_input {
    const uint8_t *chars;       // (N, POLICY_CELLS)
    const uint8_t *colors;      // (N, POLICY_CELLS) 0..31
    const int32_t *stats;       // (N, POLICY_STATS) raw, in NLE's order; scaled inside
    const uint8_t *prev_action; // (N) 0..actions-1 or POLICY_NO_ACTION
    const uint32_t *caption;    // (N) index into captions
    const struct bytes *captions; // (U) each distinct caption once; may be empty;
                                  // 1 <= U <= POLICY_CAPTIONS_PER_ROW * max_rows
    int U;
};

struct policy;

/* ST_INVALID (logged): no such net, actions or heads out of range. max_rows = most rows in one
 * call (actor: its environments; learner: T * B); max_sequences = B (actor: same as
 * rows). train: allocate gradients and activations for backward. */
MUST_USE enum status policy_new(const struct policy_shape *shape, int max_rows,
                                int max_sequences, bool train, struct policy **out);
void policy_free(struct policy *p); // NULL is fine
/* Orthogonal: gain sqrt 2 hidden, 0.01 policy head, 1 value head; biases 0; GRU and
 * embeddings as their headers say. */
void policy_init_weights(struct policy *p, struct rng *rng);

struct params *policy_params(struct policy *p);  // borrowed, lives as long as p
int policy_state_floats(const struct policy *p); // H
int policy_actions(const struct policy *p);
int policy_heads(const struct policy *p); // value heads
/* A digest of the shape and of every parameter's name and size: two policies with the
 * same digest can exchange flat arrays. */
uint64_t policy_digest(const struct policy *p);

/* Call after the weights changed in any way (init, load, Adam, copy), before the next
 * forward: rebuilds what is derived from them. */
void policy_weights_changed(struct policy *p);

/* One step of N environments. state (N,H) is read and overwritten with the next state;
 * logits (N,actions) unnormalised, values (N,heads) in normalised units. */
void policy_act(struct policy *p, const struct policy_input *in, int N, float *state,
                float *logits, float *values);

/* B sequences of T steps. state0 (B,H): the state before step 0. starts (T*B): 1 where an
 * episode begins at that row, i.e. the state is zeroed before it. Fills logits
 * (T*B,actions) and values (T*B,heads), owned by p, valid until the next call. */
void policy_forward_seq(struct policy *p, const struct policy_input *in, int T, int B,
                        const float *state0, const uint8_t *starts,
                        const float **logits, const float **values);
/* Adds the gradient of sum(dlogits * logits) + sum(dvalues * values) of the last
 * forward_seq into the gradients. No gradient flows into state0 or across a start. */
void policy_backward_seq(struct policy *p, const float *dlogits, const float *dvalues);

/* PopArt (van Hasselt et al. 2016, eq. 9): rescales a value head, 0..heads-1, so that
 * v_old * s_old + m_old == v_new * s_new + m_new on every input. Calls
 * policy_weights_changed. Adam's moments are left as they are. */
void policy_rescale_values(struct policy *p, int head, double m_old, double s_old,
                           double m_new, double s_new);

#endif
