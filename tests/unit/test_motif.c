/* Ranking models that were fitted to a ledger once: the directory, and what they pay. */

#include "tests/support/ranker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "learner/reward/reward.h"

static char dir[PATH_MAX_], where[PATH_MAX_ + 32];
static int models;
static struct reward reward;

/* ---- the directory ---- */

/* Fits the labels in a new directory, which `where` then names. */
static void write_model(struct motif_about *a)
{
    struct capnet *net;

    assert_int_equal(ranker_fit(a, &net), ST_OK);
    text_format(where, sizeof(where), "%s/model-%d", dir, models++);
    assert_int_equal(motif_dir_write(where, a, net), ST_OK);
    capnet_free(net);
}

static void make_model(struct motif_about *a)
{
    ranker_begin(0.2);
    ranker_rate_many();
    write_model(a);
}

static void a_model_comes_back_as_it_was_written(void **state)
{
    struct motif_about a, b;
    struct capnet *net;

    (void)state;
    make_model(&a);
    assert_int_equal(motif_dir_read(where, 16, &b, &net), ST_OK);
    assert_string_equal(b.environment, "crypt-vault");
    assert_true(hash_equal(a.goal_digest, b.goal_digest));
    assert_true(hash_equal(motif_dir_identity(&a), motif_dir_identity(&b)));
    assert_int_equal(b.labels, 120);
    assert_float_equal(a.accuracy, b.accuracy, 0);
    harness_stderr_begin();
    assert_int_equal(motif_dir_write(where, &a, net), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "holds a model already"));
    capnet_free(net);
}

/* Replaces `from` in model.json. */
static void edit(const char *from, const char *to)
{
    char path[PATH_MAX_ + 64], *text;
    struct text_buf b = {0};
    size_t len;

    text_format(path, sizeof(path), "%s/model.json", where);
    assert_int_equal(file_read(path, 1 << 20, &text, &len), ST_OK);
    const char *at = strstr(text, from);
    assert_non_null(at);
    text_buf_add(&b, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    assert_int_equal(file_write_atomic(path, bytes_of(b.data, b.len)), ST_OK);
    text_buf_release(&b);
    mem_free(text);
}

static void expect_unread(enum status st, const char *why)
{
    struct motif_about a;
    struct capnet *net;

    harness_stderr_begin();
    assert_int_equal(motif_dir_read(where, 16, &a, &net), st);
    const char *said = harness_stderr_end();
    if (strstr(said, why) == NULL) {
        fail_msg("'%s' is not in '%s'", why, said);
    }
}

static void a_damaged_model_is_refused_with_what_is_wrong(void **state)
{
    static const char *const edits[][3] = {
        {"{\"format\": 1", "{\"format\": 2", "another format"},
        {"{\"format\"", "\"format\"", "a broken line"},
        {"\"environment\"", "\"environs\"", "no environment"},
        {"\"text_net\": \"ngram\"", "\"text_net\": \"rnn\"", "text_net that is known"},
        {"\"ledger_digest\": \"", "\"ledger_digest\": \"x", "a digest that is none"},
        {"\"labels\": ", "\"labels\": -", "a count that is none"},
        {"\"orders\": ", "\"orders\": 1.5, \"o\": ", "a count that is none"},
        {"\"seed\": ", "\"seeds\": ", "a count that is none"},
        {"\"sigma\": ", "\"sigma\": -", "no number"},
        {"\"mean\": ", "\"mean\": null, \"m\": ", "no number"},
        {"\"quantiles\": [", "\"quantiles\": [9e9, ", "no number"},
        {"\"weights_digest\": \"",
         "\"weights_digest\": \"00000000000000000000000000000000"
         "\", \"w\": \"",
         "was changed since minos fit wrote it"},
        {"\"checksum\": \"", "\"sum\": \"", "no checksum"},
        {"\"checksum\": \"", "\"checksum\": \"x", "no checksum"},
        {"\"mean\": ", "\"mean\": 50, \"m\": ", "was changed since"},
        {"\"environment\": \"crypt-vault\"", "\"environment\": \"nethack-score\"",
         "was changed since"},
    };
    struct motif_about a;
    char path[PATH_MAX_ + 64];

    (void)state;
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        make_model(&a);
        edit(edits[i][0], edits[i][1]);
        expect_unread(ST_CORRUPT, edits[i][2]);
    }
    make_model(&a);
    text_format(path, sizeof(path), "%s/weights.bin", where);
    assert_int_equal(truncate(path, 5000), 0);
    expect_unread(ST_CORRUPT, "weights.bin");
    assert_int_equal(unlink(path), 0);
    expect_unread(ST_CORRUPT, "there is no file");
    assert_int_equal(mkdir(path, 0700), 0); // what cannot be read, for root too
    expect_unread(ST_INVALID, "weights.bin");
    text_format(where, sizeof(where), "%s/nothing", dir);
    expect_unread(ST_INVALID, "there is no model at");
}

static void weights_of_another_model_are_refused(void **state)
{
    char other[PATH_MAX_ + 64], path[PATH_MAX_ + 64];
    struct motif_about a;

    (void)state;
    make_model(&a);
    text_format(other, sizeof(other), "%s/weights.bin", where);
    ranker_begin(0.2);
    ranker_rate_many();
    ranker_rate("one more key", 1);
    write_model(&a);
    text_format(path, sizeof(path), "%s/weights.bin", where);
    assert_int_equal(rename(other, path), 0);
    expect_unread(ST_CORRUPT, "not those that its model.json tells of");
}

/* As nothing of it is left, a fit that fails leaves nothing either. */
static void where_no_model_can_be_written_is_known_before_it_is_fitted(void **state)
{
    char path[PATH_MAX_ + 64];

    (void)state;
    text_format(path, sizeof(path), "%s/new", dir);
    assert_int_equal(motif_dir_try(path, CAPNET_NGRAM), ST_OK);
    assert_false(file_exists(path));
    assert_int_equal(file_write_atomic(path, bytes_text("a file")), ST_OK);
    harness_stderr_begin();
    assert_int_equal(motif_dir_try(path, CAPNET_NGRAM), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), path));
}

static void weights_that_are_no_numbers_are_refused(void **state)
{
    struct motif_about a;
    struct capnet *net;

    (void)state;
    make_model(&a);
    assert_int_equal(motif_dir_read(where, 16, &a, &net), ST_OK);
    capnet_params(net)->weights[77] = NAN;
    text_format(where, sizeof(where), "%s/model-%d", dir, models++);
    assert_int_equal(motif_dir_write(where, &a, net), ST_OK);
    capnet_free(net);
    expect_unread(ST_CORRUPT, "weight 77 of the model");
}

/* ---- what it pays ---- */

static enum status open_kind(const char *env, const char *goal, double quantile,
                             const struct reward_peers *peers)
{
    const struct reward_options o = {.kind = "motif",
                                     .a_int = 1,
                                     .clip = 10,
                                     .beta = 3,
                                     .goal = bytes_text(goal),
                                     .env = env,
                                     .reward_model = where,
                                     .motif_quantile = quantile};

    return reward_init(&reward, &o, peers, RANKER_TEXTS);
}

static const struct reward_peers alone = {.count = 1};

static void pay(const char *const words[RANKER_TEXTS], float paid[RANKER_TEXTS])
{
    static const float nothing[RANKER_TEXTS];
    static const uint16_t count[RANKER_TEXTS] = {1, 1, 1, 1};
    static const uint32_t caused[RANKER_TEXTS] = {0, 1, 2, 3},
                          emissions[RANKER_TEXTS] = {1, 1, 1, 1};
    struct bytes text[RANKER_TEXTS];
    struct hash128 key[RANKER_TEXTS];
    const struct reward_rows rows = {.rows = RANKER_TEXTS,
                                     .texts = RANKER_TEXTS,
                                     .env_reward = nothing,
                                     .count = count,
                                     .paid_caption = caused,
                                     .text = text,
                                     .key = key,
                                     .emissions = emissions};
    struct reward_sums sums;

    for (int i = 0; i < RANKER_TEXTS; i++) {
        text[i] = bytes_text(words[i]);
        key[i] = hash_128(text[i]);
    }
    reward_apply(&reward, paid, &sums, &rows, 1);
}

static void expect_threshold(double want)
{
    static const char key[] = "\"motif_threshold\": ";
    struct metrics_row row = {0};

    metrics_begin(&row);
    reward.kind->report(&reward, &row, true);
    const char *at = strstr(metrics_end(&row), key);
    assert_non_null(at);
    assert_float_equal(strtod(at + strlen(key), NULL), want, 1e-5);
    metrics_release(&row);
}

static void a_caption_pays_by_its_deviations_above_mean_and_quantile(void **state)
{
    const char *const words[RANKER_TEXTS] = {"", "a golden key xyz", "a wall xyz",
                                             "golden"};
    struct motif_about a;
    struct capnet *net;
    float s[RANKER_TEXTS], paid[RANKER_TEXTS];

    (void)state;
    make_model(&a);
    assert_int_equal(motif_dir_read(where, 16, &a, &net), ST_OK);
    ranker_score(net, words, s, RANKER_TEXTS);
    capnet_free(net);
    static const double quantiles[] = {0, 0.505, 1};
    for (size_t q = 0; q < sizeof(quantiles) / sizeof(quantiles[0]); q++) {
        const double bound = q == 0   ? a.quantile[0]
                             : q == 1 ? 0.5 * (a.quantile[50] + a.quantile[51])
                                      : a.quantile[100];
        assert_int_equal(open_kind("crypt-stairs", "my goal", quantiles[q], &alone),
                         ST_OK);
        for (int twice = 0; twice < 2; twice++) { // scored, then remembered
            pay(words, paid);
            assert_float_equal(paid[0], 0, 0);
            for (int i = 1; i < RANKER_TEXTS; i++) {
                const double z = ((double)s[i] - a.mean) / a.sigma;
                const double want = z > 0 && z > bound ? fmin(z, 5) / 5 : 0;
                assert_float_equal(paid[i], want, 1e-5);
            }
        }
        assert_int_equal(reward_fit(&reward, 1), ST_OK);
        expect_threshold(fmax(bound, 0)); // what is told is what pays
        reward_release(&reward);
    }
    assert_true(s[1] > s[2]);
}

static void a_model_of_another_goal_or_environment_is_refused(void **state)
{
    struct motif_about a;

    (void)state;
    make_model(&a);
    harness_stderr_begin();
    assert_int_equal(open_kind("crypt-vault", "another goal", 0.5, &alone), ST_INVALID);
    reward_release(&reward);
    assert_int_equal(open_kind("nethack-score", "my goal", 0.5, &alone), ST_INVALID);
    reward_release(&reward);
    const char *said = harness_stderr_end();
    assert_non_null(strstr(said, "for goal mine as its file was then"));
    assert_non_null(
        strstr(said, "captions of crypt-vault, this run plays nethack-score"));
}

static enum status agree_with_another(void *ctx, double *v, int n)
{
    (void)ctx;
    for (int i = 0; i < n; i++) {
        v[i] += 12345;
    }
    return ST_OK;
}

static void ranks_and_restarts_keep_to_one_model(void **state)
{
    const struct reward_peers two = {
        .index = 1, .count = 2, .agree = agree_with_another};
    struct motif_about a;
    char *data;
    size_t len;

    (void)state;
    make_model(&a);
    harness_stderr_begin();
    assert_int_equal(open_kind("crypt-vault", "my goal", 0.5, &two), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "rank 1 reads another"));
    reward_release(&reward);
    assert_int_equal(open_kind("crypt-vault", "my goal", 0.5, &alone), ST_OK);
    reward.kind->save(&reward, &data, &len);
    assert_int_equal(reward.kind->load(&reward, bytes_of(data, len)), ST_OK);
    reward_release(&reward);
    ranker_begin(0.2);
    ranker_rate_many();
    ranker_rate("one more key", 1);
    write_model(&a);
    assert_int_equal(open_kind("crypt-vault", "my goal", 0.5, &alone), ST_OK);
    harness_stderr_begin();
    assert_int_equal(reward.kind->load(&reward, bytes_of(data, len)), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "begun with another model"));
    reward_release(&reward);
    mem_free(data);
}

static void without_a_model_it_says_what_makes_one(void **state)
{
    const struct reward_options o = {.kind = "motif", .reward_model = ""};

    (void)state;
    harness_stderr_begin();
    assert_int_equal(reward_init(&reward, &o, &alone, RANKER_TEXTS), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "minos fit"));
    reward_release(&reward);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_comes_back_as_it_was_written),
        cmocka_unit_test(a_damaged_model_is_refused_with_what_is_wrong),
        cmocka_unit_test(weights_of_another_model_are_refused),
        cmocka_unit_test(where_no_model_can_be_written_is_known_before_it_is_fitted),
        cmocka_unit_test(weights_that_are_no_numbers_are_refused),
        cmocka_unit_test(a_caption_pays_by_its_deviations_above_mean_and_quantile),
        cmocka_unit_test(a_model_of_another_goal_or_environment_is_refused),
        cmocka_unit_test(ranks_and_restarts_keep_to_one_model),
        cmocka_unit_test(without_a_model_it_says_what_makes_one),
    };

    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    labels_free(ranker_labels);
    harness_remove_dir(dir);
    return failed;
}
