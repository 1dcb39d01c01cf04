/* What a run writes of itself, under every reward: each line is an object that names nothing
 * twice, and one that never paid says so. */

#include "tests/cluster/cluster.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/nn/capnet.h"
#include "learner/reward/motif_dir.h"

enum { FILE_MOST = 1 << 24, RUN_MS = 2500 };

static struct cluster c;
static const char *reward;
static double a_int = 1;
static char vectors[PATH_MAX_], model[PATH_MAX_];

static void tune(struct learner_options *o)
{
    text_format(o->reward, sizeof(o->reward), "%s", reward);
    text_format(o->word_vectors, sizeof(o->word_vectors), "%s", vectors);
    text_format(o->reward_model, sizeof(o->reward_model), "%s", model);
    text_format(o->replay_mode, sizeof(o->replay_mode), "uniform");
    o->replay_ratio = 0.25;
    o->segment_steps = 16;
    o->value_heads = 2;
    o->a_int = a_int;
    o->gate_labels = o->gate_class = o->gate_steps = 0;
}

/* One object after the other until the end; jansson refuses a key that comes twice. */
static void expect_no_key_twice(const char *name)
{
    char path[PATH_MAX_], *text;
    json_error_t error;
    size_t len;
    int lines = 0;

    text_format(path, sizeof(path), "%s/%s", c.dir, name);
    assert_int_equal(file_read(path, FILE_MOST, &text, &len), ST_OK);
    for (const char *at = text; at < text + len; lines++) {
        const size_t line = strcspn(at, "\n");
        json_t *v = json_loadb(at, line, JSON_REJECT_DUPLICATES, &error);
        if (v == NULL) {
            fail_msg("--reward=%s, %s, line %d: %s", reward, name, lines + 1,
                     error.text);
        }
        json_decref(v);
        at += line < (size_t)(text + len - at) ? line + 1 : line;
    }
    assert_true(lines > 0);
    mem_free(text);
}

static void expect_keys_once(const char *kind)
{
    reward = kind;
    cluster_init(&c, &(struct cluster_plan){.tune = tune, .batch = 64});
    cluster_run_ms(&c, RUN_MS);
    assert_true(cluster_updates(&c) > 0);
    expect_no_key_twice("progress.json");
    cluster_stop(&c);
    expect_no_key_twice("metrics.jsonl");
    expect_no_key_twice("summary.json");
    cluster_release(&c);
}

static void rewards_without_a_model_name_nothing_twice(void **state)
{
    (void)state;
    expect_keys_once("none");
    expect_keys_once("count");
    expect_keys_once("retrieval");
    expect_keys_once("rnd");
}

static void rewards_that_are_fitted_name_nothing_twice(void **state)
{
    (void)state;
    expect_keys_once("classify");
    expect_keys_once("rank");
}

static void word_vectors_name_nothing_twice(void **state)
{
    (void)state;
    text_format(vectors, sizeof(vectors), "%s",
                harness_path(harness_make_dir(), "toy.vec"));
    FILE *f = fopen(vectors, "we");
    assert_non_null(f);
    fputs("2 2\nfind 1 0\ntreasure 0 1\n", f);
    fclose(f);
    expect_keys_once("bow");
    *strrchr(vectors, '/') = '\0';
    harness_remove_dir(vectors);
    vectors[0] = '\0';
}

static void a_model_of_minos_fit_names_nothing_twice(void **state)
{
    struct learner_options *o = mem_new(1, sizeof(*o));
    struct motif_about about = {
        .environment = "bandit", .goal = "treasure", .labels = 64, .sigma = 1};
    struct capnet *net = capnet_new(CAPNET_NGRAM, CAPNET_SCORE, 1, false);
    struct start_goal goal;

    (void)state;
    text_format(o->env, sizeof(o->env), "bandit");
    assert_int_equal(start_read_goal(o, &goal), ST_OK);
    about.goal_digest = goal.digest;
    text_format(model, sizeof(model), "%s", harness_make_dir());
    assert_int_equal(motif_dir_write(model, &about, net), ST_OK);
    expect_keys_once("motif");
    harness_remove_dir(model);
    mem_free(goal.text);
    mem_free(o);
    capnet_free(net);
}

/* Nobody labels: the warnings with which the run ends. */
static const char *end_without_judge(const char *kind, double weight)
{
    reward = kind;
    a_int = weight;
    cluster_init(&c, &(struct cluster_plan){.tune = tune, .batch = 64});
    cluster_kill_judge(&c, 0);
    cluster_run_ms(&c, RUN_MS);
    assert_true(cluster_updates(&c) > 0);
    harness_stderr_begin();
    log_open("cluster", -1, LOG_WARN_);
    cluster_stop(&c);
    const char *said = harness_stderr_end();
    cluster_release(&c);
    a_int = 1;
    return said;
}

static void a_reward_that_never_paid_is_told_when_the_run_ends(void **state)
{
    static const char silent[] = "REWARD-SILENT";

    (void)state;
    const char *said = strstr(end_without_judge("retrieval", 1), silent);
    assert_non_null(said);
    assert_non_null(strstr(said, "the reward retrieval paid nothing in the whole run"));
    assert_null(strstr(said + 1, silent));
    assert_null(strstr(end_without_judge("retrieval", 0), silent)); // meant so
    assert_null(strstr(end_without_judge("none", 1), silent));
    assert_null(strstr(end_without_judge("count", 1), silent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewards_without_a_model_name_nothing_twice),
        cmocka_unit_test(rewards_that_are_fitted_name_nothing_twice),
        cmocka_unit_test(word_vectors_name_nothing_twice),
        cmocka_unit_test(a_reward_that_never_paid_is_told_when_the_run_ends),
        cmocka_unit_test(a_model_of_minos_fit_names_nothing_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
