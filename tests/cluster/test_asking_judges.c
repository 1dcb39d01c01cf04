/* Rank 0 and judges that differ: slow ones, pausing ones, failing ones, unfit ones; budgets
 * and what is asked a second time. */

#include "tests/support/rank_twin.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"

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

static void exchange(void)
{
    twin_poll(&t);
    judge_poll(&j);
    judge_poll(&k);
    actor_poll(&a);
}

static void run_ms(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 500) {
        if (j.number != 0) {
            judge_bare(&j, FRAME_BEAT);
        }
        if (k.number != 0) {
            judge_bare(&k, FRAME_BEAT);
        }
        twin_run_ms(&t, ms - i < 500 ? ms - i : 500);
        exchange();
    }
}

static void join(struct twin_judge *judge)
{
    judge_hello(judge);
    exchange();
    exchange();
}

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
    run_ms(250);
    return &t.rank[0].counters;
}

/* Answers what the judge was asked since `*from` and at least `after_ms` ago. */
struct script {
    struct twin_judge *judge;
    int answered;
    uint64_t asked_ms[TWIN_LABELS];
    int seen;
    uint64_t after_ms;
};

static void answer_due(struct script *s, float p)
{
    for (; s->seen < s->judge->questions; s->seen++) {
        s->asked_ms[s->seen] = clock_ms(&t.clock);
    }
    while (s->answered < s->seen &&
           clock_ms(&t.clock) - s->asked_ms[s->answered] >= s->after_ms) {
        judge_answer(s->judge, s->judge->id[s->answered++], VERDICT_LABEL, p);
    }
}

/* ---- speed ---- */

/* j answers within 0.1 s, k after 3 s; both may hold 8. There is always more to ask than
 * both can take, and now and then more of a kind that nobody has heard of than j can hold. */
static void a_slow_judge_gets_its_part_and_never_the_most_urgent(void **state)
{
    static struct script fast, slow;
    static char urgent[512][16];
    char text[64];
    int urgent_to_slow = 0, urgent_to_fast = 0, told = 0;

    (void)state;
    fast = (struct script){.judge = &j, .after_ms = 100};
    slow = (struct script){.judge = &k, .after_ms = 3000};
    j.credits = k.credits = 8;
    j.deadline_ms = k.deadline_ms = 10000;
    for (int i = 0; i < 300; i++) { // with letters: else they were one form
        snprintf(text, sizeof(text), "ordinary %d", i);
        play(text);
    }
    join(&j);
    join(&k);
    for (int step = 0; step < 300; step++) { // 30 s
        run_ms(100);
        answer_due(&fast, 0);
        answer_due(&slow, 0);
        exchange();
        for (int n = 0; n < 6; n++) {
            snprintf(text, sizeof(text), "ordinary %d", 1000 + 10 * step + n);
            play(text);
        }
        for (int n = 0; step >= 100 && step % 8 == 0 && n < 16; n++) {
            static const char marks[] = ".,:;!?()";
            snprintf(urgent[told], sizeof(urgent[told]), "urgent%c%c%c%c",
                     marks[told / 512], marks[told / 64 % 8], marks[told / 8 % 8],
                     marks[told % 8]);
            play(urgent[told++]);
        }
    }
    for (int u = 0; u < told; u++) {
        for (int i = 0; i < k.questions; i++) {
            urgent_to_slow += strcmp(k.text[i], urgent[u]) == 0;
        }
        for (int i = 0; i < j.questions; i++) {
            urgent_to_fast += strcmp(j.text[i], urgent[u]) == 0;
        }
    }
    assert_int_equal(told, 400);
    assert_int_equal(urgent_to_slow, 0);
    assert_in_range(urgent_to_fast, 380, 400);
    // k could answer 8 in 3 s, j 8 in 0.1 s and a little.
    assert_in_range(slow.answered, 40, 80);
    assert_true(fast.answered > 10 * slow.answered);
    const struct io_counters *c = counters();
    assert_int_equal(c->questions_duplicate, 0);
    assert_int_equal(c->questions_expired, 0);
}

/* Both have room for all of it. */
static void what_few_wait_is_shared_by_speed(void **state)
{
    static struct script fast, slow;
    char text[64];

    (void)state;
    fast = (struct script){.judge = &j, .after_ms = 200};
    slow = (struct script){.judge = &k, .after_ms = 600};
    j.credits = k.credits = 64;
    j.deadline_ms = k.deadline_ms = 10000;
    join(&j);
    join(&k);
    for (int step = 0; step < 600; step++) {
        for (int n = 0; n < 2; n++) {
            snprintf(text, sizeof(text), "ordinary %d", 10 * step + n);
            play(text);
        }
        run_ms(20);
        answer_due(&fast, 0);
        answer_due(&slow, 0);
        exchange();
    }
    // Three times as fast, three times as many.
    assert_in_range(j.questions, 2 * k.questions, 4 * k.questions);
    const struct io_counters *c = counters();
    assert_int_equal(c->judges_told, 1); // of one name: one judge, two processes
    assert_true(c->judge[0].per_s > 5);
}

/* Three answers in 40 ms, and then nothing more to ask. */
static void a_fast_judge_with_few_questions_has_a_speed_too(void **state)
{
    (void)state;
    join(&j);
    play(NULL);
    exchange();
    assert_int_equal(j.questions, 3);
    twin_run_ms(&t, 20);
    for (int i = 0; i < 3; i++) {
        judge_answer(&j, j.id[i], VERDICT_LABEL, 1);
    }
    twin_run_ms(&t, 40);
    exchange();
    assert_int_equal(counters()->labels, 3);
    assert_in_range((uintmax_t)counters()->judge[0].per_s, 20, 150);
    run_ms(60000);
    assert_in_range((uintmax_t)counters()->judge[0].per_s, 20, 150);
}

/* It says that it wants 32, and answers one after the other, ten a second, within 1 s. */
static void a_judge_that_wants_more_than_it_can_answer_in_time_gets_fewer(void **state)
{
    static uint64_t asked_ms[TWIN_LABELS];
    int seen = 0, answered = 0, timeouts = 0, timeouts_before = 0;
    char text[64];

    (void)state;
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof(text), "ordinary %d", i);
        play(text);
    }
    j.credits = 32;
    join(&j);
    for (int step = 0; step < 200; step++) {
        for (; seen < j.questions; seen++) {
            asked_ms[seen] = clock_ms(&t.clock);
        }
        while (answered < seen && clock_ms(&t.clock) - asked_ms[answered] >= 1000) {
            judge_answer(&j, j.id[answered++], VERDICT_TIMEOUT, 0);
            timeouts++;
        }
        if (answered < seen) {
            judge_answer(&j, j.id[answered++], VERDICT_LABEL, 0);
        }
        timeouts_before = step == 100 ? timeouts : timeouts_before;
        run_ms(100);
    }
    assert_true(timeouts > 20); // of the first 32
    assert_in_range(timeouts - timeouts_before, 0, 20);
    assert_in_range(seen - answered, 1, 12);
}

/* Many at a time, each of which takes nearly all of its deadline. */
static void a_judge_that_takes_long_over_many_keeps_them(void **state)
{
    static struct script slow;
    char text[64];

    (void)state;
    for (int i = 0; i < 600; i++) {
        snprintf(text, sizeof(text), "ordinary %d", i);
        play(text);
    }
    slow = (struct script){.judge = &j, .after_ms = 900};
    j.credits = 16;
    join(&j);
    for (int step = 0; step < 200; step++) {
        run_ms(100);
        answer_due(&slow, 0);
        if (step % 10 == 9 && slow.answered < slow.seen) { // one in 16 fails
            judge_answer(&j, j.id[slow.answered++], VERDICT_TIMEOUT, 0);
        }
        exchange();
    }
    assert_true(slow.answered > 250); // 16 a second, and a little
}

/* ---- judges that want nothing, or cannot ---- */

static void a_judge_that_pauses_gets_nothing_and_is_not_gone(void **state)
{
    (void)state;
    j.credits = 0;
    join(&j);
    assert_int_equal(j.welcomes, 1);
    play(NULL);
    run_ms(8000);
    assert_int_equal(j.questions, 0);
    const struct io_counters *c = counters();
    assert_int_equal(c->judges, 1);
    assert_int_equal(c->asking, IO_ASKING_PAUSED);
    assert_int_equal(c->questions_queued, 3);
    j.credits = 64; // says hello again
    judge_hello(&j);
    run_ms(50);
    assert_int_equal(j.questions, 3);
    assert_int_equal(counters()->asking, IO_ASKING_ON);
    // It pauses with questions in hand: they are answered all the same.
    j.credits = 0;
    judge_hello(&j);
    play("Another.");
    for (int i = 0; i < 3; i++) {
        judge_answer(&j, j.id[i], VERDICT_LABEL, 1);
    }
    run_ms(50);
    assert_int_equal(j.questions, 3);
    assert_int_equal(counters()->labels, 3);
}

static enum io_asking paused(enum judge_pause of_j, enum judge_pause of_k)
{
    j.credits = k.credits = 0;
    j.pause = of_j;
    k.pause = of_k;
    judge_hello(&j);
    judge_hello(&k);
    return (enum io_asking)counters()->asking;
}

/* Where one waits for less than the other, that is what the run waits for. */
static void the_run_says_what_its_judges_wait_for(void **state)
{
    (void)state;
    join(&j);
    join(&k);
    assert_int_equal(paused(PAUSE_BUDGET, PAUSE_BUDGET), IO_ASKING_JUDGES_BUDGET);
    assert_int_equal(paused(PAUSE_BUDGET, PAUSE_BUDGET_HOUR), IO_ASKING_JUDGES_HOUR);
    assert_int_equal(paused(PAUSE_SERVER, PAUSE_BUDGET_HOUR), IO_ASKING_SERVER);
    assert_int_equal(paused(PAUSE_BUDGET, PAUSE_UNSAID), IO_ASKING_PAUSED);
    k.credits = 64;
    judge_hello(&k);
    assert_int_equal(counters()->asking, IO_ASKING_ON);
    // Who has gone is not waited for.
    assert_int_equal(paused(PAUSE_BUDGET, PAUSE_SERVER), IO_ASKING_SERVER);
    judge_bare(&k, FRAME_GOODBYE);
    k.number = 0;
    assert_int_equal(counters()->asking, IO_ASKING_JUDGES_BUDGET);
}

static void a_judge_that_cannot_give_what_the_reward_needs_is_refused(void **state)
{
    (void)state;
    j.name = "pairwise";
    j.only_orders = true;
    join(&j);
    assert_int_equal(j.welcomes, 0);
    assert_int_equal(j.refusals, 1);
    assert_true(j.final);
    assert_non_null(strstr(j.reason, "retrieval"));
    assert_non_null(strstr(j.reason, "pairwise"));
    play(NULL);
    run_ms(1000);
    assert_int_equal(j.questions, 0);
    assert_int_equal(counters()->judges, 0);
    assert_int_equal(t.rank[0].counters.asking, IO_ASKING_NOBODY);
}

/* The prompt shows only after the welcome that it compares pairs. */
static void
one_that_turns_out_unfit_is_refused_and_its_questions_go_elsewhere(void **state)
{
    (void)state;
    join(&j);
    play(NULL);
    exchange();
    assert_int_equal(j.questions, 3);
    j.only_orders = true;
    judge_hello(&j);
    exchange();
    assert_int_equal(j.refusals, 1);
    assert_true(j.final);
    j.number = 0; // it ends
    join(&k);
    run_ms(7000);
    assert_int_equal(k.questions, 3);
    assert_int_equal(counters()->questions_duplicate, 0);
}

/* ---- budgets ---- */

static void an_hours_budget_pauses_the_questions_and_survives_a_restart(void **state)
{
    (void)state;
    twin_end(&t);
    t.label_budget_hour = 2;
    twin_start(&t);
    join(&j);
    play(NULL);
    exchange();
    assert_int_equal(j.questions, 2); // reserved before they are sent
    judge_answer(&j, j.id[0], VERDICT_LABEL, 1);
    judge_answer(&j, j.id[1], VERDICT_LABEL, 1);
    run_ms(100);
    assert_int_equal(j.questions, 2);
    assert_int_equal(counters()->asking, IO_ASKING_BUDGET_HOUR);
    twin_end(&t);
    twin_start(&t);
    judge_hello(&j);
    exchange();
    run_ms(60000);
    assert_int_equal(j.questions, 2);
    assert_int_equal(counters()->asking, IO_ASKING_BUDGET_HOUR);
    for (int i = 0; i < 62; i++) {
        run_ms(60000);
    }
    assert_string_equal(j.text[2], j.text[j.questions - 1]); // again with each lease
    assert_true(j.questions > 2);
}

static void a_spent_budget_is_a_state(void **state)
{
    (void)state;
    twin_end(&t);
    t.label_budget = 1;
    twin_start(&t);
    join(&j);
    play(NULL);
    exchange();
    assert_int_equal(j.questions, 1);
    assert_int_equal(counters()->asking, IO_ASKING_ON);
    judge_answer(&j, j.id[0], VERDICT_LABEL, 1);
    run_ms(100);
    assert_int_equal(counters()->asking, IO_ASKING_BUDGET);
    assert_int_equal(j.questions, 1);
}

/* ---- the same question a second time ---- */

static int trains, again;

static bool count_entry(void *ctx, const struct ledger_entry *e)
{
    (void)ctx;
    trains += e->trains;
    again += e->purpose == PURPOSE_CONSISTENCY;
    assert_true(!(e->trains && e->purpose == PURPOSE_CONSISTENCY));
    return true;
}

static void a_sample_of_labels_is_asked_again_and_trains_nothing(void **state)
{
    static bool answered[TWIN_LABELS];
    char text[64];
    int asked_again = 0, agreed = 0;

    (void)state;
    twin_end(&t);
    t.consistency_share = 0.1;
    twin_start(&t);
    memset(answered, 0, sizeof(answered));
    join(&j);
    for (int step = 0; step < 300; step++) {
        snprintf(text, sizeof(text), "ordinary %d", step);
        play(text);
        run_ms(500);
        for (int i = 0; i < j.questions; i++) {
            const bool is_again = j.purpose[i] == PURPOSE_CONSISTENCY;
            if (!answered[i]) {
                answered[i] = true;
                asked_again += is_again;
                agreed += is_again && asked_again % 4 != 0;
                judge_answer(&j, j.id[i], VERDICT_LABEL,
                             is_again && asked_again % 4 == 0 ? 0.25f : 0.75f);
            }
        }
    }
    assert_in_range(asked_again, 15, 45);
    const struct io_counters *c = counters();
    assert_int_equal(c->consistency_asked, asked_again);
    assert_int_equal(c->consistency_answered, asked_again);
    assert_int_equal(c->judge[0].again, asked_again);
    assert_int_equal(c->judge[0].labels, c->labels); // a check is none
    assert_int_equal(c->judge[0].agreed, agreed);
    assert_float_equal(c->judge[0].difference,
                       0.5 * (asked_again - agreed) / asked_again, 1e-6);
    assert_int_equal(c->questions_duplicate, 0);
    assert_int_equal(c->verdicts[VERDICT_LABEL], c->labels);
    assert_int_equal(t.rank[0].labels, c->labels);
    trains = again = 0;
    assert_int_equal(ledger_scan(t.rank[0].ledger, 1, 0, count_entry, NULL), ST_OK);
    assert_int_equal(again, asked_again);
    assert_int_equal(trains, c->labels);
}

/* ---- a restart ---- */

static void what_labels_told_of_a_form_survives_a_restart(void **state)
{
    char text[64];

    (void)state;
    join(&j);
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof(text), "ordinary %d", i);
        play(text);
    }
    run_ms(50);
    for (int i = 0; i < j.questions; i++) {
        judge_answer(&j, j.id[i], VERDICT_LABEL, 0);
    }
    run_ms(100);
    assert_int_equal(counters()->labels, 22); // with the two that come in each segment
    twin_checkpoint(&t);
    twin_end(&t);
    twin_start(&t);
    actor_join(&a, -1);
    play("ordinary 99");
    play("ordinary 100");
    play("Never heard!");
    k.credits = 1;
    join(&k);
    exchange();
    assert_int_equal(k.questions, 1);
    assert_string_equal(k.text[0], "Never heard!");
}

/* ---- failures ---- */

static void failures_raise_an_alarm_that_ends_when_they_do(void **state)
{
    char text[64];
    int answered = 0;
    bool seen = false;

    (void)state;
    join(&j);
    for (int step = 0; step < 400; step++) {
        snprintf(text, sizeof(text), "ordinary %d", step);
        play(text);
        for (; answered < j.questions; answered++) {
            const bool fails = step > 50 && step < 150 && answered % 2 == 0;
            judge_answer(&j, j.id[answered], fails ? VERDICT_REFUSED : VERDICT_LABEL,
                         1);
        }
        run_ms(20);
        seen = seen || t.rank[0].counters.alarm != 0;
        if (step == 140) {
            assert_int_equal(counters()->alarm, 1);
            assert_int_equal(t.rank[0].counters.failing_kind, VERDICT_REFUSED);
            assert_true(t.rank[0].counters.failing_share > 0.2);
        }
    }
    assert_true(seen);
    const struct io_counters *c = counters();
    assert_int_equal(c->alarm, 0);
    assert_int_equal(c->judge[0].failures, c->verdicts[VERDICT_REFUSED]);
    assert_int_equal(c->captions_given_up, c->verdicts[VERDICT_REFUSED]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static int lines_in(const char *text, const char *word)
{
    int n = 0;

    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        n++;
    }
    return n;
}

static void a_judge_whose_answers_cannot_be_read_is_named_ever_more_seldom(void **state)
{
    (void)state;
    join(&j);
    log_open("rank", 0, LOG_WARN_);
    harness_stderr_begin();
    judge_answer(&j, 7, VERDICT_LABEL, 5);
    exchange();
    for (int s = 0; s < 60; s++) {
        judge_answer(&j, 8, VERDICT_LABEL, 5);
        exchange();
        run_ms(1000);
    }
    const char *told = harness_stderr_end();
    log_open("rank", 0, LOG_ERROR_);
    assert_non_null(strstr(told, "dropped a frame from judge 1 (rule on host0): bad"));
    assert_null(strstr(told, ", 0 more"));
    assert_non_null(strstr(told, "more since the last line"));
    assert_in_range(lines_in(told, "INTAKE-BAD"), 4, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_slow_judge_gets_its_part_and_never_the_most_urgent),
        TEST(what_few_wait_is_shared_by_speed),
        TEST(a_fast_judge_with_few_questions_has_a_speed_too),
        TEST(a_judge_that_wants_more_than_it_can_answer_in_time_gets_fewer),
        TEST(a_judge_that_takes_long_over_many_keeps_them),
        TEST(a_judge_that_pauses_gets_nothing_and_is_not_gone),
        TEST(the_run_says_what_its_judges_wait_for),
        TEST(a_judge_whose_answers_cannot_be_read_is_named_ever_more_seldom),
        TEST(a_judge_that_cannot_give_what_the_reward_needs_is_refused),
        TEST(one_that_turns_out_unfit_is_refused_and_its_questions_go_elsewhere),
        TEST(an_hours_budget_pauses_the_questions_and_survives_a_restart),
        TEST(a_spent_budget_is_a_state),
        TEST(a_sample_of_labels_is_asked_again_and_trains_nothing),
        TEST(what_labels_told_of_a_form_survives_a_restart),
        TEST(failures_raise_an_alarm_that_ends_when_they_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
