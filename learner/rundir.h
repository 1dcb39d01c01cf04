#ifndef LEARNER_RUNDIR_H
#define LEARNER_RUNDIR_H
/* RUN/run.json: who this run is and what may never change in it; RUN/seconds: the time
 * used so far. Rank 0 alone writes them, under the lock RUN/learner.lock. Main thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/hash.h"
#include "common/base/status.h"
#include "learner/options.h"

enum { RUNDIR_NAME_MAX = 128 };

struct rundir {
    uint64_t run;   // id, drawn once
    uint32_t start; // how many times learners have been started, this one included
    int port;       // of rank 0 in earlier starts; 0 = none yet
    double seconds; // used by earlier starts
    int lock;       // fd
};

struct rundir_goal {
    const char *name;
    struct hash128 digest; // of the file's bytes
};

/* Makes or opens the directory, takes its lock, counts this start. ST_INVALID (logged):
 * env, net, segment-steps, value-heads, reward, goal, seed or ranks differ from what the
 * run was begun with (both values named), or the goal's text does without --relabel, or
 * there is no --run-dir; ST_AGAIN (logged): another learner
 * has the lock; ST_CORRUPT, ST_IO (logged). */
MUST_USE enum status rundir_open(const struct learner_options *o,
                                 const struct rundir_goal *goal, int ranks,
                                 struct rundir *out);
/* What run.json says, for tools: nothing is locked, counted or written. ST_NOTFOUND (not
 * logged): there is no run; ST_CORRUPT, ST_VERSION (logged). */
struct rundir_told {
    char env[RUNDIR_NAME_MAX], reward[RUNDIR_NAME_MAX], goal[RUNDIR_NAME_MAX];
    int ranks;
};
MUST_USE enum status rundir_look(const char *run_dir, struct rundir_told *out);
void rundir_close(struct rundir *d);
MUST_USE enum status rundir_put_port(const struct learner_options *o,
                                     const struct rundir_goal *goal, int ranks,
                                     struct rundir *d, int port);
/* Replaced as a whole but not synced: a second lost with the machine is no loss. Failures
 * are logged once. */
void rundir_put_seconds(const char *run_dir, double seconds);
/* The same for a number RUN/`name`; 0 before it was put. */
void rundir_put_number(const char *run_dir, const char *name, double value);
double rundir_get_number(const char *run_dir, const char *name);
/* Writes RUN/`name` the same way. */
void rundir_put_quick(const char *run_dir, const char *name, const char *text);

#endif
