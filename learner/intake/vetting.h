#ifndef LEARNER_INTAKE_VETTING_H
#define LEARNER_INTAKE_VETTING_H
/* What is not taken from a hello on trust: a row for each that says it is new, and any
 * number for what it has been told. I/O thread. */

#include <stdbool.h>
#include <stdint.h>

#include "learner/intake/members.h"

enum {
    VETTING_MEMBERS_MOST = 4096, // rows that a rank keeps of incarnations of actors
    VETTING_NUMBER_MOST = 65536  // actors' numbers
};

/* Full: the row that `fresh` may take, or -1. It belongs to one that has been silent longest
 * of those that are presumed gone and have produced nothing that this rank would have to
 * account for. Rank 0 keeps the highest incarnation of each number, so that none is given
 * twice. */
int vetting_pick(const struct member *list, int count, uint32_t rank,
                 const struct replay_member *fresh);

/* Whether the incarnation can have had `first_unacked` segments acknowledged when our store
 * knows of fewer: the sequence file in the run directory says how many it has produced;
 * where it cannot be seen, up to 2^32 are believed. */
bool vetting_believes(const char *run_dir, uint64_t run, uint32_t actor,
                      uint32_t incarnation, uint64_t first_unacked);

/* What the run and the actor must agree on: task, build, value heads. False: refused, for
 * good but where only the run is another. */
bool vetting_fits_run(const struct io_plan *plan, struct post *post,
                      const struct bus_peer *peer, const struct frame_header *h,
                      const struct msg_hello *m);

#endif
