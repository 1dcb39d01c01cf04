/* minos-learner: one rank of the learner, or one of its tools: audit, explain,
 * ledger, label, fit, bench. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mpijob.h"
#include "common/base/stop.h"
#include "learner/explain.h"
#include "learner/fit.h"
#include "learner/label.h"
#include "learner/learner_bench.h"
#include "learner/start.h"
#include "learner/start_ledger.h"
#include "learner/store/audit.h"
#include "learner/threads.h"

static const char examples[] =
    "Examples:\n"
    "  minos-learner --run-dir=runs/first --env=crypt-vault --goal=treasure\n"
    "  mpirun -n 2 --bind-to none minos-learner --run-dir=runs/two\n"
    "Also: minos-learner audit|explain|ledger|label|fit|bench --help\n";
/* What lies in the run directory is wrong as a setting can be: trying again is in vain. */
static int exit_of(enum status st)
{
    return st == ST_OK                                                ? EXIT_DONE
           : st == ST_INVALID || st == ST_CORRUPT || st == ST_VERSION ? EXIT_USAGE
                                                                      : EXIT_FAILED;
}

static int learn(int argc, char **argv)
{
    static struct learner l; // large
    const struct learner_options *o = &l.options;
    enum status st;

    if (option_is_given(argc, argv, "help")) {
        option_print_help(learner_option_table,
                          "minos-learner [--config=FILE] [--NAME=VALUE ...]", examples,
                          stdout);
        return EXIT_DONE;
    }
    if (learner_options_read(&l.options, argc, argv) != ST_OK) {
        return EXIT_USAGE;
    }
    log_open("learner", -1, log_level_of(o->log_level));
    if (train_check_options(o) != ST_OK) {
        return EXIT_USAGE;
    }
    if (option_is_given(argc, argv, "print-config")) {
        option_print_config(learner_option_table, o, stdout);
        return EXIT_DONE;
    }
    l.clock = clock_system();
    stop_open();
    if (o->mpi && mpijob_open(MPIJOB_LEARNER) != ST_OK) {
        return EXIT_FAILED;
    }
    if (ranks_open(&(struct ranks_options){o->hang_seconds, o->mpi}, &l.ranks) !=
        ST_OK) {
        return EXIT_FAILED;
    }
    log_set_index(ranks_index(l.ranks));
    st = start_open(&l);
    if (st == ST_OK && !l.plan.finished) {
        st = threads_run(&l);
    }
    if (st != ST_OK && st != ST_CLOSED) {
        ranks_abort(l.ranks, exit_of(st));
    }
    if (stop_at_once()) {
        _exit(EXIT_FAILED);
    }
    start_close(&l);
    ranks_close(l.ranks);
    mpijob_close(EXIT_DONE);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    const char *tool = argc > 1 ? argv[1] : "";

    return file_end_stdout(
        strcmp(tool, "audit") == 0     ? audit_main(argc - 1, argv + 1)
        : strcmp(tool, "explain") == 0 ? explain_main(argc - 1, argv + 1)
        : strcmp(tool, "ledger") == 0  ? ledger_main(argc - 1, argv + 1)
        : strcmp(tool, "label") == 0   ? label_main(argc - 1, argv + 1)
        : strcmp(tool, "fit") == 0     ? fit_main(argc - 1, argv + 1)
        : strcmp(tool, "labels") == 0  ? start_ledger_check_main(argc - 1, argv + 1)
        : strcmp(tool, "bench") == 0   ? learner_bench(argc - 1, argv + 1)
                                       : learn(argc, argv));
}
