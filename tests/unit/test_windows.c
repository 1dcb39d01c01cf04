/* The index of trained segments: which of them a late label marks, which are drawn, which
 * grow too old. */

#include "tests/support/harness.h"

#include <string.h>

#include "common/base/mem.h"
#include "learner/train/windows.h"

enum { AGE = 50, PER = 4 /* segments an update */ };

static struct windows w;
static struct tallies t;
static struct window_segment out[1024];

static void open_with(bool uniform, uint64_t age, size_t room)
{
    const struct windows_options o = {.uniform = uniform, .age = age, .room = room};

    windows_init(&w, &o);
    memset(&t, 0, sizeof(t));
}

static int open_all(void **state)
{
    (void)state;
    open_with(false, AGE, (AGE + 1) * PER);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    windows_release(&w);
    return 0;
}

/* Updates first..last, PER segments each, numbered 1, 2, ... from update 0 on. */
static void train(uint64_t first, uint64_t last, uint64_t lag)
{
    for (uint64_t u = first; u <= last; u++) {
        for (uint64_t i = 0; i < PER; i++) {
            windows_add(&w, u * PER + i + 1, u - lag, u, &t);
        }
    }
}

static void label(int64_t delay, uint64_t update)
{
    windows_note(&w, delay);
    windows_mark(&w, update, &t);
}

static int draw(int want, uint64_t update)
{
    struct rng rng;

    rng_init(&rng, update);
    return windows_draw(&w, want, update, &rng, out, &t);
}

static uint64_t update_of(uint64_t serial)
{
    return (serial - 1) / PER;
}

static void nothing_is_drawn_before_a_label_came(void **state)
{
    (void)state;
    train(0, 20, 0);
    assert_int_equal(draw(8, 21), 0);
    label(-1, 20); // its caption was never met: there is no window
    assert_int_equal(draw(8, 21), 0);
    assert_true(t.replay.windows == 0 && t.replay.marked == 0);
}

static void a_label_marks_all_between_first_sight_and_arrival(void **state)
{
    bool seen[1024] = {false};

    (void)state;
    train(0, 20, 0);
    label(5, 20); // first seen at update 15
    assert_true(t.replay.windows == 1);
    assert_true(t.replay.window_segments == 6 * PER);
    assert_true(t.replay.marked == 6 * PER);
    assert_true(t.replay.window_aged == 0);
    train(21, 22, 0); // paid already
    assert_int_equal(draw(1000, 23), 6 * PER);
    for (int i = 0; i < 6 * PER; i++) {
        assert_in_range(update_of(out[i].serial), 15, 20);
        assert_int_equal(out[i].update, update_of(out[i].serial));
        assert_false(seen[out[i].serial]);
        seen[out[i].serial] = true;
    }
}

static void
a_label_within_the_update_that_met_its_caption_marks_that_update(void **state)
{
    (void)state;
    train(0, 3, 0);
    label(0, 3);
    assert_int_equal(draw(1000, 4), PER);
    assert_int_equal(update_of(out[0].serial), 3);
}

static void a_mark_is_used_up_by_one_draw(void **state)
{
    (void)state;
    train(0, 9, 0);
    label(1, 9);
    assert_int_equal(draw(3, 10), 3);
    assert_int_equal(draw(1000, 11), 2 * PER - 3);
    assert_int_equal(draw(1000, 12), 0);
    label(1, 9); // another label of the same window
    assert_int_equal(draw(1000, 12), 2 * PER);
    assert_true(t.replay.marked == 4 * PER);
}

static void two_windows_mark_a_segment_once_but_count_it_twice(void **state)
{
    (void)state;
    train(0, 9, 0);
    windows_note(&w, 2);
    windows_note(&w, 4);
    windows_mark(&w, 9, &t);
    assert_true(t.replay.windows == 2);
    assert_true(t.replay.window_segments == (3 + 5) * PER);
    assert_true(t.replay.marked == 5 * PER);
    assert_int_equal(draw(1000, 10), 5 * PER);
}

static void what_acted_with_weights_too_old_is_not_drawn(void **state)
{
    (void)state;
    train(10, 100, 10);
    label(90, 100);
    // lag = 100 - (u - 10) <= 50 holds from update 60 on
    assert_true(t.replay.window_segments == 91 * PER);
    assert_true(t.replay.marked == 41 * PER);
    assert_true(t.replay.window_aged == 50 * PER);
    assert_int_equal(draw(1000, 101), 40 * PER); // one update more
    assert_true(t.replay.aged == PER);
    for (int i = 0; i < 40 * PER; i++) {
        assert_in_range(101 - out[i].acted, 0, AGE);
    }
}

static void a_mark_that_grows_old_is_counted_once(void **state)
{
    (void)state;
    train(0, 30, 0);
    label(30, 30);
    train(31, 120, 0); // pushes all of them out
    assert_int_equal(draw(1000, 121), 0);
    assert_true(t.replay.aged == 31 * PER);
    assert_int_equal(draw(1000, 122), 0);
    assert_true(t.replay.aged == 31 * PER);
}

static void every_marked_segment_is_as_likely_as_any_other(void **state)
{
    enum { ROUNDS = 4000, MARKED = 10 * PER, WANT = 8 };
    int hits[MARKED] = {0};

    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct rng rng;
        windows_release(&w);
        open_with(false, AGE, (AGE + 1) * PER);
        train(0, 19, 0);
        label(9, 19);
        rng_init(&rng, round);
        assert_int_equal(windows_draw(&w, WANT, 20, &rng, out, &t), WANT);
        for (int i = 0; i < WANT; i++) {
            hits[out[i].serial - 1 - 10 * PER]++;
        }
    }
    // 800 expected, deviation 25
    for (int i = 0; i < MARKED; i++) {
        assert_in_range(hits[i], 675, 925);
    }
}

static void uniform_draws_from_all_that_is_young_again_and_again(void **state)
{
    (void)state;
    windows_release(&w);
    open_with(true, AGE, (AGE + 1) * PER);
    train(0, 100, 0);
    label(3, 100); // plays no part
    assert_true(t.replay.windows == 0);
    assert_int_equal(draw(1000, 101), 50 * PER);
    assert_int_equal(draw(1000, 101), 50 * PER);
    assert_true(t.replay.aged == 0);
}

static void segments_of_a_rolled_back_future_age_by_their_training(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < PER; i++) {
        windows_add(&w, i + 1, 1000, 10, &t);
    }
    label(0, 10);
    assert_int_equal(draw(1, 11), 1);
    assert_int_equal(out[0].acted, 10);
    assert_int_equal(draw(1000, 10 + AGE + 1), 0);
    assert_true(t.replay.aged == PER - 1);
}

static void a_window_without_end_is_counted_as_far_as_is_known(void **state)
{
    (void)state;
    train(0, WINDOWS_HISTORY + 99, 0);
    label(WINDOWS_HISTORY + 99, WINDOWS_HISTORY + 99);
    assert_true(t.replay.window_segments == (double)WINDOWS_HISTORY * PER);
    assert_true(t.replay.marked == 51 * PER);
}

static void updates_that_trained_nothing_here_count_nothing(void **state)
{
    (void)state;
    train(0, 1, 0);
    train(40, 41, 0);
    label(41, 41);
    assert_true(t.replay.window_segments == 4 * PER);
    train(WINDOWS_HISTORY + 100, WINDOWS_HISTORY + 100, 0);
    label(WINDOWS_HISTORY - 1, WINDOWS_HISTORY + 100);
    assert_true(t.replay.window_segments == 5 * PER);
}

static void it_goes_on_from_a_checkpoint_as_if_nothing_had_been(void **state)
{
    static struct window_segment want[1024];
    char *data;
    size_t len;

    (void)state;
    train(0, 300, 3);
    label(20, 300);
    assert_int_equal(draw(5, 301), 5);
    windows_write(&w, &data, &len);
    const int n = draw(7, 302);
    memcpy(want, out, sizeof(out));
    label(100, 300);
    const struct replay_tallies then = t.replay;
    windows_release(&w);
    open_with(false, AGE, (AGE + 1) * PER);
    assert_int_equal(windows_read(&w, bytes_of(data, len)), ST_OK);
    assert_int_equal(draw(7, 302), n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(out[i].serial, want[i].serial);
    }
    label(100, 300);
    assert_true(t.replay.window_segments == 101 * PER);
    assert_true(t.replay.window_aged <= then.window_aged);
    harness_stderr_begin();
    for (size_t cut = 0; cut < len; cut += 1 + len / 50) {
        assert_int_equal(windows_read(&w, bytes_of(data, cut)), ST_CORRUPT);
    }
    (void)harness_stderr_end();
    mem_free(data);
}

static void with_less_room_than_before_the_oldest_go(void **state)
{
    char *data;
    size_t len;

    (void)state;
    train(0, 50, 0);
    label(50, 50);
    windows_write(&w, &data, &len);
    windows_release(&w);
    open_with(false, 10, 11 * PER);
    assert_int_equal(windows_read(&w, bytes_of(data, len)), ST_OK);
    assert_int_equal(draw(1000, 51), 10 * PER);
    for (int i = 0; i < 10 * PER; i++) {
        assert_true(update_of(out[i].serial) >= 41);
    }
    mem_free(data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_drawn_before_a_label_came),
        TEST(a_label_marks_all_between_first_sight_and_arrival),
        TEST(a_label_within_the_update_that_met_its_caption_marks_that_update),
        TEST(a_mark_is_used_up_by_one_draw),
        TEST(two_windows_mark_a_segment_once_but_count_it_twice),
        TEST(what_acted_with_weights_too_old_is_not_drawn),
        TEST(a_mark_that_grows_old_is_counted_once),
        TEST(every_marked_segment_is_as_likely_as_any_other),
        TEST(uniform_draws_from_all_that_is_young_again_and_again),
        TEST(segments_of_a_rolled_back_future_age_by_their_training),
        TEST(a_window_without_end_is_counted_as_far_as_is_known),
        TEST(updates_that_trained_nothing_here_count_nothing),
        TEST(it_goes_on_from_a_checkpoint_as_if_nothing_had_been),
        TEST(with_less_room_than_before_the_oldest_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
