#ifndef COMMON_BASE_MPIJOB_H
#define COMMON_BASE_MPIJOB_H
/* Joins an all-in-one MPI job, in which actors, judges and learners are started by one
 * mpirun and each main got --mpi. Main thread only, after stop_open(). A library of its
 * own (target mpijob), so that nothing else of base needs MPI. */

#include <stdbool.h>

#include "common/base/status.h"

enum mpijob_role { MPIJOB_LEARNER, MPIJOB_ACTOR, MPIJOB_JUDGE };

/* MPI_Init_thread (FUNNELED) and a split of MPI_COMM_WORLD by role. Every process of the
 * job must call it. ST_IO: MPI refused. */
MUST_USE enum status mpijob_open(enum mpijob_role role);
/* This process among those of its role: 0..count-1. 0 and 1 before mpijob_open(). */
int mpijob_index(void);
int mpijob_count(void);
/* The communicator of this process's role, as a const MPI_Comm *, for
 * learner/train/ranks.c. NULL before mpijob_open() and outside learners. */
const void *mpijob_learners(void);
/* True once the learners have ended, as a process that came too late to be told so by them
 * must know: looks at most ten times a second. False before mpijob_open(). */
bool mpijob_over(void);
/* Says so, in a learner, to all others; then waits, asleep, until every process of the job
 * is here, then MPI_Finalize. A `code` other than 0 ends the whole job with it at once: the
 * others would wait for ever. Does nothing before mpijob_open(). */
void mpijob_close(int code);

#endif
