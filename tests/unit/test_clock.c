/* Facts about clocks. */
#include <math.h>

#include "common/base/clock.h"
#include "tests/support/harness.h"

static void the_system_clock_never_goes_back(void **state)
{
    const struct clock *c = clock_system();
    uint64_t last = clock_ns(c);

    (void)state;
    for (int i = 0; i < 10000; i++) {
        const uint64_t now = clock_ns(c);
        assert_true(now >= last);
        last = now;
    }
}

static void a_turned_clock_moves_only_by_hand(void **state)
{
    struct clock c;

    (void)state;
    clock_init_manual(&c, 5000000);
    assert_int_equal(clock_ms(&c), 5);
    assert_int_equal(clock_ms(&c), 5);
    clock_turn_ms(&c, 1995);
    assert_int_equal(clock_ns(&c), 2000000000u);
    assert_true(fabs(clock_s(&c) - 2.0) < 1e-12);
}

static void a_sleep_lasts_at_least_as_long_as_asked(void **state)
{
    const struct clock *c = clock_system();
    const uint64_t before = clock_ns(c), cpu = clock_thread_cpu_ns();

    (void)state;
    clock_sleep_ms(20);
    assert_true(clock_ns(c) - before >= 20 * 1000000u);
    assert_true(clock_thread_cpu_ns() - cpu < 10 * 1000000u); // asleep, not spinning
}

static void work_moves_the_cpu_clocks(void **state)
{
    const uint64_t thread = clock_thread_cpu_ns(), process = clock_process_cpu_ns();
    volatile double x = 1;

    (void)state;
    for (int i = 0; i < 3000000; i++) {
        x = x * 1.0000001;
    }
    assert_true(clock_thread_cpu_ns() > thread + 1000000u);
    assert_true(clock_process_cpu_ns() > process + 1000000u);
}

static void calendar_time_is_of_this_century(void **state)
{
    (void)state;
    assert_true(clock_wall_ms() > 1600000000000u);
    assert_true(clock_wall_ms() < 4200000000000u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_system_clock_never_goes_back),
        cmocka_unit_test(a_turned_clock_moves_only_by_hand),
        cmocka_unit_test(a_sleep_lasts_at_least_as_long_as_asked),
        cmocka_unit_test(work_moves_the_cpu_clocks),
        cmocka_unit_test(calendar_time_is_of_this_century),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
