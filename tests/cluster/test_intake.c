/* Actors and the I/O side of a learner: windows, go-back-N, what is lost. */

#include "tests/support/rank_twin.h"

#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/wire/bus_impl.h"
#include "learner/store/audit.h"

static struct twin t;
static struct twin_actor a, b;

static int set_up(void **state)
{
    twin_init(&t, *state != NULL ? 2 : 1);
    actor_init(&a, &t, 101, "host0");
    actor_init(&b, &t, 102, "host0");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    actor_release(&a);
    actor_release(&b);
    twin_release(&t);
    return 0;
}

static void exchange(void)
{
    twin_poll(&t);
    actor_poll(&a);
    actor_poll(&b);
}

static void a_fresh_actor_gets_a_number_a_window_and_its_weights(void **state)
{
    (void)state;
    actor_join(&a, -1);
    assert_int_equal(a.number, 1);
    assert_int_equal(a.incarnation, 1);
    assert_int_equal(a.window, 2 * 4);
    actor_bare(&a, FRAME_FETCH, 0); // before there are any
    exchange();
    assert_int_equal(a.weights, 0);
    twin_weights(&t, 5);
    exchange();
    assert_int_equal(a.weights, 1);
    assert_int_equal(a.newest.update, 5); // told without being asked
    twin_weights(&t, 6);
    exchange();
    assert_int_equal(a.newest.update, 6);
    assert_int_equal(a.weights, 1); // only who fetches gets them
}

static void
segments_are_acknowledged_once_stored_and_open_the_window_when_trained(void **state)
{
    (void)state;
    actor_join(&a, -1);
    assert_int_equal(actor_produce(&a, 100), 8);
    exchange();
    assert_int_equal(a.next, 8);
    assert_int_equal(a.window, 8); // 2E wait: nothing may be begun
    assert_false(t.rank[0].window_open);
    assert_int_equal(t.rank[0].top, 8);
    assert_int_equal(twin_train(&t, 0, 3), 3);
    exchange();
    assert_int_equal(a.window, 11);
    twin_run_ms(&t, 300);
    assert_int_equal(t.rank[0].counters.segments_taken, 8);
    assert_int_equal(t.rank[0].counters.segments_waiting, 5);
}

static void a_duplicate_is_acknowledged_again_and_not_stored(void **state)
{
    (void)state;
    actor_join(&a, -1);
    actor_produce(&a, 2);
    exchange();
    const int acks = a.acks;
    actor_send(&a, 0);
    exchange();
    assert_int_equal(a.acks, acks + 1);
    assert_int_equal(a.next, 2);
    assert_int_equal(t.rank[0].top, 2);
    twin_run_ms(&t, 300);
    assert_int_equal(t.rank[0].counters.segments_duplicate, 1);
}

static void a_gap_is_named_once_and_filled(void **state)
{
    (void)state;
    actor_join(&a, -1);
    actor_send(&a, 0);
    actor_send(&a, 2);
    actor_send(&a, 3);
    exchange();
    assert_int_equal(a.go_backs, 1);
    assert_int_equal(a.next, 1);
    actor_send(&a, 3); // another one behind the same gap, in the same second
    exchange();
    assert_int_equal(a.go_backs, 1);
    for (uint64_t s = 1; s < 4; s++) {
        actor_send(&a, s);
    }
    exchange();
    assert_int_equal(a.next, 4);
    assert_int_equal(t.rank[0].top, 4);
}

static void a_lost_ack_costs_nothing(void **state)
{
    (void)state;
    actor_join(&a, -1);
    bus_memory_faults(t.bus, &(struct bus_faults){.lose = 1000, .kind = FRAME_ACK});
    actor_produce(&a, 3);
    exchange();
    assert_int_equal(a.next, 0);
    bus_memory_faults(t.bus, &(struct bus_faults){0});
    for (uint64_t s = 0; s < 3; s++) {
        actor_send(&a, s); // the actor's own clock ran out
    }
    exchange();
    assert_int_equal(a.next, 3);
    assert_int_equal(t.rank[0].top, 3);
}

static void a_lost_weights_reply_is_answered_at_the_next_fetch(void **state)
{
    (void)state;
    actor_join(&a, -1);
    twin_weights(&t, 1);
    exchange();
    bus_memory_faults(t.bus, &(struct bus_faults){.lose = 1000, .kind = FRAME_WEIGHTS});
    actor_bare(&a, FRAME_FETCH, 0);
    exchange();
    assert_int_equal(a.weights, 0);
    bus_memory_faults(t.bus, &(struct bus_faults){0});
    actor_bare(&a, FRAME_FETCH, 0);
    exchange();
    assert_int_equal(a.weights, 1);
}

static void what_was_queued_while_the_learner_was_down_is_taken_in_order(void **state)
{
    (void)state;
    actor_join(&a, -1);
    actor_produce(&a, 2);
    exchange();
    twin_end(&t);
    actor_produce(&a, 2); // queued at the actor's socket
    twin_start(&t);
    exchange();
    assert_int_equal(a.whos, 1); // one question however many frames
    assert_int_equal(t.rank[0].top, 2);
    actor_join(&a, -1);
    assert_int_equal(a.number, 1);
    assert_int_equal(a.incarnation, 1); // for life
    assert_int_equal(a.next, 2);
    for (uint64_t s = a.next; s < a.produced; s++) {
        actor_send(&a, s);
    }
    exchange();
    assert_int_equal(a.next, 4);
    assert_int_equal(t.rank[0].top, 4);
}

/* What is stored and untrained of one actor, by the store itself. */
static uint64_t stored_untrained(void)
{
    return t.rank[0].top - t.rank[0].cursor;
}

static void
a_learner_ten_times_slower_keeps_the_bound_also_after_a_restart(void **state)
{
    (void)state;
    actor_join(&a, -1);
    for (int i = 0; i < 200; i++) {
        actor_produce(&a, 10);
        exchange();
        twin_train(&t, 0, 1);
        exchange();
        assert_true(stored_untrained() <= 8);
    }
    assert_true(a.produced > 150); // it was slowed, not stopped
    twin_checkpoint(&t);
    twin_train(&t, 0, 4); // lost with the crash
    exchange();
    actor_produce(&a, 10);
    exchange();
    twin_end(&t);
    actor_produce(&a, 10);
    twin_start(&t);
    exchange();
    const uint64_t waiting = stored_untrained();
    assert_true(waiting >= 8); // what was rolled back is fresh again
    actor_join(&a, -1);
    for (uint64_t s = a.next; s < a.produced; s++) {
        actor_send(&a, s);
    }
    exchange();
    for (int i = 0; i < 100; i++) {
        actor_produce(&a, 10);
        exchange();
        assert_true(stored_untrained() <= waiting + 8);
        twin_train(&t, 0, 1);
        exchange();
    }
    for (int i = 0; i < 50; i++) { // and back to the bound
        actor_produce(&a, 10);
        exchange();
        twin_train(&t, 0, 1);
        exchange();
    }
    assert_true(stored_untrained() <= 8);
}

static void segments_lost_with_the_store_are_counted_as_lost(void **state)
{
    struct audit audit;
    char path[700];

    (void)state;
    actor_join(&a, -1);
    actor_produce(&a, 6);
    exchange();
    twin_train(&t, 0, 2);
    twin_checkpoint(&t);
    exchange();
    twin_end(&t);
    snprintf(path, sizeof(path), "%s/store", t.dir);
    assert_int_equal(file_remove_tree(path), ST_OK);
    twin_start(&t);
    actor_join(&a, -1);
    assert_int_equal(a.next, 6);
    actor_produce(&a, 1);
    exchange();
    assert_int_equal(t.rank[0].top, 3); // serials go on above the checkpoint's
    actor_bare(&a, FRAME_GOODBYE, 7);
    exchange();
    twin_end(&t);
    assert_int_equal(audit_run(t.dir, "", &audit), ST_OK);
    assert_true(audit.balances);
    assert_int_equal(audit.total.trained, 2);
    assert_int_equal(audit.total.dropped[DROP_LOST_STORE], 4);
    assert_int_equal(audit.total.waiting, 1);
    audit_release(&audit);
}

static void strangers_and_garbage_are_counted_and_answered_or_dropped(void **state)
{
    static const uint8_t junk[64] = {1, 2, 3};
    struct bytes parts[2] = {bytes_text("two"), bytes_text("parts")};
    uint8_t half[FRAME_HEADER + 8] = {0};
    const struct io_counters *c = &t.rank[0].counters;

    (void)state;
    actor_join(&a, -1);
    b.number = 9;
    b.incarnation = 1;
    actor_send(&b, 0);
    actor_bare(&b, FRAME_BEAT, 0);
    exchange();
    assert_int_equal(b.whos, 1);
    harness_stderr_begin();
    assert_int_equal(bus_send(b.socket, NULL, bytes_of(junk, sizeof(junk))), ST_OK);
    assert_int_equal(bus_send(b.socket, NULL, bytes_of(junk, 3)), ST_OK);
    assert_int_equal(bus_send_parts(b.socket, NULL, parts, 2), ST_OK);
    const struct frame_header h = {.kind = FRAME_HELLO};
    frame_write_header(&h, half);
    assert_int_equal(bus_send(b.socket, NULL, bytes_of(half, sizeof(half))), ST_OK);
    actor_bare(&a, FRAME_WELCOME, 0); // not a kind that comes this way
    exchange();
    twin_run_ms(&t, 300);
    const char *said = harness_stderr_end();
    assert_non_null(strstr(said, "dropped a frame"));
    assert_null(strstr(strstr(said, "dropped a frame") + 1, "dropped a frame"));
    assert_int_equal(c->frames_bad[IO_BAD_STRANGER], 2);
    assert_int_equal(c->frames_bad[IO_BAD_HEADER], 2);
    assert_int_equal(c->frames_bad[IO_BAD_MULTIPART], 1);
    assert_int_equal(c->frames_bad[IO_BAD_BODY], 1);
    assert_int_equal(c->frames_bad[IO_BAD_KIND], 1);
}

static void a_damaged_segment_is_dropped_with_its_reason_and_acknowledged(void **state)
{
    struct sample_segment s;

    (void)state;
    actor_join(&a, -1);
    sample_segment_init(&s);
    s.action[3] = 200; // no such action
    s.fill.header = (struct frame_header){FRAME_SEGMENT, TWIN_RUN, 1, 1, 0};
    s.fill.version = (struct version){1, 1};
    harness_stderr_begin();
    assert_int_equal(bus_send(a.socket, NULL, codec_encode_segment(a.codec, &s.fill)),
                     ST_OK);
    exchange();
    assert_non_null(strstr(harness_stderr_end(), "action: out of range"));
    assert_int_equal(a.next, 1);
    assert_int_equal(a.dropped, DROP_CORRUPT);
    assert_int_equal(a.window, 1 + 8); // nothing waits: the window moves on
    assert_int_equal(t.rank[0].top, 0);
}

static void a_goodbye_before_its_last_segment_is_not_believed_yet(void **state)
{
    struct audit audit;

    (void)state;
    actor_join(&a, -1);
    actor_produce(&a, 2);
    bus_memory_cut(t.bus, t.endpoints[0]);
    actor_bare(&a, FRAME_GOODBYE, 2);
    exchange();
    assert_int_equal(a.go_backs, 1);
    actor_send(&a, 0);
    actor_send(&a, 1);
    actor_bare(&a, FRAME_GOODBYE, 2);
    exchange();
    assert_int_equal(a.next, 2);
    twin_end(&t);
    assert_int_equal(audit_run(t.dir, "", &audit), ST_OK);
    assert_true(audit.balances);
    assert_int_equal(audit.total.waiting, 2);
    audit_release(&audit);
}

static void captions_of_another_rank_are_offered_new_and_when_doubled(void **state)
{
    struct twin_actor far;
    int offered;

    (void)state;
    actor_init(&far, &t, 400, "host1");
    actor_join(&far, -1);
    far.caption = "You find a hidden door.";
    actor_produce(&far, 1);
    exchange();
    assert_int_equal(t.rank[1].captions, 3);
    actor_poll(&far);
    actor_produce(&far, 1); // from 2 visits to 4
    exchange();
    assert_int_equal(t.rank[1].captions, 6);
    offered = t.rank[1].captions;
    actor_poll(&far);
    actor_produce(&far, 1); // 6: not yet
    exchange();
    assert_int_equal(t.rank[1].captions, offered);
    // Rank 0 is told over MPI and asks.
    const struct to_io m = {.kind = TO_IO_CAPTION, .caption = t.rank[1].caption};
    assert_true(ring_push(t.rank[0].rings.to_io, &m));
    exchange();
    twin_run_ms(&t, 300);
    assert_int_equal(t.rank[0].counters.questions_queued, 1);
    actor_release(&far);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define TEST_RANKS(f) cmocka_unit_test_prestate_setup_teardown(f, set_up, tear_down, &t)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_actor_gets_a_number_a_window_and_its_weights),
        TEST(segments_are_acknowledged_once_stored_and_open_the_window_when_trained),
        TEST(a_duplicate_is_acknowledged_again_and_not_stored),
        TEST(a_gap_is_named_once_and_filled),
        TEST(a_lost_ack_costs_nothing),
        TEST(a_lost_weights_reply_is_answered_at_the_next_fetch),
        TEST(what_was_queued_while_the_learner_was_down_is_taken_in_order),
        TEST(a_learner_ten_times_slower_keeps_the_bound_also_after_a_restart),
        TEST(segments_lost_with_the_store_are_counted_as_lost),
        TEST(strangers_and_garbage_are_counted_and_answered_or_dropped),
        TEST(a_damaged_segment_is_dropped_with_its_reason_and_acknowledged),
        TEST(a_goodbye_before_its_last_segment_is_not_believed_yet),
        TEST_RANKS(captions_of_another_rank_are_offered_new_and_when_doubled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
