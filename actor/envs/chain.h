#ifndef ACTOR_ENVS_CHAIN_H
#define ACTOR_ENVS_CHAIN_H
/* A chain of landings with returns known by hand: what tests of bootstrapping, terminal
 * captions and caption counts play. */

#include "actor/env.h"

enum chain_action { CHAIN_UP, CHAIN_DOWN, CHAIN_ACTIONS };

extern const struct env_kind env_chain;

#endif
