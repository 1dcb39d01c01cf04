/* minos fit on ledgers of runs and on such as were written by hand, and a run that is paid by
 * what it made. */

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "learner/store/ledger.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

static char dir[PATH_MAX_], minos[PATH_MAX_];

/* --NAME=DIR/what, in static memory; eight may be held. */
static char *at(const char *name, const char *what)
{
    static char text[8][PATH_MAX_ + 64];
    static int next;
    char *flag = text[next++ % 8];

    text_format(flag, sizeof(text[0]), "--%s=%s/%s", name, dir, what);
    return flag;
}

static void expect_said(const char *what)
{
    if (strstr(runner_output(dir), what) == NULL) {
        fail_msg("'%s' is not in '%s'", what, runner_output(dir));
    }
}

/* Captions of a run without rewards, labelled afterwards by the judge of rules: motif as it
 * was meant. */
static void a_run_is_paid_by_a_model_of_an_earlier_runs_captions(void **state)
{
    char model[PATH_MAX_];

    (void)state;
    assert_int_equal(runner_run(dir, minos, "train", "--env=crypt-vault",
                                "--reward=none", at("run-dir", "none"), "--steps=40000",
                                NULL),
                     0);
    assert_int_equal(runner_run(dir, minos, "label", at("run-dir", "none"),
                                at("out", "labels"), NULL),
                     0);
    assert_int_equal(
        runner_run(dir, minos, "fit", at("ledger", "labels"), at("out", "model"), NULL),
        0);
    expect_said("FIT-EPOCH");
    text_format(model, sizeof(model), "%s/model", dir);
    assert_true(runner_json_number(model, "model.json", "held_out_accuracy") > 0.9);
    assert_int_equal(
        runner_run(dir, minos, "fit", at("ledger", "labels"), at("out", "model"), NULL),
        2);
    expect_said("holds a model already");
    assert_int_equal(runner_run(dir, minos, "train", "--env=crypt-vault",
                                "--reward=motif", at("reward-model", "model"),
                                at("run-dir", "paid"), "--steps=20000", "--ranks=2",
                                "--actors=2", "--envs=16", NULL),
                     0);
    text_format(model, sizeof(model), "%s/paid", dir);
    assert_true(runner_json_number(model, "summary.json", "motif_labels") > 64);
    assert_true(runner_json_number(model, "summary.json", "scoring_ms_per_update") > 0);
    assert_true(runner_json_number(model, "summary.json", "fitting_ms_per_update") > 0);
    assert_int_equal((int)runner_json_number(model, "summary.json", "questions_asked"),
                     0);
}

static void a_run_keeps_its_model_and_a_model_its_goal(void **state)
{
    (void)state;
    assert_int_equal(runner_run(dir, minos, "fit", at("ledger", "labels"), "--seed=2",
                                "--epochs=1", at("out", "other"), NULL),
                     0);
    assert_int_equal(runner_run(dir, minos, "train", at("run-dir", "paid"),
                                at("reward-model", "other"), "--steps=30000", NULL),
                     2);
    expect_said("begun with another model");
    assert_int_equal(runner_run(dir, minos, "train", "--env=crypt-vault", "--goal=lore",
                                "--reward=motif", at("reward-model", "model"),
                                at("run-dir", "lore"), "--steps=30000", NULL),
                     2);
    expect_said("for goal treasure as its file was then");
    assert_int_equal(runner_run(dir, minos, "train", "--env=crypt-vault",
                                "--reward=motif", at("run-dir", "bare"), NULL),
                     2);
    expect_said("--reward=motif needs --reward-model=DIR");
    assert_int_equal(runner_run(dir, minos, "train", "--env=crypt-vault",
                                "--reward=motif", at("reward-model", "model"),
                                "--text-net=cnn", at("run-dir", "net"), NULL),
                     2);
    expect_said("--text-net=cnn, but the model in");
    expect_said("reads captions with ngram");
    assert_int_equal(runner_run(dir, minos, "train", "--env=crypt-vault",
                                "--reward=motif", at("reward-model", "model"),
                                "--motif-quantile=1", at("run-dir", "all"), NULL),
                     2);
    expect_said("--motif-quantile");
    assert_int_equal(runner_run(dir, minos, "fit", at("ledger", "labels"),
                                "--goal=stairs", at("out", "stairs"), NULL),
                     2);
    expect_said("no labels for goal stairs");
    assert_int_equal(runner_run(dir, minos, "fit", at("ledger", "labels"),
                                "--env=nethack-score", at("out", "nethack"), NULL),
                     2);
    expect_said("are of crypt-vault, --env says nethack-score");
}

static void
what_another_reward_reads_is_refused_where_it_can_have_no_effect(void **state)
{
    (void)state;
    assert_int_equal(runner_run(dir, minos, "train", "--env=crypt-vault",
                                "--reward=count", "--motif-quantile=0.3",
                                at("run-dir", "count"), NULL),
                     2);
    expect_said("--motif-quantile is for --reward=motif, but the reward is count");
    assert_int_equal(runner_run(dir, minos, "train", "--env=crypt-vault",
                                "--reward=count", "--label-budget=100",
                                at("run-dir", "count"), NULL),
                     2);
    expect_said("--label-budget is for --reward=retrieval|classify|rank, but the "
                "reward is count");
    assert_int_equal(runner_run(dir, minos, "train", "--env=crypt-vault", "--hard",
                                "--reward=rank", at("run-dir", "count"), NULL),
                     2);
    expect_said("--hard is for --reward=retrieval|classify, but the reward is rank");
    assert_int_equal(runner_run(dir, minos, "train", "--env=crypt-vault",
                                "--reward=classify", "--fit-schedule=oni",
                                "--fit-steps=4", at("run-dir", "count"), NULL),
                     2);
    expect_said("--fit-steps is for --fit-schedule=budget, but the schedule is oni");
    assert_false(file_exists(strchr(at("run-dir", "count"), '/')));
}

static void files_that_cannot_be_read_are_told_once_with_the_reason(void **state)
{
    char model[PATH_MAX_ + 16], path[PATH_MAX_ + 32];

    (void)state;
    text_format(model, sizeof(model), "%s/broken", dir);
    assert_int_equal(mkdir(model, 0700), 0);
    text_format(path, sizeof(path), "%s/model.json", model);
    assert_int_equal(symlink("model.json", path), 0); // not to be read by root either
    assert_int_equal(runner_run(dir, minos, "train", "--env=crypt-vault",
                                "--reward=motif", at("reward-model", "broken"),
                                at("run-dir", "unread"), NULL),
                     2);
    expect_said("model.json: Too many levels of symbolic links");
    text_format(path, sizeof(path), "%s/loop", dir);
    assert_int_equal(symlink("loop", path), 0);
    assert_int_equal(
        runner_run(dir, minos, "fit", at("ledger", "loop"), at("out", "no"), NULL), 2);
    expect_said("cannot be read: Too many levels of symbolic links");
}

static void where_a_model_cannot_be_written_nothing_is_fitted(void **state)
{
    char path[PATH_MAX_ + 16];

    (void)state;
    text_format(path, sizeof(path), "%s/taken", dir);
    assert_int_equal(file_write_atomic(path, bytes_text("a file")), ST_OK);
    assert_int_equal(
        runner_run(dir, minos, "fit", at("ledger", "labels"), at("out", "taken"), NULL),
        2);
    expect_said("taken");
    assert_null(strstr(runner_output(dir), "FIT-EPOCH"));
    assert_int_equal(runner_run(dir, minos, "fit", at("ledger", "labels"),
                                "--held-out=0", "--epochs=1", at("out", "bare"), NULL),
                     0);
    assert_null(strstr(runner_output(dir), "nan"));
    expect_said("no pair is held out");
}

/* ---- by hand ---- */

static struct ledger *ledger;

static void open_ledger(const char *name, const char *environment)
{
    char path[PATH_MAX_];

    text_format(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(file_make_dirs(path), ST_OK);
    assert_int_equal(ledger_open(path, 7, &ledger), ST_OK);
    assert_int_equal(ledger_put_environment(ledger, environment), ST_OK);
}

static void close_ledger(void)
{
    assert_int_equal(ledger_commit(ledger), ST_OK);
    ledger_close(ledger);
}

static void put(const char *goal, const char *const text[], int captions,
                uint8_t second)
{
    struct ledger_entry e = {
        .goal = bytes_text(goal),
        .goal_digest = hash_128(bytes_text(goal)),
        .judge = bytes_text("hand"),
        .question_kind = captions > 1 ? QUESTION_ORDER : QUESTION_RATE,
        .verdict_kind = captions > 1 && second == 0 ? VERDICT_TIE : VERDICT_LABEL,
        .trains = true,
        .label = captions > 1 ? 0 : 1,
        .confidence = 1,
        .captions = (uint8_t)captions};

    for (int i = 0; i < captions; i++) {
        e.caption[i] = bytes_text(text[i]);
        e.order[i] = i == 0 ? 0 : second;
    }
    e.key = ledger_item_key(e.caption, captions);
    assert_int_equal(ledger_append(ledger, &e), ST_OK);
}

static void a_ledger_of_orders_is_fitted_and_tells_its_ties(void **state)
{
    char model[PATH_MAX_], first[40], second[40], third[40];

    (void)state;
    open_ledger("orders", "crypt-vault");
    for (int i = 0; i < 60; i++) {
        text_format(first, sizeof(first), "a key lies %c%c", 'a' + i % 26,
                    'a' + i / 26);
        text_format(second, sizeof(second), "a wall %c%c", 'a' + i % 26, 'a' + i / 26);
        text_format(third, sizeof(third), "a rat %c%c", 'a' + i % 26, 'a' + i / 26);
        put("mine", (const char *const[]){first, second}, 2, 1);
        put("mine", (const char *const[]){second, third}, 2, 0);
    }
    close_ledger();
    assert_int_equal(runner_run(dir, minos, "fit", at("ledger", "orders"),
                                at("out", "ordered"), NULL),
                     0);
    text_format(model, sizeof(model), "%s/ordered", dir);
    assert_int_equal((int)runner_json_number(model, "model.json", "orders"), 120);
    assert_int_equal((int)runner_json_number(model, "model.json", "ties"), 60);
    assert_true(runner_json_number(model, "model.json", "held_out_accuracy") > 0.9);
}

static void ledgers_that_nothing_can_be_fitted_to_are_refused(void **state)
{
    (void)state;
    open_ledger("empty", "crypt-vault");
    close_ledger();
    assert_int_equal(
        runner_run(dir, minos, "fit", at("ledger", "empty"), at("out", "no"), NULL), 2);
    expect_said("has no label that may train");
    open_ledger("one", "");
    put("mine", (const char *const[]){"a key"}, 1, 0);
    close_ledger();
    assert_int_equal(
        runner_run(dir, minos, "fit", at("ledger", "one"), at("out", "no"), NULL), 2);
    expect_said("give --env");
    assert_int_equal(runner_run(dir, minos, "fit", at("ledger", "one"), at("out", "no"),
                                "--env=crypt-vault", NULL),
                     2);
    expect_said("there is 1 label");
    open_ledger("two", "crypt-vault");
    put("mine", (const char *const[]){"a key"}, 1, 0);
    put("yours", (const char *const[]){"a key"}, 1, 0);
    close_ledger();
    assert_int_equal(
        runner_run(dir, minos, "fit", at("ledger", "two"), at("out", "no"), NULL), 2);
    expect_said("several goals, mine (1), yours (1)");
    open_ledger("many", "crypt-vault");
    for (int i = 0; i < 20; i++) {
        char goal[16];
        text_format(goal, sizeof(goal), "goal-%d", i);
        put(goal, (const char *const[]){"a key"}, 1, 0);
    }
    close_ledger();
    assert_int_equal(
        runner_run(dir, minos, "fit", at("ledger", "many"), at("out", "no"), NULL), 2);
    expect_said("goal-19 (1)");
    assert_int_equal(
        runner_run(dir, minos, "fit", at("ledger", "nothing"), at("out", "no"), NULL),
        2);
    expect_said("there is no ledger at");
    assert_int_equal(runner_run(dir, minos, "fit", at("ledger", "two"), NULL), 2);
    expect_said("--out is missing");
    assert_false(file_exists(strchr(at("out", "no"), '/')));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_paid_by_a_model_of_an_earlier_runs_captions),
        cmocka_unit_test(a_run_keeps_its_model_and_a_model_its_goal),
        cmocka_unit_test(
            what_another_reward_reads_is_refused_where_it_can_have_no_effect),
        cmocka_unit_test(files_that_cannot_be_read_are_told_once_with_the_reason),
        cmocka_unit_test(where_a_model_cannot_be_written_nothing_is_fitted),
        cmocka_unit_test(a_ledger_of_orders_is_fitted_and_tells_its_ties),
        cmocka_unit_test(ledgers_that_nothing_can_be_fitted_to_are_refused),
    };

    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_remove_dir(dir);
    return failed;
}
