/* minos-actor: plays games for a run, or does one of the things beside that: describe,
 * eval, play, watch, bench. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "actor/actor.h"
#include "actor/options.h"
#include "actor/tools.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/mpijob.h"
#include "common/base/stop.h"
#include "common/nn/mat.h"

enum { DRAIN_MS = 2000, WAIT_MS = 100 };

static const char examples[] =
    "Examples:\n"
    "  minos-actor --env=crypt-vault --run-dir=runs/first\n"
    "  minos-actor --env=nethack-stairs3 --envs=16 --learner=tcp://10.0.0.5:7340\n"
    "Also: minos-actor describe|eval|play|watch|bench --help\n";

static int exit_of(enum status st)
{
    return st == ST_OK || st == ST_CLOSED ? EXIT_DONE
           : st == ST_INVALID             ? EXIT_USAGE
                                          : EXIT_FAILED;
}

static int run(struct actor *a)
{
    enum status st = ST_OK;

    while (st == ST_OK && !stop_asked()) {
        st = actor_step(a, WAIT_MS);
        stop_poll();
        if (mpijob_over()) {
            stop_ask(); // learners that ended before this actor met them
        }
    }
    if (st == ST_OK || st == ST_CLOSED) {
        const bool all = actor_drain(a, DRAIN_MS);
        LOG_INFO("ACTOR-END", "stopped after %llu env steps, %s",
                 (unsigned long long)actor_env_steps(a),
                 all ? "everything acknowledged" : "some segments not acknowledged");
    }
    return exit_of(st);
}

static int play_for_a_run(int argc, char **argv)
{
    static struct actor_options options;
    char host[64] = "localhost";
    struct actor *a = NULL;
    struct actor_plan plan = {&options,           NULL, clock_system(), host,
                              (uint64_t)getpid(), 0};

    option_defaults(actor_option_table, &options);
    if (option_is_given(argc, argv, "help")) {
        option_print_help(actor_option_table,
                          "minos-actor [--config=FILE] [--NAME=VALUE ...]", examples,
                          stdout);
        return EXIT_DONE;
    }
    if (option_parse_run(actor_option_table, &options, argc, argv) != ST_OK) {
        return EXIT_USAGE;
    }
    if (option_is_given(argc, argv, "print-config")) {
        option_print_config(actor_option_table, &options, stdout);
        return EXIT_DONE;
    }
    log_open("actor", -1, log_level_of(options.log_level));
    if (options.mpi && mpijob_open(MPIJOB_ACTOR) != ST_OK) {
        return EXIT_FAILED;
    }
    stop_open();
    (void)gethostname(host, sizeof(host) - 1);
    (void)setpriority(PRIO_PROCESS, 0, (int)options.nice);
    mat_set_threads(1);
    plan.nonce = clock_ns(clock_system()) ^ (plan.pid << 40) ^ clock_wall_ms();
    plan.bus = bus_new();
    const enum status st = actor_open(&plan, &a);
    const int code =
        st == ST_OK ? run(a) : exit_of(st == ST_NOTFOUND ? ST_INVALID : st);
    actor_close(a);
    bus_free(plan.bus);
    if (options.mpi) {
        mpijob_close(code);
    }
    return code;
}

int main(int argc, char **argv)
{
    const char *tool = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;

    return file_end_stdout(tool == NULL ? play_for_a_run(argc, argv)
                                        : tools_main(tool, argc - 1, argv + 1));
}
