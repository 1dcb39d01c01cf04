/* Ranking models that are fitted to a ledger once: what fitting makes of labels. */

#include "tests/support/ranker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/base/stop.h"
#include "common/base/text.h"

static void of_ratings_the_helpful_score_above_the_others(void **state)
{
    const char *const fresh[] = {"a golden key zzz", "a wall zzz"};
    struct motif_about a;
    struct capnet *net;
    float s[2];

    (void)state;
    ranker_begin(0.2);
    ranker_rate_many();
    assert_int_equal(ranker_fit(&a, &net), ST_OK);
    ranker_score(net, fresh, s, 2);
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
    float s[RANKER_TEXTS];

    (void)state;
    ranker_begin(0);
    for (int i = 0; i < 20; i++) { // a key each: every text of its own
        char text[RANKER_TEXTS][32];
        for (int k = 0; k < RANKER_TEXTS; k++) {
            text_format(text[k], sizeof(text[k]), "%s %c", words[k], 'a' + i);
        }
        ranker_order(text[0], text[1], 0, 1);
        ranker_order(text[2], text[1], 1, 0);
        ranker_order(text[3], text[2], 0, 0);
        ranker_label(4, (const char *const[]){text[3], text[0], text[1], text[2]},
                     (const uint8_t[]){2, 0, 1, 2}, 0.5F);
    }
    assert_int_equal(ranker_fit(&a, &net), ST_OK);
    ranker_score(net, words, s, RANKER_TEXTS);
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
    ranker_begin(0.2);
    ranker_rate_many();
    ranker_order("a golden key", "a wall", 0, 1);
    assert_int_equal(ranker_fit(&a, &net), ST_OK);
    capnet_free(net);
    assert_int_equal(ranker_fit(&b, &net), ST_OK);
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
    ranker_begin(0.2);
    ranker_rate_many();
    ranker_order("a silver key", "a wall", 0, 1);
    ranker_order("a tin key", "a wall", 0, 1);
    ranker_order("an iron key", "a wall", 0, 1);
    assert_int_equal(ranker_fit(&a, &net), ST_OK);
    for (uint32_t i = 0; i < labels_count(ranker_labels); i++) {
        struct labels_item it;
        labels_get(ranker_labels, i, &it);
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
    ranker_begin(0.3);
    for (int i = 0; i < 200; i++) {
        char text[2][9] = {"", ""};
        for (int k = 0; k < 16; k++) {
            text[k / 8][k % 8] = (char)('a' + (int)rng_below(&rng, 26));
        }
        ranker_order(text[0], text[1], 0, 1);
    }
    assert_int_equal(ranker_fit(&a, &net), ST_OK);
    for (uint32_t i = 0; i < labels_count(ranker_labels); i++) {
        struct labels_item it;
        labels_get(ranker_labels, i, &it);
        if (it.held) {
            const float *s = capnet_forward(net, it.text, 2, NULL);
            const double won = (double)(it.place[0] == 0 ? s[0] - s[1] : s[1] - s[0]);
            loss += log1p(exp(-won));
            items++;
        }
    }
    assert_true(items > 30 && a.epochs < (uint64_t)ranker_options.epochs / 2);
    assert_float_equal(a.loss, loss / items, 1e-4);
    capnet_free(net);
}

/* A loss of nearly nothing halves in each epoch; nobody should wait for that. */
static void a_fit_ends_when_the_loss_falls_by_less_than_is_told(void **state)
{
    struct motif_fit_options long_fit = ranker_options;
    struct motif_about a = {.labels = 0};
    struct capnet *net;

    (void)state;
    ranker_begin(0.3);
    ranker_rate_many();
    long_fit.epochs = 400;
    assert_int_equal(motif_fit(&long_fit, ranker_labels, &a, &net), ST_OK);
    const uint64_t an_epoch = (120 - a.held + (uint64_t)ranker_options.batch - 1) /
                              (uint64_t)ranker_options.batch;
    assert_true(a.loss < 0.001);
    assert_true(a.steps / an_epoch <= a.epochs + MOTIF_PATIENCE);
    assert_true(a.steps / an_epoch < 200);
    capnet_free(net);
}

static void expect_refused(const char *why)
{
    struct motif_about a;
    struct capnet *net;

    harness_stderr_begin();
    assert_int_equal(ranker_fit(&a, &net), ST_INVALID);
    const char *said = harness_stderr_end();
    if (strstr(said, why) == NULL) {
        fail_msg("'%s' is not in '%s'", why, said);
    }
}

static void labels_that_tell_nothing_apart_are_refused_with_the_reason(void **state)
{
    (void)state;
    ranker_begin(0);
    ranker_rate("a key", 1);
    expect_refused("there is 1 label");
    ranker_rate("a chest", 0.8F);
    expect_refused("of 2 ratings 2 are helpful, and 0 of 0 orders are ties");
    ranker_begin(0);
    ranker_rate("a wall", 0);
    ranker_rate("a rat", 0.5F);
    ranker_order("a wall", "a rat", 0, 0);
    expect_refused("of 2 ratings 0 are helpful, and 1 of 1 orders are ties");
    ranker_begin(0.9);
    ranker_rate("a key", 1);
    for (int i = 0; i < 3; i++) {
        ranker_rate("a wall", 0);
    }
    ranker_rate("stairs", 1);
    expect_refused("held out; a smaller --held-out");
    ranker_begin(0);
}

static void a_learning_rate_that_blows_up_is_told(void **state)
{
    struct motif_fit_options wild = ranker_options;
    struct motif_about a = {0};
    struct capnet *net;

    (void)state;
    ranker_begin(0);
    ranker_rate_many();
    wild.lr = 1e37;
    harness_stderr_begin();
    assert_int_equal(motif_fit(&wild, ranker_labels, &a, &net), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "FIT-"));
}

static void a_stop_ends_a_fit(void **state)
{
    struct motif_about a;
    struct capnet *net;

    (void)state;
    ranker_begin(0);
    ranker_rate_many();
    stop_ask();
    assert_int_equal(ranker_fit(&a, &net), ST_CLOSED);
    stop_open();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_ratings_the_helpful_score_above_the_others),
        cmocka_unit_test(orders_are_followed_and_ties_are_even),
        cmocka_unit_test(the_same_labels_and_seed_give_the_same_model),
        cmocka_unit_test(statistics_are_of_the_captions_that_were_trained_on),
        cmocka_unit_test(the_epoch_that_lost_least_of_what_is_held_out_is_kept),
        cmocka_unit_test(a_fit_ends_when_the_loss_falls_by_less_than_is_told),
        cmocka_unit_test(labels_that_tell_nothing_apart_are_refused_with_the_reason),
        cmocka_unit_test(a_learning_rate_that_blows_up_is_told),
        cmocka_unit_test(a_stop_ends_a_fit),
    };

    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    labels_free(ranker_labels);
    return failed;
}
