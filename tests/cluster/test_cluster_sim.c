/* The simulated judge's latencies and outages in the whole system. */

#include "tests/cluster/cluster.h"

#include <string.h>

#include "judge/backends/sim.h"

enum { UPDATES_MS = 60 };

static struct cluster c;

static struct sim_knobs *open_cluster(void)
{
    cluster_init(&c, &(struct cluster_plan){.env = "crypt-stairs",
                                            .update_ms = UPDATES_MS,
                                            .deadline = 60,
                                            .backend = &sim_backend});
    return &c.judge[0].options.sim_knobs; // read once it is welcome
}

static uint64_t updates_of_6_s(double latency, uint64_t *labels)
{
    struct sim_knobs *k = open_cluster();

    k->latency = latency;
    k->latency_p99 = 4 * latency;
    cluster_run_ms(&c, 6000);
    const uint64_t updates = cluster_updates(&c);
    *labels = cluster_counters(&c, 0)->labels;
    assert_int_equal(c.counters.questions_duplicate, 0);
    cluster_release(&c);
    return updates;
}

static void answers_that_take_seconds_delay_labels_but_no_update(void **state)
{
    uint64_t at_once, late;

    (void)state;
    const uint64_t updates = updates_of_6_s(0, &at_once);
    assert_true(updates_of_6_s(3, &late) + 1 >= updates);
    assert_true(late > 0 && late < at_once);
}

static void a_judge_that_is_away_is_asked_nothing_until_it_is_back(void **state)
{
    (void)state;
    struct sim_knobs *k = open_cluster();
    strcpy(k->outage, "away");
    k->outage_every = 4;
    k->outage_length = 2;
    cluster_run_ms(&c, 2700); // out from the second second after its welcome
    const uint64_t questions = cluster_counters(&c, 0)->questions_asked;
    const uint64_t updates = cluster_updates(&c);
    assert_true(questions > 0);
    cluster_run_ms(&c, 1000);
    assert_int_equal(cluster_counters(&c, 0)->questions_asked, questions);
    assert_true(c.counters.questions_queued > 0);
    assert_true(cluster_updates(&c) > updates + 10);
    cluster_run_ms(&c, 1500); // to the fourth
    assert_true(cluster_counters(&c, 0)->questions_asked > questions);
    cluster_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_that_take_seconds_delay_labels_but_no_update),
        cmocka_unit_test(a_judge_that_is_away_is_asked_nothing_until_it_is_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
