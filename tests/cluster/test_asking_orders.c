/* Rank 0 has judges put captions in order: each set once, each caption in eight of them at
 * most, over lost leases, restarts, refusals and budgets. */

#include "tests/support/rank_twin.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "learner/intake/asking.h"

enum { CAPTIONS = 64, FORMS = 16 };

static struct twin t;
static struct twin_judge j, k;
static int loudest[CAPTIONS]; // what a judge goes by: the larger the better

static int set_up(void **state)
{
    (void)state;
    twin_init(&t, 1);
    judge_init(&j, &t, 201);
    judge_init(&k, &t, 202);
    j.order_most = k.order_most = ITEM_CAPTIONS_MAX;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    judge_release(&j);
    judge_release(&k);
    twin_release(&t);
    return 0;
}

static void exchange(void)
{
    twin_poll(&t);
    judge_poll(&j);
    judge_poll(&k);
}

static void run_ms(uint64_t ms, bool alive)
{
    for (uint64_t i = 0; i < ms; i += 500) {
        if (alive) {
            judge_bare(&j, FRAME_BEAT);
        }
        twin_run_ms(&t, ms - i < 500 ? ms - i : 500);
        judge_poll(&j);
        judge_poll(&k);
    }
}

/* The rank as it is from now on. */
static void restart(int order_captions)
{
    twin_end(&t);
    t.order_captions = order_captions;
    twin_start(&t);
    exchange();
}

static void join(void)
{
    judge_hello(&j);
    exchange();
    exchange();
}

/* Captions of FORMS forms, whose words stand nowhere else. */
static void write_caption(int i, char text[64])
{
    const int f = i % FORMS;

    snprintf(text, 64, "q%cx w%cx e%cx %d", 'a' + f, 'a' + f, 'a' + f, i / FORMS);
}

static int form_of(int i)
{
    return i % FORMS;
}

static int number_of(struct hash128 key)
{
    char text[64];

    for (int i = 0; i < CAPTIONS; i++) {
        write_caption(i, text);
        if (hash_equal(key, hash_128(bytes_text(text)))) {
            return i;
        }
    }
    fail_msg("a caption of nobody");
    return -1;
}

/* They come, each a few times. */
static void meet(int from, int to)
{
    struct to_io m = {.kind = TO_IO_CAPTION};
    char text[64];

    for (int i = from; i < to; i++) {
        write_caption(i, text);
        m.caption.key = hash_128(bytes_text(text));
        m.caption.visits = 4;
        m.caption.truth = (int8_t)(i % 4 == 0);
        m.caption.len = (uint8_t)strlen(text);
        memcpy(m.caption.text, text, m.caption.len);
        assert_true(ring_push(t.rank[0].rings.to_io, &m));
    }
    exchange();
    exchange();
}

static void answer(int question)
{
    const int n = j.captions[question];
    uint8_t place[ITEM_CAPTIONS_MAX] = {0};
    bool tie = true;

    for (int a = 0; a < n; a++) {
        for (int b = 0; b < n; b++) {
            place[a] = (uint8_t)(place[a] + (loudest[number_of(j.key[question][b])] >
                                             loudest[number_of(j.key[question][a])]));
        }
        tie = tie && place[a] == 0;
    }
    judge_order_them(&j, j.id[question], tie ? VERDICT_TIE : VERDICT_LABEL, place, n);
}

/* Whatever was asked since; returns how many. */
static int answer_all(int from)
{
    const int to = j.questions;

    for (int i = from; i < to; i++) {
        answer(i);
    }
    run_ms(100, true);
    return to - from;
}

static const struct io_counters *counters(void)
{
    twin_run_ms(&t, 250);
    return &t.rank[0].counters;
}

static struct ledger_entry last;
static int entries;

static bool keep_last(void *ctx, const struct ledger_entry *e)
{
    (void)ctx;
    last = *e;
    entries++;
    return true;
}

static void read_ledger(void)
{
    entries = 0;
    assert_int_equal(ledger_scan(t.rank[0].ledger, 1, 0, keep_last, NULL), ST_OK);
}

/* No set twice, no two of one form, each caption in so many sets. */
static void check_questions(int most)
{
    int compared[CAPTIONS] = {0};

    for (int i = 0; i < j.questions; i++) {
        for (int a = 0; a < j.captions[i]; a++) {
            const int n = number_of(j.key[i][a]);
            compared[n]++;
            for (int b = 0; b < a; b++) {
                assert_int_not_equal(form_of(n), form_of(number_of(j.key[i][b])));
            }
        }
        for (int k_ = 0; k_ < i; k_++) {
            assert_false(hash_equal(ledger_set_key(j.key[i], j.captions[i]),
                                    ledger_set_key(j.key[k_], j.captions[k_])));
        }
    }
    for (int i = 0; i < CAPTIONS; i++) {
        assert_true(compared[i] <= most);
    }
}

static void an_order_reaches_the_ledger_and_training_with_its_captions(void **state)
{
    const struct twin_rank *r = &t.rank[0];

    (void)state;
    t.needs_texts = true;
    restart(3);
    join();
    meet(0, 2); // two forms: no three to compare
    assert_int_equal(j.questions, 0);
    meet(0, 3);
    assert_int_equal(j.questions, 1);
    assert_int_equal(j.captions[0], 3);
    const uint8_t place[3] = {1, 0, 1};
    judge_order_them(&j, j.id[0], VERDICT_LABEL, place, 3);
    run_ms(100, true);
    read_ledger();
    assert_int_equal(entries, 1);
    assert_int_equal(last.question_kind, QUESTION_ORDER);
    assert_int_equal(last.verdict_kind, VERDICT_LABEL);
    assert_true(isnan(last.label));
    assert_true(last.trains);
    assert_int_equal(last.captions, 3);
    assert_memory_equal(last.order, place, 3);
    assert_true(hash_equal(last.key, ledger_set_key(j.key[0], 3)));
    assert_int_equal(r->labels, 1);
    assert_int_equal(r->texts, 3);
    assert_int_equal(r->texts_before[0], 3);
    const struct ring_verdict *v = &r->label[0];
    assert_int_equal(v->captions, 3);
    assert_memory_equal(v->place, place, 3);
    assert_memory_equal(v->caption, j.key[0], sizeof(j.key[0][0]) * 3);
    assert_true(hash_equal(v->key, last.key));
}

static void places_are_counted_anew_and_equal_ones_are_a_tie(void **state)
{
    const uint8_t gap[2] = {1, 0}, equal[2] = {1, 1};

    (void)state;
    restart(2);
    join();
    meet(0, 4);
    assert_true(j.questions >= 2);
    judge_order_them(&j, j.id[0], VERDICT_LABEL, gap, 2);
    judge_order_them(&j, j.id[1], VERDICT_LABEL, equal, 2);
    run_ms(100, true);
    read_ledger();
    assert_int_equal(entries, 2);
    assert_int_equal(last.verdict_kind, VERDICT_TIE);
    assert_true(last.trains); // as an order
    assert_int_equal(last.order[0], 0);
    assert_int_equal(t.rank[0].labels, 2);
    assert_int_equal(t.rank[0].label[1].kind, VERDICT_TIE);
    assert_int_equal(counters()->orders_tied, 1);
}

static void no_set_is_asked_twice_and_no_caption_in_more_than_eight(void **state)
{
    int done = 0;

    (void)state;
    t.needs_texts = true;
    restart(2);
    join();
    for (int i = 0; i < CAPTIONS; i++) {
        loudest[i] = i % 3;
    }
    for (int round = 0; round < 30; round++) {
        meet(0, CAPTIONS);
        done += answer_all(done);
    }
    check_questions(ASKING_COMPARED_MOST);
    // Nearly all that there is to be had.
    assert_in_range(done, CAPTIONS * ASKING_COMPARED_MOST / 2 * 9 / 10,
                    CAPTIONS * ASKING_COMPARED_MOST / 2);
    const struct io_counters *c = counters();
    assert_int_equal(c->labels, done);
    assert_int_equal(c->questions_duplicate, 0);
    assert_int_equal(c->questions_in_flight, 0);
    assert_int_equal(c->pairs[PAIRS_BY_FORM], done); // nobody tells scores here
    assert_int_equal(t.rank[0].texts, CAPTIONS);     // each once
}

static void scores_of_training_choose_what_is_compared(void **state)
{
    struct to_io m = {.kind = TO_IO_SCORES};
    char text[64];
    int done = 0;

    (void)state;
    restart(2);
    join();
    j.credits = 0; // wants no questions yet
    join();
    meet(0, CAPTIONS);
    for (int i = 0; i < CAPTIONS; i++) {
        write_caption(i, text);
        m.scores.key[m.scores.count] = hash_128(bytes_text(text));
        m.scores.score[m.scores.count++] = (float)i / 8;
        if (m.scores.count == RING_SCORES || i == CAPTIONS - 1) {
            assert_true(ring_push(t.rank[0].rings.to_io, &m));
            m.scores.count = 0;
        }
    }
    exchange();
    j.credits = 64;
    join();
    for (int round = 0; round < 4; round++) {
        done += answer_all(done);
        meet(0, CAPTIONS);
    }
    const struct io_counters *c = counters();
    assert_true(c->pairs[PAIRS_BY_UNCERTAINTY] > 30);
    assert_true(c->pairs[PAIRS_BY_QUARTILE] > 30);
    assert_true(c->pairs[PAIRS_BY_FORM] < c->pairs[PAIRS_BY_QUARTILE] / 4);
    check_questions(ASKING_COMPARED_MOST);
}

static void judges_that_cannot_order_so_many_are_refused_for_good(void **state)
{
    (void)state;
    restart(3);
    j.order_most = 2;
    judge_hello(&j);
    exchange();
    exchange();
    assert_int_equal(j.refusals, 1);
    assert_true(j.final);
    assert_non_null(strstr(j.reason, "put 3 captions in order"));
    assert_non_null(strstr(j.reason, "compares 2 at most"));
    k.order_most = 0;
    judge_hello(&k);
    exchange();
    exchange();
    assert_true(k.final);
    assert_non_null(strstr(k.reason, "only rates them"));
    assert_int_equal(counters()->judges, 0);
}

static void a_late_order_trains_and_its_set_is_not_asked_again(void **state)
{
    (void)state;
    restart(2);
    join();
    meet(0, 2);
    assert_int_equal(j.questions, 1);
    const uint64_t id = j.id[0];
    run_ms(7000, true); // its lease of 6 s is over
    assert_int_equal(counters()->questions_expired, 1);
    const uint8_t place[2] = {0, 1};
    judge_order_them(&j, id, VERDICT_LABEL, place, 2);
    run_ms(100, true);
    read_ledger();
    assert_int_equal(entries, 1);
    assert_true(last.late && last.trains);
    const int asked = j.questions;
    meet(0, 2);
    run_ms(5000, true);
    assert_int_equal(j.questions, asked);
    judge_order_them(&j, id, VERDICT_LABEL, place, 2); // its acknowledgement was lost
    run_ms(100, true);
    read_ledger();
    assert_int_equal(entries, 1);
    assert_int_equal(counters()->verdicts_repeated, 1);
}

static void an_order_from_before_a_restart_finds_its_captions(void **state)
{
    int done;

    (void)state;
    restart(2);
    join();
    meet(0, 8);
    assert_true(j.questions >= 4);
    answer(0);
    run_ms(100, true);
    twin_checkpoint(&t);
    meet(0, 0);
    done = j.questions;
    restart(2);
    join();
    meet(0, 8); // what is under way is not asked, nor what is known
    check_questions(ASKING_COMPARED_MOST);
    for (int i = 1; i < done; i++) {
        answer(i); // from before
    }
    answer_all(done);
    read_ledger();
    assert_int_equal(entries, j.questions);
    assert_int_equal(last.captions, 2);
    const struct io_counters *c = counters();
    assert_int_equal(c->labels, j.questions);
    assert_int_equal(c->questions_in_flight, 0);
    restart(2); // training forgot what came since its checkpoint: it comes again
    assert_int_equal(t.rank[0].labels, j.questions - 1);
    meet(0, 0);
    assert_int_equal(counters()->labels, j.questions);
}

static void a_refused_set_is_not_asked_again_a_failed_one_waits(void **state)
{
    (void)state;
    restart(2);
    join();
    meet(0, 2);
    assert_int_equal(j.questions, 1);
    judge_order_them(&j, j.id[0], VERDICT_TIMEOUT, NULL, 2);
    run_ms(1000, true);
    meet(0, 1);
    run_ms(3000, true);
    assert_true(j.questions >= 2); // once more, after a while
    judge_order_them(&j, j.id[1], VERDICT_REFUSED, NULL, 2);
    run_ms(100, true);
    const int asked = j.questions;
    meet(0, 2);
    run_ms(10000, true);
    meet(0, 2);
    assert_int_equal(j.questions, asked);
    read_ledger();
    assert_int_equal(entries, 2);
    assert_false(last.trains);
    assert_int_equal(last.captions, 2);
}

static void a_failure_may_be_a_tie_that_the_ledger_tells_from_one(void **state)
{
    (void)state;
    t.failure_zero = true;
    restart(2);
    join();
    meet(0, 2);
    assert_int_equal(j.questions, 1);
    judge_order_them(&j, j.id[0], VERDICT_UNPARSEABLE, NULL, 2);
    run_ms(100, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(t.rank[0].labels, 1);
        const struct ring_verdict *v = &t.rank[0].label[0];
        assert_int_equal(v->kind, VERDICT_TIE);
        assert_int_equal(v->captions, 2);
        assert_true(v->place[0] == 0 && v->place[1] == 0);
        assert_int_equal(counters()->labels, 1);
        assert_int_equal(counters()->orders_tied, 1);
        read_ledger();
        assert_int_equal(entries, 1);
        assert_false(last.trains);
        assert_int_equal(last.verdict_kind, VERDICT_UNPARSEABLE);
        t.rank[0].labels = 0;
        restart(2); // training forgot it, and hears it again
        run_ms(100, false);
    }
}

static void an_answer_about_fewer_captions_is_no_order(void **state)
{
    const uint8_t place[2] = {0, 1};

    (void)state;
    restart(3);
    join();
    meet(0, 3);
    judge_order_them(&j, j.id[0], VERDICT_LABEL, place, 2);
    run_ms(100, true);
    read_ledger();
    assert_int_equal(last.verdict_kind, VERDICT_UNPARSEABLE);
    assert_false(last.trains);
    judge_answer(&j, j.id[0], VERDICT_LABEL, 1);
    run_ms(100, true);
    assert_int_equal(t.rank[0].labels, 0);
}

static void a_set_counts_once_against_the_budget(void **state)
{
    int done = 0;

    (void)state;
    t.label_budget = 5;
    restart(4);
    join();
    for (int round = 0; round < 6; round++) {
        meet(0, CAPTIONS);
        assert_true(j.questions <= 5);
        done += answer_all(done);
    }
    assert_int_equal(done, 5);
    restart(4);
    join();
    meet(0, CAPTIONS);
    assert_int_equal(j.questions, 5);
    assert_int_equal(counters()->asking, IO_ASKING_BUDGET);
}

static void a_judge_is_asked_again_for_its_consistency(void **state)
{
    int done = 0, again = 0;

    (void)state;
    t.consistency_share = 0.5;
    restart(2);
    join();
    for (int round = 0; round < 8; round++) {
        meet(0, CAPTIONS);
        done += answer_all(done);
        run_ms(31000, true);
    }
    for (int i = 0; i < j.questions; i++) {
        again += j.purpose[i] == PURPOSE_CONSISTENCY;
    }
    assert_true(again > 3);
    const struct io_counters *c = counters();
    assert_int_equal(c->consistency_asked, again);
    assert_true(c->judge[0].again >= (uint64_t)again - 64);
    assert_int_equal(c->judge[0].again, c->judge[0].agreed); // it says the same
    assert_true(c->verdicts[VERDICT_TIE] > 0); // a tie is a label as well, a check none
    assert_int_equal(c->judge[0].labels,
                     c->verdicts[VERDICT_LABEL] + c->verdicts[VERDICT_TIE]);
    assert_true(c->labels + (uint64_t)again >= (uint64_t)done);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_order_reaches_the_ledger_and_training_with_its_captions),
        TEST(places_are_counted_anew_and_equal_ones_are_a_tie),
        TEST(no_set_is_asked_twice_and_no_caption_in_more_than_eight),
        TEST(scores_of_training_choose_what_is_compared),
        TEST(judges_that_cannot_order_so_many_are_refused_for_good),
        TEST(a_late_order_trains_and_its_set_is_not_asked_again),
        TEST(an_order_from_before_a_restart_finds_its_captions),
        TEST(a_refused_set_is_not_asked_again_a_failed_one_waits),
        TEST(a_failure_may_be_a_tie_that_the_ledger_tells_from_one),
        TEST(an_answer_about_fewer_captions_is_no_order),
        TEST(a_set_counts_once_against_the_budget),
        TEST(a_judge_is_asked_again_for_its_consistency),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
