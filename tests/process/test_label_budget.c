/* A run whose budget of labels ends before it does, and minos bench label-budget on it. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "launch/jsonline.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

enum { BUDGET = 40 };

static char dir[PATH_MAX_], run[PATH_MAX_ + 8], run_flag[PATH_MAX_ + 24];
static char minos[PATH_MAX_];

static double number_in(const char *json, const char *key)
{
    double n = -1;

    assert_true(jsonline_number(json, key, &n));
    return n;
}

static bool has_spent(void *arg)
{
    (void)arg;
    return runner_json_number(run, "progress.json", "labels") >= BUDGET &&
           runner_json_number(run, "progress.json", "env_steps") >= 60000;
}

/* Training goes on without new labels; the summary says why there are none. */
static void a_run_goes_on_when_its_budget_of_labels_is_spent(void **state)
{
    char path[PATH_MAX_ + 64], *json, text[64];
    size_t len;

    (void)state;
    const pid_t pid =
        runner_start(dir, minos, "train", run_flag, "--env=crypt-vault",
                     "--steps=2000000000", "--label-budget=40", "--consistency-share=0",
                     "--checkpoint-seconds=1000", NULL);
    const bool spent = runner_wait_for(has_spent, NULL, RUNNER_PATIENCE_MS);
    kill(pid, SIGINT);
    assert_int_equal(runner_wait(pid, RUNNER_PATIENCE_MS), 0);
    assert_true(spent);
    text_format(path, sizeof(path), "%s/logs/learner-0.log", run);
    assert_int_equal(file_read(path, 1 << 20, &json, &len), ST_OK);
    const char *told = strstr(json, "ASKING-BUDGET");
    assert_non_null(told);
    assert_null(strstr(told + 1, "ASKING-BUDGET")); // once
    mem_free(json);
    text_format(path, sizeof(path), "%s/summary.json", run);
    assert_int_equal(file_read(path, 1 << 20, &json, &len), ST_OK);
    assert_int_equal((int)number_in(json, "labels"), BUDGET);
    assert_int_equal((int)number_in(json, "verdicts_label"), BUDGET);
    assert_int_equal((int)number_in(json, "questions_duplicate"), 0);
    assert_true(jsonline_text(json, "asking_state", text, sizeof(text)));
    assert_string_equal(text, "budget spent");
    assert_non_null(strstr(json, "\"by_judge\": [{\"name\": \"rule\""));
    mem_free(json);
}

/* With the labels of the run above. */
static void the_bench_draws_three_orders_for_each_budget(void **state)
{
    static const char *const orders[] = {"\"schedule\"", "\"newest\"", "\"uniform\""};
    char *out, *line, *rest = NULL;
    double recall[3] = {0}, most = 0;
    int lines = 0;

    (void)state;
    assert_int_equal(runner_run(dir, minos, "bench", "label-budget", run_flag,
                                "--least=100", "--labels=truth", NULL),
                     0);
    out = mem_text(runner_output(dir));
    for (line = strtok_r(out, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest), lines++) {
        assert_non_null(strstr(line, orders[lines % 3]));
        const double budget = number_in(line, "budget");
        assert_true(number_in(line, "labels") <= budget);
        assert_true(number_in(line, "recall") <= 1);
        most = budget > most ? budget : most;
        recall[lines % 3] += number_in(line, "recall");
    }
    assert_true(lines >= 6 && lines % 3 == 0);
    // Which order is best on a run as short as this is chance; test_label_stream has that.
    assert_true(recall[0] > 0 && recall[1] > 0 && recall[2] > 0);
    mem_free(out);
}

static void a_directory_without_a_run_is_one_clear_error(void **state)
{
    char flag[PATH_MAX_ + 64];

    (void)state;
    text_format(flag, sizeof(flag), "--run-dir=%s/nothing", dir);
    assert_int_equal(runner_run(dir, minos, "bench", "label-budget", flag, NULL), 2);
    assert_non_null(strstr(runner_output(dir), "no directory of a run"));
    assert_int_equal(runner_run(dir, minos, "bench", "label-budget", NULL), 2);
    assert_non_null(strstr(runner_output(dir), "--run-dir"));
    assert_int_equal(runner_run(dir, minos, "bench", "label-budget", run_flag,
                                "--labels=guess", NULL),
                     2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_goes_on_when_its_budget_of_labels_is_spent),
        cmocka_unit_test(the_bench_draws_three_orders_for_each_budget),
        cmocka_unit_test(a_directory_without_a_run_is_one_clear_error),
    };

    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    text_format(run, sizeof(run), "%s/run", dir);
    text_format(run_flag, sizeof(run_flag), "--run-dir=%s", run);
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_remove_dir(dir);
    return failed;
}
