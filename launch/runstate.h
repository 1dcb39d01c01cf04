#ifndef LAUNCH_RUNSTATE_H
#define LAUNCH_RUNSTATE_H
/* What can be seen of a run from outside, whoever started it. Main thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/option.h"

struct run_options {
    char run_dir[OPTION_TEXT_MAX];
    bool json;
    double timeout; // seconds
};

/* Parses --run-dir and what else a command of this kind has; false: *code is the exit
 * code (help was printed, or an error). A directory that holds no run is an error. */
bool runstate_parse(int argc, char **argv, struct run_options *o, int *code);

enum run_state {
    RUN_NEVER,   // no learner was ever there
    RUN_RUNNING, // one is at work, or a minos is that starts it again
    RUN_DONE,    // said that it ended
    RUN_STOPPED, // ended without saying so: killed
};
enum run_state runstate_of(const char *run_dir);
/* Whether a learner or minos holds its lock there. */
bool runstate_is_held(const char *run_dir);
/* Since progress.json was written; UINT64_MAX: it never was. */
uint64_t runstate_silent_ms(const char *run_dir);
const char *runstate_name(enum run_state s);

#endif
