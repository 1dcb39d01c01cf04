/* V-trace against its definition as a sum of products in double, and the reference's own
 * way against the recursion of its page. */

#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/wire/segment.h"
#include "learner/train/vtrace.h"

enum { T = 9, B = 5, N = T * B };
static const float gamma_ = 0.97F;

static float reward[N], value[N], log_ratio[N], final_value[N], last[B];
static float target[N], advantage[N];
static uint8_t flags[N];
static const struct vtrace_rows rows = {reward, value,       log_ratio,
                                        flags,  final_value, last};
static const struct vtrace_options plain = {.gamma = 0.97F};
static const struct vtrace_options oni = {
    .gamma = 0.97F, .fake_last = true, .limits_end = true, .weighted = true};

static void fill(uint64_t seed, bool lag)
{
    struct rng r;

    rng_init(&r, seed);
    for (int i = 0; i < N; i++) {
        reward[i] = rng_normal(&r);
        value[i] = 2 * rng_normal(&r);
        final_value[i] = 2 * rng_normal(&r);
        log_ratio[i] = lag ? rng_normal(&r) : 0;
        flags[i] = 0;
    }
    for (int b = 0; b < B; b++) {
        last[b] = rng_normal(&r);
    }
}

static void end_some(uint64_t seed)
{
    struct rng r;

    rng_init(&r, seed);
    for (int i = 0; i < N; i++) {
        const uint32_t die = rng_below(&r, 6);
        flags[i] = die == 0 ? SEGMENT_TERMINATED : die == 1 ? SEGMENT_TRUNCATED : 0;
    }
}

/* V(x_{t+1}) as step t sees it, and gamma_t. */
static double next_value(int t, int b, double *discount)
{
    const int row = t * B + b;

    *discount = (double)gamma_;
    if ((flags[row] & SEGMENT_TERMINATED) != 0) {
        *discount = 0;
        return 0;
    }
    if ((flags[row] & SEGMENT_TRUNCATED) != 0) {
        return (double)final_value[row];
    }
    return (double)(t == T - 1 ? last[b] : value[row + B]);
}

/* Espeholt et al. 2018, eq. 1, not the recursion:
 *   v_s = V(x_s) + sum_{t>=s} gamma^{t-s} (prod_{i<t} c_i) delta_t
 * within the episode. */
static double naive_target(int s, int b)
{
    double v = (double)value[s * B + b], product = 1;

    for (int t = s; t < T; t++) {
        const int row = t * B + b;
        const double rho = fmin(1, exp((double)log_ratio[row]));
        double discount;
        const double next = next_value(t, b, &discount);
        v += product * rho *
             ((double)reward[row] + discount * next - (double)value[row]);
        if (flags[row] != 0) {
            break;
        }
        product *= (double)gamma_ * rho;
    }
    return v;
}

static double naive_advantage(int t, int b)
{
    const int row = t * B + b;
    double discount, next = next_value(t, b, &discount);

    if (flags[row] == 0 && t < T - 1) {
        next = naive_target(t + 1, b);
    }
    return (double)reward[row] + discount * next - (double)value[row];
}

static void compare(void)
{
    vtrace_targets(target, advantage, &rows, T, B, &plain);
    for (int t = 0; t < T; t++) {
        for (int b = 0; b < B; b++) {
            assert_float_equal(target[t * B + b], naive_target(t, b), 2e-5);
            assert_float_equal(advantage[t * B + b], naive_advantage(t, b), 2e-5);
        }
    }
}

static void targets_are_the_sum_of_the_paper(void **state)
{
    (void)state;
    fill(1, true);
    compare();
}

static void targets_stop_at_deaths_and_bootstrap_at_time_limits(void **state)
{
    (void)state;
    fill(2, true);
    end_some(3);
    compare();
}

static void without_lag_targets_are_discounted_returns(void **state)
{
    (void)state;
    fill(4, false);
    vtrace_targets(target, advantage, &rows, T, B, &plain);
    for (int b = 0; b < B; b++) {
        double ret = (double)last[b];
        for (int t = T - 1; t >= 0; t--) {
            ret = (double)reward[t * B + b] + (double)gamma_ * ret;
            assert_float_equal(target[t * B + b], ret, 2e-5);
        }
    }
}

static void a_truncation_is_worth_its_final_observation_and_cuts_the_trace(void **state)
{
    (void)state;
    fill(5, false);
    flags[3 * B] = SEGMENT_TRUNCATED;
    vtrace_targets(target, advantage, &rows, T, B, &plain);
    const float t3 = target[3 * B];
    assert_float_equal(t3, reward[3 * B] + gamma_ * final_value[3 * B], 1e-5);
    // What lies after belongs to another episode.
    reward[4 * B] += 100;
    vtrace_targets(target, advantage, &rows, T, B, &plain);
    assert_float_equal(target[3 * B], t3, 0);
}

static void a_death_is_worth_nothing(void **state)
{
    (void)state;
    fill(6, false);
    flags[3 * B] = SEGMENT_TERMINATED;
    final_value[3 * B] = 50;
    vtrace_targets(target, advantage, &rows, T, B, &plain);
    assert_float_equal(target[3 * B], reward[3 * B], 1e-6);
    assert_float_equal(advantage[3 * B], reward[3 * B] - value[3 * B], 1e-6);
}

static void an_endless_return_goes_on_over_every_end(void **state)
{
    const struct vtrace_options endless = {.gamma = gamma_, .endless = true};
    static float want[N];

    (void)state;
    fill(9, true);
    memset(flags, 0, sizeof(flags));
    vtrace_targets(want, advantage, &rows, T, B, &plain);
    end_some(3);
    vtrace_targets(target, advantage, &rows, T, B, &endless);
    assert_memory_equal(target, want, sizeof(want));
}

static void the_last_step_sees_the_value_after_the_segment(void **state)
{
    (void)state;
    fill(7, false);
    vtrace_targets(target, advantage, &rows, T, B, &plain);
    const int row = (T - 1) * B + 2;
    assert_float_equal(advantage[row], reward[row] + gamma_ * last[2] - value[row],
                       1e-6);
}

/* rho and c enter the targets alone. */
static void the_advantage_of_the_last_step_has_no_ratio_in_it(void **state)
{
    (void)state;
    fill(8, true);
    log_ratio[(T - 1) * B] = -2;
    vtrace_targets(target, advantage, &rows, T, B, &plain);
    const int row = (T - 1) * B;
    assert_float_equal(advantage[row], reward[row] + gamma_ * last[0] - value[row],
                       1e-6);
}

/* The recursion of the reference as released, in double. */
static void naive_oni(double *v, double *a, int b, const struct vtrace_options *o)
{
    double next_v = 0, next_target = 0;

    for (int t = T - 1; t >= 0; t--) {
        const int row = t * B + b;
        const double V = (double)value[row], r = (double)reward[row];
        const double ratio = exp((double)log_ratio[row]);
        const double rho = fmin(1, o->weighted ? fmax(0.05, ratio) : ratio);
        const bool dies = (flags[row] & SEGMENT_TERMINATED) != 0 ||
                          (flags[row] != 0 && o->limits_end);
        const double g = dies ? 0 : (double)gamma_;
        if (t == T - 1) {
            next_v = next_target =
                o->fake_last ? (V - r) / (double)gamma_ : (double)last[b];
        }
        if (flags[row] != 0 && !dies) {
            next_v = next_target = (double)final_value[row];
        }
        a[t] = (o->weighted ? rho : 1) * (r + g * next_target - V);
        v[t] = V + rho * (r + g * next_v - V) + g * rho * (next_target - next_v);
        next_v = V;
        next_target = v[t];
    }
}

static void the_reference_way_is_its_own_recursion(void **state)
{
    double v[T], a[T];

    (void)state;
    fill(9, true);
    end_some(10);
    log_ratio[2 * B + 1] = -4; // below ln 0.05
    for (int which = 0; which < 8;
         which++) { // each of the three by itself, and together
        const struct vtrace_options o = {.gamma = gamma_,
                                         .fake_last = (which & 1) != 0,
                                         .limits_end = (which & 2) != 0,
                                         .weighted = (which & 4) != 0};
        vtrace_targets(target, advantage, &rows, T, B, &o);
        for (int b = 0; b < B; b++) {
            naive_oni(v, a, b, &o);
            for (int t = 0; t < T; t++) {
                assert_float_equal(target[t * B + b], v[t], 2e-5);
                assert_float_equal(advantage[t * B + b], a[t], 2e-5);
            }
        }
    }
}

static void the_reference_never_learns_from_the_last_step(void **state)
{
    (void)state;
    fill(11, true);
    vtrace_targets(target, advantage, &rows, T, B, &oni);
    for (int b = 0; b < B; b++) {
        assert_float_equal(advantage[(T - 1) * B + b], 0, 1e-5);
        assert_float_equal(target[(T - 1) * B + b], value[(T - 1) * B + b], 1e-5);
    }
}

static void nothing_is_written_for_no_steps_and_nan_stays_nan(void **state)
{
    (void)state;
    fill(12, false);
    memset(target, 0, sizeof(target));
    vtrace_targets(target, advantage, &rows, 0, B, &plain);
    assert_float_equal(target[0], 0, 0);
    log_ratio[5 * B] = NAN;
    vtrace_targets(target, advantage, &rows, T, B, &plain);
    assert_true(isnan(target[5 * B]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_the_sum_of_the_paper),
        cmocka_unit_test(targets_stop_at_deaths_and_bootstrap_at_time_limits),
        cmocka_unit_test(without_lag_targets_are_discounted_returns),
        cmocka_unit_test(
            a_truncation_is_worth_its_final_observation_and_cuts_the_trace),
        cmocka_unit_test(a_death_is_worth_nothing),
        cmocka_unit_test(an_endless_return_goes_on_over_every_end),
        cmocka_unit_test(the_last_step_sees_the_value_after_the_segment),
        cmocka_unit_test(the_advantage_of_the_last_step_has_no_ratio_in_it),
        cmocka_unit_test(the_reference_way_is_its_own_recursion),
        cmocka_unit_test(the_reference_never_learns_from_the_last_step),
        cmocka_unit_test(nothing_is_written_for_no_steps_and_nan_stays_nan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
