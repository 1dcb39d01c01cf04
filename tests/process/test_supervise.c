/* minos train over role programs of a few lines of shell (tests/support/fake_roles.h). */

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "tests/support/fake_roles.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

static char dir[PATH_MAX_], run[PATH_MAX_ + 8], run_flag[PATH_MAX_ + 24];
static char port_flag[32];
static const char *minos;

static int set_up(void **state)
{
    (void)state;
    text_format(run, sizeof(run), "%s/run", dir);
    text_format(run_flag, sizeof(run_flag), "--run-dir=%s", run);
    text_format(port_flag, sizeof(port_flag), "--port=%d", runner_free_port());
    return file_remove_tree(run) == ST_OK ? 0 : -1;
}

static void touch(const char *name)
{
    assert_int_equal(file_write_atomic(harness_path(run, name), bytes_text("x\n")),
                     ST_OK);
}

static int lines_of(const char *name)
{
    char *text;
    size_t len;
    int lines = 0;

    assert_int_equal(file_read(harness_path(run, name), 1 << 20, &text, &len), ST_OK);
    for (size_t i = 0; i < len; i++) {
        lines += text[i] == '\n';
    }
    mem_free(text);
    return lines;
}

static int count(const char *word)
{
    return runner_count(word, run_flag, NULL);
}

static pid_t pid_of(const char *word)
{
    pid_t pid = 0;

    assert_true(runner_count(word, run_flag, &pid) >= 1);
    return pid;
}

static bool nothing_runs(void *arg)
{
    (void)arg;
    return count("") == 0;
}

/* A killed process may be there for a moment more. */
static bool all_ended(void)
{
    return runner_wait_for(nothing_runs, NULL, RUNNER_PATIENCE_MS);
}

/* A shell that is about to start another program looks like two for a moment. */
static bool two_actors(void *arg)
{
    (void)arg;
    return count("minos-actor") == 2;
}

/* Starts a run with 2 actors and a judge, and waits until all are up. */
static pid_t start(void)
{
    const pid_t pid = runner_start(dir, minos, "train", run_flag, port_flag,
                                   "--actors=2", "--judges=1", NULL);

    assert_true(runner_wait_file(run, "actor-starts", 2));
    assert_true(runner_wait_file(run, "judge-starts", 1));
    assert_true(runner_wait_file(run, "progress.json", 1));
    return pid;
}

static int end(pid_t pid)
{
    touch("learner-done");
    return runner_wait(pid, RUNNER_PATIENCE_MS);
}

static void a_run_that_is_done_exits_0_and_leaves_nothing_running(void **state)
{
    (void)state;
    const pid_t pid = start();
    assert_true(runner_wait_for(two_actors, NULL, RUNNER_PATIENCE_MS));
    assert_int_equal(end(pid), 0);
    assert_true(all_ended());
    const char *out = runner_output(dir);
    assert_non_null(strstr(out, "a warning to see"));
    assert_null(strstr(out, "nothing to see"));
    assert_null(strstr(out, "not a line of ours"));
    assert_non_null(strstr(out, "minos eval --run-dir="));
    assert_true(file_exists(harness_path(run, "config.ini")));
    assert_true(file_exists(harness_path(run, "logs/learner-0.log")));
    assert_true(file_exists(harness_path(run, "logs/actor-1.log")));
}

static void what_is_killed_is_started_again_and_the_others_stay(void **state)
{
    (void)state;
    const pid_t pid = start();
    const pid_t learner = pid_of("/bin/minos-learner");
    kill(pid_of("/bin/minos-judge"), SIGKILL);
    assert_true(runner_wait_file(run, "judge-starts", 2));
    kill(pid_of("/bin/minos-actor"), SIGKILL);
    assert_true(runner_wait_file(run, "actor-starts", 3));
    assert_int_equal(runner_wait_file(run, "learner-starts", 1), 1);
    kill(learner, SIGKILL);
    assert_true(runner_wait_file(run, "learner-starts", 2));
    assert_true(runner_wait_for(two_actors, NULL, RUNNER_PATIENCE_MS));
    assert_int_equal(end(pid), 0);
    assert_int_equal(lines_of("actor-starts"), 3);
    assert_int_equal(lines_of("judge-starts"), 2);
    const char *out = runner_output(dir);
    assert_non_null(strstr(out, "judge.0 ended by signal 9"));
    assert_non_null(strstr(out, "learner.0 ended by signal 9"));
}

static void a_first_interrupt_stops_in_order(void **state)
{
    (void)state;
    const pid_t pid = start();
    kill(pid, SIGINT);
    assert_int_equal(runner_wait(pid, RUNNER_PATIENCE_MS), 0);
    assert_true(file_exists(harness_path(run, "summary.json")));
    assert_true(all_ended());
    assert_non_null(strstr(runner_output(dir), "stopping in order"));
}

static void a_second_interrupt_stops_at_once(void **state)
{
    (void)state;
    const pid_t pid = start();
    touch("learner-deaf");
    kill(pid, SIGINT);
    assert_true(runner_wait_file(run, "control/stop", 1));
    kill(pid, SIGTERM);
    assert_int_equal(runner_wait(pid, RUNNER_PATIENCE_MS), 1);
    assert_true(all_ended());
    assert_non_null(strstr(runner_output(dir), "stopped at once"));
    assert_null(strstr(runner_output(dir), "has not stopped within"));
}

static void minos_stop_ends_a_run_in_order(void **state)
{
    (void)state;
    const pid_t pid = start();
    const char *other = harness_make_dir();
    assert_int_equal(runner_run(other, minos, "status", run_flag, NULL), 0);
    assert_non_null(strstr(runner_output(other), "running"));
    assert_int_equal(runner_run(other, minos, "stop", run_flag, NULL), 0);
    assert_int_equal(runner_wait(pid, RUNNER_PATIENCE_MS), 0);
    assert_int_equal(runner_run(other, minos, "status", "--json", run_flag, NULL), 0);
    assert_non_null(strstr(runner_output(other), "\"run_state\": \"done\""));
    harness_remove_dir(other);
    assert_true(all_ended());
}

static void
the_fifth_death_in_two_minutes_ends_the_run_with_its_last_lines(void **state)
{
    (void)state;
    const pid_t pid = start();
    touch("actor-die");
    assert_int_equal(runner_wait(pid, RUNNER_PATIENCE_MS), 1);
    const char *out = runner_output(dir);
    assert_non_null(strstr(out, "the fifth time in two minutes"));
    assert_non_null(strstr(out, "the last words"));
    assert_true(file_exists(harness_path(run, "summary.json"))); // stopped in order
    assert_true(all_ended());
}

static void a_child_that_exits_2_is_not_tried_again(void **state)
{
    (void)state;
    const pid_t pid = start();
    touch("actor-usage");
    assert_int_equal(runner_wait(pid, RUNNER_PATIENCE_MS), 2);
    assert_non_null(strstr(runner_output(dir), "starting again does not mend"));
    assert_true(all_ended());
}

static bool no_actors(void *arg)
{
    (void)arg;
    return count("minos-actor") == 0;
}

/* Those that run, not those that are started when this word is there. */
static void tell_actors_to_leave(const char *word)
{
    assert_int_equal(
        file_write_atomic(harness_path(run, "actor-leave"), bytes_text(word)), ST_OK);
}

static bool learner_stops(void *arg)
{
    char *text = NULL;
    size_t len;

    (void)arg;
    if (file_read(harness_path(run, "progress.json"), 4096, &text, &len) != ST_OK) {
        return false;
    }
    const bool stops = strstr(text, "stopping") != NULL;
    mem_free(text);
    return stops;
}

static void what_leaves_comes_back_unless_the_run_is_ending(void **state)
{
    (void)state;
    const pid_t pid = start();
    tell_actors_to_leave("first");
    assert_int_equal(runner_wait_file(run, "actor-starts", 4), 1);
    touch("learner-stopping");
    assert_true(runner_wait_for(learner_stops, NULL, RUNNER_PATIENCE_MS));
    tell_actors_to_leave("second");
    assert_true(runner_wait_for(no_actors, NULL, RUNNER_PATIENCE_MS));
    clock_sleep_ms(4000); // they would come back after 3 s
    assert_int_equal(end(pid), 0);
    assert_int_equal(lines_of("actor-starts"), 4);
    const char *left = strstr(runner_output(dir), "had left the run by itself");
    assert_non_null(left);
    left = strstr(left + 1, "had left the run by itself");
    assert_non_null(left);
    assert_null(strstr(left + 1, "had left the run by itself"));
}

static void a_run_directory_has_one_minos_at_a_time(void **state)
{
    (void)state;
    const pid_t pid = start();
    const char *other = harness_make_dir();
    assert_int_equal(runner_run(other, minos, "train", run_flag, NULL), 1);
    assert_non_null(strstr(runner_output(other), "somebody else trains in"));
    harness_remove_dir(other);
    assert_int_equal(end(pid), 0);
}

static void a_run_goes_on_with_its_settings_and_refuses_to_become_another(void **state)
{
    (void)state;
    assert_int_equal(end(start()), 0);
    assert_int_equal(runner_run(dir, minos, "train", run_flag, "--env=bandit", NULL),
                     2);
    assert_non_null(strstr(runner_output(dir), "has crypt-vault, not bandit"));
    assert_int_equal(runner_run(dir, minos, "train", run_flag, "--seed=2", NULL), 2);
    assert_non_null(strstr(runner_output(dir), "--seed: the run in"));
    assert_int_equal(runner_run(dir, minos, "train", run_flag, "--ranks=2", NULL), 2);
    assert_int_equal(runner_run(dir, minos, "train", run_flag, "--steps=9", "--lr=0.5",
                                "--actors=3", "--seed=1", NULL),
                     0);
    assert_non_null(strstr(runner_output(dir), "goes on with crypt-vault"));
    char *config;
    size_t len;
    assert_int_equal(file_read(harness_path(run, "config.ini"), 1 << 20, &config, &len),
                     ST_OK);
    assert_non_null(strstr(config, "\nsteps = 9\n"));
    assert_non_null(strstr(config, "\nlr = 0.5\n"));
    assert_non_null(strstr(config, "\nactors = 3\n"));
    assert_non_null(strstr(config, "\njudges = 1\n"));
    mem_free(config);
}

/* A wrong command line: exit 2, one line that says what, nothing made. */
static void wrong_input_is_told_before_anything_is_started(void **state)
{
    static const struct {
        const char *args[3], *says;
    } table[] = {
        {{"--stepz=5"}, "did you mean --steps"},
        {{"--actors=many"}, "--actors: many is not allowed"},
        {{"--lr=fast"}, "--lr=fast is not allowed"},
        {{"--env=crypt-vualt"}, "did you mean crypt-vault"},
        {{"--goal=tresure"}, "did you mean treasure"},
        {{"--goal=/none/such.goal"}, "there is no file /none/such.goal"},
        {{"--rules=/none/such"}, "there is no file /none/such"},
        {{"--env=bandit", "--goal=lore"}, "there is no"},
        {{"--judge=sim"}, "needs a hidden truth"},
        {{"--judge=oracle"}, "neither rule, llm nor sim nor the path"},
        {{"--judge=none", "--judges=2"}, "--judge=none starts none"},
        {{"--ranks=3", "--actors=2"}, "fewer than --ranks=3"},
        {{"--batch=100"}, "--batch=100 is not a multiple of --ranks="},
        {{"--bind=192.0.2.1"}, "--bind: 192.0.2.1 is no numeric address of this"},
        {{"--hostfile=/none/such"}, "there is no file /none/such"},
        {{"--port=65535", "--ranks=2", "--actors=2"}, "pass 65535"},
        {{"--goal=zzzzzzzzzz"}, "there are "},
        {{"--preset=none"}, "--preset: none"},
        {{"--config=/none/such.ini"}, "/none/such.ini"},
        {{"again"}, "not an option"},
        {{"--id=3"}, "--id: no such option"}, // of one actor, not of a run
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(runner_run(dir, minos, "train", run_flag, table[i].args[0],
                                    table[i].args[1], table[i].args[2], NULL),
                         2);
        const char *out = runner_output(dir);
        if (strstr(out, table[i].says) == NULL) {
            fail_msg("%s says %s", table[i].args[0], out);
        }
        assert_false(file_exists(run));
    }
}

static void a_directory_with_other_things_in_it_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(file_make_dirs(run), ST_OK);
    touch("letter.txt");
    assert_int_equal(runner_run(dir, minos, "train", run_flag, NULL), 2);
    assert_non_null(strstr(runner_output(dir), "neither empty nor a run directory"));
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wrong_input_is_told_before_anything_is_started),
        TEST(a_directory_with_other_things_in_it_is_left_alone),
        TEST(a_run_that_is_done_exits_0_and_leaves_nothing_running),
        TEST(what_is_killed_is_started_again_and_the_others_stay),
        TEST(a_first_interrupt_stops_in_order),
        TEST(a_second_interrupt_stops_at_once),
        TEST(minos_stop_ends_a_run_in_order),
        TEST(the_fifth_death_in_two_minutes_ends_the_run_with_its_last_lines),
        TEST(a_child_that_exits_2_is_not_tried_again),
        TEST(what_leaves_comes_back_unless_the_run_is_ending),
        TEST(a_run_directory_has_one_minos_at_a_time),
        TEST(a_run_goes_on_with_its_settings_and_refuses_to_become_another),
    };

    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    minos = fake_roles_make(dir);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_remove_dir(dir);
    return failed;
}
