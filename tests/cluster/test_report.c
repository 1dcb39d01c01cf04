/* What a run tells of itself holds over restarts and under every reward. */

#include "tests/cluster/cluster.h"

#include <jansson.h>
#include <stdio.h>
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

/* ---- of judges and labels ---- */

static void none(struct learner_options *o)
{
    pay_by(o, "none");
}

static void expect_null(const json_t *root, const char *key)
{
    if (!json_is_null(json_object_get(root, key))) {
        fail_msg("%s is not null", key);
    }
}

/* Ends with json_decref(). */
static json_t *summary_of(void (*tune)(struct learner_options *o), uint64_t updates)
{
    cluster_init(&c, &(struct cluster_plan){.tune = tune});
    cluster_run_until(&c, updates_at_least, updates);
    cluster_stop(&c);
    json_t *summary = read_object("summary.json");
    cluster_release(&c);
    return summary;
}

static void what_nothing_was_measured_of_is_null(void **state)
{
    static const char *const keys[] = {
        "label_age_p50",         "label_age_p99",        "label_delay_p50",
        "model_lag_p50",         "model_lag_p99",        "judge_p50_ms",
        "progress_delay_p50_ms", "progress_delay_p99_ms"};
    json_t *summary = summary_of(none, FEW);

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        expect_null(summary, keys[i]);
    }
    (void)number_of(summary, "policy_lag_p50");
    json_decref(summary);
}

static void orders_tell_of_their_captions_what_they_can(void **state)
{
    json_t *summary = summary_of(rank, 4 * FEW);

    (void)state;
    assert_true(number_of(summary, "labels") > 0);
    assert_true(number_of(summary, "captions_labelled_share") > 0.5);
    expect_null(summary, "captions_helpful_share");
    assert_true(number_of(summary, "label_age_p99") > 0);
    assert_true(json_array_size(json_object_get(summary, "label_age_histogram")) > 1);
    expect_null(summary, "model_lag_p50"); // its gate is closed
    json_decref(summary);
}

static void the_line_of_progress_counts_orders(void **state)
{
    unsigned labels = 0;

    (void)state;
    cluster_init(&c, &(struct cluster_plan){.tune = rank, .update_ms = 500});
    log_open("cluster", -1, LOG_INFO_);
    harness_stderr_begin();
    cluster_run_ms(&c, 31000);
    const char *said = strstr(harness_stderr_end(), "TRAIN-PROGRESS");
    log_open("cluster", -1, LOG_ERROR_);
    assert_non_null(said);
    said = strstr(said, "episodes, ");
    assert_non_null(said);
    assert_int_equal(sscanf(said, "episodes, %u labels", &labels), 1);
    assert_true(labels > 0);
    cluster_release(&c);
}

/* Whether a run waits for judges while questions wait; judged: one was there for a time. */
static bool waits_for_judges(void (*tune)(struct learner_options *o), bool judged)
{
    cluster_init(&c, &(struct cluster_plan){.tune = tune, .update_ms = 200});
    if (judged) {
        cluster_run_ms(&c, 20000);
    }
    cluster_kill_judge(&c, 0);
    cluster_run_ms(&c, 20000);
    const struct io_counters *k = cluster_counters(&c, 0);
    const uint64_t wait = k->questions_queued + k->questions_in_flight;
    assert_true(10 * wait > k->captions);
    json_t *progress = read_object("progress.json");
    const json_t *whom = json_object_get(progress, "waiting_for");
    const bool waits = strcmp(json_string_value(whom), "judge") == 0;
    json_decref(progress);
    cluster_release(&c);
    return waits;
}

static void a_run_of_orders_waits_for_judges_while_captions_are_in_none(void **state)
{
    (void)state;
    assert_true(waits_for_judges(rank, false));
    assert_false(waits_for_judges(rank, true));
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
        cmocka_unit_test(what_nothing_was_measured_of_is_null),
        cmocka_unit_test(orders_tell_of_their_captions_what_they_can),
        cmocka_unit_test(the_line_of_progress_counts_orders),
        cmocka_unit_test(a_run_of_orders_waits_for_judges_while_captions_are_in_none),
        cmocka_unit_test(a_run_whose_model_never_paid_says_so_at_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
