/* Labels of one run in another, labels of a store, and asking anew: with the real programs.
 * The group begins with a run of bandit and one of the crypt, whose stores and ledgers the
 * tests read. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "launch/jsonline.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

enum { TRAIN_MS = 200000 }; // a sanitizer is slow

static char dir[PATH_MAX_], minos[PATH_MAX_], port_flag[32];
static char flag[8][PATH_MAX_ + 64];
static int flags;

/* "--NAME=DIR/FILE"; good for eight calls. */
static const char *in(const char *name, const char *file)
{
    char *f = flag[flags++ % 8];

    text_format(f, sizeof(flag[0]), "--%s=%s/%s", name, dir, file);
    return f;
}

static void ends(int want, int code)
{
    if (code != want) {
        fail_msg("exit code %d: %s", code, runner_output(dir));
    }
}

static int train(const char *run, const char *env, const char *a, const char *b)
{
    return runner_wait(runner_start(dir, minos, "train", in("run-dir", run), env,
                                    port_flag, "--quiet", "--checkpoint-seconds=1", a,
                                    b, NULL),
                       TRAIN_MS);
}

static int label(const char *store, const char *out, const char *a, const char *b)
{
    return runner_run(dir, minos, "label", in("run-dir", store), in("out", out),
                      port_flag, "--quiet", a, b, NULL);
}

struct wanted {
    const char *run, *key;
    double least;
};

static bool is_reached(void *arg)
{
    const struct wanted *w = arg;
    double n = -1;

    return runner_run(dir, minos, "ledger", "stats", in("run-dir", w->run), "--json",
                      NULL) == 0 &&
           jsonline_number(runner_output(dir), w->key, &n) && n >= w->least;
}

/* Trains until `key` of `minos ledger stats` is `least`: how many steps that takes depends
 * on how fast the judge is. */
static void train_until(const char *run, const char *option, const char *key,
                        double least)
{
    struct wanted w = {run, key, least};

    assert_int_equal(file_make_dirs(harness_path(dir, "apart")), ST_OK);
    const pid_t pid =
        runner_start(harness_path(dir, "apart"), minos, "train", in("run-dir", run),
                     "--env=bandit", port_flag, "--quiet", "--checkpoint-seconds=1",
                     "--steps=2000000000", option, NULL);
    const bool reached = runner_wait_for(is_reached, &w, RUNNER_PATIENCE_MS);
    kill(pid, SIGINT);
    const int code = runner_wait(pid, TRAIN_MS);
    if (!reached || code != 0) {
        fail_msg("%s of %s: exit code %d: %s", key, run, code,
                 runner_output(harness_path(dir, "apart")));
    }
}

static double summary(const char *run, const char *key)
{
    return runner_json_number(harness_path(dir, run), "summary.json", key);
}

/* --steps= of a run that goes on for a little. */
static const char *more_steps(const char *run)
{
    char *f = flag[flags++ % 8];

    text_format(f, sizeof(flag[0]), "--steps=%.0f", summary(run, "env_steps") + 8192);
    return f;
}

static void audit_balances(const char *run)
{
    ends(0, runner_run(dir, minos, "audit", in("run-dir", run), NULL));
}

/* A number of `minos ledger stats --json`. */
static double stats(const char *run, const char *key)
{
    double n = -1;

    ends(0,
         runner_run(dir, minos, "ledger", "stats", in("run-dir", run), "--json", NULL));
    assert_true(jsonline_number(runner_output(dir), key, &n));
    return n;
}

static bool is_there(const char *name)
{
    return file_exists(harness_path(dir, name));
}

static void a_run_with_another_ones_labels_asks_nothing(void **state)
{
    (void)state;
    ends(0, train("b", "--env=bandit", "--steps=8192", in("labels-from", "a")));
    assert_true(summary("b", "questions_asked") == 0);
    assert_true(summary("b", "labels") == 12);
    assert_true(summary("b", "verdicts_copied") == 12);
    assert_true(summary("b", "verdicts_label") == 0);
    audit_balances("b");
    // Gone on with: what was taken is there, whatever became of where it was.
    assert_int_equal(rename(harness_path(dir, "a"), harness_path(dir, "moved")), 0);
    const int code = train("b", "--env=bandit", "--steps=16384", NULL);
    assert_int_equal(rename(harness_path(dir, "moved"), harness_path(dir, "a")), 0);
    ends(0, code);
    assert_true(summary("b", "questions_asked") == 0);
    assert_true(stats("b", "items") == 12);
    assert_true(stats("b", "duplicates") == 0);
    audit_balances("b");
}

static void
labels_that_cannot_be_used_are_an_error_before_anything_is_made(void **state)
{
    (void)state;
    ends(2, train("x", "--env=crypt-vault", "--steps=1000", in("labels-from", "a")));
    assert_non_null(strstr(runner_output(dir), "12 of another environment"));
    ends(2, train("x", "--env=bandit", "--goal=exploration", in("labels-from", "a")));
    ends(2, train("x", "--env=bandit", "--steps=1000", in("labels-from", "nowhere")));
    assert_non_null(strstr(runner_output(dir), "there is no ledger at"));
    assert_false(is_there("x"));
}

static bool config_has(const char *run, const char *line)
{
    char *text = NULL;
    size_t len;

    assert_int_equal(file_read(harness_path(harness_path(dir, run), "config.ini"),
                               1 << 20, &text, &len),
                     ST_OK);
    const bool has = strstr(text, line) != NULL;
    mem_free(text);
    return has;
}

/* A copy of a file of judge/goals with `more` behind it. */
static void copy_goal(const char *from, const char *to, const char *more)
{
    char path[PATH_MAX_], *text = NULL;
    struct text_buf b = {0};
    size_t len;

    text_format(path, sizeof(path), "%s/judge/goals/%s", getenv("MINOS_SOURCE"), from);
    assert_int_equal(file_read(path, 1 << 20, &text, &len), ST_OK);
    text_buf_add(&b, "%s%s", text, more);
    assert_int_equal(file_write_atomic(harness_path(dir, to), bytes_of(b.data, b.len)),
                     ST_OK);
    text_buf_release(&b);
    mem_free(text);
}

static void a_goal_whose_text_was_changed_is_not_paid_for_without_a_word(void **state)
{
    (void)state;
    copy_goal("treasure.goal", "tg.goal", "");
    copy_goal("treasure.bandit.rules", "tg.bandit.rules", "");
    ends(0, train("h", "--env=bandit", "--steps=4096", in("goal", "tg.goal")));
    copy_goal("treasure.goal", "tg.goal", "\n# A remark.\n");
    ends(2, train("h", "--env=bandit", "--steps=8192", NULL));
    assert_non_null(strstr(runner_output(dir), "the text of goal tg was changed"));
    copy_goal("treasure.goal", "tg.goal", "");
    ends(0, train("h", "--env=bandit", "--steps=8192", NULL));
    assert_true(summary("h", "questions_asked") <= 12);
    const double items = stats("h", "items");
    copy_goal("treasure.goal", "tg.goal", "\n# A remark.\n");
    train_until("h", "--relabel", "items", items + 1); // of another text
    ends(0, train("h", "--env=bandit", more_steps("h"), NULL));
    audit_balances("h");
}

static void the_servers_address_is_kept_and_the_variable_not_needed(void **state)
{
    (void)state;
    setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1", 1);
    const int code = runner_run(dir, minos, "train", "--env=bandit", "--judge=llm",
                                "--llm-model=any", "--print-config", NULL);
    unsetenv("OPENAI_BASE_URL");
    ends(0, code);
    assert_non_null(strstr(runner_output(dir), "llm-url = http://127.0.0.1:9/v1"));
}

static void relabel_asks_everything_once_more_and_not_again(void **state)
{
    (void)state;
    ends(0, train("c", "--env=bandit", "--steps=8192", in("labels-from", "a")));
    train_until("c", "--relabel", "duplicates", 12);
    assert_true(summary("c", "questions_asked") == 12);
    assert_true(summary("c", "questions_duplicate") == 0);
    assert_true(stats("c", "duplicates") == 12);
    assert_true(stats("c", "training") == 12);
    assert_true(config_has("c", "relabel = true")); // for restarts of the learner
    ends(0, train("c", "--env=bandit", more_steps("c"), NULL)); // and for no more
    assert_true(config_has("c", "relabel = false"));
    assert_true(summary("c", "questions_asked") == 12);
    audit_balances("c");
}

static void a_store_is_labelled_once(void **state)
{
    (void)state;
    ends(0, label("crypt", "l", NULL, NULL));
    const double captions = summary("l", "captions_to_label");
    assert_true(captions > 20);
    assert_true(summary("l", "labelled") == captions);
    assert_true(summary("l", "questions_asked") == captions);
    assert_true(stats("l", "items") == captions);
    audit_balances("l");
    // The same again, and another labelling that knows of this one.
    ends(0, label("crypt", "l", NULL, NULL));
    assert_true(summary("l", "questions_asked") == 0);
    ends(0, label("crypt", "l2", in("labels-from", "l"), NULL));
    assert_true(summary("l2", "questions_asked") == 0);
    assert_true(summary("l2", "labelled") == captions);
    // And a training: it asks about what the store did not hold alone.
    ends(0, train("d", "--env=crypt-vault", "--steps=4096", in("labels-from", "l")));
    assert_true(summary("d", "verdicts_copied") == captions);
    assert_true(stats("d", "duplicates") == 0);
    audit_balances("d");
}

static void a_label_budget_ends_a_labelling_that_goes_on_later(void **state)
{
    (void)state;
    ends(0, label("a", "m", "--label-budget=5", NULL));
    assert_true(summary("m", "labelled") == 5);
    assert_true(summary("m", "questions_asked") == 5);
    ends(0, label("a", "m", NULL, NULL));
    assert_true(summary("m", "labelled") == 12);
    assert_true(summary("m", "questions_asked") == 7);
    assert_true(stats("m", "duplicates") == 0);
}

static bool has_some(void *arg)
{
    return runner_json_number(harness_path(dir, arg), "progress.json", "labelled") >=
           100;
}

static void a_killed_labelling_asks_again_only_what_was_under_way(void **state)
{
    static char out[] = "k";
    pid_t learner = 0;

    (void)state;
    const pid_t pid = runner_start(dir, minos, "label", in("run-dir", "crypt"),
                                   in("out", out), port_flag, "--quiet", "--judge=sim",
                                   "--sim-latency=0.2", "--credits=32", NULL);
    assert_true(runner_wait_for(has_some, out, RUNNER_PATIENCE_MS));
    assert_int_equal(runner_count("minos-learner", in("run-dir", out), &learner), 1);
    assert_int_equal(kill(learner, SIGKILL), 0);
    ends(0, runner_wait(pid, TRAIN_MS));
    const double captions = summary(out, "captions_to_label");
    assert_true(summary(out, "starts") == 2);
    assert_true(summary(out, "labelled") == captions);
    assert_true(stats(out, "items") == captions);
    assert_true(stats(out, "duplicates") <= 32);
    assert_true(summary(out, "questions_asked") < captions);
    assert_true(summary(out, "questions_duplicate") == 0);
}

static void what_minos_label_cannot_use_is_told_at_once(void **state)
{
    (void)state;
    ends(2, runner_run(dir, minos, "label", in("run-dir", "a"), NULL));
    assert_non_null(strstr(runner_output(dir), "--out"));
    ends(2, label("nowhere", "x", NULL, NULL));
    ends(2, label("a", "x", "--goal=tresure", NULL));
    assert_non_null(strstr(runner_output(dir), "treasure"));
    ends(2, label("a", "x", "--env=crypt-vault", NULL));
    ends(2, label("a", "x", "--judge=nobody", NULL));
    ends(2, label("a", "crypt", NULL, NULL));
    assert_non_null(strstr(runner_output(dir), "neither empty nor"));
    assert_false(is_there("x"));
    assert_true(summary("crypt", "env_steps") > 0); // untouched
}

static void ledgers_are_grepped_exported_imported_and_merged(void **state)
{
    char a[PATH_MAX_], file[PATH_MAX_], copy[PATH_MAX_], all[PATH_MAX_];

    (void)state;
    text_format(a, sizeof(a), "%s/a", dir);
    text_format(file, sizeof(file), "%s/a.jsonl", dir);
    text_format(copy, sizeof(copy), "%s/copy", dir);
    text_format(all, sizeof(all), "%s/all", dir);
    ends(0, runner_run(dir, minos, "ledger", "grep", a, "--regex=^The .* bolt", NULL));
    assert_non_null(strstr(runner_output(dir), "The first bolt slides back."));
    assert_null(strstr(runner_output(dir), "Nothing happens."));
    ends(1, runner_run(dir, minos, "ledger", "grep", a, "--text=bolt",
                       "--verdict=refused", NULL));
    ends(2, runner_run(dir, minos, "ledger", "grep", a, "--verdict=maybe", NULL));
    ends(2, runner_run(dir, minos, "ledger", "grep", a, "--regex=(", NULL));
    ends(0, runner_run(dir, minos, "ledger", "export", a, in("out", "a.jsonl"), NULL));
    ends(0, runner_run(dir, minos, "ledger", "import", file, in("out", "copy"), NULL));
    ends(0, runner_run(dir, minos, "ledger", "merge", a, file, copy, in("out", "all"),
                       NULL));
    assert_non_null(strstr(runner_output(dir), "merged 12 of 36 verdicts"));
    // A training takes each of them.
    ends(0, train("f", "--env=bandit", "--steps=4096", in("labels-from", "a.jsonl")));
    assert_true(summary("f", "questions_asked") == 0);
    ends(0, train("g", "--env=bandit", "--steps=4096", in("labels-from", "all")));
    assert_true(summary("g", "questions_asked") == 0);
}

static int shell(const char *command)
{
    return runner_run(dir, "/bin/sh", "-c", command, NULL);
}

static void what_cannot_be_written_is_an_error_and_no_half_of_a_ledger(void **state)
{
    static const char *const words[] = {"ledger list", "ledger grep", "ledger export",
                                        "ledger stats", "audit"};
    char command[4 * PATH_MAX_];

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        text_format(command, sizeof(command), "exec %s %s --run-dir=%s/a >/dev/full",
                    minos, words[i], dir);
        ends(1, shell(command));
        assert_non_null(strstr(runner_output(dir), "standard output, No space left"));
    }
    text_format(
        command, sizeof(command),
        "trap '' XFSZ; ulimit -f 1; exec %s ledger export %s/a --out=%s/h.jsonl", minos,
        dir, dir);
    ends(1, shell(command));
    assert_non_null(strstr(runner_output(dir), "LEDGER-WRITE"));
    assert_false(is_there("h.jsonl"));
    assert_false(is_there("h.jsonl.part"));
    text_format(command, sizeof(command),
                "exec %s prompt --goal=treasure --style=binary >/dev/full", minos);
    ends(1, shell(command));
    text_format(command, sizeof(command), "exec %s status --run-dir=%s/a >/dev/full",
                minos, dir);
    ends(1, shell(command));
}

static int set_up(void **state)
{
    (void)state;
    text_format(port_flag, sizeof(port_flag), "--port=%d", runner_free_port());
    return 0;
}

static int make_runs(void **state)
{
    (void)set_up(state);
    train_until("a", NULL, "items", 12);
    assert_true(summary("a", "labels") == 12);
    ends(0, train("crypt", "--env=crypt-vault", "--steps=20000", "--reward=count"));
    return 0;
}

/* Also after a test that failed: nothing of it stays. */
static int tear_down(void **state)
{
    pid_t pid;

    (void)state;
    for (int i = 0; i < 500 && runner_count("", dir, &pid) > 0; i++) {
        kill(pid, SIGKILL);
        clock_sleep_ms(20);
    }
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_with_another_ones_labels_asks_nothing),
        TEST(labels_that_cannot_be_used_are_an_error_before_anything_is_made),
        TEST(a_goal_whose_text_was_changed_is_not_paid_for_without_a_word),
        TEST(the_servers_address_is_kept_and_the_variable_not_needed),
        TEST(relabel_asks_everything_once_more_and_not_again),
        TEST(a_store_is_labelled_once),
        TEST(a_label_budget_ends_a_labelling_that_goes_on_later),
        TEST(a_killed_labelling_asks_again_only_what_was_under_way),
        TEST(what_minos_label_cannot_use_is_told_at_once),
        TEST(ledgers_are_grepped_exported_imported_and_merged),
        TEST(what_cannot_be_written_is_an_error_and_no_half_of_a_ledger),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    const int failed = cmocka_run_group_tests(tests, make_runs, tear_down);
    harness_remove_dir(dir);
    return failed;
}
