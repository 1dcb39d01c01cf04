#include "judge/options.h"

#define ROW(field, name_, type, preset_, least_, most_, help_)                         \
    OPT(struct judge_options, field, name_, type, preset_, least_, most_, help_)
#define ROW_ONE_OF(field, name_, preset_, choices_, help_)                             \
    OPT_ONE_OF(struct judge_options, field, name_, preset_, choices_, help_)

struct option judge_option_table[] = {
    ROW(learner, "learner", OPT_TEXT, "", 0, 0,
        "address of rank 0, tcp://HOST:PORT; empty: read from the run directory"),
    ROW(run_dir, "run-dir", OPT_TEXT, "", 0, 0,
        "run directory, for its address and config.ini"),
    ROW(id, "id", OPT_INT, "0", 0, 65535, "this judge's number in its log lines"),
    ROW(mpi, "mpi", OPT_BOOL, "false", 0, 0,
        "started by one mpirun together with learners and actors"),
    ROW(judge, "judge", OPT_TEXT, "rule", 0, 0, "the backend: rule or sim"),
    ROW(goal, "goal", OPT_TEXT, "", 0, 0,
        "judge this goal only, and leave a run that has another; empty: any"),
    ROW(rules, "rules", OPT_TEXT, "", 0, 0,
        "rule: the pattern file; empty: goals/GOAL.FAMILY.rules beside the program"),
    ROW_ONE_OF(sim, "sim", "truth", "truth|permuted",
               "sim: what it answers, the hidden truth or labels drawn by chance"),
    ROW(sim_share, "sim-share", OPT_FLOAT, "0.02", 0, 1,
        "sim permuted: the chance that a caption is labelled helpful"),
    ROW(sim_seed, "sim-seed", OPT_INT, "1", 0, 9007199254740991.0,
        "sim permuted: seed of the drawn labels"),
    ROW(cache, "cache", OPT_INT, "65536", 1, 16777216, "answers remembered"),
    ROW(credits, "credits", OPT_INT, "256", 1, 4096, "questions held at a time"),
    ROW(deadline, "judge-deadline", OPT_FLOAT, "0", 0, 3600,
        "seconds for one question, then it is a timeout; 0: 10, for llm 120"),
    ROW_ONE_OF(log_level, "log-level", "info", "error|warn|info|debug",
               "what is logged"),
    ROW(config, "config", OPT_TEXT, "", 0, 0, "file of settings, name = value"),
    ROW(help, "help", OPT_BOOL, "false", 0, 0, "this list"),
    ROW(print_config, "print-config", OPT_BOOL, "false", 0, 0,
        "the settings as a file that --config accepts"),
    OPT_END,
};
