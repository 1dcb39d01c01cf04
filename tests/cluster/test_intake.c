/* Actors and the I/O side of a learner: joining, windows, go-back-N, what is lost. */

#include "tests/support/rank_twin.h"

#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/stop.h"
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

static void a_lost_welcome_brings_the_same_number_again(void **state)
{
    (void)state;
    bus_memory_faults(t.bus, &(struct bus_faults){.lose = 1000, .kind = FRAME_WELCOME});
    actor_hello(&a, -1);
    exchange();
    assert_int_equal(a.welcomes, 0);
    bus_memory_faults(t.bus, &(struct bus_faults){0});
    actor_join(&a, -1);
    assert_int_equal(a.number, 1);
    assert_int_equal(a.incarnation, 1);
    actor_join(&b, -1);
    assert_int_equal(b.number, 2);
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

static void two_living_actors_never_share_an_id(void **state)
{
    (void)state;
    actor_join(&a, 4);
    assert_int_equal(a.number, 5);
    actor_join(&b, 4);
    assert_int_equal(b.refusals, 1);
    assert_false(b.final); // it may ask again
    assert_non_null(strstr(b.reason, "--id=4 is held by a living actor on host0"));
    assert_int_equal(b.number, 0);
    seqfile_close(a.seqfile); // the first one dies
    a.seqfile = NULL;
    actor_join(&b, 4);
    assert_int_equal(b.number, 5);
    assert_int_equal(b.incarnation, 2);
}

static void a_second_process_with_the_same_pair_is_refused_for_good(void **state)
{
    (void)state;
    actor_join(&a, -1);
    b.number = a.number;
    b.incarnation = a.incarnation;
    actor_hello(&b, -1);
    exchange();
    assert_int_equal(b.welcomes, 0);
    assert_true(b.final);
    assert_non_null(strstr(b.reason, "held by another process"));
    actor_send(&b, 0);
    exchange();
    assert_int_equal(b.whos, 1);
    assert_int_equal(t.rank[0].top, 0);
}

static void an_incarnation_is_never_given_twice_even_if_the_store_is_lost(void **state)
{
    char path[700];

    (void)state;
    actor_join(&a, 0);
    actor_produce(&a, 3);
    exchange();
    twin_end(&t);
    snprintf(path, sizeof(path), "%s/store", t.dir);
    assert_int_equal(file_remove_tree(path), ST_OK);
    seqfile_close(a.seqfile);
    a.seqfile = NULL;
    twin_start(&t);
    actor_join(&b, 0);
    assert_int_equal(b.number, 1);
    assert_int_equal(b.incarnation, 2);
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

static void another_task_or_build_is_refused_with_both_values(void **state)
{
    const struct frame_header h = {.kind = FRAME_HELLO};
    struct msg_hello m = {.host = bytes_text("x"),
                          .task = bytes_text("crypt-stairs"),
                          .spec_digest = 9,
                          .environments = 1,
                          .actions = SAMPLE_ACTIONS,
                          .wanted_id = -1,
                          .nonce = 5};

    (void)state;
    assert_int_equal(bus_send(a.root, NULL, codec_encode_hello(a.codec, &h, &m)),
                     ST_OK);
    exchange();
    assert_true(a.final);
    assert_non_null(
        strstr(a.reason, "this run plays crypt-vault, the actor crypt-stairs"));
    m.task = bytes_text("crypt-vault");
    m.actions = 5;
    a.final = false;
    assert_int_equal(bus_send(a.root, NULL, codec_encode_hello(a.codec, &h, &m)),
                     ST_OK);
    exchange();
    assert_true(a.final);
    assert_non_null(strstr(a.reason, "has 28 actions"));
}

static void silence_is_presumed_death_until_the_actor_returns(void **state)
{
    (void)state;
    actor_join(&a, -1);
    actor_join(&b, -1);
    assert_int_equal(t.rank[0].members, 2);
    for (int i = 0; i < 60; i++) {
        actor_bare(&b, FRAME_BEAT, 0);
        twin_run_ms(&t, 100);
    }
    assert_int_equal(t.rank[0].members, 1);
    actor_poll(&a);
    assert_true(a.acks >= 4); // it was told the newest once a second
    actor_produce(&a, 1);
    exchange();
    assert_int_equal(t.rank[0].members, 2);
}

static void a_stop_in_order_ends_when_all_have_said_goodbye(void **state)
{
    (void)state;
    actor_join(&a, -1);
    actor_join(&b, -1);
    actor_produce(&a, 2);
    exchange();
    twin_stop(&t);
    exchange();
    assert_int_equal(a.stops, 1);
    assert_int_equal(b.stops, 1);
    actor_send(&a, 2);
    a.produced++;
    actor_bare(&a, FRAME_GOODBYE, 3);
    exchange();
    assert_int_equal(a.next, 3);
    assert_false(t.rank[0].drained);
    actor_bare(&b, FRAME_GOODBYE, 0);
    exchange();
    assert_true(t.rank[0].drained);
}

static void a_stop_does_not_wait_for_the_dead(void **state)
{
    (void)state;
    actor_join(&a, -1);
    twin_stop(&t);
    twin_run_ms(&t, 1900);
    assert_false(t.rank[0].drained);
    twin_run_ms(&t, 200);
    assert_true(t.rank[0].drained);
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

static void a_file_in_control_asks_to_stop(void **state)
{
    char path[700];

    (void)state;
    snprintf(path, sizeof(path), "%s/control", t.dir);
    assert_int_equal(file_make_dirs(path), ST_OK);
    snprintf(path, sizeof(path), "%s/control/stop", t.dir);
    assert_int_equal(file_write_atomic(path, bytes_text("")), ST_OK);
    twin_run_ms(&t, 1100);
    assert_true(t.rank[0].stop);
    assert_false(file_exists(path));
}

static void actors_are_spread_over_ranks_by_host_then_by_load(void **state)
{
    struct twin_actor more[4];

    (void)state;
    actor_join(&a, -1); // host0
    assert_int_equal(a.rank, 0);
    for (int i = 0; i < 4; i++) {
        actor_init(&more[i], &t, 300 + (uint64_t)i, i == 0 ? "host1" : "elsewhere");
        actor_join(&more[i], -1);
    }
    assert_int_equal(more[0].rank, 1);                // its own host
    assert_int_equal(more[1].rank + more[2].rank, 1); // one each
    assert_int_equal(more[3].rank, 0);
    assert_int_equal(more[0].welcomes, 2); // rank 0's, then its own
    actor_produce(&more[0], 3);
    exchange();
    actor_poll(&more[0]);
    assert_int_equal(more[0].next, 3);
    assert_int_equal(t.rank[1].top, 3);
    assert_int_equal(t.rank[0].top, 0);
    twin_end(&t);
    twin_start(&t);
    more[0].welcomes = 0;
    actor_join(&more[0], -1);
    assert_int_equal(more[0].rank, 1); // for life
    assert_int_equal(more[0].incarnation, 1);
    for (int i = 0; i < 4; i++) {
        actor_release(&more[i]);
    }
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

static void the_first_actor_tells_what_the_environment_is(void **state)
{
    struct io_listener l;
    struct io_spec spec = {0};
    const struct io_listen_plan plan = {
        .bus = t.bus, .addr = "127.0.0.1", .port = 0, .run_dir = t.dir};
    struct twin_actor early;

    (void)state;
    assert_int_equal(io_listen(&plan, &l), ST_OK);
    snprintf(t.endpoints[0], sizeof(t.endpoints[0]), "%s", l.endpoint);
    actor_init(&early, &t, 500, "host0");
    assert_int_equal(io_await_spec_step(&l, "crypt-vault", 0, &spec), ST_AGAIN);
    actor_bare(&early, FRAME_BEAT, 0);
    assert_int_equal(io_await_spec_step(&l, "crypt-vault", 0, &spec), ST_AGAIN);
    actor_hello(&early, -1);
    assert_int_equal(io_await_spec_step(&l, "crypt-vault", 0, &spec), ST_OK);
    assert_int_equal(spec.actions, SAMPLE_ACTIONS);
    assert_int_equal(spec.spec_digest, 9);
    assert_string_equal(spec.task, "crypt-vault");
    actor_hello(&early, -1);
    assert_int_equal(io_await_spec_step(&l, "crypt-oracle", 0, &spec), ST_AGAIN);
    actor_poll(&early);
    assert_true(early.final);
    stop_ask();
    assert_int_equal(io_await_spec_step(&l, "crypt-vault", 0, &spec), ST_CLOSED);
    actor_release(&early);
    io_listener_close(&l);
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
        TEST(a_lost_welcome_brings_the_same_number_again),
        TEST(what_was_queued_while_the_learner_was_down_is_taken_in_order),
        TEST(a_learner_ten_times_slower_keeps_the_bound_also_after_a_restart),
        TEST(two_living_actors_never_share_an_id),
        TEST(a_second_process_with_the_same_pair_is_refused_for_good),
        TEST(an_incarnation_is_never_given_twice_even_if_the_store_is_lost),
        TEST(segments_lost_with_the_store_are_counted_as_lost),
        TEST(strangers_and_garbage_are_counted_and_answered_or_dropped),
        TEST(a_damaged_segment_is_dropped_with_its_reason_and_acknowledged),
        TEST(another_task_or_build_is_refused_with_both_values),
        TEST(silence_is_presumed_death_until_the_actor_returns),
        TEST(a_stop_in_order_ends_when_all_have_said_goodbye),
        TEST(a_stop_does_not_wait_for_the_dead),
        TEST(a_goodbye_before_its_last_segment_is_not_believed_yet),
        TEST(a_file_in_control_asks_to_stop),
        TEST_RANKS(actors_are_spread_over_ranks_by_host_then_by_load),
        TEST_RANKS(captions_of_another_rank_are_offered_new_and_when_doubled),
        TEST(the_first_actor_tells_what_the_environment_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
