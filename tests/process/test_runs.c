/* minos train with the real programs, on bandit: a run from end to end, and what kills,
 * interrupts and restarts do to it. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "launch/jsonline.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

static char dir[PATH_MAX_], run[PATH_MAX_ + 8], run_flag[PATH_MAX_ + 24], port_flag[32];
static char minos[PATH_MAX_];
static int runs;

static int set_up(void **state)
{
    (void)state;
    text_format(run, sizeof(run), "%s/run-%d", dir, runs++);
    text_format(run_flag, sizeof(run_flag), "--run-dir=%s", run);
    text_format(port_flag, sizeof(port_flag), "--port=%d", runner_free_port());
    return 0;
}

/* Also after a test that failed: nothing of it stays. */
static int tear_down(void **state)
{
    pid_t pid;

    (void)state;
    for (int i = 0; i < 500 && runner_count("", run, &pid) > 0; i++) {
        kill(pid, SIGKILL);
        clock_sleep_ms(20);
    }
    return file_remove_tree(run) == ST_OK ? 0 : -1;
}

static double number_in(const char *name, const char *key)
{
    return runner_json_number(run, name, key);
}

static void expect_text(const char *name, const char *key, const char *text)
{
    char path[PATH_MAX_ + 64], value[128] = "", *json;
    size_t len;

    text_format(path, sizeof(path), "%s/%s", run, name);
    assert_int_equal(file_read(path, 1 << 20, &json, &len), ST_OK);
    assert_true(jsonline_text(json, key, value, sizeof(value)));
    assert_string_equal(value, text);
    mem_free(json);
}

static bool ends_with_one_line_break(const char *name)
{
    char path[PATH_MAX_ + 64], *text;
    size_t len;

    text_format(path, sizeof(path), "%s/%s", run, name);
    assert_int_equal(file_read(path, 1 << 20, &text, &len), ST_OK);
    const bool ends = len > 2 && text[len - 2] == '}' && text[len - 1] == '\n';
    mem_free(text);
    return ends;
}

struct progress {
    const char *key;
    double least;
};

static bool progressed(void *arg)
{
    const struct progress *p = arg;

    return number_in("progress.json", p->key) >= p->least;
}

static void wait_progress(const char *key, double least)
{
    struct progress p = {key, least};

    if (!runner_wait_for(progressed, &p, RUNNER_PATIENCE_MS)) {
        fail_msg("%s stays below %g: %s", key, least, runner_output(dir));
    }
}

static bool nothing_runs(void *arg)
{
    (void)arg;
    return runner_count("minos", run_flag, NULL) == 0;
}

static void kill_one(const char *program)
{
    pid_t pid = 0;

    assert_true(runner_count(program, run_flag, &pid) >= 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
}

/* The rank itself, not mpirun, whose command line names it too. */
static void kill_rank(void)
{
    char program[PATH_MAX_ + 32];
    pid_t pid = 0, mpirun = 0;

    text_format(program, sizeof(program), "%s/minos-learner --run-dir",
                getenv("MINOS_BIN"));
    runner_count("mpirun", run_flag, &mpirun);
    for (int tries = 0; tries < 1000; tries++) {
        if (runner_count(program, run_flag, NULL) >= 2 &&
            runner_last(program, run_flag, &pid) && pid != mpirun) {
            break;
        }
        clock_sleep_ms(50);
    }
    assert_int_not_equal(pid, 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
}

static void audit_balances(void)
{
    const int code = runner_run(dir, minos, "audit", run_flag, NULL);

    if (code != 0) {
        fail_msg("the audit does not balance: %s", runner_output(dir));
    }
}

static pid_t start(const char *option, const char *other)
{
    return runner_start(dir, minos, "train", run_flag, port_flag, "--env=bandit",
                        "--checkpoint-seconds=1", option, other, NULL);
}

static void ends_well(pid_t pid)
{
    const int code = runner_wait(pid, RUNNER_PATIENCE_MS);

    if (code != 0) {
        fail_msg("exit code %d: %s", code, runner_output(dir));
    }
    assert_true(runner_wait_for(nothing_runs, NULL, RUNNER_PATIENCE_MS));
}

static struct timespec progress_time(void)
{
    char path[PATH_MAX_ + 64];
    struct stat st = {0};

    text_format(path, sizeof(path), "%s/progress.json", run);
    (void)stat(path, &st);
    return st.st_mtim;
}

static bool second_start_works(void *first)
{
    return number_in("run.json", "start") == 2 &&
           progress_time().tv_sec > ((const struct timespec *)first)->tv_sec + 2;
}

/* Stops the run when its second start has trained for a little. */
static void kill_rank_and_stop(pid_t pid)
{
    struct timespec killed;

    kill_rank();
    killed = progress_time();
    assert_true(runner_wait_for(second_start_works, &killed, RUNNER_PATIENCE_MS));
    kill(pid, SIGINT);
    ends_well(pid);
}

static double evaluated_success(void)
{
    double success = 0;

    assert_int_equal(runner_run(dir, minos, "eval", run_flag, "--episodes=200", NULL),
                     0);
    assert_true(jsonline_number(runner_output(dir), "success_rate", &success));
    return success;
}

static void a_run_learns_bandit_ends_by_itself_and_balances(void **state)
{
    (void)state;
    ends_well(start("--steps=250000", NULL));
    assert_true(number_in("summary.json", "env_steps") >= 250000);
    assert_true(number_in("summary.json", "questions_duplicate") == 0);
    assert_true(number_in("summary.json", "labels") == 12);
    assert_true(ends_with_one_line_break("summary.json"));
    // The judge was there all along; that it left at the end is no news.
    expect_text("summary.json", "asking_state", "on");
    expect_text("progress.json", "asking_state", "on");
    expect_text("summary.json", "goal", "treasure");
    expect_text("summary.json", "judge", "rule");
    assert_true(number_in("summary.json", "r_ext_mean") > 0);
    assert_true(number_in("summary.json", "r_int_mean") > 0);
    assert_true(number_in("progress.json", "r_int_mean") > 0);
    assert_int_equal(runner_run(dir, minos, "status", run_flag, NULL), 0);
    assert_non_null(strstr(runner_output(dir), "reward: retrieval, "));
    assert_null(strstr(runner_output(dir), "no judge"));
    const double judging = number_in("summary.json", "cpu_judges_s") +
                           number_in("summary.json", "cpu_judging_s");
    const double share = number_in("summary.json", "judge_cpu_share");
    assert_true(number_in("summary.json", "cpu_learner_s") > 0.1);
    assert_true(number_in("summary.json", "cpu_actors_s") > 0.1);
    assert_true(judging > 0 && share > 0 && share < 0.3);
    audit_balances();
    assert_int_equal(runner_run(dir, minos, "ledger", "list", run_flag, NULL), 0);
    assert_non_null(strstr(runner_output(dir), "The first bolt slides back."));
    assert_int_equal(runner_run(dir, minos, "train", run_flag, NULL), 0);
    assert_non_null(strstr(runner_output(dir), "is finished: 25"));
    assert_non_null(strstr(runner_output(dir), "k of 250.0 k steps; raise --steps"));
    assert_null(strstr(runner_output(dir), "minos: next:"));
    assert_int_equal(runner_run(dir, minos, "status", run_flag, NULL), 0);
    assert_non_null(strstr(runner_output(dir), "done"));
    // How many steps that takes depends on when the labels came.
    if (evaluated_success() <= 0.8) {
        ends_well(runner_start(dir, minos, "train", run_flag, "--steps=1000000", NULL));
        assert_true(evaluated_success() > 0.8); // at random 0.04
    }
}

static void what_is_killed_comes_back_and_the_audit_balances(void **state)
{
    (void)state;
    const pid_t pid = start("--steps=2000000000", NULL);
    wait_progress("env_steps", 10000);
    kill_one("minos-actor");
    wait_progress("env_steps", number_in("progress.json", "env_steps") + 20000);
    kill_one("minos-judge");
    wait_progress("env_steps", number_in("progress.json", "env_steps") + 10000);
    kill_rank_and_stop(pid);
    const char *out = runner_output(dir);
    assert_non_null(strstr(out, "actor.0 ended by signal 9"));
    assert_non_null(strstr(out, "judge.0 ended by signal 9"));
    assert_non_null(strstr(out, "learner.0 ended by signal 9"));
    assert_true(number_in("summary.json", "starts") == 2);
    audit_balances();
}

static void an_interrupted_run_stops_in_order_and_goes_on_later(void **state)
{
    (void)state;
    char steps[32];
    const pid_t pid = start("--steps=2000000000", NULL);
    wait_progress("env_steps", 20000);
    kill(pid, SIGINT);
    ends_well(pid);
    const double first = number_in("summary.json", "env_steps");
    assert_true(first >= 20000 && first < 2e9);
    audit_balances();
    text_format(steps, sizeof(steps), "--steps=%.0f", first + 100000);
    ends_well(runner_start(dir, minos, "train", run_flag, steps, NULL));
    assert_true(number_in("summary.json", "env_steps") >= first + 100000);
    assert_true(number_in("summary.json", "starts") == 2);
    audit_balances();
    assert_int_equal(runner_run(dir, minos, "train", run_flag, "--net=tiles", NULL), 2);
    assert_non_null(strstr(runner_output(dir), "has cells, not tiles"));
}

static void a_run_stopped_at_once_goes_on_from_its_last_checkpoint(void **state)
{
    (void)state;
    const pid_t pid = start("--steps=100000", NULL);
    wait_progress("env_steps", 30000);
    kill(pid, SIGINT);
    clock_sleep_ms(20);
    kill(pid, SIGINT);
    const int code = runner_wait(pid, RUNNER_PATIENCE_MS);
    assert_true(code == 1 || code == 0); // it may just have been done in order
    assert_true(runner_wait_for(nothing_runs, NULL, RUNNER_PATIENCE_MS));
    ends_well(runner_start(dir, minos, "train", run_flag, NULL));
    assert_true(number_in("summary.json", "env_steps") >= 100000);
    audit_balances();
}

static void two_ranks_share_the_work_and_survive_the_death_of_one(void **state)
{
    (void)state;
    const pid_t pid = runner_start(
        dir, minos, "train", run_flag, port_flag, "--env=bandit", "--ranks=2",
        "--actors=2", "--checkpoint-seconds=1", "--steps=2000000000", NULL);
    wait_progress("env_steps", 20000);
    kill_rank_and_stop(pid);
    assert_true(number_in("summary.json", "ranks") == 2);
    assert_true(number_in("summary.json", "starts") == 2);
    audit_balances();
}

static void a_judge_of_ones_own_is_started_by_its_path(void **state)
{
    char judge[PATH_MAX_ + 32];

    (void)state;
    text_format(judge, sizeof(judge), "--judge=%s/judge-example", getenv("MINOS_BIN"));
    ends_well(start("--steps=20000", judge));
    assert_int_equal(runner_run(dir, minos, "ledger", "list", run_flag, NULL), 0);
    assert_non_null(strstr(runner_output(dir), "excited"));
}

static void a_judge_in_another_language_is_started_by_its_path_too(void **state)
{
    char judge[PATH_MAX_ + 64];

    (void)state;
    if (runner_run(dir, "/usr/bin/python3", "-c", "import zmq, flatbuffers", NULL) !=
        0) {
        print_message("skipped: python3 has no zmq or no flatbuffers\n");
        skip();
    }
    text_format(judge, sizeof(judge), "--judge=%s/judge/examples/judge_example.py",
                getenv("MINOS_SOURCE"));
    const pid_t pid = start("--steps=2000000000", judge);
    wait_progress("labels", 1);
    const char *other = harness_make_dir();
    assert_int_equal(runner_run(other, minos, "stop", run_flag, NULL), 0);
    harness_remove_dir(other);
    ends_well(pid);
    assert_int_equal(runner_run(dir, minos, "ledger", "list", run_flag, NULL), 0);
    assert_non_null(strstr(runner_output(dir), "words"));
}

static void a_run_whose_output_nobody_reads_any_more_stops_in_order(void **state)
{
    char line[3 * PATH_MAX_];

    (void)state;
    text_format(line, sizeof(line),
                "%s train --env=bandit --steps=2000000000 %s %s | head -n 1", minos,
                run_flag, port_flag);
    assert_int_equal(runner_run(dir, "/bin/sh", "-c", line, NULL), 0);
    assert_true(file_exists(harness_path(run, "summary.json")));
    assert_non_null(strstr(runner_output(dir), "nobody reads what it prints"));
}

/* Another program's port; port_flag names it. */
static int take_port(int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof(in);
    const int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    text_format(port_flag, sizeof(port_flag), "--port=%d", ntohs(in.sin_port));
    return fd;
}

static void a_port_in_use_is_an_error_before_anything_is_made(void **state)
{
    (void)state;
    const int fd = take_port(0);
    assert_int_equal(runner_wait(start(NULL, NULL), RUNNER_PATIENCE_MS), 2);
    assert_non_null(strstr(runner_output(dir), "is in use by another process"));
    assert_false(file_exists(run));
    close(fd);
}

static int port_of_run(void)
{
    char *text, path[PATH_MAX_ + 16];
    size_t len;

    text_format(path, sizeof(path), "%s/address", run);
    assert_int_equal(file_read(path, 4096, &text, &len), ST_OK);
    const int port = atoi(strrchr(text, ':') + 1);
    mem_free(text);
    return port;
}

static void a_run_whose_old_port_is_taken_goes_on_at_another(void **state)
{
    (void)state;
    ends_well(runner_start(dir, minos, "train", run_flag, "--env=bandit",
                           "--steps=20000", NULL));
    const int old = port_of_run(), fd = take_port(old);
    const pid_t named = runner_start(dir, minos, "train", run_flag, port_flag, NULL);
    assert_int_equal(runner_wait(named, RUNNER_PATIENCE_MS), 2);
    ends_well(runner_start(dir, minos, "train", run_flag, "--steps=30000", NULL));
    assert_non_null(strstr(runner_output(dir), "this run had port"));
    assert_int_not_equal(port_of_run(), old);
    assert_true(number_in("summary.json", "env_steps") >= 30000);
    close(fd);
}

static void a_port_that_the_user_chose_stays_the_runs_port(void **state)
{
    (void)state;
    ends_well(start("--steps=20000", NULL));
    const int fd = take_port(atoi(port_flag + strlen("--port=")));
    assert_int_equal(runner_run(dir, minos, "train", run_flag, "--steps=30000", NULL),
                     2);
    assert_non_null(strstr(runner_output(dir), "is in use by another process"));
    close(fd);
}

struct wanted {
    struct sockaddr_in in;
    int fd;
};

static bool is_ours_now(void *arg)
{
    const struct wanted *w = arg;

    return bind(w->fd, (const struct sockaddr *)&w->in, sizeof(w->in)) == 0;
}

static void a_learner_whose_port_was_taken_meanwhile_comes_back_at_another(void **state)
{
    struct wanted w = {{.sin_family = AF_INET},
                       socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct timespec killed;
    const int one = 1;

    (void)state;
    const pid_t pid = runner_start(dir, minos, "train", run_flag, "--env=bandit",
                                   "--checkpoint-seconds=1", NULL);
    wait_progress("env_steps", 10000);
    const int old = port_of_run();
    w.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    w.in.sin_port = htons((uint16_t)old);
    assert_int_equal(setsockopt(w.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    assert_int_equal(kill(pid, SIGSTOP), 0); // so that it starts none before we listen
    kill_rank();
    killed = progress_time();
    assert_true(runner_wait_for(is_ours_now, &w, RUNNER_PATIENCE_MS));
    assert_int_equal(listen(w.fd, 1), 0);
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_true(runner_wait_for(second_start_works, &killed, RUNNER_PATIENCE_MS));
    kill(pid, SIGINT);
    ends_well(pid);
    assert_non_null(strstr(runner_output(dir), "this run had port"));
    assert_int_not_equal(port_of_run(), old);
    assert_true(number_in("summary.json", "starts") == 2);
    close(w.fd);
    audit_balances();
}

static pid_t by_hand(const char *script)
{
    char path[PATH_MAX_];

    text_format(path, sizeof(path), "%s/launch/examples/%s", getenv("MINOS_SOURCE"),
                script);
    return runner_start(dir, "sh", path, run, "1", "2", NULL);
}

static void actors_by_hand_outlive_a_learner_and_minos_stop_ends_them(void **state)
{
    (void)state;
    const pid_t pid = by_hand("elastic.sh");
    wait_progress("env_steps", 20000);
    const char *other = harness_make_dir();
    assert_int_equal(runner_run(other, minos, "status", run_flag, NULL), 0);
    assert_non_null(strstr(runner_output(other), "running"));
    assert_int_equal(runner_run(other, minos, "stop", run_flag, NULL), 0);
    harness_remove_dir(other);
    ends_well(pid);
    audit_balances();
}

static bool is_rewritten(void *since)
{
    const struct timespec *before = since, now = progress_time();

    return now.tv_sec != before->tv_sec || now.tv_nsec != before->tv_nsec;
}

static void a_learner_without_actors_is_seen_and_stops_in_order(void **state)
{
    char learner[PATH_MAX_];
    struct timespec first;

    (void)state;
    text_format(learner, sizeof(learner), "%s/minos-learner", getenv("MINOS_BIN"));
    const pid_t pid =
        runner_start(dir, learner, run_flag, port_flag, "--env=bandit", NULL);
    assert_true(runner_wait_file(run, "progress.json", 0));
    // Where locks do not reach, minos status takes a run whose file is old for dead.
    first = progress_time();
    assert_true(runner_wait_for(is_rewritten, &first, RUNNER_PATIENCE_MS));
    const char *other = harness_make_dir();
    assert_int_equal(runner_run(other, minos, "stop", run_flag, "--timeout=100", NULL),
                     0);
    harness_remove_dir(other);
    assert_int_equal(runner_wait(pid, RUNNER_PATIENCE_MS), 0);
}

static void one_mpirun_starts_everything_and_ends_it(void **state)
{
    (void)state;
    setenv("STEPS", "250000", 1);
    ends_well(by_hand("all_in_one.sh"));
    unsetenv("STEPS");
    assert_true(number_in("summary.json", "env_steps") >= 250000);
    assert_true(number_in("summary.json", "labels") == 12);
    audit_balances();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_learns_bandit_ends_by_itself_and_balances),
        TEST(what_is_killed_comes_back_and_the_audit_balances),
        TEST(an_interrupted_run_stops_in_order_and_goes_on_later),
        TEST(a_run_stopped_at_once_goes_on_from_its_last_checkpoint),
        TEST(two_ranks_share_the_work_and_survive_the_death_of_one),
        TEST(a_judge_of_ones_own_is_started_by_its_path),
        TEST(a_judge_in_another_language_is_started_by_its_path_too),
        TEST(a_run_whose_output_nobody_reads_any_more_stops_in_order),
        TEST(a_port_in_use_is_an_error_before_anything_is_made),
        TEST(a_run_whose_old_port_is_taken_goes_on_at_another),
        TEST(a_port_that_the_user_chose_stays_the_runs_port),
        TEST(a_learner_whose_port_was_taken_meanwhile_comes_back_at_another),
        TEST(actors_by_hand_outlive_a_learner_and_minos_stop_ends_them),
        TEST(a_learner_without_actors_is_seen_and_stops_in_order),
        TEST(one_mpirun_starts_everything_and_ends_it),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    setenv("ENV", "bandit", 1);
    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_remove_dir(dir);
    return failed;
}
