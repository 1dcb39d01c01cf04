#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/stop.h"
#include "launch/commands.h"
#include "launch/judging.h"
#include "launch/plan.h"
#include "launch/progress.h"
#include "launch/supervise.h"

static int exit_code_of(enum status st)
{
    switch (st) {
    case ST_CLOSED: // help or the settings were printed
        return EXIT_DONE;
    case ST_INVALID:
    case ST_NOTFOUND:
        return EXIT_USAGE;
    default:
        return EXIT_FAILED;
    }
}

int starting_main(int argc, char **argv)
{
    static struct plan plan;

    log_open("minos", -1, LOG_INFO_);
    const enum status st = plan_make(&plan, argc, argv);
    if (st != ST_OK) {
        plan_release(&plan);
        return exit_code_of(st);
    }
    if (!plan.quiet) {
        plan_print(&plan, stdout);
        fflush(stdout);
    }
    stop_open();
    const int code = supervise_run(&plan);
    const bool finished = code == EXIT_DONE && progress_print_finished(plan.run_dir);
    if (!finished && !plan.quiet && code == EXIT_DONE &&
        !progress_print_summary(plan.run_dir)) {
        printf("minos: the run ended before it had a summary; it lies in %s\n",
               plan.run_dir);
    }
    if (code == EXIT_DONE && !finished &&
        judging_asks(settings_get(&plan.settings, "reward"))) {
        progress_print_no_label(plan.run_dir);
    }
    plan_release(&plan);
    return code;
}
