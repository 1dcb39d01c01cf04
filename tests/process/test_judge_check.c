/* minos judge-check: what we ship passes it, and each of many broken judges fails on the
 * line of what it breaks, and on no other. The judge-checks of a test run side by side:
 * they mostly wait. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/text.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

enum { RUN_MS = 400000, MOST = 16 };

static char minos[PATH_MAX_], judge[PATH_MAX_], example[PATH_MAX_], python[PATH_MAX_],
    broken[PATH_MAX_];
static char dir[PATH_MAX_];

struct started {
    pid_t pid;
    char dir[PATH_MAX_];
};

static void make_dir(char out[PATH_MAX_])
{
    text_format(out, PATH_MAX_, "%s", harness_make_dir());
}

static void make_paths(void)
{
    const char *bin = getenv("MINOS_BIN"), *source = getenv("MINOS_SOURCE");

    text_format(minos, sizeof(minos), "%s/minos", bin);
    text_format(judge, sizeof(judge), "%s/minos-judge", bin);
    text_format(example, sizeof(example), "%s/judge-example", bin);
    text_format(python, sizeof(python), "%s/judge/examples/judge_example.py", source);
    text_format(broken, sizeof(broken), "%s/../tests/broken_judge", bin);
}

static int set_up(void **state)
{
    (void)state;
    make_dir(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    harness_remove_dir(dir);
    return 0;
}

/* A judge-check of a command of up to four words, in a directory of its own. */
static struct started check(const char *a, const char *b, const char *c, const char *d)
{
    struct started s;

    make_dir(s.dir);
    s.pid = runner_start(s.dir, minos, "judge-check", "--json", "--wait=40", "--", a, b,
                         c, d, NULL);
    return s;
}

/* The names of the lines with `result`, each between blanks. */
static void lines_of(const char *output, const char *result, char *out, size_t size)
{
    char word[64];
    size_t used = 0;

    text_format(word, sizeof(word), "\"result\": \"%s\"", result);
    out[0] = '\0';
    for (const char *line = strstr(output, "{\"check\": \""); line != NULL;
         line = strstr(line + 1, "{\"check\": \"")) {
        const char *name = line + strlen("{\"check\": \""), *end = strchr(name, '\n');
        const char *found = strstr(name, word);
        if (found != NULL && end != NULL && found < end && used < size) {
            text_format(out + used, size - used, " %.*s ", (int)strcspn(name, "\""),
                        name);
            used += strlen(out + used);
        }
    }
}

static void ends_with(struct started *s, int code, const char *what)
{
    const int got = runner_wait(s->pid, RUN_MS);

    if (got != code) {
        fail_msg("judge-check of %s ended with %d, not %d: %s", what, got, code,
                 runner_output(s->dir));
    }
}

static void the_shipped_judges_and_both_examples_pass(void **state)
{
    struct started s[MOST];
    char failed[1024], passed[1024];
    int count = 0;

    (void)state;
    s[count++] = check(judge, "--judge=rule", NULL, NULL);
    s[count++] = check(judge, "--judge=sim", NULL, NULL);
    s[count++] =
        check(judge, "--judge=sim", "--sim-latency=0.3", "--sim-latency-p99=2");
    s[count++] = check(judge, "--judge=sim", "--sim-garbage=0.3", "--sim-seed=2");
    s[count++] = check(example, NULL, NULL, NULL);
    s[count++] = check(broken, "none", NULL, NULL);
    s[count++] = check(broken, "restless", NULL, NULL);
    const bool has_python =
        runner_run(dir, "/usr/bin/python3", "-c", "import zmq, flatbuffers", NULL) == 0;
    if (has_python) {
        s[count++] = check("/usr/bin/python3", python, NULL, NULL);
    } else {
        print_message(
            "python3 has no zmq or no flatbuffers: its example is left out\n");
    }
    for (int i = 0; i < count; i++) {
        ends_with(&s[i], 0, "a judge of ours");
        lines_of(runner_output(s[i].dir), "fail", failed, sizeof(failed));
        lines_of(runner_output(s[i].dir), "pass", passed, sizeof(passed));
        assert_string_equal(failed, "");
        assert_non_null(strstr(passed, " hello  version  refusal  rate "));
        assert_non_null(strstr(passed, " restart  new-run  frames  once  deadline "));
        assert_non_null(strstr(passed, " stop  final "));
        assert_non_null(strstr(runner_output(s[i].dir), "\"latency-p99\""));
        harness_remove_dir(s[i].dir);
    }
    assert_int_equal(runner_count(judge, "--judge=rule", NULL), 0);
    assert_int_equal(runner_count(broken, "none", NULL), 0);
}

static void a_broken_judge_fails_on_the_line_of_what_it_breaks(void **state)
{
    static const struct {
        const char *fault, *line;
    } cases[] = {
        {"twice", " once "},     {"forgets", " restart "}, {"hoards", " ack  once "},
        {"cached", " purpose "}, {"trusts", " garbage "},  {"greedy", " credit "},
        {"late", " deadline "},  {"mute", " beat "},       {"deaf", " stop "},
        {"loyal", " new-run "},  {"modern", " version "},  {"rude", " final "},
        {"claims", " order "}};
    enum { CASES = sizeof(cases) / sizeof(cases[0]) };
    struct started s[CASES];
    char failed[1024];
    int wrong = 0;

    (void)state;
    for (int i = 0; i < CASES; i++) {
        s[i] = check(broken, cases[i].fault, NULL, NULL);
    }
    for (int i = 0; i < CASES; i++) {
        ends_with(&s[i], 1, cases[i].fault);
        lines_of(runner_output(s[i].dir), "fail", failed, sizeof(failed));
        if (strcmp(failed, cases[i].line) != 0) {
            print_error("%s fails on%s and not on%s: %s", cases[i].fault, failed,
                        cases[i].line, runner_output(s[i].dir));
            wrong++;
        }
        harness_remove_dir(s[i].dir);
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(runner_count(broken, "", NULL), 0);
}

static bool tells_of_rate(void *at)
{
    return strstr(runner_output(at), "\"rate\"") != NULL;
}

static struct started wild; // waits for long, so it begins before all

static int start_wild(void **state)
{
    (void)state;
    make_paths();
    make_dir(wild.dir);
    wild.pid = runner_start(wild.dir, minos, "judge-check", "--json", "--patience=30",
                            "--", broken, "wild", NULL);
    return 0;
}

static void what_cannot_be_read_is_named_before_the_silence_that_it_makes(void **state)
{
    (void)state;
    assert_true(runner_wait_for(tells_of_rate, wild.dir, RUN_MS));
    assert_int_equal(kill(wild.pid, SIGTERM), 0);
    (void)runner_wait(wild.pid, RUNNER_PATIENCE_MS);
    wild.pid = 0;
    const char *line = strstr(runner_output(wild.dir), "{\"check\": \"rate\"");
    assert_non_null(line);
    const char *true_reason = strstr(line, "its verdicts: "),
               *silence = strstr(line, "was not answered");
    assert_non_null(true_reason);
    assert_true(silence > true_reason && silence < strchr(line, '\n'));
}

static int end_wild(void **state)
{
    (void)state;
    if (wild.pid > 0) {
        kill(wild.pid, SIGKILL);
        (void)runner_wait(wild.pid, RUNNER_PATIENCE_MS);
    }
    harness_remove_dir(wild.dir);
    return 0;
}

static void a_judge_may_dial_in_by_itself(void **state)
{
    char listen[64], learner[64], passed[1024];

    (void)state;
    const int port = runner_free_port();
    text_format(listen, sizeof(listen), "--listen=tcp://127.0.0.1:%d", port);
    text_format(learner, sizeof(learner), "--learner=tcp://127.0.0.1:%d", port);
    char other[PATH_MAX_];
    make_dir(other);
    const pid_t pid = runner_start(dir, minos, "judge-check", "--json", listen, NULL);
    const pid_t ours = runner_start(other, judge, "--judge=rule", learner, NULL);
    assert_int_equal(runner_wait(pid, RUN_MS), 0);
    assert_int_equal(runner_wait(ours, RUNNER_PATIENCE_MS), 0); // told to stop
    lines_of(runner_output(dir), "pass", passed, sizeof(passed));
    assert_non_null(strstr(passed, " restart "));
    assert_non_null(strstr(passed, " stop "));
    harness_remove_dir(other);
}

static void without_a_judge_or_with_one_that_dies_it_ends(void **state)
{
    (void)state;
    assert_int_equal(runner_run(dir, minos, "judge-check", "--wait=1",
                                "--listen=tcp://127.0.0.1:0", NULL),
                     1);
    assert_non_null(strstr(runner_output(dir), "no judge said hello in time"));
    assert_int_equal(runner_run(dir, minos, "judge-check", "--", "/bin/false", NULL),
                     1);
    assert_non_null(strstr(runner_output(dir), "exit code 1"));
    assert_int_equal(runner_run(dir, minos, "judge-check", "--", "/none/such", NULL),
                     1);
    assert_non_null(strstr(runner_output(dir), "cannot start /none/such"));
}

/* Of what is started below, and of what waits beside it for our end. */
static bool nothing_is_left(void *arg)
{
    (void)arg;
    return runner_count("sleep", "12345", NULL) +
               runner_count("kill -KILL", "", NULL) ==
           0;
}

/* Ours, which has the words on its command line too, the shell, and its two. What waits
 * beside them is the last to be started: until then one more may look like ours. */
static bool all_have_begun(void *arg)
{
    (void)arg;
    return runner_count("kill -KILL", "", NULL) >= 1 &&
           runner_count("sleep", "12345", NULL) == 4;
}

static void leaves_no_judge_behind(int signal, int code)
{
    const pid_t pid = runner_start(dir, minos, "judge-check", "--", "/bin/sh", "-c",
                                   "sleep 12345 & sleep 12345", NULL);
    assert_true(runner_wait_for(all_have_begun, NULL, RUNNER_PATIENCE_MS));
    assert_int_equal(kill(pid, signal), 0);
    assert_int_equal(runner_wait(pid, RUNNER_PATIENCE_MS), code);
    assert_true(runner_wait_for(nothing_is_left, NULL, RUNNER_PATIENCE_MS));
}

static void an_interrupted_check_leaves_no_judge_behind(void **state)
{
    (void)state;
    leaves_no_judge_behind(SIGINT, 1);
}

static void a_killed_check_leaves_no_judge_behind(void **state)
{
    (void)state;
    leaves_no_judge_behind(SIGKILL, 128 + SIGKILL);
}

static void a_wrong_command_line_is_named(void **state)
{
    static const struct {
        const char *arg, *error;
    } cases[] = {{"--listen=127.0.0.1:5", "is not tcp://HOST:PORT"},
                 {"--listen=tcp://127.0.0.1:99999", "is not tcp://HOST:PORT"},
                 {"--goal=tresure", "there is no goal tresure; did you mean treasure?"},
                 {"--questions=0", "--questions: 0 is not allowed"},
                 {"--jsn", "did you mean"},
                 {"--", "no COMMAND"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(runner_run(dir, minos, "judge-check", cases[i].arg, NULL), 2);
        if (strstr(runner_output(dir), cases[i].error) == NULL) {
            fail_msg("%s: %s", cases[i].arg, runner_output(dir));
        }
    }
    assert_int_equal(runner_run(dir, minos, "judge-check", "--help", NULL), 0);
    assert_non_null(strstr(runner_output(dir), "-- COMMAND"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_shipped_judges_and_both_examples_pass),
        TEST(what_cannot_be_read_is_named_before_the_silence_that_it_makes),
        TEST(a_broken_judge_fails_on_the_line_of_what_it_breaks),
        TEST(a_judge_may_dial_in_by_itself),
        TEST(without_a_judge_or_with_one_that_dies_it_ends),
        TEST(an_interrupted_check_leaves_no_judge_behind),
        TEST(a_killed_check_leaves_no_judge_behind),
        TEST(a_wrong_command_line_is_named),
    };
    return cmocka_run_group_tests(tests, start_wild, end_wild);
}
