#ifndef ACTOR_OPTIONS_H
#define ACTOR_OPTIONS_H
/* The actor's settings: one row each in options.c. A run's config.ini holds rows of all
 * programs, so the shared ones (run-dir, env, envs, seed, …) mean the same everywhere. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/option.h"

struct actor_options {
    char run_dir[OPTION_TEXT_MAX];
    char learner[OPTION_TEXT_MAX]; // rank 0's endpoint; "" = RUN/address
    char env[OPTION_TEXT_MAX];
    char env_options[OPTION_TEXT_MAX];
    char scratch[OPTION_TEXT_MAX];
    char log_level[OPTION_TEXT_MAX];
    int64_t envs, id, nice;
    bool record, mpi;
};

extern struct option actor_option_table[];

/* For describe, eval, play, watch and bench; each has a table of the rows that it reads. */
struct show_options {
    char run_dir[OPTION_TEXT_MAX];
    char env[OPTION_TEXT_MAX]; // "" = the run's
    char env_options[OPTION_TEXT_MAX];
    char scratch[OPTION_TEXT_MAX];
    char net[OPTION_TEXT_MAX];
    int64_t episodes, seed, envs, steps, actions;
    double steps_per_second, seconds;
    bool greedy, record, json, untrained;
    char player[OPTION_TEXT_MAX];
};

extern struct option describe_option_table[], eval_option_table[], watch_option_table[],
    play_option_table[], bench_env_option_table[], bench_infer_option_table[],
    bench_calibrate_option_table[];

#endif
