#ifndef JUDGE_OPTIONS_H
#define JUDGE_OPTIONS_H
/* The judge's settings: one row each in options.c, nothing else. Main thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/option.h"
#include "judge/backends/sim/knobs.h"

struct judge_options {
    char learner[OPTION_TEXT_MAX]; // "" = RUN/address
    char run_dir[OPTION_TEXT_MAX];
    int64_t id;
    bool mpi;
    char judge[OPTION_TEXT_MAX];
    char goal[OPTION_TEXT_MAX];  // "" = the learner's
    char rules[OPTION_TEXT_MAX]; // "" = found by goal and family
    char sim[OPTION_TEXT_MAX];
    double sim_share;
    int64_t sim_seed;
    struct sim_knobs sim_knobs;
    int64_t cache, credits;
    double deadline; // seconds; 0 = the backend's own
    char log_level[OPTION_TEXT_MAX];
    char config[OPTION_TEXT_MAX];
    bool help, print_config;
};

extern struct option judge_option_table[];

#endif
