#ifndef ACTOR_ACTOR_H
#define ACTOR_ACTOR_H
/* One actor: games, policy, open segments and the link, put together; actor_step does
 * one step of all its games. One thread. main.c and the cluster tests drive it. */

#include "actor/options.h"
#include "common/base/clock.h"
#include "common/wire/bus.h"

struct actor;

struct actor_plan {
    const struct actor_options *options;
    struct bus *bus;           // borrowed
    const struct clock *clock; // borrowed
    const char *host;
    uint64_t pid, nonce; // of this start: two processes never share a nonce
};

/* Checks the environment (opens one game) and dials; ST_INVALID, ST_NOTFOUND (logged). */
MUST_USE enum status actor_open(const struct actor_plan *plan, struct actor **out);
void actor_close(struct actor *a); // NULL is fine

/* One step of all games, or a wait of at most timeout_ms where the learner's window is
 * closed. ST_OK; ST_CLOSED: stop in order, see actor_drain; ST_INVALID: refused; ST_IO,
 * ST_VERSION: this process cannot go on. */
MUST_USE enum status actor_step(struct actor *a, int timeout_ms);
/* Drops what is open, sends what is complete until it is acknowledged, says goodbye.
 * Takes at most `timeout_ms`; true when everything was acknowledged. */
bool actor_drain(struct actor *a, int timeout_ms);
uint64_t actor_env_steps(const struct actor *a);
/* Complete segments; those that the learner has not acknowledged yet. */
uint64_t actor_produced(const struct actor *a);
uint64_t actor_unacked(const struct actor *a);

#endif
