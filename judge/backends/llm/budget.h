#ifndef JUDGE_BACKENDS_LLM_BUDGET_H
#define JUDGE_BACKENDS_LLM_BUDGET_H
/* Budgets of requests, tokens and money, in all and per hour of the calendar, of all
 * llm judges of a run together. What a request may use is reserved before it is sent, out
 * of a block that was written down in a file before: after a crash the file says at least
 * what was used, and at most a block per judge more, which is worth 64 requests or a 64th
 * of the limit, whichever is less. Threads: one per struct; several
 * processes share the file under its lock. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/status.h"

enum budget_kind { BUDGET_REQUESTS, BUDGET_TOKENS, BUDGET_MICRO, BUDGET_KINDS };

struct budget_amount {
    uint64_t of[BUDGET_KINDS]; // BUDGET_MICRO: millionths of the currency
    uint64_t hour;             // in which it was reserved; budget_reserve() fills it in
};

/* UINT64_MAX = no limit. */
struct budget_limits {
    struct budget_amount all, hour;
};

/* Which limit stands in the way. */
struct budget_reached {
    enum budget_kind kind;
    bool hourly;
    uint64_t limit;
    uint64_t used; // or reserved, as the file has it
};

struct budget;

/* Uses `path` (its directory is made), or remembers in memory alone when it is "".
 * ST_CORRUPT (logged): the file is none of ours. Others: the system refused (logged). */
MUST_USE enum status budget_open(const char *path, const struct budget_limits *limits,
                                 struct budget **out);
void budget_close(
    struct budget *b); // gives back what is left of the blocks; NULL is fine
/* ST_OK: reserved, and safe on disk. ST_FULL: a limit is reached, *reached says which;
 * ST_AGAIN: another judge holds the file just now. wall_ms: the time of the calendar. */
MUST_USE enum status budget_reserve(struct budget *b, struct budget_amount *need,
                                    uint64_t wall_ms, struct budget_reached *reached);
/* How many such requests there is room for, as far as is known; UINT64_MAX: no limit. */
uint64_t budget_room(const struct budget *b, const struct budget_amount *need);
/* The request is over and has used so much, less or more than was reserved. */
void budget_settle(struct budget *b, const struct budget_amount *reserved,
                   const struct budget_amount *used);
/* Whether budget_reserve() would still find room, as far as is known: looks into the file
 * at most every few seconds. */
bool budget_has_room(struct budget *b, const struct budget_amount *need,
                     uint64_t wall_ms, struct budget_reached *reached);

#endif
