#ifndef ACTOR_ROLLOUT_H
#define ACTOR_ROLLOUT_H
/* The open segments of an actor: E environments begin, fill and end theirs together, T
 * steps each, under one version of the weights. Knows the policy and the games, not the
 * link. One owner thread; no allocation after rollout_new. */

#include "actor/vecenv.h"
#include "common/nn/policy.h"
#include "common/wire/segment.h"

struct rollout;

struct rollout_plan {
    struct vecenv *games;  // borrowed, lives longer
    struct policy *policy; // borrowed, lives longer
    int T;
    struct rng_stream stream; // of action sampling: seed, index, incarnation
};

struct rollout *rollout_new(const struct rollout_plan *plan);
void rollout_free(struct rollout *r); // NULL is fine

/* Values leave the network normalised; V = value * scale + mean is in reward units. */
struct rollout_moments {
    double mean, scale;
};

/* One for each value head. Only between segments, with the weights they belong to. */
void rollout_set_version(struct rollout *r, struct version version,
                         const struct rollout_moments *moments);
/* Drops what is open and starts new segments where the games stand. */
void rollout_begin(struct rollout *r);
/* One step of every environment. ST_OK: go on; ST_FULL: the segments are complete, see
 * rollout_segment; ST_IO: a game cannot be started any more. */
MUST_USE enum status rollout_step(struct rollout *r);
/* Segment of environment e, complete; header, env and seed are the caller's to set.
 * Borrowed until the next rollout_begin. */
void rollout_segment(struct rollout *r, int e, struct segment_fill *out);

#endif
