#ifndef LAUNCH_USAGE_H
#define LAUNCH_USAGE_H
/* What a run costs in CPU time, and which share of it judging has: seconds of the
 * children that minos waited for, kept over its starts in RUN/usage.json and written into
 * RUN/summary.json. What ranks spend on judging they tell in RUN/judging. Main thread. */

#include "common/base/status.h"

/* CPU seconds, user and system, of this start. */
struct usage {
    double learner, actors, judges, other; // other: orphans of theirs
    double judging_before;                 // as RUN/judging was at the beginning
};

void usage_begin(struct usage *u, const char *run_dir);
/* A child of that role ended; NULL: an orphan. */
void usage_add(struct usage *u, const char *role, double cpu_s);
/* Adds this start to RUN/usage.json and, where the learner has just written it, the run's
 * sums to RUN/summary.json. ST_IO, ST_CORRUPT (logged). */
MUST_USE enum status usage_end(const struct usage *u, const char *run_dir);

#endif
