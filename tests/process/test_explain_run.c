/* minos explain beside a run and after it. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

enum { TRIES = 40, LINE = 512 };

static char dir[PATH_MAX_], run[PATH_MAX_ + 8], run_flag[PATH_MAX_ + 32];
static char minos[PATH_MAX_];

static int explain(const char *what, const char *json)
{
    return runner_run(dir, minos, "explain", run_flag, what, json, NULL);
}

static void expect_said(const char *what)
{
    if (strstr(runner_output(dir), what) == NULL) {
        fail_msg("'%s' is not in '%s'", what, runner_output(dir));
    }
}

static bool was_paid(void *arg)
{
    (void)arg;
    return explain("--segment=1:1", NULL) == 0 &&
           strstr(runner_output(dir), "was paid once") != NULL;
}

static bool has_labels(void *arg)
{
    (void)arg;
    return runner_json_number(run, "progress.json", "labels") >= 30;
}

static bool has_steps(void *least)
{
    return runner_json_number(run, "progress.json", "env_steps") >=
           *(const double *)least;
}

/* Of two ranks, while they train. */
static void it_reads_beside_the_learner(void **state)
{
    char apart[PATH_MAX_];

    (void)state;
    text_format(apart, sizeof(apart), "%s", harness_make_dir()); // its own output
    const pid_t pid = runner_start(apart, minos, "train", run_flag, "--env=crypt-vault",
                                   "--reward=retrieval", "--steps=2000000000",
                                   "--ranks=2", "--actors=2", "--envs=16", NULL);
    assert_true(runner_wait_for(was_paid, NULL, RUNNER_PATIENCE_MS));
    expect_said("by retrieval; verdicts up to");
    // What has a label now is paid for in the steps to come.
    assert_true(runner_wait_for(has_labels, NULL, RUNNER_PATIENCE_MS));
    double steps = runner_json_number(run, "progress.json", "env_steps") + 15000;
    assert_true(runner_wait_for(has_steps, &steps, RUNNER_PATIENCE_MS));
    kill(pid, SIGINT);
    assert_int_equal(runner_wait(pid, RUNNER_PATIENCE_MS), 0);
    harness_remove_dir(apart);
}

/* The next caption that the judge calls helpful, out of the ledger's lines. */
static bool next_helpful(char **lines, char caption[LINE])
{
    char *line;

    while ((line = strsep(lines, "\n")) != NULL) {
        const char *begin = strstr(line, " 1.00  rule  \"");
        const char *end = strrchr(line, '"');
        if (begin == NULL || strchr(line, '\\') != NULL) {
            continue;
        }
        begin = strchr(begin, '"') + 1;
        text_format(caption, LINE, "--caption=%.*s", (int)(end - begin), begin);
        return true;
    }
    return false;
}

static void it_shows_the_verdict_of_a_paid_caption(void **state)
{
    static char ledger[1 << 20];
    char caption[LINE], segment[64], *lines = ledger;
    const char *paid = NULL;
    int rank = 0, serial = 0;

    (void)state;
    assert_int_equal(
        runner_run(dir, minos, "ledger", "grep", run, "--verdict=label", NULL), 0);
    text_format(ledger, sizeof(ledger), "%s", runner_output(dir));
    for (int i = 0; i < TRIES && paid == NULL && next_helpful(&lines, caption); i++) {
        assert_int_equal(explain(caption, "--json"), 0);
        expect_said("\"state\":\"it has its label\"");
        // r_int of a sure label is 1
        paid = strstr(runner_output(dir), "\"r_int\":1,") != NULL
                   ? strstr(runner_output(dir), "\"paid\":{\"rank\":")
                   : NULL;
    }
    assert_non_null(paid);
    assert_int_equal(
        sscanf(paid, "\"paid\":{\"rank\":%d,\"serial\":%d", &rank, &serial), 2);
    text_format(segment, sizeof(segment), "--segment=%d:%d", rank, serial);
    assert_int_equal(explain(caption, NULL), 0);
    expect_said("last paid in segment");
    assert_int_equal(explain(segment, NULL), 0);
    expect_said("    label 1 by rule, verdict ");
    expect_said(strchr(caption, '=') + 1);
}

static void what_is_not_there_is_said(void **state)
{
    (void)state;
    assert_int_equal(explain("--segment=0:99999999", NULL), 1);
    expect_said("was never stored");
    assert_int_equal(explain("--caption=No such words.", NULL), 1);
    expect_said("never came in this run");
    assert_int_equal(explain("--segment=2:1", NULL), 2);
    expect_said("has ranks 0 to 1, not 2");
    assert_int_equal(explain("--segment=12", NULL), 2);
    expect_said("12 is not RANK:SERIAL");
    assert_int_equal(explain("--segment=0:0", NULL), 2);
    assert_int_equal(explain("--segment=0:1", "--caption=a"), 2);
    assert_int_equal(explain("--caption=", NULL), 2);
    expect_said("an empty caption is never paid");
    assert_int_equal(
        runner_run(dir, minos, "explain", "--run-dir=/none", "--caption=a", NULL), 2);
    expect_said("/none holds no run");
    char out[PATH_MAX_ + 32], made[PATH_MAX_ + 32];
    text_format(out, sizeof(out), "--out=%s/labelled", dir);
    text_format(made, sizeof(made), "--run-dir=%s/labelled", dir);
    assert_int_equal(
        runner_run(dir, minos, "label", run_flag, out, "--label-budget=20", NULL), 0);
    assert_int_equal(runner_run(dir, minos, "explain", made, "--caption=a", NULL), 2);
    expect_said("made by minos label and paid nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_reads_beside_the_learner),
        cmocka_unit_test(it_shows_the_verdict_of_a_paid_caption),
        cmocka_unit_test(what_is_not_there_is_said),
    };

    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    text_format(run, sizeof(run), "%s/run", dir);
    text_format(run_flag, sizeof(run_flag), "--run-dir=%s", run);
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_remove_dir(dir);
    return failed;
}
