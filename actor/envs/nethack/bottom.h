#ifndef ACTOR_ENVS_NETHACK_BOTTOM_H
#define ACTOR_ENVS_NETHACK_BOTTOM_H
/* NetHack's two status rows as NLE's blstats. Pure functions. */

#include <stdbool.h>
#include <stdint.h>

#include "actor/envs/nethack/terminal.h"

/* NLE's bits of STAT_CONDITION. */
enum bottom_condition {
    CONDITION_STONE = 0x0001,
    CONDITION_SLIME = 0x0002,
    CONDITION_STRANGLED = 0x0004,
    CONDITION_FOOD_POISONED = 0x0008,
    CONDITION_TERMINALLY_ILL = 0x0010,
    CONDITION_BLIND = 0x0020,
    CONDITION_DEAF = 0x0040,
    CONDITION_STUNNED = 0x0080,
    CONDITION_CONFUSED = 0x0100,
    CONDITION_HALLUCINATING = 0x0200,
    CONDITION_LEVITATING = 0x0400,
    CONDITION_FLYING = 0x0800,
    CONDITION_RIDING = 0x1000
};

/* Reads rows 22 and 23 into stats (env.h's order). Sets strength, the other attributes,
 * HP, power, armour, level or hit dice, experience, time, gold, hunger, load, conditions,
 * alignment, depth and dlevel (both what Dlvl shows; a level with a name instead keeps
 * the last); never x, y, score, dnum. False, nothing changed: the rows are hidden. */
bool bottom_read(const struct terminal *t, int32_t *stats);

#endif
