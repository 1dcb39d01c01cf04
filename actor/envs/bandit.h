#ifndef ACTOR_ENVS_BANDIT_H
#define ACTOR_ENVS_BANDIT_H
/* The smallest environment, with a known best answer. actor/README.md walks through it. */

#include "actor/env.h"

extern const struct env_kind env_bandit;

#endif
