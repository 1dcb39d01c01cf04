/* Captions of a store put in order, with the real programs: over the death of the learner
 * in the middle of it, with another one's orders, and by judges that can and cannot. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "learner/store/keymap.h"
#include "learner/store/ledger.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

enum { TRAIN_MS = 200000, ORDERS = 500, CREDITS = 32 };

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

static double summary(const char *run, const char *key)
{
    return runner_json_number(harness_path(dir, run), "summary.json", key);
}

/* A store of captions, played at random. */
static int play(void **state)
{
    (void)state;
    ends(0, runner_wait(runner_start(dir, minos, "train", in("run-dir", "crypt"),
                                     "--env=crypt-vault", "--reward=none",
                                     "--steps=40000", port_flag, "--quiet", NULL),
                        TRAIN_MS));
    return 0;
}

struct tally {
    struct keymap *keys;
    int rows, training, tied, strangers, twice;
};

static bool tally_row(void *ctx, const struct ledger_entry *e)
{
    struct tally *t = ctx;
    bool fresh;

    assert_int_equal(e->question_kind, QUESTION_ORDER);
    t->rows++;
    t->training += e->trains;
    t->tied += e->trains && e->verdict_kind == VERDICT_TIE;
    if (e->captions == 0) {
        t->strangers++;
        return true;
    }
    assert_true(hash_equal(e->key, ledger_item_key(e->caption, e->captions)));
    (void)keymap_at(t->keys, e->key, &fresh);
    t->twice += !fresh;
    return true;
}

static struct tally tally_of(const char *run)
{
    char path[PATH_MAX_ + 16];
    struct tally t = {.keys = keymap_new()};
    struct ledger *l = NULL;

    text_format(path, sizeof(path), "%s/ledger", harness_path(dir, run));
    assert_int_equal(ledger_open_read(path, &l), ST_OK);
    assert_int_equal(ledger_scan(l, 1, 0, tally_row, &t), ST_OK);
    ledger_close(l);
    keymap_free(t.keys);
    return t;
}

static bool has_some(void *arg)
{
    return runner_json_number(harness_path(dir, arg), "progress.json", "orders") >= 64;
}

static void no_set_is_asked_twice_though_the_learner_dies(void **state)
{
    static char out[] = "k";
    char budget[32];
    pid_t learner = 0;

    (void)state;
    text_format(budget, sizeof(budget), "--label-budget=%d", ORDERS);
    const pid_t pid = runner_start(dir, minos, "label", in("run-dir", "crypt"),
                                   in("out", out), port_flag, "--quiet", "--ask=order",
                                   budget, "--judge=sim", "--sim-latency=0.2",
                                   "--credits=32", "--consistency-share=0", NULL);
    assert_true(runner_wait_for(has_some, out, RUNNER_PATIENCE_MS));
    assert_int_equal(runner_count("minos-learner", in("run-dir", out), &learner), 1);
    assert_int_equal(kill(learner, SIGKILL), 0);
    ends(0, runner_wait(pid, TRAIN_MS));
    const struct tally t = tally_of(out);
    print_message("%d orders, %d ties, %d answers to what was not noted in time\n",
                  t.training, t.tied, t.strangers);
    assert_true(summary(out, "starts") == 2);
    assert_int_equal(t.training, ORDERS);
    assert_int_equal(t.twice, 0);
    // What was asked after the last commit was not noted yet.
    assert_true(t.strangers <= CREDITS);
    assert_int_equal(t.rows, ORDERS + t.strangers);
    assert_true(summary(out, "orders") == ORDERS);
    assert_true(summary(out, "questions_duplicate") == 0);
    assert_true(summary(out, "orders_tied_share") > 0);
}

static void orders_of_another_labelling_are_known_and_cost_nothing(void **state)
{
    (void)state;
    ends(0, runner_run(dir, minos, "label", in("run-dir", "crypt"), in("out", "o"),
                       port_flag, "--quiet", "--ask=order", "--order-captions=4",
                       "--label-budget=100", "--consistency-share=0", NULL));
    assert_true(summary("o", "orders") == 100);
    ends(0, runner_run(dir, minos, "label", in("run-dir", "crypt"), in("out", "o2"),
                       port_flag, "--quiet", "--ask=order", "--order-captions=4",
                       "--label-budget=50", "--consistency-share=0",
                       in("labels-from", "o"), NULL));
    assert_true(summary("o2", "orders") == 150);
    assert_true(summary("o2", "questions_asked") == 50);
    const struct tally t = tally_of("o2");
    assert_int_equal(t.training, 150);
    assert_int_equal(t.twice, 0);
    // Orders are no ratings.
    ends(2, runner_run(dir, minos, "train", in("run-dir", "x"), "--env=crypt-vault",
                       "--reward=retrieval", "--steps=1000", port_flag,
                       in("labels-from", "o"), NULL));
    assert_non_null(strstr(runner_output(dir), "orders where ratings are read"));
    assert_false(file_exists(harness_path(dir, "x")));
    ends(0, runner_run(dir, minos, "label", in("run-dir", "crypt"), in("out", "o"),
                       port_flag, "--quiet", "--label-budget=105",
                       "--consistency-share=0", NULL));
    assert_non_null(strstr(runner_output(dir), "holds 100 orders already, ratings go"));
}

static void a_style_that_does_not_compare_is_told_at_once(void **state)
{
    (void)state;
    ends(2, runner_run(dir, minos, "label", in("run-dir", "crypt"), in("out", "y"),
                       "--ask=order", "--judge=llm", "--style=graded",
                       "--llm-url=http://127.0.0.1:9/v1", "--llm-model=m", NULL));
    assert_non_null(strstr(runner_output(dir), "--style=graded rates captions"));
    ends(2,
         runner_run(dir, minos, "label", in("run-dir", "crypt"), in("out", "y"),
                    "--ask=order", "--order-captions=3", "--judge=llm", "--style=pair",
                    "--llm-url=http://127.0.0.1:9/v1", "--llm-model=m", NULL));
    assert_non_null(strstr(runner_output(dir), "--style=pair compares two captions"));
    ends(2, runner_run(dir, minos, "label", in("run-dir", "crypt"), in("out", "y"),
                       "--ask=sort", NULL));
    ends(2, runner_run(dir, minos, "label", in("run-dir", "crypt"), in("out", "y"),
                       "--ask=order", "--order-captions=9", NULL));
    assert_false(file_exists(harness_path(dir, "y")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_set_is_asked_twice_though_the_learner_dies),
        cmocka_unit_test(orders_of_another_labelling_are_known_and_cost_nothing),
        cmocka_unit_test(a_style_that_does_not_compare_is_told_at_once),
    };

    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    text_format(port_flag, sizeof(port_flag), "--port=%d", runner_free_port());
    const int failed = cmocka_run_group_tests(tests, play, NULL);
    if (failed == 0) {
        harness_remove_dir(dir);
    }
    return failed;
}
