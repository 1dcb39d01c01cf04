/* What minos train refuses before a run begins, with the real programs, and its help. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

static char dir[PATH_MAX_], run[PATH_MAX_ + 8], run_flag[PATH_MAX_ + 24];
static char minos[PATH_MAX_];

static void what_concerns_judges_is_checked_before_anything_is_made(void **state)
{
    static const char *const table[][2] = {
        {"--llm-model=x", "--llm-model is for --judge=llm, but the judge is rule"},
        {"--sim-latency=1", "--sim-latency is for --judge=sim"},
        {"--goal=wet.goal", "the file of that name is --goal=./wet.goal"},
        {"--rules=wet.rules", "wet.rules, line 1: not a strength"}};
    char before[PATH_MAX_];

    (void)state;
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(file_write_atomic("wet.goal", bytes_text("x")), ST_OK);
    assert_int_equal(file_write_atomic("wet.rules", bytes_text("5 fountain\n")), ST_OK);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(runner_run(dir, minos, "train", run_flag, "--env=crypt-vault",
                                    table[i][0], NULL),
                         2);
        if (strstr(runner_output(dir), table[i][1]) == NULL) {
            fail_msg("%s says %s", table[i][0], runner_output(dir));
        }
        assert_false(file_exists(run));
    }
    assert_int_equal(chdir(before), 0);
}

static void
settings_that_do_not_go_together_are_told_before_anything_is_made(void **state)
{
    static const char *const table[][3] = {
        {"--reward=classify", "--label-budget=10", "can never open the gate"},
        {"--reward=rank", "--label-budget=10", "can never open the gate"},
        {"--loss=oni", "--replay-ratio=0.25", "does not go with --replay-ratio"},
        {"--reward=none", "--replay-ratio=0.25", "asks for no labels"},
        {"--reward=count", "--replay-ratio=0.25", "asks for no labels"},
        {"--preset=oni", "--replay-ratio=0.25", "does not go with --replay-ratio"},
        {"--reward=rnd", "--beta=5", "--beta is for --reward=count|"},
        {"--reward=rnd", "--count-key=exact", "--count-key is for --reward=count|"},
        {"--reward=rnd", "--pay-caption=seen", "--pay-caption is for --reward=count|"},
        {"--reward=none", "--a-int=2", "--a-int is for --reward=count|"},
        {"--reward=count", "--consistency-share=0", "but the reward is count"},
        {"--reward=count", "--judge-alarm=0.5", "--judge-alarm is for --reward=retr"},
        {"--reward=none", "--labels-from=x", "--labels-from is for --reward=retr"},
        {"--reward=none", "--relabel", "--relabel is for --reward=retrieval|"}};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(runner_run(dir, minos, "train", run_flag, "--env=crypt-vault",
                                    table[i][0], table[i][1], NULL),
                         2);
        const char *out = runner_output(dir), *said = strstr(out, table[i][2]);
        if (said == NULL || strstr(said + 1, table[i][2]) != NULL ||
            strstr(out, "MPI") != NULL) {
            fail_msg("%s %s says %s", table[i][0], table[i][1], out);
        }
        assert_false(file_exists(run));
    }
}

static void a_start_that_the_learner_refuses_leaves_nothing_of_a_run(void **state)
{
    char flag[PATH_MAX_ + 64];

    (void)state;
    text_format(flag, sizeof(flag), "--word-vectors=%s",
                harness_path(dir, "damaged.vec"));
    assert_int_equal(file_write_atomic(harness_path(dir, "damaged.vec"),
                                       bytes_text("2 3\ngold 1 2 nan\n")),
                     ST_OK);
    assert_int_equal(runner_run(dir, minos, "train", run_flag, "--env=crypt-vault",
                                "--reward=bow", flag, NULL),
                     2);
    const char *out = runner_output(dir), *said = strstr(out, "damaged.vec");
    assert_non_null(said);
    assert_non_null(strstr(out, "what it said of it stands above"));
    assert_non_null(strstr(out, "the run never began"));
    if (strstr(out, "MPI") != NULL || strstr(out, "---") != NULL) {
        fail_msg("said %s", out);
    }
    assert_false(file_exists(run));
}

static void help_names_choices_and_the_defaults_of_the_preset(void **state)
{
    (void)state;
    assert_int_equal(runner_run(dir, minos, "help", "train", NULL), 0);
    assert_non_null(strstr(runner_output(dir), ": none, count"));
    assert_non_null(strstr(runner_output(dir), "truth or permuted"));
    assert_non_null(strstr(runner_output(dir), "[0.1 by preset crypt]")); // value-coef
    assert_non_null(strstr(runner_output(dir), "[by --envs-total]"));
    assert_null(strstr(runner_output(dir), "--learner=")); // of one process
    assert_int_equal(runner_run(dir, minos, "train", "--preset=oni", "--help", NULL),
                     0);
    assert_non_null(strstr(runner_output(dir), "[oni by preset oni]"));
    assert_int_equal(runner_run(dir, minos, "train", "--preset=no", "--help", NULL), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_concerns_judges_is_checked_before_anything_is_made),
        cmocka_unit_test(
            settings_that_do_not_go_together_are_told_before_anything_is_made),
        cmocka_unit_test(a_start_that_the_learner_refuses_leaves_nothing_of_a_run),
        cmocka_unit_test(help_names_choices_and_the_defaults_of_the_preset),
    };

    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    text_format(run, sizeof(run), "%s/run", dir);
    text_format(run_flag, sizeof(run_flag), "--run-dir=%s", run);
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_remove_dir(dir);
    return failed;
}
