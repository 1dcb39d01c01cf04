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

struct option show_option_table[] = {
    ROW(run_dir, "run-dir", OPT_TEXT, "", 0, 0,
        "the run whose newest checkpoint plays"),
    ROW(env, "env", OPT_TEXT, "", 0, 0, "environment and task; empty = the run's"),
    ROW(env_options, "env-options", OPT_TEXT, "", 0, 0,
        "constants of the task that differ, as name=value,name=value"),
    ROW(episodes, "episodes", OPT_INT, "500", 1, 1000000, "episodes to play"),
    ROW(seed, "seed", OPT_INT, "1", 0, 4e9, "which games; never those of training"),
    ROW(envs, "envs", OPT_INT, "32", 1, 1024, "environments stepped as one batch"),
    ROW(greedy, "greedy", OPT_BOOL, "false", 0, 0,
        "take the likeliest action instead of sampling"),
    ROW(untrained, "untrained", OPT_BOOL, "false", 0, 0,
        "play with fresh weights, without a run"),
    ROW(steps, "steps", OPT_INT, "200000", 1, 1e12, "steps that a bench makes"),
    ROW(seconds, "seconds", OPT_FLOAT, "3", 0.1, 3600, "how long a bench measures"),
    ROW(actions, "actions", OPT_INT, "28", 2, 64,
        "actions of the network, for bench infer"),
    OPT_ONE_OF(struct show_options, net, "net", "cells", "cells|tiles",
               "network, for bench infer and --untrained"),
    ROW(steps_per_second, "speed", OPT_FLOAT, "5", 0.1, 1000,
        "steps shown in a second by watch"),
    OPT_ONE_OF(struct show_options, player, "player", "policy", "policy|random",
               "who plays in eval: the checkpoint, or chance as a yardstick"),
    ROW(record, "record", OPT_BOOL, "false", 0, 0,
        "keep a ttyrec of each episode, where the environment can"),
    ROW(scratch, "scratch", OPT_TEXT, "", 0, 0,
        "directory for games that need files; empty = memory"),
    ROW(json, "json", OPT_BOOL, "false", 0, 0, "print JSON lines alone"),
    OPT_END,
};
