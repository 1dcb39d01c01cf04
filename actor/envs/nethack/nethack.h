#ifndef ACTOR_ENVS_NETHACK_NETHACK_H
#define ACTOR_ENVS_NETHACK_NETHACK_H
/* Real NetHack 3.6.6, Debian's own binary, one child process per game. README.md beside
 * this file says how. Threads: the one that opened the games, for life (a game dies with
 * the THREAD that started it). */

#include <sys/types.h>

#include "actor/env.h"

extern const struct env_kind env_nethack;

/* The process of this game; 0 = none runs. For tests and for people who look. */
pid_t nethack_pid(const struct env *e);

#endif
