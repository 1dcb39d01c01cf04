#include "launch/topology.h"

#include <string.h>

#include "tests/support/harness.h"

static struct topology on(int cores)
{
    return (struct topology){
        .envs_total = 64, .batch = 1024, .segment_steps = 32, .cores = cores};
}

static void every_rank_has_an_actor_on_any_number_of_cores(void **state)
{
    (void)state;
    for (int cores = 1; cores <= 128; cores++) {
        struct topology t = on(cores);
        assert_int_equal(topology_choose(&t), ST_OK);
        assert_true(t.ranks >= 1 && t.actors >= t.ranks && t.envs >= 1);
        assert_true(t.actors * t.envs >= t.envs_total);
        assert_int_equal(t.batch % (t.ranks * t.segment_steps), 0);
    }
}

static void the_windows_of_the_preset_are_a_few_batches(void **state)
{
    (void)state;
    for (int cores = 1; cores <= 8; cores++) {
        struct topology t = on(cores);
        assert_int_equal(topology_choose(&t), ST_OK);
        assert_true(topology_windows(&t) >= 2 && topology_windows(&t) <= 8);
    }
}

static void few_cores_have_two_actors_where_games_are_processes(void **state)
{
    struct topology own = on(2), apart = on(2);

    (void)state;
    apart.games_apart = true;
    assert_int_equal(topology_choose(&own), ST_OK);
    assert_int_equal(topology_choose(&apart), ST_OK);
    assert_int_equal(own.actors, 1);
    assert_int_equal(apart.actors, 2);
    assert_int_equal(apart.ranks, 1);
    assert_int_equal(apart.actors * apart.envs, own.envs);
}

static void what_is_given_is_kept(void **state)
{
    struct topology t = on(8);

    (void)state;
    t.ranks = 2;
    t.actors = 5;
    t.envs = 7;
    assert_int_equal(topology_choose(&t), ST_OK);
    assert_int_equal(t.ranks, 2);
    assert_int_equal(t.actors, 5);
    assert_int_equal(t.envs, 7);
    assert_true(topology_windows(&t) == 2.0 * 5 * 7 * 32 / 1024);
}

static void
fewer_actors_than_ranks_is_refused_and_few_actors_make_few_ranks(void **state)
{
    struct topology t = on(8);

    (void)state;
    t.ranks = 3;
    t.actors = 2;
    harness_stderr_begin();
    assert_int_equal(topology_choose(&t), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "--actors=2 is fewer than --ranks=3"));
    t = on(8);
    t.actors = 2;
    assert_int_equal(topology_choose(&t), ST_OK);
    assert_true(t.ranks <= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rank_has_an_actor_on_any_number_of_cores),
        cmocka_unit_test(the_windows_of_the_preset_are_a_few_batches),
        cmocka_unit_test(few_cores_have_two_actors_where_games_are_processes),
        cmocka_unit_test(what_is_given_is_kept),
        cmocka_unit_test(
            fewer_actors_than_ranks_is_refused_and_few_actors_make_few_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
