#include "tests/support/harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "learner/intake/alarm.h"
#include "learner/intake/allowance.h"
#include "learner/intake/schedule.h"

enum { MOST = 256 };

static struct schedule *s;
static uint32_t numbers;

static int set_up(void **state)
{
    (void)state;
    s = schedule_new(MOST, 100);
    numbers = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    schedule_free(s);
    return 0;
}

/* Forms are told apart by letters here; a caption's number is what put() returns. */
static uint32_t form(const char *text)
{
    return schedule_form(s, bytes_text(text));
}

static uint32_t put(uint32_t of_form, uint64_t visits, uint64_t last)
{
    const struct schedule_item item = {numbers, of_form, visits, last};

    assert_int_equal(schedule_put(s, &item), SCHEDULE_NOBODY);
    return numbers++;
}

static uint32_t next(void)
{
    uint32_t number = UINT32_MAX;

    assert_true(schedule_next(s, &number));
    return number;
}

static void a_new_form_comes_before_new_fillings_of_known_ones(void **state)
{
    const uint32_t a = form("a"), b = form("b");

    (void)state;
    const uint32_t first = put(a, 1, 0);
    assert_int_equal(next(), first);
    const uint32_t filling = put(a, 1000, 0), other = put(b, 1, 0);
    assert_int_equal(next(), other); // a's question is under way
    assert_int_equal(next(), filling);
    // A question that brought no label leaves the form as new as it was.
    schedule_end(s, a);
    schedule_end(s, a);
    schedule_label(s, b, 1);
    schedule_end(s, b);
    const uint32_t again = put(a, 1, 0);
    put(b, 1000, 0);
    assert_int_equal(next(), again);
}

static void of_known_forms_the_uncertain_and_often_met_come_first(void **state)
{
    const uint32_t sure = form("sure"), mixed = form("mixed"), fresh = form("fresh");

    (void)state;
    for (int i = 0; i < 15; i++) { // one less than settled
        schedule_label(s, sure, 0);
        schedule_label(s, mixed, i % 2 == 0 ? 1.0f : 0.0f);
    }
    schedule_label(s, fresh, 1);
    // 4p(1-p): sure 0.22, mixed 1, fresh 0.89.
    const uint32_t w = put(sure, 4, 0), x = put(mixed, 3, 0), y = put(fresh, 2, 0),
                   z = put(sure, 20, 0);
    assert_int_equal(next(), z); // 4.4
    assert_int_equal(next(), x); // 3
    assert_int_equal(next(), y); // 1.8
    assert_int_equal(next(), w);
}

/* The reference's way: neither forms nor visits nor labels count. */
static void newest_first_asks_what_came_last_and_nothing_else_decides(void **state)
{
    const uint32_t a = form("a"), b = form("b");
    uint32_t number = 0;

    (void)state;
    schedule_newest_first(s);
    const uint32_t x = put(a, 1000, 0), y = put(a, 1, 1), z = put(b, 1, 2);
    const struct schedule_item again = {x, a, 1000, 2}; // it comes again
    assert_int_equal(schedule_put(s, &again), SCHEDULE_NOBODY);
    assert_int_equal(next(), x);
    assert_true(schedule_longest(s, 0, &number)); // slow judges, too
    assert_int_equal(number, z);
    assert_int_equal(next(), y);
    for (uint32_t i = 0, first = numbers; i < 10; i++) {
        for (int k = 0; i == 0 && k < 10; k++) {
            put(b, 1, 3);
        }
        assert_int_equal(next(), first + 9 - i); // every fifth as well
    }
    assert_false(schedule_next(s, &number));
}

static void what_has_not_come_for_long_is_less_urgent(void **state)
{
    const uint32_t a = form("a"), b = form("b"), c = form("c");

    (void)state;
    const uint32_t old = put(a, 12, 0), young = put(b, 5, 100), mid = put(c, 4, 100);
    assert_int_equal(next(), old); // 12/2 against 5
    assert_int_equal(next(), young);
    assert_int_equal(next(), mid);
}

static void questions_under_way_share_their_forms_uncertainty(void **state)
{
    const uint32_t a = form("a"), b = form("b");

    (void)state;
    schedule_label(s, a, 1);
    schedule_label(s, b, 1);
    for (int i = 0; i < 3; i++) {
        put(a, 12, 0);
    }
    const uint32_t other = put(b, 5, 0);
    (void)next(); // a: 12, then 12/2, then 12/3 against 5
    (void)next();
    assert_int_equal(next(), other);
}

static void each_fifth_goes_to_the_longest_waiting(void **state)
{
    (void)state;
    const uint32_t a = form("a");
    schedule_label(s, a, 1);
    const uint32_t rare = put(a, 1, 0);
    for (int i = 0; i < 10; i++) {
        put(a, 10, 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_true(next() != rare);
    }
    assert_int_equal(next(), rare);
}

static void what_came_once_of_a_settled_form_is_asked_last(void **state)
{
    const uint32_t novelty = form("novelty"), known = form("known");
    uint32_t number;

    (void)state;
    for (int i = 0; i < SCHEDULE_SETTLED; i++) {
        schedule_label(s, novelty, 0);
        schedule_label(s, known, i % 2 == 0 ? 1.0f : 0.0f);
    }
    const uint32_t once = put(novelty, 1, 1000000), twice = put(novelty, 2, 0);
    for (int i = 0; i < 6; i++) {
        put(known, 1, 0);
        assert_true(schedule_longest(s, 0, &number)); // even by waiting
        assert_true(i == 0 ? number == twice : number != once);
        put(known, 1, 0);
        assert_true(next() != once);
    }
    while (schedule_count(s) > 1) {
        assert_true(next() != once);
    }
    assert_int_equal(next(), once);
    // It comes again: it is an ordinary filling now.
    struct schedule_item item = {numbers++, novelty, 1, 0};
    (void)schedule_put(s, &item);
    assert_true(schedule_longest(s, 0, &number));
    (void)schedule_put(s, &item);
    item.visits = 2;
    (void)schedule_put(s, &item);
    const uint32_t later = put(known, 1, 0);
    assert_true(schedule_longest(s, 0, &number));
    assert_int_equal(number, item.number);
    assert_int_equal(next(), later);
    assert_false(schedule_next(s, &number));
}

static void
one_that_takes_long_leaves_what_matters_where_little_of_it_waits(void **state)
{
    const uint32_t novelty = form("novelty"), known = form("known");
    uint32_t number;

    (void)state;
    for (int i = 0; i < SCHEDULE_SETTLED; i++) {
        schedule_label(s, novelty, 0);
    }
    const uint32_t once = put(novelty, 1, 0), other = put(known, 1, 0);
    assert_true(schedule_longest(s, 1, &number));
    assert_int_equal(number, once);
    const uint32_t more = put(novelty, 1, 0);
    assert_true(schedule_longest(s, 0, &number));
    assert_int_equal(number, other);
    assert_true(schedule_longest(s, 0, &number));
    assert_int_equal(number, more);
    assert_false(schedule_longest(s, 0, &number));
}

/* Novelty of one form takes an eighth of the room, its newest; the others stay. */
static void novelty_does_not_fill_the_room(void **state)
{
    const uint32_t novelty = form("novelty");
    uint32_t others[20], dropped = 0, number;
    char text[16];

    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof(text), "kind %c", 'a' + i);
        others[i] = put(form(text), 1, 0);
    }
    for (uint32_t i = 0; i < 100000; i++) {
        const struct schedule_item item = {1000 + i, novelty, 1, i / 100};
        const uint32_t gone = schedule_put(s, &item);
        dropped += gone != SCHEDULE_NOBODY;
        assert_true(gone == SCHEDULE_NOBODY || gone >= 1000);
    }
    assert_int_equal(schedule_count(s), 20 + MOST / 8 + 1);
    assert_int_equal(dropped, 100000 - MOST / 8 - 1);
    for (int i = 0; i < 20; i++) {
        assert_true(schedule_remove(s, others[i]));
        assert_false(schedule_remove(s, others[i]));
    }
    assert_true(schedule_next(s, &number));
    assert_true(number > 1000 + 100000 - MOST / 8 - 2); // the newest were kept
}

static void a_full_room_lets_the_longest_waiting_go(void **state)
{
    char text[16];
    uint32_t gone = SCHEDULE_NOBODY;

    (void)state;
    for (int i = 0; i < MOST; i++) {
        static const char marks[] = ".,:;!?()";
        snprintf(text, sizeof(text), "%c%c%c", marks[i / 64], marks[i / 8 % 8],
                 marks[i % 8]);
        put(form(text), 1, 0);
    }
    const struct schedule_item item = {numbers, form("new"), 1, 0};
    gone = schedule_put(s, &item);
    assert_int_equal(gone, 0);
    assert_int_equal(schedule_count(s), MOST);
}

/* Beside a list that is searched: nothing is lost, nothing comes twice, and the order
 * within a form is by often, then key. */
static void any_mixture_of_calls_keeps_every_caption_once(void **state)
{
    enum { NUMBERS = 600, FORMS = 9 };
    static bool waits[NUMBERS];
    uint32_t of_form[FORMS], count = 0, number;
    struct rng rng;
    char text[8];

    (void)state;
    rng_init(&rng, 4);
    memset(waits, 0, sizeof(waits));
    for (int i = 0; i < FORMS; i++) {
        snprintf(text, sizeof(text), "f %c", 'a' + i);
        of_form[i] = form(text);
    }
    const uint64_t allocations = mem_allocations();
    for (uint64_t turn = 0; turn < 200000; turn++) {
        const uint32_t n = rng_below(&rng, NUMBERS), what = rng_below(&rng, 10);
        const uint32_t f = of_form[n % FORMS];
        if (what < 6) {
            const struct schedule_item item = {n, f, 1 + rng_below(&rng, 4),
                                               turn / 1000};
            const uint32_t gone = schedule_put(s, &item);
            if (gone != SCHEDULE_NOBODY) {
                assert_true(waits[gone]);
                waits[gone] = false;
                count--;
            }
            count += !waits[n];
            waits[n] = true;
        } else if (what < 8) {
            const bool got =
                what == 6 ? schedule_next(s, &number) : schedule_longest(s, 0, &number);
            assert_int_equal(got, count > 0);
            if (got) {
                assert_true(waits[number]);
                waits[number] = false;
                count--;
                schedule_end(s, of_form[number % FORMS]);
                if (what == 6 && turn % 3 == 0) {
                    schedule_label(s, of_form[number % FORMS],
                                   number % FORMS < 3 ? 0.0f : 1.0f);
                }
            }
        } else if (what == 8) {
            assert_int_equal(schedule_remove(s, n), waits[n]);
            count -= waits[n];
            waits[n] = false;
        } else {
            schedule_label(s, f, rng_float(&rng));
        }
        assert_int_equal(schedule_count(s), count);
    }
    // What is needed to find numbers by doubles now and then; nothing else allocates.
    assert_true(mem_allocations() - allocations <= 1);
}

/* ---- beside it: budgets and the alarm ---- */

static void a_budget_of_an_hour_comes_back_as_the_hour_moves_on(void **state)
{
    struct allowance a;
    const uint64_t minute = 60000;

    (void)state;
    allowance_init(&a, 100, 10);
    assert_int_equal(allowance_left(&a, 0, 0), 10);
    for (int i = 0; i < 6; i++) {
        allowance_add(&a, 5 * minute, 0);
    }
    assert_int_equal(allowance_left(&a, 5 * minute, 3), 1); // three are under way
    for (int i = 0; i < 4; i++) {
        allowance_add(&a, 30 * minute, 0);
    }
    assert_int_equal(allowance_left(&a, 64 * minute, 0), 0);
    assert_true(allowance_hour_is_spent(&a));
    assert_int_equal(allowance_left(&a, 67 * minute, 0), 6);
    assert_false(allowance_hour_is_spent(&a));
    assert_int_equal(allowance_left(&a, 1000 * minute, 0), 10);
    // What the ledger says was given some time ago counts as long as it is an hour.
    allowance_add(&a, 1000 * minute, 20 * minute);
    allowance_add(&a, 1000 * minute, 61 * minute);
    assert_int_equal(allowance_left(&a, 1000 * minute, 0), 9);
    assert_int_equal(allowance_left(&a, 1042 * minute, 0), 10);
    allowance_init(&a, 12, 0);
    for (int i = 0; i < 12; i++) {
        assert_false(allowance_is_spent(&a));
        assert_int_equal(allowance_left(&a, (uint64_t)i * 90 * minute, 2),
                         i < 10 ? 10 - i : 0);
        allowance_add(&a, (uint64_t)i * 90 * minute, 0);
    }
    assert_true(allowance_is_spent(&a));
    assert_int_equal(allowance_left(&a, 5000 * minute, 0), 0);
}

static void an_alarm_is_raised_above_the_limit_and_ends_below_half_of_it(void **state)
{
    struct alarm a;
    int raised = 0;

    (void)state;
    alarm_init(&a, 0.2);
    for (int i = 0; i < 10; i++) { // too few to tell
        assert_false(alarm_add(&a, VERDICT_TIMEOUT));
    }
    for (int i = 0; i < 190; i++) {
        raised += alarm_add(&a, i < 5 ? VERDICT_ABSTAIN : VERDICT_LABEL);
    }
    assert_true(raised == 1 && !a.raised); // 10 of 20, then 10 of 200
    assert_float_equal(alarm_share(&a), 0.05, 1e-9);
    for (int i = 0; i < 100; i++) {
        raised += alarm_add(&a, i % 2 == 0 ? VERDICT_REFUSED : VERDICT_LABEL);
    }
    assert_int_equal(raised, 2);
    assert_int_equal(alarm_worst(&a), VERDICT_REFUSED);
    for (int i = 0; i < 170; i++) {
        (void)alarm_add(&a, VERDICT_LABEL);
    }
    assert_false(a.raised);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_form_comes_before_new_fillings_of_known_ones),
        TEST(of_known_forms_the_uncertain_and_often_met_come_first),
        TEST(newest_first_asks_what_came_last_and_nothing_else_decides),
        TEST(what_has_not_come_for_long_is_less_urgent),
        TEST(questions_under_way_share_their_forms_uncertainty),
        TEST(each_fifth_goes_to_the_longest_waiting),
        TEST(what_came_once_of_a_settled_form_is_asked_last),
        TEST(one_that_takes_long_leaves_what_matters_where_little_of_it_waits),
        TEST(novelty_does_not_fill_the_room),
        TEST(a_full_room_lets_the_longest_waiting_go),
        TEST(any_mixture_of_calls_keeps_every_caption_once),
        TEST(a_budget_of_an_hour_comes_back_as_the_hour_moves_on),
        TEST(an_alarm_is_raised_above_the_limit_and_ends_below_half_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
