/* common/nn/softmax and act: against libm in double. */

#include "common/nn/softmax.h"

#include <math.h>

#include "common/base/rng.h"
#include "common/nn/act.h"
#include "common/nn/scaling.h"
#include "tests/support/harness.h"

static void the_exponential_is_right_to_1e_6(void **state)
{
    (void)state;
    for (double x = -87; x <= 88; x += 0.00137) {
        const double want = exp((double)(float)x), got = (double)act_exp((float)x);
        if (!(fabs(got - want) <= 1e-6 * want)) {
            fail_msg("exp(%g): %.9g, not %.9g", x, got, want);
        }
    }
    assert_true(isfinite(act_exp(1000.0f)) && act_exp(-1000.0f) >= 0.0f);
    assert_true(isnan(act_exp(NAN)));
}

static void sigmoid_and_tanh_are_right_to_3e_7(void **state)
{
    (void)state;
    for (double x = -30; x <= 30; x += 0.00137) {
        const double f = (double)(float)x;
        assert_true(fabs((double)act_sigmoid((float)x) - 1 / (1 + exp(-f))) <= 3e-7);
        assert_true(fabs((double)act_tanh((float)x) - tanh(f)) <= 3e-7);
    }
    assert_true(act_tanh(1e30f) == 1.0f && act_tanh(-1e30f) == -1.0f);
    assert_true(isnan(act_tanh(NAN)) && isnan(act_sigmoid(NAN)));
}

static void elu_and_relu_keep_what_is_positive_and_a_nan(void **state)
{
    float e[] = {2, -1, 0, NAN}, r[] = {2, -1, 0, NAN};
    float de[] = {3, 3, 3, 3}, dr[] = {3, 3, 3, 3};
    (void)state;
    act_elu(e, 4);
    act_relu(r, 4);
    assert_true(e[0] == 2 && fabs((double)e[1] - (exp(-1) - 1)) < 1e-6 && e[2] == 0);
    assert_true(r[0] == 2 && r[1] == 0 && r[2] == 0);
    assert_true(isnan(e[3]) && isnan(r[3]));
    act_elu_backward(de, e, 4);
    act_relu_backward(dr, r, 4);
    assert_true(de[0] == 3 && fabs((double)de[1] - 3 * exp(-1)) < 1e-5 && de[2] == 3);
    assert_true(dr[0] == 3 && dr[1] == 0);
}

static void log_probabilities_equal_those_in_double(void **state)
{
    float logits[3 * 20], logp[3 * 20];
    struct rng rng;
    (void)state;
    rng_init(&rng, 5);
    for (int i = 0; i < 60; i++) {
        logits[i] = (i < 40 ? 3.0f : 300.0f) * rng_normal(&rng) + 50.0f;
    }
    softmax_log(logp, logits, 3, 20);
    for (int n = 0; n < 3; n++) {
        double most = -1e300, sum = 0, entropy = 0;
        for (int a = 0; a < 20; a++) {
            most = fmax(most, (double)logits[n * 20 + a]);
        }
        for (int a = 0; a < 20; a++) {
            sum += exp((double)logits[n * 20 + a] - most);
        }
        for (int a = 0; a < 20; a++) {
            const double want = (double)logits[n * 20 + a] - most - log(sum);
            assert_true(fabs((double)logp[n * 20 + a] - want) <= 1e-5 * (1 - want));
            entropy -= exp(want) * want;
        }
        assert_true(fabs((double)softmax_entropy(logp + n * 20, 20) - entropy) <= 1e-5);
    }
}

static void equal_logits_have_the_entropy_of_a_fair_die(void **state)
{
    float logits[6] = {1, 1, 1, 1, 1, 1};
    (void)state;
    softmax_log(logits, logits, 1, 6);
    assert_true(fabs((double)softmax_entropy(logits, 6) - log(6)) < 1e-6);
}

static void samples_come_as_often_as_their_probability(void **state)
{
    float logits[4] = {0, 1, -1, 2}, logp[4];
    int seen[4] = {0};
    struct rng rng;
    (void)state;
    rng_init(&rng, 11);
    softmax_log(logp, logits, 1, 4);
    for (int i = 0; i < 100000; i++) {
        seen[softmax_sample(logp, 4, rng_float(&rng))]++;
    }
    for (int a = 0; a < 4; a++) {
        const double p = exp((double)logp[a]), off = seen[a] / 100000.0 - p;
        assert_true(fabs(off) < 5 * sqrt(p * (1 - p) / 100000));
    }
}

static void an_action_of_probability_zero_is_never_drawn(void **state)
{
    const float logp[4] = {-INFINITY, logf(0.5f), logf(0.5f), -INFINITY};
    (void)state;
    assert_int_equal(softmax_sample(logp, 4, 0.0f), 1);
    assert_int_equal(softmax_sample(logp, 4, 0x1.fffffep-1f), 2);
    const float tiny[3] = {-0.5f, -2.0f, -300.0f}; // sums to .74: rounding's worst case
    assert_int_equal(softmax_sample(tiny, 3, 0.99f), 1);
}

static void nan_logits_are_told_apart_from_numbers(void **state)
{
    float logits[3] = {0, NAN, 5}, logp[3];
    const float nans[2] = {NAN, NAN};
    (void)state;
    softmax_log(logp, logits, 1, 3);
    assert_true(isnan(logp[0]) && isnan(logp[1]) && isnan(logp[2]));
    assert_int_equal(softmax_sample(logp, 3, 0.3f), 2);
    assert_int_equal(softmax_argmax(logits, 3), 2);
    assert_int_equal(softmax_argmax(nans, 2), 0);
}

static void the_first_of_equal_logits_is_the_greedy_one(void **state)
{
    const float logits[4] = {1, 3, 3, 2};
    (void)state;
    assert_int_equal(softmax_argmax(logits, 4), 1);
    assert_int_equal(softmax_argmax(logits, 1), 0);
}

static void stats_are_scaled_and_clipped_and_depth_is_hidden(void **state)
{
    int32_t stats[27] = {79, 21};
    float out[27];
    (void)state;
    stats[3] = 18, stats[9] = 1000, stats[10] = 12, stats[12] = 4, stats[13] = 250;
    stats[16] = -300, stats[20] = 1 << 30, stats[21] = 1, stats[24] = 4;
    stats[25] = INT32_MIN;
    scaling_stats(out, stats);
    assert_float_equal(out[0], 1.0f, 1e-6f);
    assert_float_equal(out[1], 1.0f, 1e-6f);
    assert_float_equal(out[3], 1.8f, 1e-6f);
    assert_float_equal(out[10], 1.2f, 1e-6f);
    assert_float_equal(out[13], 0.25f, 1e-6f);
    assert_float_equal(out[16], -5.0f, 0);
    assert_float_equal(out[20], 5.0f, 0);
    assert_float_equal(out[21], 1.0f, 0);
    assert_true(out[9] == 0 && out[12] == 0 && out[24] == 0 && out[25] == 0);
}

static void the_condition_comes_as_single_bits(void **state)
{
    float bits[SCALING_BITS];
    (void)state;
    scaling_condition(bits, (int32_t)0x80000005u);
    for (int i = 0; i < SCALING_BITS; i++) {
        assert_true(bits[i] == (i == 0 || i == 2 || i == 31 ? 1.0f : 0.0f));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exponential_is_right_to_1e_6),
        cmocka_unit_test(sigmoid_and_tanh_are_right_to_3e_7),
        cmocka_unit_test(elu_and_relu_keep_what_is_positive_and_a_nan),
        cmocka_unit_test(log_probabilities_equal_those_in_double),
        cmocka_unit_test(equal_logits_have_the_entropy_of_a_fair_die),
        cmocka_unit_test(samples_come_as_often_as_their_probability),
        cmocka_unit_test(an_action_of_probability_zero_is_never_drawn),
        cmocka_unit_test(nan_logits_are_told_apart_from_numbers),
        cmocka_unit_test(the_first_of_equal_logits_is_the_greedy_one),
        cmocka_unit_test(stats_are_scaled_and_clipped_and_depth_is_hidden),
        cmocka_unit_test(the_condition_comes_as_single_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
