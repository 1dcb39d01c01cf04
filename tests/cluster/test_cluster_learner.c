/* The learner dies, is slow, or has nothing to learn from, in the whole system. */

#include "tests/cluster/cluster.h"

#include "common/wire/frame.h"

enum { E = 4, ACTORS = 2, T = 8, BATCH = E * T };

static struct cluster c;

static void freeze_actors(bool frozen)
{
    for (int i = 0; i < ACTORS; i++) {
        c.actor[i].frozen = frozen;
    }
}

/* ---- the order in the store ---- */

struct order {
    uint64_t next[ACTORS + 1]; // by actor: sequence that must come next
    int segments, wrong;
};

static bool next_in_order(void *ctx, uint64_t serial, struct bytes frame)
{
    struct order *o = ctx;
    struct frame_header h;

    (void)serial;
    assert_int_equal(frame_read_header(frame, &h), ST_OK);
    assert_in_range(h.actor, 1, ACTORS);
    o->wrong += h.seq != o->next[h.actor];
    o->next[h.actor] = h.seq + 1;
    o->segments++;
    return true;
}

/* Every segment that was ever taken is there once, each actor's in its order. */
static void check_order(void)
{
    struct replay_view *view = NULL;
    struct order o = {0};
    uint64_t produced = 0;

    assert_int_equal(replay_view_open(c.learner[0].replay, &view), ST_OK);
    assert_int_equal(replay_view_scan(view, 1, next_in_order, &o), ST_OK);
    replay_view_close(view);
    for (int i = 0; i < ACTORS; i++) {
        produced += actor_produced(c.actor[i].actor);
        assert_int_equal(actor_unacked(c.actor[i].actor), 0);
    }
    assert_int_equal(o.wrong, 0);
    assert_int_equal(o.segments, produced);
}

/* Both actors together. */
static uint64_t unacked(void)
{
    return actor_unacked(c.actor[0].actor) + actor_unacked(c.actor[1].actor);
}

/* ---- facts ---- */

static void
segments_queued_while_the_learner_is_down_are_taken_once_and_in_order(void **state)
{
    // shorter and longer than the silence after which actors say hello again
    static const uint64_t down_ms[] = {1000, 20000};

    (void)state;
    cluster_init(&c, &(struct cluster_plan){0});
    for (int round = 0; round < 2; round++) {
        cluster_run_until(&c, updates_at_least, cluster_updates(&c) + 20);
        cluster_checkpoint(&c);
        cluster_run_until(&c, updates_at_least, cluster_updates(&c) + 5);
        const uint64_t before = cluster_updates(&c);
        cluster_kill_learner(&c);
        cluster_run_ms(&c, down_ms[round]);
        assert_true(unacked() >= E); // they filled their windows
        cluster_start_learner(&c);
        assert_int_equal(cluster_updates(&c), before - 5); // the checkpoint's
        cluster_run_until(&c, updates_at_least, before + 10);
        freeze_actors(true);
        cluster_run_ms(&c, 100);
        freeze_actors(false);
        cluster_run_until(&c, updates_at_least, cluster_updates(&c) + 5);
    }
    cluster_kill_judge(&c, 0);
    // All that is complete has come: the windows close while nobody trains.
    c.plan.update_ms = 1000000;
    cluster_run_ms(&c, 5000);
    check_order();
    cluster_release(&c);
}

static void
a_learner_ten_times_slower_keeps_its_lag_bound_after_a_restart_too(void **state)
{
    // 2 actors make 8 segments in 80 ms: two batches of 4
    const uint64_t update_ms = 400, windows = 2 * E * ACTORS * T / BATCH;

    (void)state;
    cluster_init(&c, &(struct cluster_plan){.update_ms = update_ms});
    cluster_run_until(&c, updates_at_least, 30);
    // a batch that waits in each window, one that is played, one that is trained
    assert_in_range(cluster_lag_most(&c), windows - 1, windows + 2);
    cluster_checkpoint(&c);
    cluster_run_until(&c, updates_at_least, 40);
    cluster_kill_learner(&c);
    cluster_run_ms(&c, 2000);
    cluster_start_learner(&c);
    cluster_run_until(&c, updates_at_least, 80);
    assert_in_range(cluster_lag_most(&c), windows - 1, windows + 2);
    assert_true(cluster_counters(&c, 0)->segments_waiting <= 2 * E * ACTORS);
    assert_int_equal((uint64_t)c.learner[0].train.totals.dropped_lag, 0);
    cluster_release(&c);
}

static void
a_killed_actor_comes_back_as_another_and_nothing_is_counted_twice(void **state)
{
    (void)state;
    cluster_init(&c, &(struct cluster_plan){0});
    cluster_run_until(&c, updates_at_least, 10);
    cluster_kill_actor(&c, 1);
    cluster_start_actor(&c, 1);
    cluster_run_until(&c, updates_at_least, 30);
    cluster_kill_learner(&c);
    cluster_kill_actor(&c, 0);
    cluster_start_learner(&c);
    cluster_start_actor(&c, 0);
    cluster_run_until(&c, updates_at_least, 30);
    cluster_release(&c);
}

static void an_update_of_no_samples_changes_nothing(void **state)
{
    (void)state;
    cluster_init(&c, &(struct cluster_plan){0});
    cluster_run_until(&c, updates_at_least, 10);
    freeze_actors(true);
    cluster_run_ms(&c, 10000);
    const struct train *t = &c.learner[0].train;
    const uint64_t digest = cluster_digest(&c), updates = t->update, rounds = c.rounds;
    const uint64_t steps = t->adam.steps, journal = t->reward.version;
    const struct moments moments = t->heads.head[0].moments;
    cluster_run_ms(&c, 20000);
    assert_true(c.rounds >= rounds + 5);
    assert_int_equal(t->update, updates);
    assert_int_equal(t->adam.steps, steps);
    assert_int_equal(t->reward.version, journal);
    assert_true(cluster_digest(&c) == digest);
    assert_memory_equal(&t->heads.head[0].moments, &moments, sizeof(moments));
    freeze_actors(false);
    cluster_run_until(&c, updates_at_least, updates + 10);
    assert_true(cluster_digest(&c) != digest);
    cluster_release(&c);
}

/* A run with a death of each role in it; the digest of its weights. */
static uint64_t run_once(uint64_t seed)
{
    cluster_init(&c, &(struct cluster_plan){.seed = seed});
    cluster_run_until(&c, updates_at_least, 15);
    cluster_checkpoint(&c);
    cluster_kill_actor(&c, 1);
    cluster_start_actor(&c, 1);
    cluster_run_until(&c, updates_at_least, 25);
    cluster_kill_learner(&c);
    cluster_run_ms(&c, 500);
    cluster_start_learner(&c);
    cluster_kill_judge(&c, 0);
    cluster_start_judge(&c, 0);
    cluster_run_until(&c, updates_at_least, 50);
    const uint64_t digest = cluster_digest(&c);
    assert_true(cluster_counters(&c, 0)->labels > 0);
    cluster_release(&c);
    return digest;
}

static void the_same_seed_gives_the_same_run_bit_for_bit(void **state)
{
    const uint64_t first = run_once(7);

    (void)state;
    assert_true(run_once(7) == first);
    assert_true(run_once(8) != first);
}

static void a_finished_run_goes_on_where_it_stopped(void **state)
{
    (void)state;
    cluster_init(&c, &(struct cluster_plan){0});
    cluster_run_until(&c, updates_at_least, 20);
    cluster_stop(&c);
    for (int i = 0; i < ACTORS; i++) {
        assert_null(c.actor[i].actor); // said goodbye, everything acknowledged
    }
    assert_null(c.judge[0].serve);
    cluster_start_learner(&c);
    const uint64_t waiting = cluster_counters(&c, 0)->segments_waiting;
    assert_true(cluster_updates(&c) >= 20);
    assert_int_equal(waiting, 0); // not told yet
    for (int i = 0; i < ACTORS; i++) {
        cluster_start_actor(&c, i);
    }
    cluster_run_until(&c, updates_at_least, 40);
    cluster_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            segments_queued_while_the_learner_is_down_are_taken_once_and_in_order),
        cmocka_unit_test(
            a_learner_ten_times_slower_keeps_its_lag_bound_after_a_restart_too),
        cmocka_unit_test(
            a_killed_actor_comes_back_as_another_and_nothing_is_counted_twice),
        cmocka_unit_test(an_update_of_no_samples_changes_nothing),
        cmocka_unit_test(the_same_seed_gives_the_same_run_bit_for_bit),
        cmocka_unit_test(a_finished_run_goes_on_where_it_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
