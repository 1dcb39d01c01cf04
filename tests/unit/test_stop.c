/* Facts about the wish to stop. */
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "common/base/stop.h"
#include "tests/support/harness.h"

static int open_anew(void **state)
{
    (void)state;
    stop_open();
    return 0;
}

static void nothing_is_asked_at_first(void **state)
{
    struct pollfd p = {.fd = stop_fd(), .events = POLLIN};

    (void)state;
    assert_int_equal(poll(&p, 1, 0), 0);
    stop_poll();
    assert_false(stop_asked());
    assert_false(stop_at_once());
}

static void the_first_signal_asks_and_the_second_hurries(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGUSR1};
    struct pollfd p = {.fd = stop_fd(), .events = POLLIN};

    (void)state;
    for (int i = 0; i < 3; i++) {
        stop_open();
        kill(getpid(), signals[i]);
        assert_int_equal(poll(&p, 1, 1000), 1);
        stop_poll();
        assert_true(stop_asked());
        assert_false(stop_at_once());
        kill(getpid(), SIGUSR1); // never hurries
        stop_poll();
        assert_false(stop_at_once());
        kill(getpid(), SIGTERM);
        stop_poll();
        assert_true(stop_at_once());
    }
}

static void two_interrupts_hurry(void **state)
{
    (void)state;
    kill(getpid(), SIGINT);
    stop_poll();
    assert_false(stop_at_once());
    kill(getpid(), SIGINT);
    stop_poll();
    assert_true(stop_at_once());
}

static void a_signal_after_a_message_does_not_hurry(void **state)
{
    (void)state;
    stop_ask();
    assert_true(stop_asked());
    kill(getpid(), SIGINT);
    stop_poll();
    assert_false(stop_at_once());
    kill(getpid(), SIGINT);
    stop_poll();
    assert_true(stop_at_once());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_asked_at_first, open_anew),
        cmocka_unit_test_setup(the_first_signal_asks_and_the_second_hurries, open_anew),
        cmocka_unit_test_setup(two_interrupts_hurry, open_anew),
        cmocka_unit_test_setup(a_signal_after_a_message_does_not_hurry, open_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
