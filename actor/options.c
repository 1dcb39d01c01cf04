#include "actor/options.h"

#define ROW(field, name, type, preset, least, most, help)                              \
    OPT(struct actor_options, field, name, type, preset, least, most, help)

struct option actor_option_table[] = {
    ROW(run_dir, "run-dir", OPT_TEXT, "", 0, 0,
        "run directory, if it can be seen from here: its address is dialled and what "
        "was produced is counted there"),
    ROW(learner, "learner", OPT_TEXT, "", 0, 0,
        "rank 0, which names this actor's rank, as tcp://HOST:PORT; empty = as written "
        "in the run directory"),
    ROW(env, "env", OPT_TEXT, "crypt-vault", 0, 0, "environment and task, by name"),
    ROW(env_options, "env-options", OPT_TEXT, "", 0, 0,
        "constants of the task that differ, as name=value,name=value"),
    ROW(envs, "envs", OPT_INT, "32", 1, 1024, "environments stepped as one batch"),
    ROW(id, "id", OPT_INT, "-1", -1, 65535,
        "the number this actor wishes for; -1 = any free one"),
    ROW(nice, "nice", OPT_INT, "5", 0, 19,
        "how far this process steps back behind the learner"),
    ROW(record, "record", OPT_BOOL, "false", 0, 0,
        "keep a ttyrec of each episode, where the environment can"),
    ROW(scratch, "scratch", OPT_TEXT, "", 0, 0,
        "directory for games that need files; empty = memory"),
    OPT_ONE_OF(struct actor_options, log_level, "log-level", "info",
               "error|warn|info|debug", "least important lines that are written"),
    ROW(mpi, "mpi", OPT_BOOL, "false", 0, 0,
        "started together with the learner by one mpirun"),
    OPT_END,
};

#undef ROW
#define ROW(field, name, type, preset, least, most, help)                              \
    OPT(struct show_options, field, name, type, preset, least, most, help)

/* Each tool's table has the rows that it reads, and no other. */
#define ROW_RUN                                                                        \
    ROW(run_dir, "run-dir", OPT_TEXT, "", 0, 0, "the run whose newest checkpoint plays")
#define ROW_ENV(preset, help) ROW(env, "env", OPT_TEXT, preset, 0, 0, help)
#define ROW_ENV_OPTIONS                                                                \
    ROW(env_options, "env-options", OPT_TEXT, "", 0, 0,                                \
        "constants of the task that differ, as name=value,name=value")
#define ROW_SEED                                                                       \
    ROW(seed, "seed", OPT_INT, "1", 0, 4e9, "which games; never those of training")
#define ROW_EPISODES(preset)                                                           \
    ROW(episodes, "episodes", OPT_INT, preset, 1, 100000000, "episodes to play")
#define ROW_ENVS                                                                       \
    ROW(envs, "envs", OPT_INT, "32", 1, 1024, "environments stepped as one batch")
#define ROW_GREEDY                                                                     \
    ROW(greedy, "greedy", OPT_BOOL, "false", 0, 0,                                     \
        "take the likeliest action instead of sampling")
#define ROW_UNTRAINED                                                                  \
    ROW(untrained, "untrained", OPT_BOOL, "false", 0, 0,                               \
        "play with fresh weights, without a run")
#define ROW_NET                                                                        \
    OPT_ONE_OF(struct show_options, net, "net", "cells", "cells|tiles",                \
               "network of --untrained")
#define ROW_RECORD                                                                     \
    ROW(record, "record", OPT_BOOL, "false", 0, 0,                                     \
        "keep a ttyrec of each episode, where the environment can")
#define ROW_SCRATCH                                                                    \
    ROW(scratch, "scratch", OPT_TEXT, "", 0, 0,                                        \
        "directory for games that need files; empty = memory")
#define ROW_JSON                                                                       \
    ROW(json, "json", OPT_BOOL, "false", 0, 0, "JSON lines, which it prints anyway")
#define ENV_OF_RUN "environment and task; empty = the run's"

struct option describe_option_table[] = {
    ROW_ENV("crypt-vault", "environment and task, by name"),
    ROW_ENV_OPTIONS,
    ROW_SCRATCH,
    OPT_END,
};

struct option eval_option_table[] = {
    ROW_RUN,
    ROW_ENV("", ENV_OF_RUN),
    ROW_ENV_OPTIONS,
    ROW_EPISODES("500"),
    ROW_SEED,
    ROW_ENVS,
    ROW_GREEDY,
    OPT_ONE_OF(struct show_options, player, "player", "policy", "policy|random",
               "who plays: the checkpoint, or chance as a yardstick"),
    ROW_UNTRAINED,
    ROW_NET,
    ROW_RECORD,
    ROW_SCRATCH,
    ROW_JSON,
    OPT_END,
};

struct option watch_option_table[] = {
    ROW_RUN,
    ROW_ENV("", ENV_OF_RUN),
    ROW_ENV_OPTIONS,
    ROW_EPISODES("1000000"),
    ROW_SEED,
    ROW(steps_per_second, "speed", OPT_FLOAT, "5", 0.1, 1000,
        "steps shown in a second"),
    ROW_GREEDY,
    ROW_UNTRAINED,
    ROW_NET,
    ROW_RECORD,
    ROW_SCRATCH,
    OPT_END,
};

struct option play_option_table[] = {
    ROW_ENV("crypt-vault", "environment and task, by name"),
    ROW_ENV_OPTIONS,
    ROW_SEED,
    ROW_RECORD,
    ROW_SCRATCH,
    OPT_END,
};

struct option bench_env_option_table[] = {
    ROW_ENV("crypt-vault", "environment and task, by name"),
    ROW_ENV_OPTIONS,
    ROW_ENVS,
    ROW(steps, "steps", OPT_INT, "200000", 1, 1e12, "steps to make"),
    ROW_SEED,
    ROW_RECORD,
    ROW_SCRATCH,
    ROW_JSON,
    OPT_END,
};

struct option bench_infer_option_table[] = {
    OPT_ONE_OF(struct show_options, net, "net", "both", "both|cells|tiles", "network"),
    ROW(actions, "actions", OPT_INT, "28", 2, 64, "actions of the network"),
    ROW_ENVS,
    ROW(seconds, "seconds", OPT_FLOAT, "3", 0.1, 3600, "how long to measure each"),
    ROW_JSON,
    OPT_END,
};

struct option bench_calibrate_option_table[] = {
    ROW_ENV("", "one crypt task; empty = all six"),
    ROW_EPISODES("200000"),
    ROW_SEED,
    ROW_JSON,
    OPT_END,
};
