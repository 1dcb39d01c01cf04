/* The three policy losses, the value loss and the entropy against naive double-precision
 * ones; gradients against central differences of those. */

#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/nn/softmax.h"
#include "learner/train/loss.h"

enum { N = 40, A = 5 };
static float logits[N * A], logp[N * A], dlogits[N * A];
static float log_ratio[N], behaviour[N], advantage[N], value[N], old_value[N],
    target[N];
static float dvalue[N];
static uint8_t action[N];
static const struct loss_norm norm = {0.3F, 0.8F};

static struct loss_options options_of(enum loss_kind kind)
{
    return (struct loss_options){.kind = kind,
                                 .ratio_clip = 1.1F,
                                 .value_clip = 1,
                                 .value_coef = 0.5F,
                                 .entropy_coef = 0.02F,
                                 .adv_clip = 10};
}

static struct loss_rows rows_of(void)
{
    return (struct loss_rows){.logp = logp,
                              .log_ratio = log_ratio,
                              .action = action,
                              .advantage = advantage,
                              .value = value,
                              .old_value = old_value,
                              .target = target};
}

/* lag: how far log mu lies from log pi. */
static void fill(uint64_t seed, float lag)
{
    struct rng r;

    rng_init(&r, seed);
    for (int i = 0; i < N * A; i++) {
        logits[i] = rng_normal(&r);
    }
    softmax_log(logp, logits, N, A);
    for (int n = 0; n < N; n++) {
        action[n] = (uint8_t)rng_below(&r, A);
        behaviour[n] = logp[n * A + action[n]] + lag * rng_normal(&r);
        advantage[n] = 3 * rng_normal(&r);
        value[n] = rng_normal(&r);
        old_value[n] = value[n] + 2 * rng_normal(&r);
        target[n] = 2 * rng_normal(&r);
    }
    loss_log_ratio(log_ratio, logp, action, behaviour, N, A);
}

static double clamp(double x, double least, double most)
{
    return fmin(fmax(x, least), most);
}

/* One row's loss as algorithms read it, in double; rho and A are constants. rho0 is rho at
 * the point of linearisation. */
static double naive_row(const double *z, double v, int n, double rho0,
                        const struct loss_options *o)
{
    double sum = 0, h = 0, lp[A];

    for (int k = 0; k < A; k++) {
        sum += exp(z[k]);
    }
    for (int k = 0; k < A; k++) {
        lp[k] = z[k] - log(sum);
        h -= exp(lp[k]) * lp[k];
    }
    const double most = o->adv_clip > 0 ? (double)o->adv_clip : INFINITY;
    const double adv = clamp(
        ((double)advantage[n] - (double)norm.mean) / (double)norm.scale, -most, most);
    const double lr = lp[action[n]] - (double)behaviour[n];
    const double u = exp(clamp(lr, -3, 3)), c = (double)o->ratio_clip;
    const double policy = o->kind == LOSS_VTRACE
                              ? -rho0 * adv * lp[action[n]]
                              : -fmin(u * adv, clamp(u, 1 / c, c) * adv);
    const double y = (double)target[n], old = (double)old_value[n];
    const double held =
        old + clamp(v - old, -(double)o->value_clip, (double)o->value_clip);
    const double value_loss = fmax((v - y) * (v - y), (held - y) * (held - y));
    return policy + (double)o->value_coef * value_loss - (double)o->entropy_coef * h;
}

static double rho_of(int n)
{
    return fmin(1, exp((double)log_ratio[n]));
}

static void check_gradients(enum loss_kind kind, float lag)
{
    const struct loss_options o = options_of(kind);
    const struct loss_rows in = rows_of();
    struct loss_sums sums = {0};
    double total = 0;
    const double e = 1e-6;

    fill((uint64_t)kind + 20, lag);
    loss_backward(dlogits, dvalue, &sums, &in, N, A, norm, &o);
    for (int n = 0; n < N; n++) {
        double z[A];
        for (int k = 0; k < A; k++) {
            z[k] = (double)logits[n * A + k];
        }
        const double v = (double)value[n];
        total += naive_row(z, v, n, rho_of(n), &o);
        for (int k = 0; k < A; k++) {
            const double at = z[k];
            z[k] = at + e;
            const double up = naive_row(z, v, n, rho_of(n), &o);
            z[k] = at - e;
            const double down = naive_row(z, v, n, rho_of(n), &o);
            z[k] = at;
            assert_float_equal(dlogits[n * A + k], (up - down) / (2 * e), 2e-4);
        }
        const double slope = (naive_row(z, v + e, n, rho_of(n), &o) -
                              naive_row(z, v - e, n, rho_of(n), &o)) /
                             (2 * e);
        assert_float_equal(dvalue[n], slope, 2e-4);
    }
    const double mine = sums.policy + (double)o.value_coef * sums.value -
                        (double)o.entropy_coef * sums.entropy;
    assert_float_equal(mine, total, 1e-3);
}

static void the_clipped_ratio_loss_has_the_slope_of_its_definition(void **state)
{
    (void)state;
    check_gradients(LOSS_PPO, 0.2F);
    check_gradients(LOSS_PPO, 2.5F); // beyond the clamp of the log-ratio too
}

static void the_vtrace_loss_has_the_slope_of_its_definition(void **state)
{
    (void)state;
    check_gradients(LOSS_VTRACE, 0.5F);
}

static void the_reference_loss_has_the_slope_of_its_definition(void **state)
{
    (void)state;
    check_gradients(LOSS_ONI, 0.5F);
}

/* One row, log pi - log mu = ln 1.05 and A = 2, then lag of ln 2: worked by hand. */
static void the_three_losses_are_told_apart_by_lag(void **state)
{
    static const struct loss_norm none = {0, 1};
    const double ratios[2] = {1.05, 0.5};
    // policy loss and dL/dlog pi per kind and ratio; oni's advantage holds rho already
    const double want[3][2][2] = {
        {{-1.05 * 2, -1.05 * 2}, {-0.5 * 2, -0.5 * 2}},
        {{2 * 1.6094379, -2}, {0.5 * 2 * 1.6094379, -0.5 * 2}},
        {{-1.05 * 2, -1.05 * 2}, {-0.5 * (0.5 * 2), -0.5 * (0.5 * 2)}},
    };

    (void)state;
    for (int kind = LOSS_PPO; kind <= LOSS_ONI; kind++) {
        for (int i = 0; i < 2; i++) {
            struct loss_options o = options_of((enum loss_kind)kind);
            const struct loss_rows in = rows_of();
            struct loss_sums sums = {0};
            const double rho = fmin(1, ratios[i]);
            o.entropy_coef = 0;
            memset(logits, 0, sizeof(logits)); // log pi = -ln 5 = -1.6094379
            softmax_log(logp, logits, 1, A);
            action[0] = 2;
            behaviour[0] = logp[2] - (float)log(ratios[i]);
            advantage[0] = kind == LOSS_ONI ? (float)(rho * 2) : 2.0F;
            loss_log_ratio(log_ratio, logp, action, behaviour, 1, A);
            loss_backward(dlogits, dvalue, &sums, &in, 1, A, none, &o);
            assert_float_equal(sums.policy, want[kind][i][0], 1e-5);
            // dL/dz_a = dL/dlog pi (1 - p)
            assert_float_equal(dlogits[2], want[kind][i][1] * 0.8, 1e-5);
        }
    }
}

static void a_ratio_past_its_bound_gives_no_gradient_to_a_good_action(void **state)
{
    const struct loss_rows in = rows_of();
    struct loss_options o = options_of(LOSS_PPO);
    struct loss_sums sums = {0};

    (void)state;
    o.entropy_coef = 0;
    fill(30, 0);
    for (int n = 0; n < N; n++) {
        advantage[n] = n % 2 == 0 ? 4 : -4;
        log_ratio[n] = n % 2 == 0 ? 0.2F : -0.2F;
    }
    loss_backward(dlogits, dvalue, &sums, &in, N, A, norm, &o);
    for (int i = 0; i < N * A; i++) {
        assert_float_equal(dlogits[i], 0, 0);
    }
    assert_float_equal(sums.clipped, N, 0);
}

static void normalised_advantages_have_a_floor_and_a_bound(void **state)
{
    const struct loss_rows in = rows_of();
    struct loss_options o = options_of(LOSS_PPO);
    struct loss_sums sums = {0};
    double sigma;

    (void)state;
    // All but equal: noise of the critic must not become a full-size gradient.
    const struct loss_norm tiny =
        loss_norm_of(100, 100 * 0.5, 100 * 0.25 + 1e-8, 0.1, &sigma);
    assert_float_equal(tiny.scale, 0.1, 1e-7);
    assert_true(sigma < 1e-3);
    const struct loss_norm wide = loss_norm_of(4, 0, 16, 0.1, &sigma);
    assert_float_equal(wide.scale, 2, 1e-6);
    const struct loss_norm none = loss_norm_of(0, 0, 0, 0.1, &sigma);
    assert_float_equal(none.scale, 1, 0);
    o.entropy_coef = 0;
    fill(31, 0);
    advantage[0] = 1e6F;
    loss_backward(dlogits, dvalue, &sums, &in, 1, A, norm, &o);
    assert_float_equal(sums.policy, -10, 1e-4);
}

static void the_critic_gains_nothing_by_moving_past_its_bound(void **state)
{
    const struct loss_rows in = rows_of();
    const struct loss_options o = options_of(LOSS_PPO);
    struct loss_sums sums = {0};

    (void)state;
    fill(32, 0);
    value[0] = 3, old_value[0] = 1, target[0] = 4;  // moved 2 towards the target
    value[1] = 3, old_value[1] = 1, target[1] = -4; // moved 2 away from it
    loss_backward(dlogits, dvalue, &sums, &in, 2, A, norm, &o);
    assert_float_equal(dvalue[0], 0, 0);
    assert_float_equal(dvalue[1], 2 * 0.5 * 7, 1e-5);
    assert_float_equal(sums.value, 4 + 49, 1e-4);
}

static void sums_of_parts_are_the_sum_of_the_whole(void **state)
{
    const struct loss_rows in = rows_of();
    const struct loss_options o = options_of(LOSS_PPO);
    struct loss_sums whole = {0}, parts = {0};

    (void)state;
    fill(33, 0.3F);
    loss_backward(dlogits, dvalue, &whole, &in, N, A, norm, &o);
    for (int n = 0; n < N; n += 8) {
        struct loss_rows part = in;
        part.logp += n * A;
        part.log_ratio += n;
        part.action += n;
        part.advantage += n;
        part.value += n;
        part.old_value += n;
        part.target += n;
        loss_backward(dlogits, dvalue, &parts, &part, 8, A, norm, &o);
    }
    assert_float_equal(parts.policy, whole.policy, 1e-9);
    assert_float_equal(parts.kl, whole.kl, 1e-9);
    assert_true(whole.kl > 0);
    assert_true(whole.rho < N && whole.weight2 > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clipped_ratio_loss_has_the_slope_of_its_definition),
        cmocka_unit_test(the_vtrace_loss_has_the_slope_of_its_definition),
        cmocka_unit_test(the_reference_loss_has_the_slope_of_its_definition),
        cmocka_unit_test(the_three_losses_are_told_apart_by_lag),
        cmocka_unit_test(a_ratio_past_its_bound_gives_no_gradient_to_a_good_action),
        cmocka_unit_test(normalised_advantages_have_a_floor_and_a_bound),
        cmocka_unit_test(the_critic_gains_nothing_by_moving_past_its_bound),
        cmocka_unit_test(sums_of_parts_are_the_sum_of_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
