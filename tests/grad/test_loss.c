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
static uint8_t action[N], part[N];
static float prox[N];
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
/* A replayed row's: w and A are constants, w0 at the point of linearisation. */
static double naive_replayed(const double *z, double v, int n, double w0, double rho0,
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
    const double adv =
        clamp(((double)advantage[n] - (double)norm.mean) / (double)norm.scale,
              -(double)o->adv_clip, (double)o->adv_clip);
    // log pi - log pi_prox, and the clip is around pi_prox
    const double moved = lp[action[n]] - (double)behaviour[n] - (double)prox[n];
    const double u = exp(clamp(moved, -3, 3)), c = (double)o->ratio_clip;
    const double policy = o->kind == LOSS_VTRACE
                              ? -rho0 * adv * lp[action[n]]
                              : -w0 * fmin(u * adv, clamp(u, 1 / c, c) * adv);
    const double error = v - (double)target[n];
    return policy + (double)o->value_coef * error * error - (double)o->entropy_coef * h;
}

/* lag: of what acted; moved: of pi since the batch's first pass. Each third row is fresh,
 * each third carries no loss. */
static void check_replayed(enum loss_kind kind, float lag, float moved)
{
    struct loss_options o = options_of(kind);
    struct loss_rows in = rows_of();
    struct loss_sums sums = {0};
    double total = 0;
    struct rng r;
    const double e = 1e-6;

    fill((uint64_t)kind + 40, lag);
    rng_init(&r, 41);
    for (int n = 0; n < N; n++) {
        part[n] = (uint8_t)(n % 3);
        prox[n] = log_ratio[n] - moved * rng_normal(&r);
        dlogits[n * A] = dvalue[n] = 777;
    }
    in.part = part;
    in.prox = prox;
    loss_backward_replayed(dlogits, dvalue, &sums, &in, N, A, norm, &o);
    for (int n = 0; n < N; n++) {
        if (part[n] != LOSS_REPLAYED) {
            const float want = part[n] == LOSS_FRESH ? 777 : 0;
            assert_float_equal(dlogits[n * A], want, 0);
            assert_float_equal(dvalue[n], want, 0);
            continue;
        }
        double z[A];
        for (int k = 0; k < A; k++) {
            z[k] = (double)logits[n * A + k];
        }
        const double v = (double)value[n], w = fmin(1, exp((double)prox[n]));
        total += naive_replayed(z, v, n, w, rho_of(n), &o);
        for (int k = 0; k < A; k++) {
            const double at = z[k];
            z[k] = at + e;
            const double up = naive_replayed(z, v, n, w, rho_of(n), &o);
            z[k] = at - e;
            const double down = naive_replayed(z, v, n, w, rho_of(n), &o);
            z[k] = at;
            assert_float_equal(dlogits[n * A + k], (up - down) / (2 * e), 2e-4);
        }
        const double slope = (naive_replayed(z, v + e, n, w, rho_of(n), &o) -
                              naive_replayed(z, v - e, n, w, rho_of(n), &o)) /
                             (2 * e);
        assert_float_equal(dvalue[n], slope, 2e-4);
    }
    const double mine = sums.policy + (double)o.value_coef * sums.value -
                        (double)o.entropy_coef * sums.entropy;
    assert_float_equal(mine, total, 1e-3);
}

static void a_replayed_row_has_the_slope_of_its_definition(void **state)
{
    (void)state;
    check_replayed(LOSS_PPO, 1.5F, 0); // the first pass, old segments
    check_replayed(LOSS_PPO, 1.5F, 0.2F);
    check_replayed(LOSS_PPO, 0.5F, 2.5F); // beyond the clamp
    check_replayed(LOSS_VTRACE, 1.5F, 0.2F);
}

/* One pass: u is 1 in value, so the loss is -w A, and its slope by log pi is not 0 but
 * -w A, too, however far mu lies; a fresh row of that lag would have been clipped. */
static void in_the_first_pass_a_replayed_row_moves_by_w_times_a(void **state)
{
    static const struct loss_norm none = {0, 1};
    const double ratios[3] = {0.5, 1, 2}, want[3] = {0.5, 1, 1};
    struct loss_options o = options_of(LOSS_PPO);

    (void)state;
    o.entropy_coef = 0;
    for (int i = 0; i < 3; i++) {
        for (int sign = -1; sign <= 1; sign += 2) {
            struct loss_rows in = rows_of();
            struct loss_sums sums = {0};
            memset(logits, 0, sizeof(logits));
            softmax_log(logp, logits, 1, A);
            action[0] = 2;
            behaviour[0] = logp[2] - (float)log(ratios[i]);
            advantage[0] = 3.0F * (float)sign;
            part[0] = LOSS_REPLAYED;
            loss_log_ratio(log_ratio, logp, action, behaviour, 1, A);
            prox[0] = log_ratio[0];
            in.part = part;
            in.prox = prox;
            loss_backward_replayed(dlogits, dvalue, &sums, &in, 1, A, none, &o);
            assert_float_equal(sums.policy, -want[i] * 3 * sign, 1e-5);
            // dL/dz_a = dL/dlog pi (1 - p)
            assert_float_equal(dlogits[2], -want[i] * 3 * sign * 0.8, 1e-5);
            assert_float_equal(sums.clipped, 0, 0);
        }
    }
}

/* The critic may move as far as it likes from what it said so long ago. */
static void a_replayed_value_is_not_held_near_the_old_one(void **state)
{
    struct loss_rows in = rows_of();
    const struct loss_options o = options_of(LOSS_PPO);
    struct loss_sums sums = {0};

    (void)state;
    fill(42, 0);
    value[0] = 3, old_value[0] = 1, target[0] = 4;
    part[0] = LOSS_REPLAYED;
    prox[0] = log_ratio[0];
    in.part = part;
    in.prox = prox;
    loss_backward_replayed(dlogits, dvalue, &sums, &in, 1, A, norm, &o);
    assert_float_equal(dvalue[0], 2 * 0.5 * -1, 1e-5);
    assert_float_equal(sums.value, 1, 1e-5);
}

static void fresh_rows_do_not_feel_those_beside_them(void **state)
{
    static float alone[N * A], alone_value[N];
    struct loss_rows in = rows_of();
    const struct loss_options o = options_of(LOSS_PPO);
    struct loss_sums all = {0}, fresh = {0};

    (void)state;
    fill(43, 0.3F);
    loss_backward(alone, alone_value, &all, &in, N, A, norm, &o);
    for (int n = 0; n < N; n++) {
        part[n] = n < 10 ? LOSS_FRESH : LOSS_REPLAYED;
    }
    in.part = part;
    loss_backward(dlogits, dvalue, &fresh, &in, N, A, norm, &o);
    assert_memory_equal(dlogits, alone, sizeof(float) * 10 * A);
    assert_memory_equal(dvalue, alone_value, sizeof(float) * 10);
    assert_true(fresh.entropy > 0 && fresh.entropy < all.entropy);
}

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
        struct loss_rows piece = in;
        piece.logp += n * A;
        piece.log_ratio += n;
        piece.action += n;
        piece.advantage += n;
        piece.value += n;
        piece.old_value += n;
        piece.target += n;
        loss_backward(dlogits, dvalue, &parts, &piece, 8, A, norm, &o);
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
        cmocka_unit_test(a_replayed_row_has_the_slope_of_its_definition),
        cmocka_unit_test(in_the_first_pass_a_replayed_row_moves_by_w_times_a),
        cmocka_unit_test(a_replayed_value_is_not_held_near_the_old_one),
        cmocka_unit_test(fresh_rows_do_not_feel_those_beside_them),
        cmocka_unit_test(the_three_losses_are_told_apart_by_lag),
        cmocka_unit_test(a_ratio_past_its_bound_gives_no_gradient_to_a_good_action),
        cmocka_unit_test(normalised_advantages_have_a_floor_and_a_bound),
        cmocka_unit_test(the_critic_gains_nothing_by_moving_past_its_bound),
        cmocka_unit_test(sums_of_parts_are_the_sum_of_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
