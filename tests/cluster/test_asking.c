/* Judges and rank 0: questions, leases, verdicts, the ledger. */

#include "tests/support/rank_twin.h"

#include <stdio.h>
#include <string.h>

static struct twin t;
static struct twin_actor a;
static struct twin_judge j, k;

static int set_up(void **state)
{
    (void)state;
    twin_init(&t, 1);
    actor_init(&a, &t, 101, "host0");
    judge_init(&j, &t, 201);
    judge_init(&k, &t, 202);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    actor_release(&a);
    judge_release(&j);
    judge_release(&k);
    twin_release(&t);
    return 0;
}

/* Both judges live and speak, unless told otherwise. */
static void run_ms(uint64_t ms, bool j_lives, bool k_lives)
{
    for (uint64_t i = 0; i < ms; i += 500) {
        if (j_lives && j.number != 0) {
            judge_bare(&j, FRAME_BEAT);
        }
        if (k_lives && k.number != 0) {
            judge_bare(&k, FRAME_BEAT);
        }
        twin_run_ms(&t, ms - i < 500 ? ms - i : 500);
        judge_poll(&j);
        judge_poll(&k);
        actor_poll(&a);
    }
}

static void exchange(void)
{
    twin_poll(&t);
    judge_poll(&j);
    judge_poll(&k);
    actor_poll(&a);
}

static void join(struct twin_judge *judge)
{
    judge_hello(judge);
    exchange();
    assert_int_equal(judge->welcomes, 1);
    exchange();
}

/* One segment; its three captions each come twice. */
static void play(const char *caption)
{
    if (a.number == 0) {
        actor_join(&a, -1);
    }
    a.caption = caption;
    assert_int_equal(actor_produce(&a, 1), 1);
    exchange();
    twin_train(&t, 0, 1);
    exchange();
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

static void each_caption_is_asked_once_and_its_label_reaches_training(void **state)
{
    (void)state;
    join(&j);
    play(NULL);
    exchange();
    assert_int_equal(j.questions, 3); // the empty one is never asked
    for (int i = 0; i < 3; i++) {
        assert_int_equal(j.truth[i], -1); // it did not ask for the truth
        judge_answer(&j, j.id[i], VERDICT_LABEL, 0.25f * (float)i);
    }
    exchange();
    assert_int_equal(j.acks, 0); // not before the group is on disk
    assert_int_equal(t.rank[0].labels, 0);
    run_ms(30, true, true);
    assert_int_equal(j.acks, 3);
    assert_int_equal(t.rank[0].labels, 3);
    for (int i = 0; i < 3; i++) {
        const struct ring_verdict *v = &t.rank[0].label[i];
        assert_true(hash_equal(v->key, hash_128(bytes_text(j.text[i]))));
        assert_float_equal(v->p, 0.25f * (float)i, 0);
        assert_int_equal(v->ledger_serial, i + 1);
    }
    for (int i = 0; i < 5; i++) { // they come again, and are not asked again
        play(NULL);
    }
    assert_int_equal(j.questions, 3);
    const struct io_counters *c = counters();
    assert_int_equal(c->labels, 3);
    assert_int_equal(c->questions_asked, 3);
    assert_int_equal(c->questions_duplicate, 0);
    assert_int_equal(c->questions_in_flight, 0);
    assert_int_equal(c->judges, 1);
    read_ledger();
    assert_int_equal(entries, 3);
    assert_true(last.trains);
    assert_false(last.late);
}

static void a_reward_without_labels_asks_nothing(void **state)
{
    (void)state;
    twin_end(&t);
    t.unlabelled = true;
    twin_start(&t);
    join(&j);
    play(NULL);
    run_ms(1000, true, true);
    assert_int_equal(j.questions, 0);
    assert_int_equal(counters()->captions, 3); // known all the same
    twin_end(&t);
    twin_start(&t); // nor when they are known from the store
    j.welcomes = 0;
    j.number = 0;
    join(&j);
    run_ms(1000, true, true);
    assert_int_equal(j.questions, 0);
}

static void a_simulated_judge_is_told_the_truth(void **state)
{
    (void)state;
    j.wants_truth = true;
    join(&j);
    play(NULL);
    exchange();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(j.truth[i], strcmp(j.text[i], "It's a wall.") == 0 ? 0 : 1);
    }
}

static void
a_dead_judges_questions_are_asked_elsewhere_when_their_leases_end(void **state)
{
    (void)state;
    join(&j);
    play(NULL);
    exchange();
    assert_int_equal(j.questions, 3);
    join(&k);
    run_ms(5500, false, true); // j is silent; lease = 1 s + 5 s
    assert_int_equal(k.questions, 0);
    run_ms(1000, false, true);
    assert_int_equal(k.questions, 3);
    assert_int_equal(j.questions, 3);
    const struct io_counters *c = counters();
    assert_int_equal(c->questions_expired, 3);
    assert_int_equal(c->questions_duplicate, 0);
    assert_int_equal(c->judges, 1);
}

static void
a_judge_that_says_goodbye_leaves_its_questions_to_others_at_once(void **state)
{
    (void)state;
    join(&j);
    play(NULL);
    exchange();
    assert_int_equal(j.questions, 3);
    judge_answer(&j, j.id[0], VERDICT_LABEL, 1);
    judge_bare(&j, FRAME_GOODBYE);
    join(&k);
    run_ms(500, false, true); // its leases would last 6 s
    assert_int_equal(k.questions, 2);
    const struct io_counters *c = counters();
    assert_int_equal(c->labels, 1);
    assert_int_equal(c->judges, 1);
    assert_int_equal(c->questions_duplicate, 0);
    assert_int_equal(c->frames_bad[IO_BAD_STRANGER], 0);
    assert_int_equal(j.whos, 0);
}

static void a_late_label_is_written_and_trains_only_if_its_key_has_none(void **state)
{
    (void)state;
    join(&j);
    play(NULL);
    exchange();
    run_ms(7000, false, false);
    join(&k);
    run_ms(500, false, true);
    assert_int_equal(k.questions, 3);
    // The first is answered by the new holder, then by the late one.
    judge_answer(&k, k.id[0], VERDICT_LABEL, 1);
    run_ms(50, false, true);
    assert_int_equal(t.rank[0].labels, 1);
    judge_answer(&j, k.id[0] - 1, VERDICT_LABEL, 0); // the attempt before
    run_ms(50, true, true);
    assert_int_equal(j.acks, 1);
    assert_int_equal(t.rank[0].labels, 1);
    read_ledger();
    assert_true(last.late);
    assert_false(last.trains);
    // The second comes late while its new holder still thinks: it trains.
    judge_answer(&j, k.id[1] - 1, VERDICT_LABEL, 0);
    run_ms(50, true, true);
    assert_int_equal(t.rank[0].labels, 2);
    read_ledger();
    assert_true(last.late);
    assert_true(last.trains);
    judge_answer(&k, k.id[1], VERDICT_LABEL, 1); // in time, but second
    run_ms(50, true, true);
    assert_int_equal(t.rank[0].labels, 2);
    read_ledger();
    assert_false(last.late);
    assert_false(last.trains);
    assert_int_equal(entries, 4);
    assert_int_equal(counters()->verdicts_late, 2);
}

static void an_answer_from_before_a_restart_still_finds_its_caption(void **state)
{
    (void)state;
    join(&j);
    play(NULL);
    exchange();
    assert_int_equal(j.questions, 3);
    twin_end(&t);
    twin_start(&t);
    judge_answer(&j, j.id[0], VERDICT_LABEL, 1); // it does not know yet
    exchange();
    assert_int_equal(j.whos, 1);
    judge_hello(&j);
    exchange();
    judge_answer(&j, j.id[0], VERDICT_LABEL, 1);
    run_ms(50, true, false);
    assert_int_equal(j.acks, 1);
    assert_int_equal(t.rank[0].labels, 1);
    read_ledger();
    assert_true(last.late);
    assert_true(last.trains);
    assert_int_equal(last.captions, 1);
}

static void an_unknown_answer_is_written_and_acknowledged(void **state)
{
    (void)state;
    join(&j);
    judge_answer(&j, 0x123456789a0001u, VERDICT_LABEL, 1);
    run_ms(50, true, false);
    assert_int_equal(j.acks, 1);
    assert_int_equal(t.rank[0].labels, 0);
    read_ledger();
    assert_int_equal(entries, 1);
    assert_true(last.late);
    assert_int_equal(last.captions, 0);
}

static void a_lost_acknowledgement_does_not_write_twice(void **state)
{
    (void)state;
    join(&j);
    play(NULL);
    exchange();
    bus_memory_faults(t.bus,
                      &(struct bus_faults){.lose = 1000, .kind = FRAME_VERDICT_ACK});
    judge_answer(&j, j.id[0], VERDICT_LABEL, 1);
    run_ms(50, true, false);
    assert_int_equal(j.acks, 0);
    bus_memory_faults(t.bus, &(struct bus_faults){0});
    judge_answer(&j, j.id[0], VERDICT_LABEL, 1);
    run_ms(50, true, false);
    assert_int_equal(j.acks, 1);
    read_ledger();
    assert_int_equal(entries, 1);
    assert_int_equal(counters()->verdicts_repeated, 1);
}

static void failures_are_recorded_and_asked_again_later_refusals_never(void **state)
{
    (void)state;
    join(&j);
    play(NULL);
    exchange();
    judge_answer(&j, j.id[0], VERDICT_TIMEOUT, 0);
    judge_answer(&j, j.id[1], VERDICT_REFUSED, 0);
    judge_answer(&j, j.id[2], VERDICT_ABSTAIN, 0);
    run_ms(1500, true, false);
    assert_int_equal(j.acks, 3);
    assert_int_equal(t.rank[0].labels, 0); // a failure is never a label
    assert_int_equal(j.questions, 3);
    run_ms(1000, true, false); // 2 s after the failure
    assert_int_equal(j.questions, 4);
    assert_string_equal(j.text[3], j.text[0]);
    assert_true(j.id[3] != j.id[0]);
    for (int i = 3; i < 20; i++) { // it goes on failing, at growing distances
        for (int s = 0; s < 100 && i >= j.questions; s++) {
            run_ms(1000, true, false);
        }
        if (i < j.questions) {
            judge_answer(&j, j.id[i], i < 6 ? VERDICT_TIMEOUT : VERDICT_UNPARSEABLE, 0);
        }
    }
    assert_int_equal(j.questions, 3 + 5); // six tries in all, then no more
    const struct io_counters *c = counters();
    assert_int_equal(c->verdicts[VERDICT_TIMEOUT], 4);
    assert_int_equal(c->verdicts[VERDICT_UNPARSEABLE], 2);
    assert_int_equal(c->captions_given_up, 3);
    assert_int_equal(c->verdicts[VERDICT_REFUSED], 1);
    assert_int_equal(c->labels, 0);
}

/* The reference's way: what it could not read is a label 0 for ever. */
static void a_failure_may_be_a_label_0_that_the_ledger_tells_from_one(void **state)
{
    (void)state;
    twin_end(&t);
    t.failure_zero = true;
    twin_start(&t);
    join(&j);
    play(NULL);
    exchange();
    judge_answer(&j, j.id[0], VERDICT_TIMEOUT, 0);
    judge_answer(&j, j.id[1], VERDICT_UNPARSEABLE, 0);
    judge_answer(&j, j.id[2], VERDICT_OVERLOAD, 0); // that is no answer
    run_ms(1000, true, false);
    assert_int_equal(t.rank[0].labels, 2);
    for (int i = 0; i < 2; i++) {
        const struct ring_verdict *v = &t.rank[0].label[i];
        assert_true(hash_equal(v->key, hash_128(bytes_text(j.text[i]))));
        assert_int_equal(v->kind, VERDICT_LABEL);
        assert_float_equal(v->p, 0, 0);
        assert_int_equal(v->ledger_serial, i + 1);
    }
    run_ms(60000, true, false);
    read_ledger();
    assert_int_equal(entries, 3);
    assert_false(last.trains);
    assert_true(j.questions >= 4); // the third again
    // training forgot the two, and hears them again
    twin_end(&t);
    twin_start(&t);
    t.rank[0].labels = 0;
    run_ms(500, true, false);
    assert_int_equal(t.rank[0].labels, 2);
    assert_float_equal(t.rank[0].label[1].p, 0, 0);
    assert_int_equal(counters()->labels, 2);
}

/* The reference's way: it does not remember what is under way. */
static void
captions_in_flight_may_be_asked_again_and_the_first_answer_trains(void **state)
{
    (void)state;
    twin_end(&t);
    t.resend = true;
    twin_start(&t);
    join(&j);
    for (int i = 0; i < 3; i++) {
        play(NULL);
        exchange();
    }
    assert_int_equal(j.questions, 9);
    assert_int_equal(counters()->questions_duplicate, 6);
    assert_int_equal(counters()->questions_in_flight, 9);
    for (int i = 3; i < 6; i++) { // of the second time
        assert_true(j.id[i] != j.id[i - 3]);
        judge_answer(&j, j.id[i], VERDICT_LABEL, 0.75f);
    }
    run_ms(100, true, false);
    assert_int_equal(t.rank[0].labels, 3);
    assert_int_equal(counters()->questions_in_flight, 6);
    for (int i = 0; i < 9; i += i == 2 ? 4 : 1) {
        judge_answer(&j, j.id[i], VERDICT_LABEL, 0.25f);
    }
    run_ms(100, true, false);
    assert_int_equal(counters()->questions_in_flight, 0);
    assert_int_equal(t.rank[0].labels, 3); // these are written alone
    read_ledger();
    assert_int_equal(entries, 9);
    assert_false(last.trains || last.late);
    play(NULL);
    exchange();
    assert_int_equal(j.questions, 9);
    for (int i = 0; i < 2 * 64; i++) { // no caption has more questions than ids
        play("once more");
        exchange();
    }
    assert_true(counters()->questions_in_flight <= 64);
}

static void a_judge_that_has_no_time_is_asked_again_as_often_as_it_takes(void **state)
{
    (void)state;
    join(&j);
    play(NULL);
    exchange();
    for (int i = 0; i < 10 * 3; i++) {
        judge_answer(&j, j.id[i], VERDICT_OVERLOAD, 0);
        run_ms(i % 3 == 2 ? 2500 : 10, true, false);
    }
    assert_int_equal(j.questions, 11 * 3);
    for (int i = 0; i < 3; i++) {
        judge_answer(&j, j.id[30 + i], VERDICT_LABEL, 1);
    }
    run_ms(50, true, false);
    assert_int_equal(counters()->labels, 3);
    assert_int_equal(t.rank[0].counters.captions_given_up, 0);
}

static void what_the_ledger_knows_is_not_asked_again_after_a_restart(void **state)
{
    (void)state;
    join(&j);
    play(NULL);
    exchange();
    judge_answer(&j, j.id[0], VERDICT_LABEL, 1);
    run_ms(50, true, false);
    assert_int_equal(t.rank[0].labels, 1);
    twin_checkpoint(&t); // training has this one
    judge_answer(&j, j.id[1], VERDICT_LABEL, 0.5f);
    judge_answer(&j, j.id[2], VERDICT_REFUSED, 0);
    run_ms(50, true, false);
    assert_int_equal(t.rank[0].labels, 2);
    twin_end(&t);
    twin_start(&t);
    exchange();
    assert_int_equal(t.rank[0].labels, 1); // only what training lost
    assert_int_equal(t.rank[0].label[0].ledger_serial, 2);
    j.questions = 0;
    judge_hello(&j);
    exchange();
    actor_join(&a, -1);
    play("A new one.");
    exchange();
    assert_int_equal(j.questions, 1);
    assert_string_equal(j.text[0], "A new one.");
    assert_int_equal(counters()->labels, 2);
}

static void the_label_budget_is_kept(void **state)
{
    (void)state;
    twin_end(&t);
    t.label_budget = 2;
    twin_start(&t);
    join(&j);
    play(NULL);
    exchange();
    assert_int_equal(j.questions, 2);
    judge_answer(&j, j.id[0], VERDICT_LABEL, 1);
    judge_answer(&j, j.id[1], VERDICT_ABSTAIN, 0);
    run_ms(100, true, false);
    assert_int_equal(j.questions, 3); // an abstention is no label
    judge_answer(&j, j.id[2], VERDICT_LABEL, 1);
    run_ms(100, true, false);
    play("One more.");
    run_ms(100, true, false);
    assert_int_equal(j.questions, 3);
}

static void credit_is_kept_and_shared_fairly(void **state)
{
    (void)state;
    j.credits = 2;
    join(&j);
    play(NULL);
    exchange();
    assert_int_equal(j.questions, 2);
    judge_answer(&j, j.id[0], VERDICT_LABEL, 1);
    exchange();
    exchange();
    assert_int_equal(j.questions, 2); // it keeps the answer until it is acknowledged
    run_ms(50, true, false);
    assert_int_equal(j.acks, 1);
    assert_int_equal(j.questions, 3);
    // A hello again keeps the leases: no more is asked than the credit.
    judge_hello(&j);
    play("Another.");
    exchange();
    assert_int_equal(j.questions, 3);
    join(&k);
    exchange();
    assert_int_equal(k.questions, 1);
    assert_int_equal(counters()->judges, 2);
}

static void the_most_visited_is_asked_first_and_the_oldest_now_and_then(void **state)
{
    char text[8][24];

    (void)state;
    for (int i = 0; i < 8; i++) { // later ones are visited more
        snprintf(text[i], sizeof(text[i]), "caption %d", i);
        for (int n = 0; n <= i; n++) {
            play(text[i]);
        }
    }
    j.credits = 1;
    join(&j);
    for (int i = 0; i < 9; i++) {
        judge_answer(&j, j.id[i], VERDICT_LABEL, 1);
        run_ms(50, true, false);
    }
    // Two of the sample's own come with each segment, and are the most visited.
    assert_string_equal(j.text[2], "caption 7");
    assert_string_equal(j.text[3], "caption 6");
    assert_string_equal(j.text[4], "caption 0"); // every fifth: longest waiting
    assert_string_equal(j.text[5], "caption 5");
}

static void a_stop_reaches_judges_and_answers_are_still_taken(void **state)
{
    (void)state;
    join(&j);
    play(NULL);
    exchange();
    twin_stop(&t);
    exchange();
    assert_int_equal(j.stops, 1);
    judge_answer(&j, j.id[0], VERDICT_LABEL, 1);
    run_ms(50, true, false);
    assert_int_equal(j.acks, 1);
    assert_int_equal(t.rank[0].labels, 1);
    judge_hello(&k); // too late
    exchange();
    assert_int_equal(k.stops, 1);
    assert_int_equal(k.welcomes, 0);
}

static void no_judge_costs_labels_but_no_steps(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        play(NULL);
    }
    assert_int_equal(a.next, 50);
    assert_int_equal(counters()->questions_queued, 3);
    assert_int_equal(counters()->questions_in_flight, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_caption_is_asked_once_and_its_label_reaches_training),
        TEST(a_reward_without_labels_asks_nothing),
        TEST(a_simulated_judge_is_told_the_truth),
        TEST(a_dead_judges_questions_are_asked_elsewhere_when_their_leases_end),
        TEST(a_judge_that_says_goodbye_leaves_its_questions_to_others_at_once),
        TEST(a_late_label_is_written_and_trains_only_if_its_key_has_none),
        TEST(an_answer_from_before_a_restart_still_finds_its_caption),
        TEST(an_unknown_answer_is_written_and_acknowledged),
        TEST(a_lost_acknowledgement_does_not_write_twice),
        TEST(failures_are_recorded_and_asked_again_later_refusals_never),
        TEST(a_failure_may_be_a_label_0_that_the_ledger_tells_from_one),
        TEST(captions_in_flight_may_be_asked_again_and_the_first_answer_trains),
        TEST(a_judge_that_has_no_time_is_asked_again_as_often_as_it_takes),
        TEST(what_the_ledger_knows_is_not_asked_again_after_a_restart),
        TEST(the_label_budget_is_kept),
        TEST(credit_is_kept_and_shared_fairly),
        TEST(the_most_visited_is_asked_first_and_the_oldest_now_and_then),
        TEST(a_stop_reaches_judges_and_answers_are_still_taken),
        TEST(no_judge_costs_labels_but_no_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
