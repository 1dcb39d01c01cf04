#ifndef LAUNCH_RUNSTATE_H
#define LAUNCH_RUNSTATE_H
/* What can be seen of a run from outside, whoever started it. Main thread. */

#include <stdbool.h>

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
    RUN_NEVER,   // no progress yet
    RUN_RUNNING, // told of itself within the last seconds
    RUN_DONE,    // said that it ended
    RUN_STOPPED, // ended without saying so: killed
};
enum run_state runstate_of(const char *run_dir);
const char *runstate_name(enum run_state s);

#endif
