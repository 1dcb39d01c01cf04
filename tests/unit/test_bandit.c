#include "tests/support/harness.h"

#include <string.h>

#include "actor/env.h"
#include "actor/envs/bandit.h"
#include "actor/envs/chain.h"

static struct env *open_task(const struct env_kind *kind, const char *overrides)
{
    const struct env_options options = {
        .task = kind->tasks[0], .overrides = overrides, .scratch = ""};
    const struct rng_stream stream = {.seed = 1, .role = RNG_ENV};
    struct env *e = NULL;

    assert_int_equal(kind->open(&options, &e), ST_OK);
    assert_int_equal(kind->reset(e, &stream), ST_OK);
    return e;
}

static struct env_result step(const struct env_kind *kind, struct env *e, int action)
{
    struct env_result r;

    kind->send(e, action);
    kind->receive(e, &r);
    return r;
}

static const char *caption(const struct env_kind *kind, struct env *e)
{
    return (const char *)kind->obs(e)->caption;
}

static void the_best_lever_opens_the_box_in_eight_pulls(void **state)
{
    struct env *e = open_task(&env_bandit, "");
    struct env_summary s;
    struct env_result r = {0};
    float total = 0;

    (void)state;
    for (int i = 0; i < 8; i++) {
        assert_false(r.terminated);
        r = step(&env_bandit, e, 4);
        total += r.reward;
    }
    assert_true(r.terminated);
    assert_false(r.truncated);
    assert_float_equal(total, 50, 0);
    assert_string_equal(caption(&env_bandit, e),
                        "The last bolt slides back and the strongbox opens.");
    env_bandit.summary(e, &s);
    assert_true(s.success);
    assert_int_equal(s.length, 8);
    assert_string_equal(s.cause, "success");
    env_bandit.close(e);
}

static void a_wrong_lever_pays_nothing_and_the_limit_truncates(void **state)
{
    struct env *e = open_task(&env_bandit, "limit=3");
    struct env_result r = {0};
    int strength = -1;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_false(r.truncated);
        r = step(&env_bandit, e, 0);
        assert_float_equal(r.reward, 0, 0);
        assert_int_equal(env_bandit.truth(e, env_bandit.obs(e)->event, &strength), 0);
        assert_int_equal(strength, 0);
    }
    assert_true(r.truncated);
    assert_false(r.terminated);
    env_bandit.close(e);
}

static void success_on_the_last_allowed_step_is_no_truncation(void **state)
{
    struct env *e = open_task(&env_bandit, "limit=2,bolts=2");
    struct env_result r;

    (void)state;
    (void)step(&env_bandit, e, 4);
    r = step(&env_bandit, e, 4);
    assert_true(r.terminated);
    assert_false(r.truncated);
    env_bandit.close(e);
}

static void a_reset_begins_a_new_episode(void **state)
{
    const struct rng_stream stream = {.seed = 1, .role = RNG_ENV, .episode = 1};
    struct env *e = open_task(&env_bandit, "bolts=1");
    struct env_summary s;

    (void)state;
    (void)step(&env_bandit, e, 4);
    assert_int_equal(env_bandit.reset(e, &stream), ST_OK);
    env_bandit.summary(e, &s);
    assert_false(s.success);
    assert_int_equal(s.length, 0);
    assert_string_equal(caption(&env_bandit, e), "Six levers and a strongbox.");
    env_bandit.close(e);
}

static void climbing_a_chain_returns_the_prize_after_five_steps(void **state)
{
    struct env *e = open_task(&env_chain, "pay=1");
    struct env_result r = {0};
    float total = 0;

    (void)state;
    for (int i = 0; i < 5; i++) {
        r = step(&env_chain, e, CHAIN_UP);
        total += r.reward;
    }
    assert_true(r.terminated);
    assert_float_equal(total, 55, 0);
    assert_string_equal(caption(&env_chain, e), "You reach the top of the ladder.");
    env_chain.close(e);
}

static void sliding_down_a_chain_is_cut_by_the_limit(void **state)
{
    struct env *e = open_task(&env_chain, "pay=1,limit=7");
    struct env_result r = {0};
    float total = 0;

    (void)state;
    for (int i = 0; i < 7; i++) {
        assert_false(r.truncated);
        r = step(&env_chain, e, CHAIN_DOWN);
        total += r.reward;
    }
    assert_true(r.truncated);
    assert_false(r.terminated);
    assert_float_equal(total, 7, 0);
    env_chain.close(e);
}

static void every_kind_is_found_by_each_of_its_tasks(void **state)
{
    (void)state;
    for (int k = 0; env_kinds[k] != NULL; k++) {
        for (const char *const *t = env_kinds[k]->tasks; *t != NULL; t++) {
            const struct env_kind *found = NULL;
            assert_int_equal(env_find(*t, &found), ST_OK);
            assert_ptr_equal(found, env_kinds[k]);
            assert_non_null(env_kinds[k]->goal_of(*t));
        }
    }
}

static void a_misspelt_task_is_told_the_nearest(void **state)
{
    const struct env_kind *found = NULL;

    (void)state;
    harness_stderr_begin();
    enum status st = env_find("crypt-valt", &found);
    const char *log = harness_stderr_end();
    assert_int_equal(st, ST_NOTFOUND);
    assert_non_null(strstr(log, "'crypt-valt'"));
    assert_non_null(strstr(log, "'crypt-vault'"));
}

static void expect_refusal(const char *overrides, const char *a, const char *b)
{
    const struct env_options options = {
        .task = "bandit", .overrides = overrides, .scratch = ""};
    struct env *e = NULL;

    harness_stderr_begin();
    enum status st = env_bandit.open(&options, &e);
    const char *log = harness_stderr_end();
    assert_int_equal(st, ST_INVALID);
    assert_non_null(strstr(log, a));
    assert_non_null(strstr(log, b));
    assert_null(strchr(strchr(log, '\n') + 1, '\n')); // one line
}

static void a_wrong_constant_is_named_with_its_value_and_range(void **state)
{
    (void)state;
    expect_refusal("best=9", "'9'", "from 1 to 6");
    expect_refusal("bets=3", "'bets'", "'best'");
    expect_refusal("best", "NAME=VALUE", "'best'");
    expect_refusal("limit=12x", "'12x'", "limit");
}

static void constants_change_the_digest(void **state)
{
    struct env *a = open_task(&env_bandit, "");
    struct env *b = open_task(&env_bandit, "best=2");
    struct env *c = open_task(&env_bandit, "best=5");

    (void)state;
    assert_true(env_bandit.spec(a)->digest != env_bandit.spec(b)->digest);
    assert_true(env_bandit.spec(a)->digest == env_bandit.spec(c)->digest);
    env_bandit.close(a);
    env_bandit.close(b);
    env_bandit.close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_lever_opens_the_box_in_eight_pulls),
        cmocka_unit_test(a_wrong_lever_pays_nothing_and_the_limit_truncates),
        cmocka_unit_test(success_on_the_last_allowed_step_is_no_truncation),
        cmocka_unit_test(a_reset_begins_a_new_episode),
        cmocka_unit_test(climbing_a_chain_returns_the_prize_after_five_steps),
        cmocka_unit_test(sliding_down_a_chain_is_cut_by_the_limit),
        cmocka_unit_test(every_kind_is_found_by_each_of_its_tasks),
        cmocka_unit_test(a_misspelt_task_is_told_the_nearest),
        cmocka_unit_test(a_wrong_constant_is_named_with_its_value_and_range),
        cmocka_unit_test(constants_change_the_digest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
