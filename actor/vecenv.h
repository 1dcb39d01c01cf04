#ifndef ACTOR_VECENV_H
#define ACTOR_VECENV_H
/* E games of one kind stepped as one batch: what the policy sees of each, and the
 * bookkeeping of an episode that is not the game's own: previous action, how often each
 * caption has come. One owner thread; no allocation after vecenv_open. */

#include <stdbool.h>
#include <stdint.h>

#include "actor/env.h"
#include "common/base/bytes.h"
#include "common/nn/policy.h"

enum count_key { COUNT_EXACT = 0, COUNT_DIGITS_MASKED = 1 };

struct vecenv_plan {
    const struct env_kind *kind;
    struct env_options options;
    int envs;
    struct rng_stream
        stream; // seed, role, index, incarnation; env and episode are set here
    enum count_key count_key;
};

/* What one step did in environment e. */
struct vecenv_step {
    struct env_result result;
    struct bytes caption; // that the action caused; until the next step or reset of e
    int16_t event;
    int8_t truth; // -1 unknown
    uint8_t strength;
    uint16_t count; // times it has come in this episode, this one included
};

struct vecenv;

/* Opens and resets all games. ST_INVALID, ST_NOTFOUND as env_kind.open says. */
MUST_USE enum status vecenv_open(const struct vecenv_plan *plan, struct vecenv **out);
void vecenv_close(struct vecenv *v); // NULL is fine
int vecenv_count(const struct vecenv *v);
const struct env_spec *vecenv_spec(const struct vecenv *v);

/* What the policy sees now: E rows, borrowed until the next call; captions are E entries,
 * row e's at index e. */
void vecenv_input(struct vecenv *v, struct policy_input *out);
/* True when environment e stands at the start of an episode. */
bool vecenv_starts(const struct vecenv *v, int e);

/* Gives every game its action and waits for all; steps[e] tells what happened. Where an
 * episode ended, the game still shows its final observation (vecenv_input) until
 * vecenv_reset. */
void vecenv_step(struct vecenv *v, const uint8_t *actions, struct vecenv_step *steps);
void vecenv_summary(const struct vecenv *v, int e, struct env_summary *out);
float vecenv_return(const struct vecenv *v,
                    int e); // of the running or just ended episode
/* Starts the next episode of e. A game that cannot be started is an error (logged). */
MUST_USE enum status vecenv_reset(struct vecenv *v, int e);
/* The next episode of e will be number `episode` (eval deals them out). */
void vecenv_set_episode(struct vecenv *v, int e, uint64_t episode);
const struct env_obs *vecenv_obs(const struct vecenv *v, int e);

/* Caption bytes with each run of digits as one '#', into out[ENV_CAPTION_MAX]. */
struct bytes vecenv_mask_digits(struct bytes caption, uint8_t *out);

#endif
