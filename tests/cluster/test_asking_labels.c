/* What rank 0 asks when its ledger has labels of other runs, or all is to be asked anew. */

#include "tests/support/rank_twin.h"

#include <string.h>

static struct twin t;
static struct twin_actor a;
static struct twin_judge j;

static int set_up(void **state)
{
    (void)state;
    twin_init(&t, 1);
    actor_init(&a, &t, 101, "host0");
    judge_init(&j, &t, 201);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    actor_release(&a);
    judge_release(&j);
    twin_release(&t);
    return 0;
}

static void exchange(void)
{
    twin_poll(&t);
    judge_poll(&j);
    actor_poll(&a);
}

static void run_ms(uint64_t ms)
{
    twin_run_ms(&t, ms);
    judge_poll(&j);
    actor_poll(&a);
}

/* Judge and actor come (again); the actor plays one segment with three captions. */
static void play(void)
{
    j.questions = 0;
    judge_hello(&j);
    exchange();
    actor_join(&a, -1);
    assert_int_equal(actor_produce(&a, 1), 1);
    exchange();
    twin_train(&t, 0, 1);
    exchange();
    exchange();
}

static void answer_all(float p)
{
    const int questions = j.questions;

    for (int i = 0; i < questions; i++) {
        judge_answer(&j, j.id[i], VERDICT_LABEL, p);
    }
    run_ms(100);
}

static void restart(uint64_t relabel_serial)
{
    twin_checkpoint(&t);
    twin_end(&t);
    t.relabel_serial = relabel_serial;
    twin_start(&t);
    exchange();
}

static void relabelling_asks_once_more_and_the_new_label_trains(void **state)
{
    (void)state;
    play();
    assert_int_equal(j.questions, 3);
    answer_all(0.25f);
    assert_int_equal(t.rank[0].labels, 3);
    restart(3);
    play();
    assert_int_equal(j.questions, 3);
    assert_int_equal(t.rank[0].labels, 0); // training keeps the old ones meanwhile
    answer_all(0.75f);
    assert_int_equal(t.rank[0].labels, 3);
    for (int i = 0; i < 3; i++) {
        assert_true(t.rank[0].label[i].p == 0.75f);
        assert_int_equal(t.rank[0].label[i].ledger_serial, 4 + i);
    }
    restart(3); // it goes on: what was asked since then is known
    play();
    assert_int_equal(j.questions, 0);
    twin_run_ms(&t, 250);
    assert_int_equal(t.rank[0].counters.labels, 3);
    assert_int_equal(t.rank[0].counters.questions_duplicate, 0);
}

static void copy_label(const char *caption)
{
    struct ledger_entry e = {.question = 0x0101,    // as a question of ours may end
                             .goal_digest = {1, 2}, // the twin's
                             .verdict_kind = VERDICT_LABEL,
                             .trains = true,
                             .label = 1,
                             .captions = 1,
                             .caption = {bytes_text(caption)},
                             .origin = bytes_text("00000000000000aa/7")};

    e.key = hash_128(e.caption[0]);
    assert_int_equal(ledger_append(t.rank[0].ledger, &e), ST_OK);
    assert_int_equal(ledger_commit(t.rank[0].ledger), ST_OK);
}

static void copied_labels_train_are_not_asked_and_cost_no_budget(void **state)
{
    (void)state;
    play();
    assert_int_equal(j.questions, 3);
    judge_answer(&j, j.id[0], VERDICT_LABEL, 0);
    run_ms(100);
    copy_label(j.text[1]);
    t.label_budget = 2;
    restart(0);
    assert_int_equal(t.rank[0].labels, 1); // what training has not seen: the copy
    play();
    // One was given, one was copied: the budget of two has room for the third.
    assert_int_equal(j.questions, 1);
    twin_run_ms(&t, 250);
    assert_int_equal(t.rank[0].counters.labels, 2);
}

/* Whether the text of that label came before it, as it is. */
static bool told_before(const struct twin_rank *k, int label)
{
    int told = 0;

    for (int i = 0; i < k->texts; i++) {
        const struct ring_text *x = &k->text[i];
        if (hash_equal(x->key, k->label[label].key)) {
            assert_true(hash_equal(x->key, hash_128(bytes_of(x->text, x->len))));
            told += i < k->texts_before[label] ? 1 : 100;
        }
    }
    return told == 1;
}

static void texts_come_once_in_a_start_and_before_their_labels(void **state)
{
    const struct twin_rank *k = &t.rank[0];

    (void)state;
    play();
    answer_all(0.25f);
    assert_int_equal(k->labels, 3);
    assert_int_equal(k->texts, 0); // this reward does not read them
    twin_end(&t);                  // without a checkpoint: the labels come again
    t.needs_texts = true;
    twin_start(&t);
    exchange();
    assert_int_equal(k->labels, 3);
    assert_int_equal(k->texts, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(k->label[i].captions, 1);
        assert_true(told_before(k, i));
    }
    restart(3); // what is asked anew has its text told again once, with the new label
    assert_int_equal(k->texts, 0);
    play();
    answer_all(0.75f);
    assert_int_equal(k->labels, 3);
    assert_int_equal(k->texts, 3);
    for (int i = 0; i < 3; i++) {
        assert_true(told_before(k, i));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(relabelling_asks_once_more_and_the_new_label_trains),
        TEST(copied_labels_train_are_not_asked_and_cost_no_budget),
        TEST(texts_come_once_in_a_start_and_before_their_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
