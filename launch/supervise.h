#ifndef LAUNCH_SUPERVISE_H
#define LAUNCH_SUPERVISE_H
/* Keeps a planned run going: starts learner ranks, judges and actors, starts again what
 * dies, shows progress, stops in order. Never in the data path: if this process is
 * killed, the others go on. Main thread. */

#include "launch/plan.h"

/* Until the run is done or stopped; returns the exit code. Nothing is left running. */
int supervise_run(const struct plan *p);

#endif
