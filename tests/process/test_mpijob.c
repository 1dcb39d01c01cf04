/* Facts about an all-in-one MPI job. The test starts mpirun with itself as the programs of
 * the job: two learners, an actor and a judge. */
#include <fcntl.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mpijob.h"
#include "tests/support/harness.h"

/* One process of the job: says its role, its place and the sum of ones over the learners'
 * communicator. */
static int run_role(const char *role)
{
    const enum mpijob_role r = role[0] == 'l'   ? MPIJOB_LEARNER
                               : role[0] == 'a' ? MPIJOB_ACTOR
                                                : MPIJOB_JUDGE;
    int one = 1, sum = 0;

    mpijob_close(0); // before open: does nothing
    if (mpijob_open(r) != ST_OK) {
        return 1;
    }
    const MPI_Comm *learners = mpijob_learners();
    if (learners != NULL) {
        MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, *learners);
    }
    for (int i = 0; i < 600 && learners == NULL && !mpijob_over(); i++) {
        clock_sleep_ms(50);
    }
    if (learners == NULL && !mpijob_over()) {
        return 2;
    }
    printf("%s %d of %d sums %d\n", role, mpijob_index(), mpijob_count(), sum);
    fflush(stdout);
    mpijob_close(0);
    return 0;
}

static const char *self;

static void roles_have_their_own_numbers_and_sums_and_all_learn_of_the_end(void **state)
{
    static const char *const want[] = {
        "learner 0 of 2 sums 2\n", "learner 1 of 2 sums 2\n", "actor 0 of 1 sums 0\n",
        "judge 0 of 1 sums 0\n"};
    char command[2048], said[4096];

    (void)state;
    snprintf(command, sizeof(command),
             "exec mpirun --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 "
             "-n 2 '%s' learner : -n 1 '%s' actor : -n 1 '%s' judge 2>&1",
             self, self, self);
    FILE *job = popen(command, "r");
    assert_non_null(job);
    said[fread(said, 1, sizeof(said) - 1, job)] = '\0';
    const int rc = pclose(job);
    if (!WIFEXITED(rc) || WEXITSTATUS(rc) != 0) {
        fail_msg("mpirun ended with %d and said: %s", rc, said);
    }
    for (int i = 0; i < 4; i++) {
        if (strstr(said, want[i]) == NULL) {
            fail_msg("'%s' is not in: %s", want[i], said);
        }
    }
}

static void outside_a_job_a_process_is_alone(void **state)
{
    (void)state;
    assert_int_equal(mpijob_index(), 0);
    assert_int_equal(mpijob_count(), 1);
    assert_null(mpijob_learners());
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outside_a_job_a_process_is_alone),
        cmocka_unit_test(
            roles_have_their_own_numbers_and_sums_and_all_learn_of_the_end),
    };

    self = argv[0];
    if (argc > 1) {
        return run_role(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
