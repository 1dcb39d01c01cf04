#ifndef LEARNER_INTAKE_NAMING_H
#define LEARNER_INTAKE_NAMING_H
/* Rank 0 gives numbers, incarnations and ranks to actors. An incarnation is never given
 * twice in a run, even if the store that recorded it was lost: the sequence files in the
 * run directory are asked too. I/O thread of rank 0. */

#include "common/wire/messages.h"
#include "learner/intake/members.h"

struct naming;

struct naming *naming_new(const struct io_plan *plan);
void naming_free(struct naming *n); // NULL is fine

/* A number for a process that has none: the one that --id wishes (number = id + 1), else
 * the lowest that nobody alive holds. False: `why` says who holds the wished one. */
bool naming_give(struct naming *n, const struct member *list, int count,
                 uint64_t now_ms, const struct msg_hello *m, struct replay_member *out,
                 char *why, size_t why_size);
/* The rank for a newcomer: of those on its own host, if any, the one with the fewest
 * environments. */
uint32_t naming_rank(const struct naming *n, const struct member *list, int count,
                     uint64_t now_ms, struct bytes host);
/* True once after naming_give gave something. */
bool naming_take_given(struct naming *n);

#endif
