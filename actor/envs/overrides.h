#ifndef ACTOR_ENVS_OVERRIDES_H
#define ACTOR_ENVS_OVERRIDES_H
/* Task constants given as text, "rooms=2x2,limit=150". A kind keeps its constants in one
 * struct of int32_t and lists them in a table. Main thread, at open. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"

struct override_row {
    const char *name;
    size_t offset; // of an int32_t in the constants; a pair takes two in a row
    int32_t least, most;
    int pair;         // 1: written AxB
    const char *help; // one clause, with the unit
};

/* Sets what `text` names. ST_INVALID (logged once, with the constant, its value and what
 * is allowed): *constants may then hold some of the values. */
MUST_USE enum status overrides_apply(const char *task, const char *text,
                                     const struct override_row *rows, int count,
                                     void *constants);

#endif
