#ifndef JUDGE_CHECK_CHECK_CHILD_H
#define JUDGE_CHECK_CHECK_CHILD_H
/* The COMMAND that judge-check starts: a process group of its own, told the address in
 * MINOS_ENDPOINT, never left behind, not even where we are killed. Main thread. */

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/status.h"

/* Zeroed: none. */
struct check_child {
    char *const *command; // NULL-terminated; NULL: the judge dials in by itself
    pid_t pid;            // 0: not running
    pid_t guard;          // in its group: kills that when we end
    int alive_fd;         // which the guard sees close
    int code;             // how it ended: exit code, or 128 + signal
    bool ended;
};

/* ST_IO (logged): cannot be started. */
MUST_USE enum status check_child_start(struct check_child *c, const char *endpoint);
/* Whether it runs; notices its end. */
bool check_child_runs(struct check_child *c);
/* Kills the whole group where it still runs, and waits for it. */
void check_child_end(struct check_child *c);

#endif
