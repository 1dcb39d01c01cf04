/* Judges of one's own, which come to a running training and leave it as they like
 * (--judge=none): by kill -9 with questions in hand, by a goodbye, in another language.
 * Nothing is started anew, no question is lost, none is asked twice at a time. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/text.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

enum { CAPTIONS = 12 }; // of the bandit

static char dir[PATH_MAX_], judges[PATH_MAX_], run[PATH_MAX_ + 8],
    run_flag[PATH_MAX_ + 24];
static char minos[PATH_MAX_], judge[PATH_MAX_], port_flag[32];

static int set_up(void **state)
{
    (void)state;
    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    text_format(judges, sizeof(judges), "%s", harness_make_dir());
    text_format(run, sizeof(run), "%s/run", dir);
    text_format(run_flag, sizeof(run_flag), "--run-dir=%s", run);
    text_format(port_flag, sizeof(port_flag), "--port=%d", runner_free_port());
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    text_format(judge, sizeof(judge), "%s/minos-judge", getenv("MINOS_BIN"));
    return 0;
}

static int tear_down(void **state)
{
    pid_t pid;

    (void)state;
    for (int i = 0; i < 500 && runner_count("", run_flag, &pid) > 0; i++) {
        kill(pid, SIGKILL);
        clock_sleep_ms(20);
    }
    harness_remove_dir(judges);
    harness_remove_dir(dir);
    return 0;
}

static double number_in(const char *name, const char *key)
{
    return runner_json_number(run, name, key);
}

struct wanted {
    const char *key;
    double least, most;
};

static bool is_reached(void *arg)
{
    const struct wanted *w = arg;
    const double n = number_in("progress.json", w->key);

    return n >= w->least && n <= w->most;
}

static void wait_for(const char *key, double least, double most)
{
    struct wanted w = {key, least, most};

    if (!runner_wait_for(is_reached, &w, RUNNER_PATIENCE_MS)) {
        fail_msg("%s is %g, not %g to %g: %s", key, number_in("progress.json", key),
                 least, most, runner_output(dir));
    }
}

static pid_t attach_slow_judge(void)
{
    return runner_start(judges, judge, run_flag, "--judge=sim", "--credits=4",
                        "--sim-latency=2.5", "--id=7", NULL);
}

/* With four questions in the judge's hands: its last four answers have just come. (More
 * may have, where this machine stood still meanwhile.) */
static void judges_come_and_go(void)
{
    pid_t pid = attach_slow_judge();
    wait_for("judges", 1, 1);
    wait_for("labels", 4, CAPTIONS);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(runner_wait(pid, RUNNER_PATIENCE_MS), 128 + SIGKILL);
    wait_for("judges", 0, 0); // found out by its silence
    const double first = number_in("progress.json", "labels");
    pid = attach_slow_judge();
    wait_for("judges", 1, 1);
    wait_for("labels", first < CAPTIONS ? first + 4 : CAPTIONS, CAPTIONS);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(runner_wait(pid, RUNNER_PATIENCE_MS), 0); // a goodbye
    wait_for("judges", 0, 0);
    const double steps = number_in("progress.json", "env_steps"),
                 labels = number_in("progress.json", "labels");
    wait_for("env_steps", steps + 2000, 1e12); // training goes on without any
    assert_true(number_in("progress.json", "labels") == labels);
}

static void the_rest_is_judged_in_python(void)
{
    char python[PATH_MAX_ + 64];

    if (runner_run(judges, "/usr/bin/python3", "-c", "import zmq, flatbuffers", NULL) !=
        0) {
        print_message("python3 has no zmq or no flatbuffers: judged in C\n");
        text_format(python, sizeof(python), "%s/judge-example", getenv("MINOS_BIN"));
    } else {
        text_format(python, sizeof(python), "%s/judge/examples/judge_example.py",
                    getenv("MINOS_SOURCE"));
    }
    const pid_t pid = runner_start(judges, python, run_flag, NULL);
    wait_for("labels", CAPTIONS, CAPTIONS);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(runner_wait(pid, RUNNER_PATIENCE_MS), 0);
    wait_for("judges", 0, 0);
}

static void judges_attach_to_a_running_training_and_leave_it(void **state)
{
    (void)state;
    const pid_t pid = runner_start(dir, minos, "train", run_flag, port_flag,
                                   "--env=bandit", "--judge=none",
                                   "--consistency-share=0", "--steps=2000000000", NULL);
    wait_for("env_steps", 5000, 1e12);
    wait_for("judges", 0, 0);
    judges_come_and_go();
    the_rest_is_judged_in_python();
    assert_int_equal(runner_run(judges, minos, "stop", run_flag, NULL), 0);
    if (runner_wait(pid, RUNNER_PATIENCE_MS) != 0) {
        fail_msg("the run did not end well: %s", runner_output(dir));
    }
    assert_true(number_in("summary.json", "labels") == CAPTIONS);
    assert_true(number_in("summary.json", "questions_duplicate") == 0);
    assert_true(number_in("summary.json", "starts") == 1);
    assert_null(strstr(runner_output(dir), "ended by signal"));
    assert_int_equal(runner_run(judges, minos, "audit", run_flag, NULL), 0);
    assert_int_equal(runner_run(judges, minos, "ledger", "list", run_flag, NULL), 0);
    assert_non_null(strstr(runner_output(judges), "sim"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(judges_attach_to_a_running_training_and_leave_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
