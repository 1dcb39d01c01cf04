/* Ranking models that are fitted to a ledger once: fitting, the directory, what they pay. */

#include "tests/support/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "learner/reward/motif_fit.h"
#include "learner/reward/reward.h"

enum { TEXTS = 4 };

static char dir[PATH_MAX_], where[PATH_MAX_ + 32];
static int models;
static struct reward reward;

/* ---- fitting ---- */

static struct labels *labels;
static uint64_t serial;

static void begin(double held_out)
{
    labels_free(labels);
    labels = labels_new(held_out);
    serial = 0;
}

/* An order of up to four, the place of each; a rating: one, and p. */
static void label(int captions, const char *const text[], const uint8_t *place, float p)
{
    struct bytes all[TEXTS];
    struct reward_label l = {.serial = ++serial,
                             .kind = VERDICT_LABEL,
                             .captions = (uint8_t)captions,
                             .p = p};

    for (int i = 0; i < captions; i++) {
        all[i] = bytes_text(text[i]);
        l.caption[i] = hash_128(all[i]);
        l.place[i] = place != NULL ? place[i] : 0;
        labels_take_text(labels, l.caption[i], all[i]);
    }
    l.key =
        captions == 1 ? l.caption[0] : hash_128(bytes_of(l.caption, sizeof(l.caption)));
    (void)labels_take(labels, &l);
}

static void rate(const char *text, float p)
{
    label(1, &text, NULL, p);
}

static void order(const char *first, const char *second, uint8_t a, uint8_t b)
{
    label(2, (const char *const[]){first, second}, (const uint8_t[]){a, b}, 0.5F);
}

static const struct motif_fit_options options = {
    .text = CAPNET_NGRAM, .epochs = 20, .batch = 16, .lr = 0.003, .seed = 3};

static enum status fit(struct motif_about *about, struct capnet **net)
{
    *about = (struct motif_about){.environment = "crypt-vault", .goal = "mine"};
    about->goal_digest = hash_128(bytes_text("my goal"));
    return motif_fit(&options, labels, about, net);
}

/* 40 helpful and 80 other captions, each of a form of its own. */
static void rate_many(void)
{
    char text[64];

    for (int i = 0; i < 120; i++) {
        text_format(text, sizeof(text), "%s %c%c%c",
                    i % 3 == 0 ? "a golden key" : "a wall", 'a' + i % 26, 'a' + i / 26,
                    'a' + i % 7);
        rate(text, i % 3 == 0 ? 0.9F : 0.1F);
    }
}

static void score(struct capnet *net, const char *const *text, float *out, int n)
{
    struct bytes all[TEXTS];

    for (int i = 0; i < n; i++) {
        all[i] = bytes_text(text[i]);
    }
    memcpy(out, capnet_forward(net, all, n, NULL), sizeof(float) * (size_t)n);
}

static void of_ratings_the_helpful_score_above_the_others(void **state)
{
    const char *const fresh[] = {"a golden key zzz", "a wall zzz"};
    struct motif_about a;
    struct capnet *net;
    float s[2];

    (void)state;
    begin(0.2);
    rate_many();
    assert_int_equal(fit(&a, &net), ST_OK);
    score(net, fresh, s, 2);
    assert_true(s[0] > s[1] + 1);
    assert_int_equal(a.labels, 120);
    assert_int_equal(a.helpful, 40);
    assert_int_equal(a.orders, 0);
    assert_true(a.held > 5 && a.held < 60);
    assert_true(a.compared > 100 && a.accuracy > 0.95);
    assert_true(isfinite(a.loss) && a.steps > 0);
    // What is rare is far above the mean, what is common a little below.
    assert_true(a.quantile[0] < 0 && a.quantile[50] < 0 && a.quantile[100] > 1);
    capnet_free(net);
}

static void orders_are_followed_and_ties_are_even(void **state)
{
    const char *const words[] = {"treasure", "key", "door", "wall"};
    struct motif_about a;
    struct capnet *net;
    float s[TEXTS];

    (void)state;
    begin(0);
    for (int i = 0; i < 20; i++) { // a key each: every text of its own
        char text[TEXTS][32];
        for (int k = 0; k < TEXTS; k++) {
            text_format(text[k], sizeof(text[k]), "%s %c", words[k], 'a' + i);
        }
        order(text[0], text[1], 0, 1);
        order(text[2], text[1], 1, 0);
        order(text[3], text[2], 0, 0);
        label(4, (const char *const[]){text[3], text[0], text[1], text[2]},
              (const uint8_t[]){2, 0, 1, 2}, 0.5F);
    }
    assert_int_equal(fit(&a, &net), ST_OK);
    score(net, words, s, TEXTS);
    assert_true(s[0] > s[1] && s[1] > s[2] + 0.5F);
    assert_true(fabsf(s[2] - s[3]) < 0.5F * (s[1] - s[2]));
    assert_int_equal(a.orders, 80);
    assert_int_equal(a.ties, 20);
    assert_true(isnan(a.accuracy)); // nothing is held out
    capnet_free(net);
}

static void the_same_labels_and_seed_give_the_same_model(void **state)
{
    struct motif_about a, b;
    struct capnet *net;

    (void)state;
    begin(0.2);
    rate_many();
    order("a golden key", "a wall", 0, 1);
    assert_int_equal(fit(&a, &net), ST_OK);
    capnet_free(net);
    assert_int_equal(fit(&b, &net), ST_OK);
    capnet_free(net);
    assert_memory_equal(a.quantile, b.quantile, sizeof(a.quantile));
    assert_float_equal(a.mean, b.mean, 0);
    assert_float_equal(a.loss, b.loss, 0);
}

static int by_number(const void *a, const void *b)
{
    double x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

/* Each caption of a label that is not held out, as often as it was asked about. */
static void statistics_are_of_the_captions_that_were_trained_on(void **state)
{
    static double all[400];
    struct motif_about a;
    struct capnet *net;
    double mean = 0, squares = 0;
    size_t n = 0;

    (void)state;
    begin(0.2);
    rate_many();
    order("a silver key", "a wall", 0, 1);
    order("a tin key", "a wall", 0, 1);
    order("an iron key", "a wall", 0, 1);
    assert_int_equal(fit(&a, &net), ST_OK);
    for (uint32_t i = 0; i < labels_count(labels); i++) {
        struct labels_item it;
        labels_get(labels, i, &it);
        for (int k = 0; k < it.captions && !it.held; k++) {
            all[n++] = (double)*capnet_forward(net, &it.text[k], 1, NULL);
        }
    }
    for (size_t i = 0; i < n; i++) {
        mean += all[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        squares += (all[i] - mean) * (all[i] - mean);
    }
    qsort(all, n, sizeof(all[0]), by_number);
    assert_float_equal(a.mean, mean, 1e-4);
    assert_float_equal(a.sigma, sqrt(squares / (double)n), 1e-4);
    for (size_t i = 0; i < MOTIF_QUANTILES; i++) {
        const double z = (all[(n - 1) * i / 100] - mean) / a.sigma;
        assert_float_equal(a.quantile[i], z, 1e-4);
    }
    capnet_free(net);
}

/* Who wins is tossed up: what is learnt by heart is ever more wrong elsewhere. */
static void the_epoch_that_lost_least_of_what_is_held_out_is_kept(void **state)
{
    struct motif_about a;
    struct capnet *net;
    struct rng rng;
    double loss = 0;
    int items = 0;

    (void)state;
    rng_init(&rng, 6);
    begin(0.3);
    for (int i = 0; i < 200; i++) {
        char text[2][9] = {"", ""};
        for (int k = 0; k < 16; k++) {
            text[k / 8][k % 8] = (char)('a' + (int)rng_below(&rng, 26));
        }
        order(text[0], text[1], 0, 1);
    }
    assert_int_equal(fit(&a, &net), ST_OK);
    for (uint32_t i = 0; i < labels_count(labels); i++) {
        struct labels_item it;
        labels_get(labels, i, &it);
        if (it.held) {
            const float *s = capnet_forward(net, it.text, 2, NULL);
            const double won = (double)(it.place[0] == 0 ? s[0] - s[1] : s[1] - s[0]);
            loss += log1p(exp(-won));
            items++;
        }
    }
    assert_true(items > 30 && a.epochs < (uint64_t)options.epochs / 2);
    assert_float_equal(a.loss, loss / items, 1e-4);
    capnet_free(net);
}

static void expect_refused(const char *why)
{
    struct motif_about a;
    struct capnet *net;

    harness_stderr_begin();
    assert_int_equal(fit(&a, &net), ST_INVALID);
    const char *said = harness_stderr_end();
    if (strstr(said, why) == NULL) {
        fail_msg("'%s' is not in '%s'", why, said);
    }
}

static void labels_that_tell_nothing_apart_are_refused_with_the_reason(void **state)
{
    (void)state;
    begin(0);
    rate("a key", 1);
    expect_refused("there is 1 label");
    rate("a chest", 0.8F);
    expect_refused("of 2 ratings 2 are helpful, and 0 of 0 orders are ties");
    begin(0);
    rate("a wall", 0);
    rate("a rat", 0.5F);
    order("a wall", "a rat", 0, 0);
    expect_refused("of 2 ratings 0 are helpful, and 1 of 1 orders are ties");
    begin(0.9);
    rate("a key", 1);
    for (int i = 0; i < 3; i++) {
        rate("a wall", 0);
    }
    rate("stairs", 1);
    expect_refused("held out; a smaller --held-out");
    begin(0);
}

static void a_learning_rate_that_blows_up_is_told(void **state)
{
    struct motif_fit_options wild = options;
    struct motif_about a = {0};
    struct capnet *net;

    (void)state;
    begin(0);
    rate_many();
    wild.lr = 1e37;
    harness_stderr_begin();
    assert_int_equal(motif_fit(&wild, labels, &a, &net), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "FIT-"));
}

static void a_stop_ends_a_fit(void **state)
{
    struct motif_about a;
    struct capnet *net;

    (void)state;
    begin(0);
    rate_many();
    stop_ask();
    assert_int_equal(fit(&a, &net), ST_CLOSED);
    stop_open();
}

/* ---- the directory ---- */

/* A fitted model in a new directory, which `where` then names. */
static void make_model(struct motif_about *a)
{
    struct capnet *net;

    begin(0.2);
    rate_many();
    assert_int_equal(fit(a, &net), ST_OK);
    text_format(where, sizeof(where), "%s/model-%d", dir, models++);
    assert_int_equal(motif_dir_write(where, a, net), ST_OK);
    capnet_free(net);
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
        {"\"sigma\": ", "\"sigma\": -", "no number"},
        {"\"mean\": ", "\"mean\": null, \"m\": ", "no number"},
        {"\"quantiles\": [", "\"quantiles\": [9e9, ", "no number"},
        {"\"weights_digest\": \"",
         "\"weights_digest\": \"00000000000000000000000000000000"
         "\", \"w\": \"",
         "not those that its model.json tells of"},
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
    text_format(where, sizeof(where), "%s/nothing", dir);
    expect_unread(ST_INVALID, "there is no model at");
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

    return reward_init(&reward, &o, peers, TEXTS);
}

static const struct reward_peers alone = {.count = 1};

static void pay(const char *const words[TEXTS], float paid[TEXTS])
{
    static const float nothing[TEXTS];
    static const uint16_t count[TEXTS] = {1, 1, 1, 1};
    static const uint32_t caused[TEXTS] = {0, 1, 2, 3}, emissions[TEXTS] = {1, 1, 1, 1};
    struct bytes text[TEXTS];
    struct hash128 key[TEXTS];
    const struct reward_rows rows = {.rows = TEXTS,
                                     .texts = TEXTS,
                                     .env_reward = nothing,
                                     .count = count,
                                     .paid_caption = caused,
                                     .text = text,
                                     .key = key,
                                     .emissions = emissions};
    struct reward_sums sums;

    for (int i = 0; i < TEXTS; i++) {
        text[i] = bytes_text(words[i]);
        key[i] = hash_128(text[i]);
    }
    reward_apply(&reward, paid, &sums, &rows, 1);
}

static void a_caption_pays_by_its_deviations_above_mean_and_quantile(void **state)
{
    const char *const words[TEXTS] = {"", "a golden key xyz", "a wall xyz", "golden"};
    struct motif_about a;
    struct capnet *net;
    float s[TEXTS], paid[TEXTS];

    (void)state;
    make_model(&a);
    assert_int_equal(motif_dir_read(where, 16, &a, &net), ST_OK);
    score(net, words, s, TEXTS);
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
            for (int i = 1; i < TEXTS; i++) {
                const double z = ((double)s[i] - a.mean) / a.sigma;
                const double want = z > 0 && z > bound ? fmin(z, 5) / 5 : 0;
                assert_float_equal(paid[i], want, 1e-5);
            }
        }
        assert_int_equal(reward_fit(&reward, 1), ST_OK);
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
    edit("\"mean\": ", "\"mean\": 1, \"m\": ");
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
    assert_int_equal(reward_init(&reward, &o, &alone, TEXTS), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "minos fit"));
    reward_release(&reward);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_ratings_the_helpful_score_above_the_others),
        cmocka_unit_test(orders_are_followed_and_ties_are_even),
        cmocka_unit_test(the_same_labels_and_seed_give_the_same_model),
        cmocka_unit_test(statistics_are_of_the_captions_that_were_trained_on),
        cmocka_unit_test(the_epoch_that_lost_least_of_what_is_held_out_is_kept),
        cmocka_unit_test(labels_that_tell_nothing_apart_are_refused_with_the_reason),
        cmocka_unit_test(a_learning_rate_that_blows_up_is_told),
        cmocka_unit_test(a_stop_ends_a_fit),
        cmocka_unit_test(a_model_comes_back_as_it_was_written),
        cmocka_unit_test(a_damaged_model_is_refused_with_what_is_wrong),
        cmocka_unit_test(weights_that_are_no_numbers_are_refused),
        cmocka_unit_test(a_caption_pays_by_its_deviations_above_mean_and_quantile),
        cmocka_unit_test(a_model_of_another_goal_or_environment_is_refused),
        cmocka_unit_test(ranks_and_restarts_keep_to_one_model),
        cmocka_unit_test(without_a_model_it_says_what_makes_one),
    };

    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    labels_free(labels);
    harness_remove_dir(dir);
    return failed;
}
