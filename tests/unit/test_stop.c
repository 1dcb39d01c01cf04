/* Facts about the wish to stop. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "common/base/clock.h"
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

/* As OpenBLAS's workers are: there before stop_open(), with nothing blocked. */
static void *older_thread(void *ready)
{
    sigset_t none;

    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    (void)!write(*(int *)ready, "x", 1);
    for (;;) {
        pause();
    }
    return NULL;
}

/* The older thread may take a signal away between the poll and the read, and send it
 * again: what the main loop sees is that it comes, not at which poll. */
static bool comes(bool (*what)(void))
{
    struct pollfd p = {.fd = stop_fd(), .events = POLLIN};
    const uint64_t end = clock_ms(clock_system()) + 30000;

    while (!what() && clock_ms(clock_system()) < end) {
        (void)poll(&p, 1, 100);
        stop_poll();
    }
    return what();
}

static void a_signal_that_an_older_thread_takes_asks_too(void **state)
{
    pthread_t thread;
    int ready[2];
    char x;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); // it delivers signals itself, and later: what is tried here is the kernel's way
#endif
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pthread_create(&thread, NULL, older_thread, &ready[1]), 0);
    assert_int_equal(read(ready[0], &x, 1), 1);
    for (int i = 0; i < 2; i++) { // once in its handler, once blocked there
        kill(getpid(), SIGTERM);
        assert_true(comes(i == 0 ? stop_asked : stop_at_once));
        assert_int_equal(stop_at_once(), i == 1);
    }
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    close(ready[0]);
    close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_asked_at_first, open_anew),
        cmocka_unit_test_setup(the_first_signal_asks_and_the_second_hurries, open_anew),
        cmocka_unit_test_setup(two_interrupts_hurry, open_anew),
        cmocka_unit_test_setup(a_signal_after_a_message_does_not_hurry, open_anew),
        cmocka_unit_test_setup(a_signal_that_an_older_thread_takes_asks_too, open_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
