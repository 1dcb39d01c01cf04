#ifndef ACTOR_ENVS_CRYPT_CALIBRATE_H
#define ACTOR_ENVS_CRYPT_CALIBRATE_H
/* Measures what a player without skill meets in the crypt, and how good a judge's rules
 * are against the hidden truth. For benches and tests; one thread, seconds long. */

#include <stdint.h>

#include "common/base/metrics.h"
#include "common/base/status.h"

enum crypt_player { PLAYER_RANDOM, PLAYER_SCRIPT };

/* Plays `episodes` whole episodes of uniformly random actions and adds to *out (between
 * metrics_begin and metrics_end, which are the caller's): success with its 95 % upper
 * bound, first and second subgoal, deaths, lengths, captions. ST_NOTFOUND, ST_INVALID
 * (logged): no such task, episodes < 1. */
MUST_USE enum status crypt_calibrate(const char *task, int episodes, uint64_t seed,
                                     struct metrics_row *out);
/* The same for another player and with overrides of the task's constants. */
MUST_USE enum status crypt_calibrate_player(const char *task, const char *overrides,
                                            enum crypt_player player, int episodes,
                                            uint64_t seed, struct metrics_row *out);
/* Precision and recall of a rules file (judge/goals/README.md) over what `steps` steps
 * say, empty captions and inscriptions left out. ST_IO, ST_INVALID (logged): the file. */
MUST_USE enum status crypt_calibrate_rules(const char *task, const char *rules_path,
                                           enum crypt_player player, int64_t steps,
                                           uint64_t seed, struct metrics_row *out);

#endif
