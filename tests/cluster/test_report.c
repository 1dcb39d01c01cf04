/* What a run tells of itself holds over restarts and under every reward. */

#include "tests/cluster/cluster.h"

#include <jansson.h>
#include <string.h>

#include "common/base/log.h"
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

static void rank(struct learner_options *o)
{
    pay_by(o, "rank");
}

static void without_a_gate(struct learner_options *o)
{
    classify(o);
    o->gate_labels = o->gate_class = o->gate_steps = 0;
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

/* ---- at its end ---- */

/* What a run of so few updates that hardly a label came says when it is stopped. */
static const char *last_words(void (*tune)(struct learner_options *o))
{
    cluster_init(&c, &(struct cluster_plan){.tune = tune});
    cluster_run_until(&c, updates_at_least, 3);
    log_open("cluster", -1, LOG_WARN_);
    harness_stderr_begin();
    cluster_stop(&c);
    const char *said = harness_stderr_end();
    log_open("cluster", -1, LOG_ERROR_);
    cluster_release(&c);
    return said;
}

static void a_run_whose_model_never_paid_says_so_at_its_end(void **state)
{
    (void)state;
    const char *said = last_words(classify);
    assert_non_null(strstr(said, "REWARD-GATE"));
    assert_non_null(strstr(said, "the reward's model never paid (gate waits, "));
    assert_non_null(strstr(said, " of 64 labels, "));
    assert_non_null(strstr(said, "captions paid by their labels alone"));
    said = last_words(rank);
    assert_non_null(strstr(said, "the reward's model never paid (gate waits, "));
    assert_non_null(strstr(said, "captions paid nothing"));
    assert_null(strstr(last_words(without_a_gate), "never paid"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cpu_time_of_a_reward_is_of_all_starts_of_a_run),
        cmocka_unit_test(a_run_whose_model_never_paid_says_so_at_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
