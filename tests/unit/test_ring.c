/* Facts about the ring. The two-thread tests also run under the thread sanitizer. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include "common/base/ring.h"
#include "tests/support/harness.h"

enum { RECORDS = 1000000 };

struct record {
    uint64_t number, twice, thrice;
};

static bool is_readable(const struct ring *r)
{
    struct pollfd p = {.fd = ring_fd(r), .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static void records_come_out_in_order_until_empty(void **state)
{
    struct ring *r = ring_new(sizeof(int), 5); // rounded up to 8
    int v = 0;

    (void)state;
    assert_false(ring_pop(r, &v));
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 8; i++) {
            v = round * 8 + i;
            assert_true(ring_push(r, &v));
        }
        assert_false(ring_push(r, &v));
        assert_int_equal(ring_waiting(r), 8);
        for (int i = 0; i < 8; i++) {
            assert_true(ring_pop(r, &v));
            assert_int_equal(v, round * 8 + i);
        }
        assert_false(ring_pop(r, &v));
        assert_int_equal(ring_waiting(r), 0);
    }
    ring_free(r);
    ring_free(NULL);
}

static void the_fd_is_readable_when_a_sleeper_has_something_to_do(void **state)
{
    struct ring *r = ring_new(sizeof(int), 8);
    int v = 1;

    (void)state;
    assert_false(is_readable(r));
    assert_true(ring_push(r, &v)); // before the first pop, too
    assert_true(ring_push(r, &v));
    assert_true(is_readable(r));
    ring_clear_fd(r);
    assert_false(is_readable(r));
    while (ring_pop(r, &v)) {
    }
    assert_true(ring_push(r, &v));
    assert_true(is_readable(r));
    ring_free(r);
}

static void *push_all(void *arg)
{
    struct ring *r = arg;

    for (uint64_t i = 0; i < RECORDS; i++) {
        const struct record rec = {i, 2 * i, 3 * i};
        while (!ring_push(r, &rec)) {
            sched_yield();
        }
    }
    return NULL;
}

/* The consumer sleeps in poll() whenever the ring is empty, without a timeout that would
 * hide a lost wake-up: with one, this test would hang until ctest's limit. */
static void a_million_records_cross_two_threads_whole_and_in_order(void **state)
{
    struct ring *r = ring_new(sizeof(struct record), 64);
    struct pollfd p = {.fd = ring_fd(r), .events = POLLIN};
    struct record rec;
    uint64_t next = 0;
    pthread_t producer;

    (void)state;
    assert_int_equal(pthread_create(&producer, NULL, push_all, r), 0);
    while (next < RECORDS) {
        assert_int_equal(poll(&p, 1, -1), 1);
        ring_clear_fd(r);
        while (ring_pop(r, &rec)) {
            if (rec.number != next || rec.twice != 2 * next || rec.thrice != 3 * next) {
                fail_msg("record %lu came as %lu", next, rec.number);
            }
            next++;
        }
    }
    pthread_join(producer, NULL);
    assert_false(ring_pop(r, &rec));
    ring_free(r);
}

struct echo {
    struct ring *there, *back;
};

static void *echo_all(void *arg)
{
    struct echo *e = arg;
    struct pollfd p = {.fd = ring_fd(e->there), .events = POLLIN};
    uint64_t v = 0;

    while (v != RECORDS) {
        if (poll(&p, 1, -1) == 1) {
            ring_clear_fd(e->there);
        }
        while (ring_pop(e->there, &v)) {
            if (!ring_push(e->back, &v)) {
                return NULL;
            }
        }
    }
    return NULL;
}

/* One record in flight: both sides sleep for nearly every one, so every wake-up counts. */
static void no_wake_up_is_lost_when_both_sides_sleep_each_time(void **state)
{
    struct echo e = {ring_new(sizeof(uint64_t), 2), ring_new(sizeof(uint64_t), 2)};
    struct pollfd p = {.fd = ring_fd(e.back), .events = POLLIN};
    pthread_t other;
    uint64_t v;

    (void)state;
    assert_int_equal(pthread_create(&other, NULL, echo_all, &e), 0);
    for (uint64_t i = 0; i <= 10000; i++) {
        v = i < 10000 ? i : RECORDS; // the last word
        assert_true(ring_push(e.there, &v));
        const uint64_t sent = v;
        assert_int_equal(poll(&p, 1, -1), 1);
        ring_clear_fd(e.back);
        assert_true(ring_pop(e.back, &v));
        assert_int_equal(v, sent);
        assert_false(ring_pop(e.back, &v));
    }
    pthread_join(other, NULL);
    ring_free(e.there);
    ring_free(e.back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_out_in_order_until_empty),
        cmocka_unit_test(the_fd_is_readable_when_a_sleeper_has_something_to_do),
        cmocka_unit_test(a_million_records_cross_two_threads_whole_and_in_order),
        cmocka_unit_test(no_wake_up_is_lost_when_both_sides_sleep_each_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
