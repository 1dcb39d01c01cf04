/* What a process that stands still for seconds loses of what it was sent: nothing. */

#include "tests/support/harness.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/wire/bus.h"

enum { FRAME_MOST = 1 << 16, STALL_MS = 5000, PATIENCE_MS = 120000 };

static pid_t child; // 0: none runs

static bool expect(struct bus_socket *s, const char *text, struct bus_peer *from)
{
    const uint64_t end = clock_ms(clock_system()) + PATIENCE_MS;
    struct bus_frame f = {0};
    bool came = false;

    while (!came && clock_ms(clock_system()) < end) {
        if (bus_receive(s, &f) == ST_OK) {
            came = bytes_equal(f.bytes, bytes_text(text));
            *from = f.peer;
        } else {
            (void)bus_wait(&s, 1, NULL, 0, NULL, 100);
        }
    }
    bus_frame_release(&f);
    return came;
}

/* The child: says hello where its parent listens, and answers one question. */
static int answer_one(int endpoint_fd)
{
    const struct bus_peer self = {.len = 5, .id = {'c', 'h', 'i', 'l', 'd'}};
    char endpoint[BUS_ENDPOINT_MAX] = "";
    struct bus_peer from;
    struct bus_socket *s;
    struct bus *bus = bus_new();

    if (read(endpoint_fd, endpoint, sizeof(endpoint) - 1) <= 0 ||
        bus_dial(bus, endpoint, &self, FRAME_MOST, &s) != ST_OK ||
        bus_send(s, NULL, bytes_text("hello")) != ST_OK ||
        !expect(s, "question", &from) ||
        bus_send(s, NULL, bytes_text("answer")) != ST_OK) {
        return 1;
    }
    const bool ended = expect(s, "end", &from);
    bus_close(s);
    bus_free(bus);
    return ended ? 0 : 1;
}

static void what_is_sent_to_one_that_stands_still_for_five_seconds_arrives(void **state)
{
    char endpoint[BUS_ENDPOINT_MAX];
    int pipes[2], status = 0;
    struct bus_peer peer;
    struct bus_socket *s;

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    child = fork(); // before there is a thread
    assert_true(child >= 0);
    if (child == 0) {
        _exit(answer_one(pipes[0]));
    }
    struct bus *bus = bus_new();
    assert_int_equal(
        bus_listen(bus, "127.0.0.1", 0, true, NULL, FRAME_MOST, &s, endpoint), ST_OK);
    assert_int_equal(write(pipes[1], endpoint, strlen(endpoint)), strlen(endpoint));
    assert_true(expect(s, "hello", &peer));
    assert_int_equal(kill(child, SIGSTOP), 0);
    clock_sleep_ms(STALL_MS);
    assert_int_equal(bus_send(s, &peer, bytes_text("question")), ST_OK);
    assert_int_equal(kill(child, SIGCONT), 0);
    assert_true(expect(s, "answer", &peer));
    assert_int_equal(bus_send(s, &peer, bytes_text("end")), ST_OK);
    assert_int_equal(waitpid(child, &status, 0), child);
    child = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    bus_close(s);
    bus_free(bus);
    close(pipes[0]);
    close(pipes[1]);
}

static int end_child(void **state)
{
    (void)state;
    harness_kill(&child);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            what_is_sent_to_one_that_stands_still_for_five_seconds_arrives, end_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
