/* Two ranks of a learner with real actors and a judge: one starves, both die. */

#include "tests/cluster/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/wire/codec.h"
#include "learner/report_fields.h"

enum { R = 2 };

static struct cluster c;

static void open_cluster(void)
{
    // Each rank gets one actor; a batch is one segment of each environment of both.
    cluster_init(&c, &(struct cluster_plan){.ranks = R, .actors = R, .batch = 64});
    cluster_run_until(&c, updates_at_least, 10);
    for (int r = 0; r < R; r++) {
        assert_int_equal(cluster_counters(&c, r)->members, 1);
    }
}

static void rank_r_listens_r_ports_after_rank_0(void **state)
{
    (void)state;
    cluster_init(&c, &(struct cluster_plan){.ranks = R});
    assert_string_equal(c.learner[0].listener.endpoint, "tcp://127.0.0.1:7340");
    assert_string_equal(c.learner[1].listener.endpoint, "tcp://127.0.0.1:7341");
    assert_string_equal(c.learner[0].endpoints[1], "tcp://127.0.0.1:7341");
    cluster_run_until(&c, updates_at_least, 1);
    cluster_release(&c);
}

static uint64_t cursor(int rank)
{
    return c.learner[rank].train.sampler.counts.cursor;
}

/* Freezes an actor; the rank that starves by it. */
static int starve_one(void)
{
    uint64_t before[R];

    c.actor[1].frozen = true;
    cluster_run_ms(&c, 2500); // what is there is trained
    for (int r = 0; r < R; r++) {
        before[r] = cursor(r);
    }
    cluster_run_ms(&c, 2500);
    const int starved = cursor(0) == before[0] ? 0 : 1;
    assert_int_equal(cursor(starved), before[starved]);
    assert_true(cursor(1 - starved) > before[1 - starved]);
    return starved;
}

static void a_starved_rank_contributes_nothing_and_nobody_waits(void **state)
{
    (void)state;
    open_cluster();
    const int starved = starve_one();
    cluster_run_ms(&c, 6000); // its actor is presumed gone now
    const uint64_t updates = cluster_updates(&c), fed = cursor(1 - starved),
                   none = cursor(starved);
    assert_int_equal(cluster_counters(&c, starved)->members, 0);
    cluster_run_ms(&c, 4000);
    assert_int_equal(cursor(starved), none);
    // 4 segments in 80 ms and one update with them: no timeout in between
    assert_true(cluster_updates(&c) >= updates + 40);
    assert_true(cursor(1 - starved) >= fed + 160);
    (void)cluster_digest(&c); // the same on both
    c.actor[1].frozen = false;
    cluster_run_ms(&c, 3000);
    assert_true(cursor(starved) > none); // it came back
    cluster_release(&c);
}

static void two_ranks_stay_equal_over_deaths_and_their_segments_balance(void **state)
{
    (void)state;
    open_cluster();
    cluster_checkpoint(&c);
    cluster_run_until(&c, updates_at_least, 20);
    cluster_kill_actor(&c, 0);
    cluster_kill_learner(&c);
    cluster_run_ms(&c, 4000);
    cluster_start_learner(&c);
    cluster_start_actor(&c, 0);
    cluster_run_until(&c, updates_at_least, 40);
    (void)cluster_digest(&c);
    assert_true(cluster_counters(&c, 0)->labels > 0);
    for (int r = 0; r < R; r++) {
        assert_int_equal(cluster_counters(&c, r)->members, 1);
        assert_int_equal(c.learner[r].train.reward.table.labels,
                         c.learner[0].train.reward.table.labels);
        assert_true(c.learner[r].train.reward.table.labels > 0);
    }
    cluster_release(&c);
}

static uint64_t run_once(uint64_t seed)
{
    cluster_init(&c, &(struct cluster_plan){.ranks = R, .batch = 64, .seed = seed});
    cluster_run_until(&c, updates_at_least, 30);
    const uint64_t digest = cluster_digest(&c);
    cluster_release(&c);
    return digest;
}

static void the_same_seed_gives_the_same_run_on_two_ranks(void **state)
{
    const uint64_t first = run_once(7);

    (void)state;
    assert_true(run_once(7) == first);
    assert_true(run_once(8) != first);
}

static void
captions_that_another_rank_saw_are_asked_about_and_trained_on_both(void **state)
{
    (void)state;
    cluster_init(&c,
                 &(struct cluster_plan){
                     .env = "crypt-stairs", .ranks = R, .batch = 64, .update_ms = 60});
    cluster_run_until(&c, updates_at_least, 10);
    if (starve_one() != 0) { // rank 0 shall be the one that sees nothing
        c.actor[1].frozen = false;
        c.actor[0].frozen = true;
        cluster_run_ms(&c, 3000);
    }
    cluster_run_ms(&c, 1000);
    const uint64_t labels = cluster_counters(&c, 0)->labels, none = cursor(0);
    cluster_run_ms(&c, 6000);
    assert_int_equal(cursor(0), none);
    assert_true(cluster_counters(&c, 0)->labels > labels);
    assert_int_equal(c.counters.questions_duplicate, 0);
    const uint64_t trained = c.learner[0].train.reward.table.labels;
    assert_true(trained > labels);
    assert_int_equal(c.learner[1].train.reward.table.labels, trained);
    c.actor[0].frozen = c.actor[1].frozen = false;
    cluster_release(&c);
}

static double number_of(const char *json, const char *key)
{
    const char *at = strstr(json, key);

    assert_non_null(at);
    return strtod(at + strlen(key) + strlen("\": "), NULL);
}

static void figures_that_no_sum_means_are_not_added_up_over_ranks(void **state)
{
    struct metrics_row row = {0};

    (void)state;
    open_cluster();
    cluster_run_ms(&c, 10000);
    const struct train *t = &c.learner[0].train;
    const struct rank_gauges *of = t->agreed.of_rank;
    assert_true(t->reward.table.count > 8);
    assert_true(t->gauges.captions == (double)t->reward.table.met);
    assert_true(report_outside(&t->gauges, "captions") ==
                (double)cluster_counters(&c, 0)->captions);
    assert_true(report_outside(&t->gauges, "members") == R);
    assert_true(of[0].file_ratio > 0 && of[1].file_ratio > 0);
    metrics_begin(&row);
    report_add_ranks(&row, t);
    const char *json = metrics_end(&row);
    const double more = of[of[1].file_ratio > of[0].file_ratio].file_ratio;
    assert_float_equal(number_of(json, "store_file_ratio"), more, 1e-3);
    assert_float_equal(number_of(json, "anon_mb"), mem_anon_mb(), 64);
    assert_true(report_anon_peak(t) <= mem_anon_peak_mb());
    metrics_release(&row);
    cluster_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rank_r_listens_r_ports_after_rank_0),
        cmocka_unit_test(a_starved_rank_contributes_nothing_and_nobody_waits),
        cmocka_unit_test(two_ranks_stay_equal_over_deaths_and_their_segments_balance),
        cmocka_unit_test(the_same_seed_gives_the_same_run_on_two_ranks),
        cmocka_unit_test(
            captions_that_another_rank_saw_are_asked_about_and_trained_on_both),
        cmocka_unit_test(figures_that_no_sum_means_are_not_added_up_over_ranks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
