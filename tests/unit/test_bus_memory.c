/* What only the in-memory twin can do: faults, delays and cuts under a turned clock, the
 * same each time. */

#include "tests/support/harness.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/wire/bus.h"
#include "common/wire/frame.h"

enum { FRAME_MOST = 4096 };

static struct clock turned;
static struct bus *bus;
static struct bus_socket *listener, *dialler;
static char endpoint[BUS_ENDPOINT_MAX];

static struct bus_socket *dial_as(const char *name)
{
    struct bus_peer self = {.len = (uint8_t)strlen(name)};
    struct bus_socket *s;

    memcpy(self.id, name, self.len);
    assert_int_equal(bus_dial(bus, endpoint, &self, FRAME_MOST, &s), ST_OK);
    return s;
}

static struct bus_socket *listen_at(int port)
{
    struct bus_socket *s;

    assert_int_equal(
        bus_listen(bus, "127.0.0.1", port, true, NULL, FRAME_MOST, &s, endpoint),
        ST_OK);
    return s;
}

static int open_bus(void **state)
{
    (void)state;
    clock_init_manual(&turned, 1000000000u);
    bus = bus_new_memory(&turned);
    listener = listen_at(7340);
    dialler = dial_as("a");
    return 0;
}

static int close_bus(void **state)
{
    (void)state;
    bus_close(dialler);
    bus_close(listener);
    bus_free(bus);
    return 0;
}

static void send_kind(struct bus_socket *s, enum frame_kind kind, uint64_t seq)
{
    const struct frame_header h = {.kind = (uint8_t)kind, .seq = seq};
    uint8_t bytes[FRAME_HEADER];

    frame_write_header(&h, bytes);
    assert_int_equal(bus_send(s, NULL, bytes_of(bytes, sizeof(bytes))), ST_OK);
}

/* Receives all there is; returns how many, with their sequences. */
static int drain(struct bus_socket *s, uint64_t *seqs, int most)
{
    struct bus_frame f = {0};
    struct frame_header h;
    int n = 0;

    while (n < most && bus_receive(s, &f) == ST_OK) {
        assert_int_equal(frame_read_header(f.bytes, &h), ST_OK);
        seqs[n++] = h.seq;
    }
    bus_frame_release(&f);
    return n;
}

static void a_delayed_frame_comes_when_the_clock_has_turned(void **state)
{
    const struct bus_faults slow = {.delay_ms = 50};
    uint64_t seqs[4];

    (void)state;
    bus_memory_faults(bus, &slow);
    send_kind(dialler, FRAME_BEAT, 1);
    clock_turn_ms(&turned, 49);
    assert_false(bus_wait(&listener, 1, NULL, 0, NULL, 1000));
    assert_int_equal(drain(listener, seqs, 4), 0);
    clock_turn_ms(&turned, 1);
    assert_true(bus_wait(&listener, 1, NULL, 0, NULL, 1000));
    assert_int_equal(drain(listener, seqs, 4), 1);
}

static void a_delay_never_changes_the_order(void **state)
{
    const struct bus_faults slow = {.delay_ms = 50, .kind = FRAME_SEGMENT};
    uint64_t seqs[4];

    (void)state;
    bus_memory_faults(bus, &slow);
    send_kind(dialler, FRAME_SEGMENT, 1);
    send_kind(dialler, FRAME_BEAT, 2);
    assert_int_equal(drain(listener, seqs, 4), 0);
    clock_turn_ms(&turned, 50);
    assert_int_equal(drain(listener, seqs, 4), 2);
    assert_true(seqs[0] == 1 && seqs[1] == 2);
}

static void only_the_chosen_kind_is_lost_or_doubled(void **state)
{
    struct bus_faults f = {.lose = 1000, .kind = FRAME_SEGMENT};
    uint64_t seqs[8];

    (void)state;
    bus_memory_faults(bus, &f);
    send_kind(dialler, FRAME_SEGMENT, 1);
    send_kind(dialler, FRAME_BEAT, 2);
    assert_int_equal(drain(listener, seqs, 8), 1);
    assert_true(seqs[0] == 2);
    f = (struct bus_faults){.repeat = 1000, .kind = FRAME_SEGMENT};
    bus_memory_faults(bus, &f);
    send_kind(dialler, FRAME_SEGMENT, 3);
    send_kind(dialler, FRAME_BEAT, 4);
    assert_int_equal(drain(listener, seqs, 8), 3);
    assert_true(seqs[0] == 3 && seqs[1] == 3 && seqs[2] == 4);
}

static void the_same_frames_are_lost_each_time(void **state)
{
    const struct bus_faults f = {.lose = 300};
    uint64_t first[200], again[200];
    int n[2];

    for (int run = 0; run < 2; run++) {
        bus_memory_faults(bus, &f);
        for (uint64_t i = 0; i < 200; i++) {
            send_kind(dialler, FRAME_SEGMENT, i);
        }
        n[run] = drain(listener, run == 0 ? first : again, 200);
        close_bus(state);
        open_bus(state);
    }
    assert_in_range(n[0], 110, 170);
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(first, again, sizeof(uint64_t) * (size_t)n[0]);
}

static void what_a_dead_listener_had_not_read_is_lost(void **state)
{
    uint64_t seqs[8];

    (void)state;
    send_kind(dialler, FRAME_SEGMENT, 1);
    bus_close(listener);
    send_kind(dialler, FRAME_SEGMENT, 2);
    listener = listen_at(7340);
    send_kind(dialler, FRAME_SEGMENT, 3);
    assert_int_equal(drain(listener, seqs, 8), 2);
    assert_true(seqs[0] == 2 && seqs[1] == 3);
}

static void a_cut_drops_what_is_under_way_and_what_waits(void **state)
{
    uint64_t seqs[8];

    (void)state;
    send_kind(dialler, FRAME_SEGMENT, 1);
    bus_memory_cut(bus, endpoint);
    assert_int_equal(drain(listener, seqs, 8), 0);
    bus_close(listener);
    send_kind(dialler, FRAME_SEGMENT, 2);
    bus_memory_cut(bus, endpoint);
    listener = listen_at(7340);
    send_kind(dialler, FRAME_SEGMENT, 3);
    assert_int_equal(drain(listener, seqs, 8), 1);
    assert_true(seqs[0] == 3);
}

static void a_flood_of_one_peer_does_not_hold_back_another(void **state)
{
    struct bus_socket *quiet = dial_as("b");
    uint64_t seqs[2];

    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        send_kind(dialler, FRAME_SEGMENT, i);
    }
    send_kind(quiet, FRAME_SEGMENT, 1000);
    assert_int_equal(drain(listener, seqs, 2), 2);
    assert_true(seqs[1] == 1000);
    bus_close(quiet);
}

static void the_one_that_lost_its_id_takes_it_back_after_100_ms(void **state)
{
    struct bus_socket *heir = dial_as("a");
    const struct bus_peer peer = {.len = 1, .id = {'a'}};
    struct bus_frame f = {0};

    (void)state;
    assert_int_equal(bus_send(listener, &peer, bytes_text("x")), ST_OK);
    assert_int_equal(bus_receive(dialler, &f), ST_AGAIN);
    assert_int_equal(bus_receive(heir, &f), ST_OK);
    clock_turn_ms(&turned, 100);
    assert_int_equal(bus_send(listener, &peer, bytes_text("y")), ST_OK);
    assert_int_equal(bus_receive(heir, &f), ST_AGAIN);
    assert_int_equal(bus_receive(dialler, &f), ST_OK);
    bus_frame_release(&f);
    bus_close(heir);
}

static void an_heir_reads_after_the_dead_under_another_name(void **state)
{
    struct bus_frame f = {0};

    (void)state;
    send_kind(dialler, FRAME_GOODBYE, 5);
    bus_close(dialler);
    dialler = dial_as("a");
    send_kind(dialler, FRAME_HELLO, 6);
    assert_int_equal(bus_receive(listener, &f), ST_OK);
    assert_int_equal(f.peer.id[0], 0); // as libzmq names those without an id
    assert_int_equal(bus_send(listener, &f.peer, bytes_text("x")), ST_NOTFOUND);
    assert_int_equal(bus_receive(listener, &f), ST_OK);
    assert_int_equal(f.peer.id[0], 'a');
    bus_frame_release(&f);
}

static void small_frames_come_at_odd_addresses(void **state)
{
    struct bus_frame f = {0};

    (void)state;
    send_kind(dialler, FRAME_BEAT, 0);
    assert_int_equal(bus_receive(listener, &f), ST_OK);
    assert_int_equal((uintptr_t)f.bytes.data % 2, 1);
    bus_frame_release(&f);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_bus, close_bus)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_delayed_frame_comes_when_the_clock_has_turned),
        TEST(a_delay_never_changes_the_order),
        TEST(only_the_chosen_kind_is_lost_or_doubled),
        TEST(the_same_frames_are_lost_each_time),
        TEST(what_a_dead_listener_had_not_read_is_lost),
        TEST(a_cut_drops_what_is_under_way_and_what_waits),
        TEST(a_flood_of_one_peer_does_not_hold_back_another),
        TEST(the_one_that_lost_its_id_takes_it_back_after_100_ms),
        TEST(an_heir_reads_after_the_dead_under_another_name),
        TEST(small_frames_come_at_odd_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
