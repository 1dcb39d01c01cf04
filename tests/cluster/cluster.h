#ifndef TESTS_CLUSTER_CLUSTER_H
#define TESTS_CLUSTER_CLUSTER_H
/* The whole system in one process: real actors, judges and learner ranks, on the in-memory
 * bus, with a clock that the test turns. Only the threads are not there: each turn of the
 * clock steps everybody once, in a fixed order, so a run repeats bit for bit. One thread
 * (ranks of a learner have one each, of which one runs at a time). */

#include "tests/support/harness.h"

#include "actor/actor.h"
#include "judge/options.h"
#include "judge/serve.h"
#include "learner/intake/io_report.h"
#include "learner/start.h"
#include "learner/store/audit.h"
#include "learner/store/ledger.h"
#include "learner/store/replay.h"

struct ranks_twin;

enum {
    CLUSTER_TURN_MS = 10,
    CLUSTER_ACTORS = 8,
    CLUSTER_JUDGES = 4,
    CLUSTER_RANKS = 2
};

/* What is 0 or NULL is left at what cluster_init() chooses. */
struct cluster_plan {
    int ranks, actors, judges; // 1, 2, 1
    int envs;                  // of each actor: 4
    const char *env;           // "bandit"
    const char *env_options;
    int segment_steps, batch; // 8, and envs * segment_steps: half of what is produced
    uint64_t seed;            // 1
    uint64_t update_ms;       // virtual time that an update takes: 0
    const struct judge_backend *backend;     // rule
    double deadline;                         // of judges, seconds: 1
    void (*tune)(struct learner_options *o); // the last word on each rank's settings
};

struct cluster_actor {
    struct actor_options options;
    struct actor *actor; // NULL: dead, or gone after it said goodbye
    uint64_t starts;     // processes under this number, so far
    bool frozen;         // neither dead nor running: no step
};

struct cluster_judge {
    struct judge_options options;
    struct serve *serve; // NULL: dead
    bool frozen;
};

struct cluster {
    struct cluster_plan plan;
    struct clock clock;
    struct bus *bus;
    char dir[512];
    struct ranks_twin *twin;
    struct learner *learner; // (ranks)
    bool learning;           // the ranks are up
    struct cluster_actor actor[CLUSTER_ACTORS];
    struct cluster_judge judge[CLUSTER_JUDGES];
    uint64_t draw_ms, step_ms; // since when a batch is waited for; end of the last step
    uint64_t rounds;           // train_step()s, those of 0 samples too
    enum status failed;        // of the ranks, at work in their threads
    struct io_counters counters;
};

/* Starts all roles; the first update is still to come. */
void cluster_init(struct cluster *c, const struct cluster_plan *plan);
/* Stops the run in order where the learner is up, then audits: every segment must be in
 * exactly one place. */
void cluster_release(struct cluster *c);

void cluster_run_ms(struct cluster *c, uint64_t ms);
/* Turns until reached(c, n); more than 5 virtual minutes fail the test. */
void cluster_run_until(struct cluster *c,
                       bool (*reached)(struct cluster *c, uint64_t n), uint64_t n);
bool updates_at_least(struct cluster *c, uint64_t n);
bool labels_at_least(struct cluster *c, uint64_t n);
bool nothing_is_asked(struct cluster *c, uint64_t unused);

/* kill -9: no goodbye, no last checkpoint. What was sent is still on its way. */
void cluster_kill_actor(struct cluster *c, int i);
void cluster_start_actor(struct cluster *c, int i);
void cluster_kill_judge(struct cluster *c, int i);
void cluster_start_judge(struct cluster *c, int i);
void cluster_kill_learner(struct cluster *c);
void cluster_start_learner(struct cluster *c); // from its checkpoint and store
void cluster_checkpoint(struct cluster *c);
/* As `minos stop` ends a run. */
void cluster_stop(struct cluster *c);

uint64_t cluster_updates(const struct cluster *c);
uint64_t cluster_digest(const struct cluster *c); // of the weights; all ranks agree
const struct io_counters *cluster_counters(struct cluster *c, int rank);
/* Of the segments trained since this start: the most updates that one was behind. */
uint64_t cluster_lag_most(const struct cluster *c);
void cluster_faults(struct cluster *c, struct bus_faults faults);

#endif
