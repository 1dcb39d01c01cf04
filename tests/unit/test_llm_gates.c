/* What holds a language model's requests back: pauses, breaker, limits by the minute, and
 * how tokens are counted. Time comes in, so nothing here waits. */

#include <math.h>

#include "common/base/text.h"
#include "judge/backends/llm/backoff.h"
#include "judge/backends/llm/breaker.h"
#include "judge/backends/llm/pace.h"
#include "judge/backends/llm/tokens.h"
#include "tests/support/harness.h"

static void pauses_double_up_to_half_a_minute_and_are_drawn(void **state)
{
    struct rng rng;
    uint64_t least[12], most[12];

    (void)state;
    rng_init(&rng, 3);
    for (int attempt = 1; attempt < 12; attempt++) {
        least[attempt] = UINT64_MAX;
        most[attempt] = 0;
        for (int i = 0; i < 500; i++) {
            const uint64_t ms = backoff_ms(attempt, &rng);
            least[attempt] = ms < least[attempt] ? ms : least[attempt];
            most[attempt] = ms > most[attempt] ? ms : most[attempt];
        }
    }
    assert_in_range(least[1], 250, 270);
    assert_in_range(most[1], 480, 500);
    assert_in_range(most[2], 960, 1000);
    assert_in_range(most[11], 29000, 30000);
    assert_true(least[11] >= 15000);
}

static void retry_after_is_seconds_or_a_date_and_at_most_a_minute(void **state)
{
    const int64_t now = 784111777; // Sun, 06 Nov 1994 08:49:37 GMT
    static const struct {
        const char *value;
        bool ok;
        uint64_t ms;
    } cases[] = {
        {"0", true, 0},
        {"7", true, 7000},
        {"86400", true, 60000},
        {"99999999999999999999999", true, 60000},
        {"Sun, 06 Nov 1994 08:49:47 GMT", true, 10000},
        {"Sunday, 06-Nov-94 08:49:47 GMT", true, 10000},
        {"Sun Nov  6 08:49:47 1994", true, 10000},
        {"Mon, 07 Nov 1994 08:49:37 GMT", true, 60000}, // a day
        {"Sun, 06 Nov 1994 08:49:30 GMT", true, 0},     // passed
        {"", false, 0},
        {"-1", false, 0},
        {"7 s", false, 0},
        {"1.5", false, 0},
        {"soon", false, 0},
        {"Sun, 06 Nov 1994 08:49:47 GMT, or so", false, 0},
        {"Sun, 06 Now 1994 08:49:47 GMT", false, 0},
        {"Sun, 06 Nov 1994 28:49:47 GMT", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t ms = 0;
        assert_int_equal(backoff_retry_after(cases[i].value, now, &ms), cases[i].ok);
        assert_int_equal(ms, cases[i].ms);
    }
}

static void fail_times(struct breaker *b, int times, uint64_t now)
{
    for (int i = 0; i < times; i++) {
        assert_true(breaker_may_send(b, now));
        breaker_sent(b);
        breaker_failed(b, now, 0, false);
    }
}

static void
ten_failures_in_a_row_open_the_breaker_and_a_success_between_does_not(void **state)
{
    struct breaker b;

    (void)state;
    breaker_init(&b);
    fail_times(&b, 9, 1000);
    breaker_succeeded(&b);
    fail_times(&b, 9, 1000);
    assert_int_equal(breaker_look(&b, 1000), BREAKER_CLOSED);
    fail_times(&b, 1, 1000);
    assert_int_equal(breaker_look(&b, 1000), BREAKER_OPEN);
    assert_false(breaker_may_send(&b, 1000 + BREAKER_FIRST_MS - 1));
}

static void a_half_open_breaker_lets_one_probe_out_at_a_time(void **state)
{
    struct breaker b;
    uint64_t now = 1000;

    (void)state;
    breaker_init(&b);
    fail_times(&b, 10, now);
    now += BREAKER_FIRST_MS;
    assert_int_equal(breaker_look(&b, now), BREAKER_HALF_OPEN);
    assert_true(breaker_may_send(&b, now));
    breaker_sent(&b);
    assert_false(breaker_may_send(&b, now));
    breaker_succeeded(&b);
    assert_int_equal(breaker_look(&b, now), BREAKER_CLOSED);
    assert_true(breaker_may_send(&b, now));
}

static void each_probe_that_fails_doubles_the_pause_up_to_a_minute(void **state)
{
    struct breaker b;
    uint64_t now = 1000, pause = BREAKER_FIRST_MS;

    (void)state;
    breaker_init(&b);
    fail_times(&b, 10, now);
    for (int i = 0; i < 8; i++) {
        assert_false(breaker_may_send(&b, now + pause - 1));
        now += pause;
        fail_times(&b, 1, now);
        assert_int_equal(breaker_look(&b, now), BREAKER_OPEN);
        pause = pause * 2 < BREAKER_MOST_MS ? pause * 2 : BREAKER_MOST_MS;
    }
    assert_int_equal(pause, BREAKER_MOST_MS);
}

static void a_connection_that_is_refused_is_tried_again_soon(void **state)
{
    static const uint64_t pauses[] = {1000, 2000, 4000, 8000, 10000, 10000};
    struct breaker b;
    uint64_t now = 1000;

    (void)state;
    breaker_init(&b);
    fail_times(&b, 9, now);
    breaker_failed(&b, now, 0, true);
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        assert_false(breaker_may_send(&b, now + pauses[i] - 1));
        now += pauses[i];
        assert_true(breaker_may_send(&b, now));
        breaker_sent(&b);
        breaker_failed(&b, now, 0, true);
    }
    // One that answers wrongly again costs it something.
    now += 10000;
    fail_times(&b, 1, now);
    assert_false(breaker_may_send(&b, now + 20000 - 1));
    // And one that is away after that does not.
    now += 20000;
    assert_true(breaker_may_send(&b, now));
    breaker_sent(&b);
    breaker_failed(&b, now, 0, true);
    assert_true(breaker_may_send(&b, now + 10000));
}

static void a_pause_that_the_server_asks_for_is_kept(void **state)
{
    struct breaker b;

    (void)state;
    breaker_init(&b);
    fail_times(&b, 9, 1000);
    breaker_failed(&b, 1000, 40000, false);
    assert_false(breaker_may_send(&b, 40999));
    assert_true(breaker_may_send(&b, 41000));
}

static void what_was_sent_before_the_breaker_opened_does_not_move_it(void **state)
{
    struct breaker b;

    (void)state;
    breaker_init(&b);
    fail_times(&b, 10, 1000);
    for (int i = 0; i < 50; i++) {
        breaker_failed(&b, 3000, 0, false);
    }
    assert_true(breaker_may_send(&b, 1000 + BREAKER_FIRST_MS));
}

/* Sends whenever it may for five minutes; the most that any 60 s saw. */
static int busiest_minute(double rpm, double tpm, uint32_t tokens, int *in_all)
{
    enum { MOST = 20000, END_MS = 300000 };
    static uint64_t sent[MOST];
    struct pace p;
    int n = 0, busiest = 0;

    pace_init(&p, rpm, tpm, 0);
    for (uint64_t now = 0; now < END_MS; now += 5) {
        while (n < MOST && pace_wait_ms(&p, tokens, now) == 0) {
            pace_take(&p, tokens);
            sent[n++] = now;
        }
    }
    for (int i = 0, from = 0; i < n; i++) {
        while (sent[i] - sent[from] >= 60000) {
            from++;
        }
        busiest = i - from + 1 > busiest ? i - from + 1 : busiest;
    }
    *in_all = n;
    return busiest;
}

static void
no_minute_sees_more_requests_than_the_limit_and_most_see_nearly_as_many(void **state)
{
    static const double limits[] = {1, 6, 60, 600, 3000};
    int n;

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_true(busiest_minute(limits[i], 0, 100, &n) <= limits[i]);
        assert_true(n >= 5 * limits[i] * 0.88 - 1);
    }
}

static void no_minute_sees_more_tokens_than_the_limit(void **state)
{
    int n;

    (void)state;
    assert_true(busiest_minute(0, 60000, 100, &n) * 100 <= 60000);
    assert_true(n * 100 >= 5 * 60000 * 0.88);
    // One request above the bucket goes all the same, and is paid back after it.
    assert_true(busiest_minute(0, 1000, 900, &n) <= 2);
    assert_in_range(n, 3, 6);
}

static void tokens_that_were_not_used_come_back(void **state)
{
    struct pace p;

    (void)state;
    pace_init(&p, 0, 10000, 0);
    pace_take(&p, 1000);
    assert_true(pace_wait_ms(&p, 1000, 0) > 0);
    pace_settle(&p, 1000, 0);
    assert_int_equal(pace_wait_ms(&p, 1000, 0), 0);
}

static void how_many_may_go_within_a_time_follows_the_tighter_limit(void **state)
{
    struct pace p;

    (void)state;
    pace_init(&p, 0, 0, 0);
    assert_true(pace_within(&p, 700, 120000) > 1e9);
    pace_init(&p, 6, 0, 0);
    assert_in_range((int)pace_within(&p, 700, 120000), 10, 12);
    pace_init(&p, 600, 7000, 0);
    assert_in_range((int)pace_within(&p, 700, 120000), 17, 20);
    pace_init(&p, 1, 0, 0);
    assert_in_range((int)pace_within(&p, 700, 10000), 0, 0);
}

static void a_count_below_an_eighth_of_the_bytes_is_not_believed(void **state)
{
    struct tokens t = tokens_count(10, 2, 8000, 80);

    (void)state;
    assert_int_equal(t.in, 1000);
    assert_int_equal(t.out, 10);
    assert_false(t.estimated);
    t = tokens_count(2000, 30, 8000, 80);
    assert_int_equal(t.in, 2000);
    assert_int_equal(t.out, 30);
}

static void tokens_that_nobody_counts_are_a_third_of_the_bytes_and_say_so(void **state)
{
    const struct tokens t = tokens_count(-1, -1, 3000, 30);

    (void)state;
    assert_int_equal(t.in, 1000);
    assert_int_equal(t.out, 10);
    assert_true(t.estimated);
}

static void money_is_counted_in_millionths_rounded_up(void **state)
{
    const struct prices p = {.in = 0.15, .out = 0.6};

    (void)state;
    assert_int_equal(tokens_cost(&p, 1000000, 1000000), 750000);
    assert_int_equal(tokens_cost(&p, 1, 0), 1);
    assert_int_equal(tokens_cost(&p, 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double_up_to_half_a_minute_and_are_drawn),
        cmocka_unit_test(retry_after_is_seconds_or_a_date_and_at_most_a_minute),
        cmocka_unit_test(
            ten_failures_in_a_row_open_the_breaker_and_a_success_between_does_not),
        cmocka_unit_test(a_half_open_breaker_lets_one_probe_out_at_a_time),
        cmocka_unit_test(each_probe_that_fails_doubles_the_pause_up_to_a_minute),
        cmocka_unit_test(a_connection_that_is_refused_is_tried_again_soon),
        cmocka_unit_test(a_pause_that_the_server_asks_for_is_kept),
        cmocka_unit_test(what_was_sent_before_the_breaker_opened_does_not_move_it),
        cmocka_unit_test(
            no_minute_sees_more_requests_than_the_limit_and_most_see_nearly_as_many),
        cmocka_unit_test(no_minute_sees_more_tokens_than_the_limit),
        cmocka_unit_test(tokens_that_were_not_used_come_back),
        cmocka_unit_test(how_many_may_go_within_a_time_follows_the_tighter_limit),
        cmocka_unit_test(a_count_below_an_eighth_of_the_bytes_is_not_believed),
        cmocka_unit_test(tokens_that_nobody_counts_are_a_third_of_the_bytes_and_say_so),
        cmocka_unit_test(money_is_counted_in_millionths_rounded_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
