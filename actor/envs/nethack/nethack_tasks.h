#ifndef ACTOR_ENVS_NETHACK_NETHACK_TASKS_H
#define ACTOR_ENVS_NETHACK_NETHACK_TASKS_H
/* What the tasks pay and when they are done, the agent's actions, and the characters it
 * may play. Pure functions and tables. */

#include <stdbool.h>
#include <stdint.h>

#include "actor/env.h"
#include "common/base/status.h"

enum nethack_goal { GOAL_NONE, GOAL_SCORE, GOAL_STAIRS, GOAL_ORACLE };

struct nethack_task {
    const char *name;
    const char *judged_by; // a goal file of judge/goals
    enum nethack_goal goal;
    int32_t level;   // GOAL_STAIRS: the depth to arrive at
    bool sober;      // GOAL_ORACLE: not while hallucinating
    int32_t actions; // unless told otherwise
};

enum { NETHACK_ACTIONS = 28, NETHACK_ACTIONS_NLE = 23, NETHACK_REWARD = 50 };

extern const char *const nethack_task_names[]; // NULL-terminated
extern const char
    *const nethack_action_names[]; // NETHACK_ACTIONS; the first 23 are NLE's

/* NULL when there is none of this name. */
const struct nethack_task *nethack_task_find(const char *name);
/* The key of an action. While the game asks what to eat or drink (`asks`: that question
 * is open), northwest takes the first thing offered and every other action refuses. */
uint8_t nethack_task_key(int action, bool asks, const char *caption);
/* The state that o shows fulfils the task. */
bool nethack_task_done(const struct nethack_task *t, const struct env_obs *o);
/* NetHack's score as the screen shows it (botl.c): 4 experience ever earned + 50
 * (deepest - 1) + the gold gained + 1000 for each level below 20, 10000 from 31 on. */
int32_t nethack_score(int32_t earned, int32_t deepest, int32_t gold_gained);

/* Parses "mon-hum-neu-mal" (role, then in any order and each optional race, gender,
 * alignment) or "random" into the four values of the options file. ST_INVALID (logged):
 * no such word, or the game has no such character. */
MUST_USE enum status nethack_character_parse(const char *text, const char *out[4]);

#endif
