/* Facts about the collectives over MPI. The test starts mpirun with itself as the ranks. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "learner/train/ranks.h"
#include "tests/support/harness.h"

enum { R = 3, FLOATS = 100000 };

#define MUST(cond)                                                                     \
    if (!(cond)) {                                                                     \
        fprintf(stderr, "rank %d: %s\n", me, #cond);                                   \
        return 1;                                                                      \
    }

static float values[FLOATS];

/* Every collective twice, in the order of an update. */
static int all_collectives(struct ranks *r, int me)
{
    double v[3] = {1, me, me * 0.5};
    char shared[64], mine[8];
    uint8_t out[R * 16];
    size_t len, lens[R];

    MUST(ranks_count(r) == R);
    for (int round = 0; round < 2; round++) {
        v[0] = 1, v[1] = me, v[2] = me * 0.5;
        MUST(ranks_agree(r, v, 3) == ST_OK);
        MUST(v[0] == 3 && v[1] == 3 && v[2] == 1.5);
        len = me == 0 ? 6 : 0;
        memcpy(shared, me == 0 ? "hello" : "xxxxx", 6);
        MUST(ranks_share(r, shared, &len, sizeof(shared)) == ST_OK);
        MUST(len == 6 && strcmp(shared, "hello") == 0);
        memset(mine, 'a' + me, sizeof(mine));
        // rank 1 has nothing to tell
        const size_t bytes = me == 1 ? 0 : (size_t)me + 1;
        MUST(ranks_collect(r, bytes_of(mine, bytes), 16, out, lens) == ST_OK);
        MUST(lens[0] == 1 && lens[1] == 0 && lens[2] == 3);
        MUST(memcmp(out, "accc", 4) == 0);
        for (int i = 0; i < FLOATS; i++) {
            values[i] = (float)(i + me);
        }
        MUST(ranks_sum(r, values, FLOATS) == ST_OK);
        MUST(values[0] == 3 && values[FLOATS - 1] == 3 * (FLOATS - 1) + 3);
    }
    return 0;
}

/* Rank 2 comes six seconds late; in `hung` it never comes. */
static int one_is_late(struct ranks *r, int me, bool never)
{
    double v = 1;

    if (me == 2) {
        clock_sleep_ms(never ? 20000 : 6000);
    }
    MUST(ranks_agree(r, &v, 1) == ST_OK);
    MUST(me == 2 || ranks_waited(r) > 2);
    return 0;
}

static int run_rank(const char *what)
{
    struct ranks *r;
    const double hang = strcmp(what, "hung") == 0 ? 2 : 60;

    log_open("learner", -1, LOG_INFO_);
    if (ranks_open(&(struct ranks_options){hang, false}, &r) != ST_OK) {
        return 1;
    }
    const int me = ranks_index(r);
    log_set_index(me);
    const int rc = strcmp(what, "all") == 0
                       ? all_collectives(r, me)
                       : one_is_late(r, me, strcmp(what, "hung") == 0);
    if (rc != 0) {
        ranks_abort(r, rc);
    }
    ranks_close(r);
    return 0;
}

static const char *self;
static char said[8192];

static int mpirun(const char *what)
{
    char command[1024];

    snprintf(command, sizeof(command),
             "exec mpirun -n %d --oversubscribe --bind-to none --mca "
             "mpi_yield_when_idle 1 '%s' %s 2>&1",
             R, self, what);
    FILE *job = popen(command, "r");
    assert_non_null(job);
    said[fread(said, 1, sizeof(said) - 1, job)] = '\0';
    const int rc = pclose(job);
    return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

static void ranks_sum_share_and_collect(void **state)
{
    (void)state;
    const int rc = mpirun("all");
    if (rc != 0) {
        fail_msg("mpirun ended with %d and said: %s", rc, said);
    }
}

static void a_late_rank_is_named(void **state)
{
    (void)state;
    const int rc = mpirun("late");
    if (rc != 0 || strstr(said, "RANKS-LATE   rank 2 came") == NULL) {
        fail_msg("mpirun ended with %d and said: %s", rc, said);
    }
}

static void a_rank_that_never_comes_ends_the_others_with_75(void **state)
{
    (void)state;
    const int rc = mpirun("hung");
    if (rc != EXIT_TRY_AGAIN || strstr(said, "RANKS-HUNG") == NULL) {
        fail_msg("mpirun ended with %d and said: %s", rc, said);
    }
}

static void without_mpirun_a_rank_is_alone(void **state)
{
    struct ranks *r;
    double v = 5;
    float f = 2;

    (void)state;
    assert_int_equal(ranks_open(&(struct ranks_options){1, false}, &r), ST_OK);
    assert_int_equal(ranks_count(r), 1);
    assert_int_equal(ranks_agree(r, &v, 1), ST_OK);
    assert_int_equal(ranks_sum(r, &f, 1), ST_OK);
    assert_float_equal(v, 5, 0);
    assert_float_equal(f, 2, 0);
    int started = 1;
    MPI_Initialized(&started);
    assert_false(started);
    ranks_close(r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_mpirun_a_rank_is_alone),
        cmocka_unit_test(ranks_sum_share_and_collect),
        cmocka_unit_test(a_late_rank_is_named),
        cmocka_unit_test(a_rank_that_never_comes_ends_the_others_with_75),
    };

    self = argv[0];
    if (argc > 1) {
        return run_rank(argv[1]);
    }
    // root may, in a container
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
