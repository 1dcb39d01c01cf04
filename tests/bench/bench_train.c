/* One update of the default settings, all in: where the CPU time of its thread goes.
 *
 *     bench_train [TASK [UPDATES]]        (crypt-vault, 100)
 */

#include "tests/support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/nn/mat.h"
#include "tests/support/school.h"

enum { E = 32, T = 32, PLAYS = 12, WARM = 10 };

static struct school school; // large
static char dir[512];

/* CPU time of this thread, so that whoever else runs here does not count. */
static uint64_t cpu_ns(const struct clock *c)
{
    (void)c;
    return clock_thread_cpu_ns();
}

int main(int argc, char **argv)
{
    const char *task = argc > 1 ? argv[1] : "crypt-vault";
    const int updates = argc > 2 ? atoi(argv[2]) : 100;
    const struct school_plan plan = {
        .task = task, .overrides = "", .envs = E, .T = T, .dir = dir};
    double stage[STAGES], total = 0;

    strcpy(dir, harness_make_dir());
    mat_set_threads(1);
    school_open(&school, &plan, 1);
    const struct clock cpu = {.now_ns = cpu_ns};
    school.train.plan.clock = &cpu;
    for (int i = 0; i < PLAYS; i++) {
        school_play(&school, 0);
    }
    const uint64_t top = school.train.sampler.counts.cursor;
    for (int i = 0; i < WARM + updates; i++) {
        if (i % PLAYS == 0) {
            counts_advance(&school.train.sampler.counts, top); // the same ones again
        }
        if (i == WARM) {
            memcpy(stage, school.train.stage_s, sizeof(stage));
        }
        school.train.options.max_lag = 1000000;
        school.train.sampler.options.max_lag = 1000000;
        school_step(&school);
    }
    printf("{\"bench\": \"train\", \"task\": \"%s\", \"core\": \"%s\", \"samples\": %d",
           task, mat_core_name(), E * T);
    for (int s = 0; s < STAGES; s++) {
        const double ms = 1e3 * (school.train.stage_s[s] - stage[s]) / updates;
        printf(", \"%s_ms\": %.3f", train_stage_name(s), ms);
        total += ms;
    }
    printf(", \"update_ms\": %.3f}\n", total);
    school_close(&school);
    harness_remove_dir(dir);
    return 0;
}
