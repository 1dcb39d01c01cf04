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

/* For eval, play, watch and bench: what they do beside an environment and a run. */
struct show_options {
    char run_dir[OPTION_TEXT_MAX];
    char env[OPTION_TEXT_MAX]; // "" = the run's
    char env_options[OPTION_TEXT_MAX];
    char scratch[OPTION_TEXT_MAX];
    char net[OPTION_TEXT_MAX]; // infer: which network
    int64_t episodes, seed, envs, steps, actions;
    double steps_per_second, seconds;
    bool greedy, record, json, untrained;
    char player[OPTION_TEXT_MAX];
};

extern struct option show_option_table[];

#endif
