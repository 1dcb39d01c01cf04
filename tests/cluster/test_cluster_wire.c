/* Frames that are lost, doubled or garbage, in the whole system. */

#include "tests/cluster/cluster.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/wire/codec.h"

enum { ACTORS = 2 };

static struct cluster c;

/* Trained and waiting are all that were taken: none twice, none lost. */
static void check_taken(void)
{
    const struct io_counters *k = cluster_counters(&c, 0);
    const struct train *t = &c.learner[0].train;

    assert_true(k->segments_taken == (uint64_t)t->totals.segments +
                                         (uint64_t)t->totals.dropped_lag +
                                         k->segments_waiting);
}

/* Nobody plays; what is on its way arrives and is trained. */
static void let_it_settle(void)
{
    c.actor[0].frozen = c.actor[1].frozen = true;
    cluster_run_ms(&c, 4000);
    check_taken();
    c.actor[0].frozen = c.actor[1].frozen = false;
}

static uint64_t unacked(void)
{
    return actor_unacked(c.actor[0].actor) + actor_unacked(c.actor[1].actor);
}

/* The update whose weights made the newest segment. */
static uint64_t newest_weights(void)
{
    struct replay *r = c.learner[0].replay;
    struct replay_view *view = NULL;
    struct segment_view v;
    struct bytes frame;

    assert_int_equal(replay_view_open(r, &view), ST_OK);
    assert_int_equal(replay_view_segment(view, replay_top(r), &frame), ST_OK);
    struct codec *codec = codec_new();
    assert_int_equal(codec_decode_segment(codec, frame, NULL, &v), ST_OK);
    const uint64_t update = v.version.update;
    codec_free(codec);
    replay_view_close(view);
    return update;
}

static void a_duplicate_segment_is_acknowledged_again_and_trained_once(void **state)
{
    (void)state;
    cluster_init(&c, &(struct cluster_plan){0});
    cluster_faults(&c, (struct bus_faults){.repeat = 1000, .kind = FRAME_SEGMENT});
    cluster_run_until(&c, updates_at_least, 40);
    let_it_settle();
    assert_true(cluster_counters(&c, 0)->segments_duplicate >= 40 * 4);
    assert_int_equal(unacked(), 0);
    cluster_release(&c);
}

static void lost_acks_stop_nothing_for_good_and_train_nothing_twice(void **state)
{
    (void)state;
    cluster_init(&c, &(struct cluster_plan){0});
    cluster_run_until(&c, updates_at_least, 20);
    cluster_faults(&c, (struct bus_faults){.lose = 1000, .kind = FRAME_ACK});
    cluster_run_ms(&c, 8000);
    assert_true(cluster_counters(&c, 0)->segments_duplicate > 0); // sent again
    cluster_faults(&c, (struct bus_faults){.lose = 300, .kind = FRAME_ACK});
    cluster_run_until(&c, updates_at_least, cluster_updates(&c) + 40);
    cluster_faults(&c, (struct bus_faults){0});
    cluster_run_ms(&c, 3000);
    let_it_settle();
    cluster_run_until(&c, updates_at_least, cluster_updates(&c) + 10);
    cluster_stop(&c);
    assert_null(c.actor[0].actor); // everything acknowledged
    assert_null(c.actor[1].actor);
    cluster_release(&c);
}

static void lost_segments_are_sent_again_in_order(void **state)
{
    (void)state;
    cluster_init(&c, &(struct cluster_plan){0});
    cluster_faults(&c, (struct bus_faults){.lose = 100, .kind = FRAME_SEGMENT});
    cluster_run_until(&c, updates_at_least, 40);
    assert_true(cluster_counters(&c, 0)->go_backs > 0);
    cluster_faults(&c, (struct bus_faults){0});
    let_it_settle();
    cluster_release(&c);
}

static void a_lost_weights_reply_is_asked_for_again(void **state)
{
    (void)state;
    cluster_init(&c, &(struct cluster_plan){.update_ms = 200});
    cluster_run_until(&c, updates_at_least, 10);
    assert_true(newest_weights() + 6 >= cluster_updates(&c));
    cluster_faults(&c, (struct bus_faults){.lose = 1000, .kind = FRAME_WEIGHTS});
    cluster_run_ms(&c, 4000);
    assert_true(newest_weights() + 12 <= cluster_updates(&c)); // playing on
    cluster_faults(&c, (struct bus_faults){0});
    cluster_run_ms(&c, 5000); // asked again 3 s after the last time
    assert_true(newest_weights() + 6 >= cluster_updates(&c));
    let_it_settle();
    cluster_release(&c);
}

static uint64_t bad_frames(void)
{
    const struct io_counters *k = cluster_counters(&c, 0);
    uint64_t sum = 0;

    for (int i = 0; i < IO_BAD_REASONS; i++) {
        sum += i == IO_BAD_STRANGER ? 0 : k->frames_bad[i];
    }
    return sum;
}

static void garbage_on_every_socket_is_counted_and_dropped(void **state)
{
    (void)state;
    cluster_init(&c, &(struct cluster_plan){.env = "crypt-stairs", .update_ms = 60});
    cluster_run_until(&c, updates_at_least, 5);
    log_open("cluster", -1, LOG_WARN_);
    harness_stderr_begin();
    cluster_faults(&c, (struct bus_faults){.garbage = 300});
    cluster_run_ms(&c, 6000);
    const char *told = harness_stderr_end();
    log_open("cluster", -1, LOG_ERROR_);
    assert_non_null(strstr(told, "ACTOR-FRAME"));
    assert_non_null(strstr(told, "JUDGE-FRAME"));
    assert_non_null(strstr(told, "INTAKE-BAD"));
    assert_true(bad_frames() > 50);
    assert_true(serve_counters(c.judge[0].serve)->frames_refused > 0);
    // a broken segment under the next number takes that number's place
    assert_true(c.counters.segments_dropped[DROP_CORRUPT] > 0);
    cluster_faults(&c, (struct bus_faults){0});
    cluster_run_ms(&c, 500); // what is on its way comes, and is told
    const uint64_t bad = bad_frames(), updates = cluster_updates(&c);
    cluster_run_ms(&c, 3000);
    assert_int_equal(bad_frames(), bad);
    assert_true(cluster_updates(&c) >= updates + 20); // as fast as before
    let_it_settle();
    cluster_release(&c);
}

static void everything_at_once_loses_no_segment(void **state)
{
    (void)state;
    cluster_init(&c, &(struct cluster_plan){0});
    cluster_faults(&c, (struct bus_faults){
                           .lose = 100, .repeat = 100, .garbage = 50, .delay_ms = 30});
    cluster_run_until(&c, updates_at_least, 20);
    cluster_checkpoint(&c);
    cluster_run_until(&c, updates_at_least, 30);
    cluster_kill_learner(&c);
    cluster_kill_actor(&c, 1);
    cluster_run_ms(&c, 4000);
    cluster_start_learner(&c);
    cluster_start_actor(&c, 1);
    cluster_kill_judge(&c, 0);
    cluster_start_judge(&c, 0);
    cluster_run_until(&c, updates_at_least, 60);
    cluster_faults(&c, (struct bus_faults){0});
    cluster_run_ms(&c, 4000);
    assert_int_equal(cluster_counters(&c, 0)->questions_duplicate, 0);
    cluster_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_duplicate_segment_is_acknowledged_again_and_trained_once),
        cmocka_unit_test(lost_acks_stop_nothing_for_good_and_train_nothing_twice),
        cmocka_unit_test(lost_segments_are_sent_again_in_order),
        cmocka_unit_test(a_lost_weights_reply_is_asked_for_again),
        cmocka_unit_test(garbage_on_every_socket_is_counted_and_dropped),
        cmocka_unit_test(everything_at_once_loses_no_segment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
