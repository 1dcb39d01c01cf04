#ifndef ACTOR_ENVS_CRYPT_CRYPT_H
#define ACTOR_ENVS_CRYPT_CRYPT_H
/* The built-in roguelike: six tasks in rooms and corridors. README.md has its rules. */

#include "actor/env.h"

extern const struct env_kind env_crypt;

/* crypt-free's achievements, bits of env_summary.achievements. */
enum crypt_achievement {
    ACH_KILL,
    ACH_KILL3,
    ACH_GOLD,
    ACH_EAT,
    ACH_READ,
    ACH_KEY,
    ACH_UNLOCK,
    ACH_CHEST,
    ACH_LEVEL2,
    ACH_LEVEL3,
    ACH_LEVEL4,
    ACH_ORACLE,
    ACHIEVEMENTS
};

/* The action of a player who knows the whole level and goes straight for the task's
 * next subgoal; for tests and for showing that the tasks can be solved. */
int crypt_script(const struct env *e);

#endif
