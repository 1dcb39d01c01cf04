#ifndef ACTOR_ENVS_CRYPT_TASKS_H
#define ACTOR_ENVS_CRYPT_TASKS_H
/* The six tasks and their constants. */

#include <stdint.h>

#include "actor/env.h"

enum task_kind { TASK_STAIRS, TASK_VAULT, TASK_ORACLE, TASK_SCORE, TASK_FREE };

/* Each can be set by env_options.overrides; tasks.c has ranges and meanings. */
struct task_constants {
    int32_t columns, rows; // the grid of rooms, "rooms=2x2"
    int32_t width, limit, stages, levels;
    int32_t monsters, gold, food, inscriptions, traps, statues;
    int32_t hp, regen, hit, bite, chase, range, foe_hp;
    int32_t extra, ambient, forms, kinds, adjectives, metals;
    int32_t hunger, nutrition, whispers, prize;
};

struct task {
    const char *name, *goal;
    enum task_kind kind;
    struct task_constants c;
};

extern const char *const tasks_names[]; // NULL-terminated

const char *tasks_goal_of(const char *name);
/* ST_INVALID (logged): overrides that do not exist, are out of range or do not fit
 * together. */
MUST_USE enum status tasks_make(const struct env_options *options, struct task *out);

#endif
