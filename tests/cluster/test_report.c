/* What a run tells of itself holds over restarts and under every reward. */

#include "tests/cluster/cluster.h"

#include <jansson.h>

#include "common/base/text.h"

enum { ACTORS = 2, FEW = 30 };

static struct cluster c;

static void pay_by(struct learner_options *o, const char *reward)
{
    text_format(o->reward, sizeof(o->reward), "%s", reward);
}

static void classify(struct learner_options *o)
{
    pay_by(o, "classify");
}

/* Ends with json_decref(). */
static json_t *read_object(const char *name)
{
    json_error_t error;
    json_t *root = json_load_file(harness_path(c.dir, name), 0, &error);

    if (root == NULL) {
        fail_msg("%s: %s", name, error.text);
    }
    return root;
}

static double number_of(const json_t *root, const char *key)
{
    const json_t *v = json_object_get(root, key);

    if (!json_is_number(v)) {
        fail_msg("%s is no number", key);
    }
    return json_number_value(v);
}

static void start_all(void)
{
    cluster_start_learner(&c);
    for (int i = 0; i < ACTORS; i++) {
        cluster_start_actor(&c, i);
    }
}

/* ---- over restarts ---- */

/* As if what is measured by the processor's time had taken so long. */
static void spend(double scoring, double fitting)
{
    c.learner[0].train.cpu_scoring += scoring;
    c.learner[0].train.cpu_fitting += fitting;
}

static void expect_spent(double scoring, double fitting)
{
    json_t *summary = read_object("summary.json");

    assert_float_equal(number_of(summary, "cpu_scoring_s"), scoring, 1);
    assert_float_equal(number_of(summary, "cpu_fitting_s"), fitting, 1);
    json_decref(summary);
}

static void the_cpu_time_of_a_reward_is_of_all_starts_of_a_run(void **state)
{
    (void)state;
    cluster_init(&c, &(struct cluster_plan){.tune = classify});
    spend(100, 200);
    cluster_run_until(&c, updates_at_least, FEW);
    cluster_stop(&c);
    expect_spent(100, 200);
    start_all();
    spend(30, 60);
    cluster_run_ms(&c, 2000);
    cluster_kill_learner(&c); // it tells each second what it spent
    cluster_start_learner(&c);
    cluster_run_until(&c, updates_at_least, 2 * FEW);
    cluster_stop(&c);
    expect_spent(130, 260);
    json_t *summary = read_object("summary.json"); // of the last start
    assert_true(number_of(summary, "scoring_ms_per_update") < 100);
    assert_true(number_of(summary, "fitting_ms_per_update") < 200);
    json_decref(summary);
    cluster_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cpu_time_of_a_reward_is_of_all_starts_of_a_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
