/* common/nn/caploss: both losses against their definitions written out in double (every
 * order of a tie walked through), every gradient against central differences of those. */

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "common/nn/caploss.h"
#include "tests/support/harness.h"

enum { MOST = 64, NONE = 256 };

static float got[MOST];

static void assert_near(const char *what, int i, double is, double want)
{
    if (!(fabs(is - want) <= 1e-5 * (1 + fabs(want)))) {
        fail_msg("%s %d is %.9g, not %.9g", what, i, is, want);
    }
}

/* -log of a draw of `first` from those of `score` whose bit is set in `left`. */
static double draw(const double *score, unsigned left, int first, int K)
{
    double sum = 0;
    for (int k = 0; k < K; k++) {
        sum += (left >> k & 1) != 0 ? exp(score[k]) : 0;
    }
    return log(sum) - score[first];
}

/* Mean over all ways to go on from `left`: the best that is left is drawn, one of them
 * where several are. */
static double walk(const double *score, const uint8_t *place, unsigned left, int K)
{
    int best = NONE, ways = 0;
    double sum = 0;
    for (int k = 0; k < K; k++) {
        if ((left >> k & 1) != 0 && place[k] < best) {
            best = place[k];
        }
    }
    for (int k = 0; k < K && best != NONE; k++) {
        if ((left >> k & 1) != 0 && place[k] == best) {
            const unsigned rest = left & ~(1u << k);
            sum += draw(score, left, k, K) + walk(score, place, rest, K);
            ways++;
        }
    }
    return ways > 0 ? sum / ways : 0;
}

static double pairs(const double *score, const uint8_t *place, int K)
{
    double sum = 0;
    for (int a = 0; a < K; a++) {
        for (int b = a + 1; b < K; b++) {
            const double s[2] = {score[a], score[b]};
            const uint8_t at[2] = {place[a], place[b]};
            sum += walk(s, at, 3, 2);
        }
    }
    return sum * 2 / K;
}

static double naive_order(const double *score, const uint8_t *place, int K, bool paired)
{
    return paired ? pairs(score, place, K) : walk(score, place, (1u << K) - 1, K);
}

static void assert_order(const uint8_t *place, int K, bool paired)
{
    static const float score[8] = {0.3F, -1.2F, 2.1F, 0.9F, -0.4F, 0.31F, 1.7F, -2.5F};
    const int first[2] = {0, K};
    double wide[8];
    for (int k = 0; k < K; k++) {
        wide[k] = (double)score[k];
    }
    memset(got, 0xff, sizeof got); // is overwritten
    const double sum = caploss_order(got, score, place, first, 1);
    assert_near("the loss of captions", K, sum, naive_order(wide, place, K, paired));
    for (int k = 0; k < K; k++) {
        const double was = wide[k], step = 1e-5;
        wide[k] = was + step;
        const double up = naive_order(wide, place, K, paired);
        wide[k] = was - step;
        const double down = naive_order(wide, place, K, paired);
        wide[k] = was;
        assert_near("dscore", k, (double)got[k], (up - down) / (2 * step));
    }
}

static void two_captions_are_bradley_and_terry(void **state)
{
    const float score[2] = {0.7F, -0.4F};
    const uint8_t better[2] = {0, 1}, tie[2] = {0, 0};
    const int first[2] = {0, 2};
    const double p = 1 / (1 + exp((double)score[1] - (double)score[0]));
    (void)state;
    assert_near("won", 0, caploss_order(got, score, better, first, 1), -log(p));
    assert_near("dscore", 0, (double)got[0], p - 1);
    assert_near("dscore", 1, (double)got[1], 1 - p);
    assert_near("tie", 0, caploss_order(got, score, tie, first, 1),
                -(log(p) + log(1 - p)) / 2);
    assert_near("dscore", 0, (double)got[0], p - 0.5);
    assert_order(better, 2, false);
    assert_order(tie, 2, false);
}

static void an_order_is_the_product_of_its_draws(void **state)
{
    const uint8_t orders[][8] = {{0, 1, 2}, {2, 0, 1}, {3, 1, 0, 2, 4, 7, 5, 6}};
    (void)state;
    assert_order(orders[0], 3, false);
    assert_order(orders[1], 3, false);
    assert_order(orders[2], 8, false);
}

static void a_tie_is_the_mean_over_its_orders(void **state)
{
    const uint8_t orders[][8] = {
        {0, 0, 1}, {1, 0, 1}, {0, 0, 0}, {0, 2, 2, 2, 0, 5}, {4, 3, 3, 0, 0, 0, 4, 9}};
    const int K[] = {3, 3, 3, 6, 8};
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_order(orders[i], K[i], false);
    }
}

static void a_larger_tie_is_taken_in_pairs(void **state)
{
    const uint8_t orders[][8] = {
        {0, 0, 0, 0}, {1, 1, 0, 1, 1, 255, 255}, {0, 0, 0, 0, 0, 0, 0, 0}};
    const int K[] = {4, 7, 8};
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_order(orders[i], K[i], true);
    }
}

static void items_are_summed_and_empty_ones_are_nothing(void **state)
{
    const float score[6] = {1, 2, 3, 4, 5, 6};
    const uint8_t place[6] = {0, 1, 0, 1, 0, 0};
    const int first[] = {0, 2, 2, 3, 5, 6}; // 2, 0, 1, 2, 1
    (void)state;
    memset(got, 0xff, sizeof got);
    const double sum = caploss_order(got, score, place, first, 5);
    assert_near("the sum", 0, sum, log1p(exp(1.0)) + log1p(exp(-1.0)));
    assert_true(got[0] < 0 && got[1] > 0 && got[3] > 0 && got[4] < 0);
    assert_true(got[2] == 0.0F && got[5] == 0.0F);
}

static double naive_rate(const double *out, const float *p, int N)
{
    double sum = 0;
    for (int n = 0; n < N; n++) {
        const double e0 = exp(out[2 * n]), e1 = exp(out[2 * n + 1]);
        const double yes = (double)p[n];
        sum -= yes * log(e1 / (e0 + e1)) + (1 - yes) * log(e0 / (e0 + e1));
    }
    return sum;
}

static void ratings_are_soft(void **state)
{
    const float out[10] = {0.2F, -0.7F, 3, 1, -2, 2.5F, 0, 0, 5, -4};
    const float p[5] = {0, 1, 0.75F, 0.5F, 0.1F};
    double wide[10];
    (void)state;
    for (int i = 0; i < 10; i++) {
        wide[i] = (double)out[i];
    }
    memset(got, 0xff, sizeof got);
    assert_near("the loss", 0, caploss_rate(got, out, p, 5), naive_rate(wide, p, 5));
    for (int i = 0; i < 10; i++) {
        const double was = wide[i], step = 1e-5;
        wide[i] = was + step;
        const double up = naive_rate(wide, p, 5);
        wide[i] = was - step;
        const double down = naive_rate(wide, p, 5);
        wide[i] = was;
        assert_near("dout", i, (double)got[i], (up - down) / (2 * step));
    }
}

static void large_outputs_do_not_overflow_and_nan_stays(void **state)
{
    const float far[4] = {-800, 800, 800, -800}, p[2] = {0, 0};
    const float score[3] = {900, -900, 0}, broken[2] = {NAN, 1};
    const uint8_t place[3] = {2, 0, 1};
    const int first[2] = {0, 3}, two[2] = {0, 2};
    (void)state;
    assert_near("the loss", 0, caploss_rate(got, far, p, 2), 1600);
    assert_near("dout", 1, (double)got[1], 1);
    assert_near("dout", 3, (double)got[3], 0);
    assert_near("the loss", 1, caploss_order(got, score, place, first, 1), 1800 + 900);
    assert_true(isnan(caploss_rate(got, broken, p, 1)) && isnan(got[0]));
    assert_true(isnan(caploss_order(got, broken, place, two, 1)) && isnan(got[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_captions_are_bradley_and_terry),
        cmocka_unit_test(an_order_is_the_product_of_its_draws),
        cmocka_unit_test(a_tie_is_the_mean_over_its_orders),
        cmocka_unit_test(a_larger_tie_is_taken_in_pairs),
        cmocka_unit_test(items_are_summed_and_empty_ones_are_nothing),
        cmocka_unit_test(ratings_are_soft),
        cmocka_unit_test(large_outputs_do_not_overflow_and_nan_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
