/* minos eval with the real program: what its figures depend on, and what they do not. */
#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "launch/jsonline.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

static const char *dir;
static char minos[1024];

static double number_of(const char *envs, const char *seed, const char *key)
{
    double n = -1;

    assert_int_equal(runner_run(dir, minos, "eval", "--env=crypt-free", "--untrained",
                                "--episodes=24", envs, seed, NULL),
                     0);
    assert_true(jsonline_number(runner_output(dir), key, &n));
    return n;
}

/* Evaluation's games are streams of their own, one an episode. Those of training belong to
 * an environment's place, and the figures would move with --envs. */
static void figures_do_not_depend_on_how_many_play_at_a_time(void **state)
{
    static const char *const keys[] = {"length_mean", "scout_mean", "gold_mean"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        const double one = number_of("--envs=1", "--seed=3", keys[i]);
        assert_true(one > 0);
        assert_true(number_of("--envs=16", "--seed=3", keys[i]) == one);
        assert_true(number_of("--envs=16", "--seed=4", keys[i]) != one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_do_not_depend_on_how_many_play_at_a_time),
    };

    dir = harness_make_dir();
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_remove_dir(dir);
    return failed;
}
