/* Runs started by hand at a terminal (launch/examples): Ctrl-C once and twice, and actors
 * that claim one number. */

#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "launch/jsonline.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

static char dir[PATH_MAX_], run[PATH_MAX_ + 16], run_flag[PATH_MAX_ + 32];
static int runs;

static int set_up(void **state)
{
    (void)state;
    text_format(run, sizeof(run), "%s/run-%d", dir, runs++);
    text_format(run_flag, sizeof(run_flag), "--run-dir=%s", run);
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
    return file_remove_tree(run) == ST_OK ? 0 : -1;
}

static bool has_begun(void *arg)
{
    double steps = 0;
    char *json;
    size_t len;

    (void)arg;
    if (!file_exists(harness_path(run, "progress.json")) ||
        file_read(harness_path(run, "progress.json"), 1 << 20, &json, &len) != ST_OK) {
        return false;
    }
    jsonline_number(json, "env_steps", &steps);
    mem_free(json);
    return steps >= 5000;
}

static bool nothing_runs(void *arg)
{
    (void)arg;
    return runner_count("", run_flag, NULL) == 0;
}

static bool has_ended(void *pid)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t) * (pid_t *)pid, &info, WEXITED | WNOHANG | WNOWAIT) ==
               0 &&
           info.si_pid != 0;
}

/* Starts an example at a terminal of its own, presses Ctrl-C once the run goes; the exit
 * code. */
static int interrupt(const char *script, int times)
{
    char path[PATH_MAX_];
    int terminal, status = 0;

    text_format(path, sizeof(path), "%s/launch/examples/%s", getenv("MINOS_SOURCE"),
                script);
    pid_t pid = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid == 0) {
        execlp("sh", "sh", path, run, "1", "2", NULL);
        _exit(127);
    }
    const bool begun = runner_wait_for(has_begun, NULL, RUNNER_PATIENCE_MS);
    for (int i = 0; begun && i < times; i++) {
        assert_int_equal(write(terminal, "\003", 1), 1);
        clock_sleep_ms(500);
    }
    if (!begun || !runner_wait_for(has_ended, &pid, RUNNER_PATIENCE_MS)) {
        kill(pid, SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(terminal);
    assert_true(begun);
    assert_true(runner_wait_for(nothing_runs, NULL, RUNNER_PATIENCE_MS));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void audit_balances(void)
{
    char minos[PATH_MAX_];

    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    if (runner_run(dir, minos, "audit", run_flag, NULL) != 0) {
        fail_msg("the audit does not balance: %s", runner_output(dir));
    }
}

static void one_ctrl_c_stops_in_order(void **state)
{
    (void)state;
    assert_int_equal(interrupt("elastic.sh", 1), 0);
    assert_true(file_exists(harness_path(run, "summary.json")));
    audit_balances();
}

static void one_ctrl_c_stops_one_mpirun_of_everything_in_order(void **state)
{
    (void)state;
    assert_int_equal(interrupt("all_in_one.sh", 1), 0);
    assert_true(file_exists(harness_path(run, "summary.json")));
    audit_balances();
}

static void two_stop_at_once_and_nothing_runs_on(void **state)
{
    (void)state;
    assert_int_not_equal(interrupt("elastic.sh", 2), -1);
    audit_balances();
    assert_int_equal(set_up(state), 0);
    assert_int_not_equal(interrupt("all_in_one.sh", 2), -1);
    audit_balances();
}

static pid_t start_actor(const char *number, const char *out)
{
    char program[PATH_MAX_];

    assert_int_equal(file_make_dirs(harness_path(dir, out)), ST_OK);
    text_format(program, sizeof(program), "%s/minos-actor", getenv("MINOS_BIN"));
    return runner_start(harness_path(dir, out), program, run_flag, "--env=bandit",
                        "--envs=8", number, NULL);
}

static bool said(const char *out, const char *text)
{
    return strstr(runner_output(harness_path(dir, out)), text) != NULL;
}

static bool first_plays(void *arg)
{
    (void)arg;
    return said("first", "as actor 4 incarnation 1");
}

static bool second_waits(void *arg)
{
    (void)arg;
    return said("second", "--id=3 is held by a living actor");
}

static bool second_plays(void *arg)
{
    (void)arg;
    return said("second", "as actor 4 incarnation 2");
}

static void two_actors_of_one_number_never_pass_for_each_other(void **state)
{
    char program[PATH_MAX_], port[32];

    (void)state;
    assert_int_equal(file_make_dirs(harness_path(dir, "learner")), ST_OK);
    text_format(program, sizeof(program), "%s/minos-learner", getenv("MINOS_BIN"));
    text_format(port, sizeof(port), "--port=%d", runner_free_port());
    const pid_t learner = runner_start(harness_path(dir, "learner"), program, run_flag,
                                       port, "--env=bandit", NULL);
    assert_true(runner_wait_file(run, "address", 1));
    const pid_t first = start_actor("--id=3", "first");
    assert_true(runner_wait_for(first_plays, NULL, RUNNER_PATIENCE_MS));
    const pid_t second = start_actor("--id=3", "second");
    assert_true(runner_wait_for(second_waits, NULL, RUNNER_PATIENCE_MS));
    kill(first, SIGKILL);
    runner_wait(first, RUNNER_PATIENCE_MS);
    // Not the first one's work and name, but its number and a new incarnation.
    assert_true(runner_wait_for(second_plays, NULL, RUNNER_PATIENCE_MS));
    kill(learner, SIGUSR1);
    assert_int_equal(runner_wait(learner, RUNNER_PATIENCE_MS), 0);
    assert_int_equal(runner_wait(second, RUNNER_PATIENCE_MS), 0);
    audit_balances();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(one_ctrl_c_stops_in_order),
        TEST(one_ctrl_c_stops_one_mpirun_of_everything_in_order),
        TEST(two_stop_at_once_and_nothing_runs_on),
        TEST(two_actors_of_one_number_never_pass_for_each_other),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    setenv("ENV", "bandit", 1);
    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_remove_dir(dir);
    return failed;
}
