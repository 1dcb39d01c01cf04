#ifndef LAUNCH_CHILD_H
#define LAUNCH_CHILD_H
/* One process that is to run until the run ends: started again with growing pauses when
 * it dies, given up when it dies five times in two minutes, or leaves at once as often. Pure
 * but for starting: the caller reaps and tells. Main thread. */

#include "launch/process.h"
#include "launch/tail.h"

enum { CHILD_DEATHS = 5, CHILD_WINDOW_MS = 120000 };

enum child_state { CHILD_WAITING, CHILD_RUNNING, CHILD_DONE, CHILD_GIVEN_UP };

struct child {
    const char *role; // "learner", "actor", "judge"
    int index;
    struct process_args args;
    char log[1024];
    struct tail tail;
    enum child_state state;
    pid_t pid;
    uint64_t start_at_ms, started_ms; // when to start, when it was started
    uint64_t death_ms[CHILD_DEATHS];
    int deaths, pause_ms;
    int exit_code; // of the last end
};

/* args are taken; the log is RUN/logs/ROLE-INDEX.log. */
void child_init(struct child *c, const char *role, int index, const char *run_dir);
void child_release(struct child *c);
/* Whether it waits for a start that is due. */
bool child_is_due(const struct child *c, uint64_t now_ms);
/* Starts it when it is due. ST_IO (logged): cannot be started at all. */
MUST_USE enum status child_start_if_due(struct child *c, uint64_t now_ms);
/* It ended. Leaves it CHILD_DONE (exit 0 where that is an end), CHILD_GIVEN_UP (logged
 * with its last lines: exit 2 soon after its start or twice in a row, or dies too often) or
 * CHILD_WAITING for the next start (logged). What its session left behind is killed. */
void child_ended(struct child *c, int wait_status, bool may_end, uint64_t now_ms);
/* It ended when it was to end, however it did: CHILD_DONE, nothing logged. */
void child_finished(struct child *c, int wait_status);
/* Signals it; SIGKILL reaches everything that it started, too. */
void child_signal(const struct child *c, int signal);

#endif
