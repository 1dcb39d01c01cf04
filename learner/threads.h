#ifndef LEARNER_THREADS_H
#define LEARNER_THREADS_H
/* The threads of a rank and the loops they run: training on the caller's, I/O, and a
 * helper that syncs the store. Everywhere else in the learner are step functions. */

#include "learner/start.h"

/* Trains until there is nothing left to do or a stop was asked, writes the last checkpoint
 * and the summary. On failure the other threads still run: the caller ends the process. */
MUST_USE enum status threads_run(struct learner *l);

/* One round of the helper: syncs the store, or ends the process with EXIT_FAILED. */
void threads_sync(struct replay *replay);

#endif
