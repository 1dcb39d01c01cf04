#ifndef JUDGE_ANSWER_H
#define JUDGE_ANSWER_H
/* How a question gets its verdict: the backend with the run's goal, behind the cache and
 * the deadline. One thread. */

#include "common/base/clock.h"
#include "judge/cache.h"
#include "judge/desk.h"
#include "judge/goal.h"

struct answer_counters {
    uint64_t answers, from_cache, timeouts;
};

struct answer {
    const struct judge_options *options;
    const struct judge_backend *backend;
    const struct clock *clock;
    void *self;                   // the backend's
    bool open, underway, turning; // turning: turn() is at work
    bool stopping;                // nothing new is asked
    uint64_t deadline_ns;         // for one question
    struct hash128 goal_digest;
    struct goal goal;
    struct cache *cache;
    struct answer_counters counters;
};

void answer_init(struct answer *a, const struct judge_options *options,
                 const struct judge_backend *backend, const struct clock *clock);
void answer_release(struct answer *a);

/* Opens the backend for the goal of a welcome; nothing happens where it is open for the
 * same one. ST_INVALID, ST_NOTFOUND (logged): not this judge's goal, or it cannot be
 * judged. */
MUST_USE enum status answer_open(struct answer *a, const struct msg_judge_welcome *w);
/* The digest of what shapes the answers, 0 before answer_open(); the model, or "". */
struct hash128 answer_prompt(const struct answer *a);
const char *answer_model(const struct answer *a);

/* What the judge can do, and how many questions it wants to hold (0: none now). */
void answer_kinds(const struct answer *a, bool *rate, bool *order,
                  uint32_t *order_most);
uint32_t answer_credits(const struct answer *a);
enum judge_pause answer_pause(const struct answer *a); // why it wants none
/* Lets the backend work; the statuses of its turn(), but ST_OK for ST_AGAIN. */
MUST_USE enum status answer_turn(struct answer *a);
/* Begins nothing more from now on; true while the backend waits for answers to what it
 * has begun. */
bool answer_stop(struct answer *a);
/* Nobody waits for these questions any more: the backend forgets them too. */
void answer_drop_all(struct answer *a, struct desk *d);
/* Each waiting question of the desk once, for about 100 ms; true when one was answered.
 * a->underway then says whether the backend still works on some. */
bool answer_waiting(struct answer *a, struct desk *d);

#endif
