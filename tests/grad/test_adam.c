/* Adam and the value moments against the papers' own pseudo-code in double. */

#include "tests/support/harness.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/nn/adam.h"
#include "learner/train/moments.h"

enum { N = 333, STEPS = 50 };

static void draw(float *x, struct rng *r, float size)
{
    for (int i = 0; i < N; i++) {
        x[i] = size * rng_normal(r);
    }
}

/* Kingma & Ba 2015, algorithm 1, with the gradient's norm clipped before. */
struct naive_adam {
    double w[N], m[N], v[N];
    int t;
};

static void naive_step(struct naive_adam *a, const float *sums, double n, double lr,
                       double most)
{
    double norm = 0, g[N];

    for (int i = 0; i < N; i++) {
        g[i] = (double)sums[i] / n;
        norm += g[i] * g[i];
    }
    norm = sqrt(norm);
    a->t++;
    for (int i = 0; i < N; i++) {
        g[i] *= most > 0 && norm > most ? most / norm : 1;
        a->m[i] = 0.9 * a->m[i] + 0.1 * g[i];
        a->v[i] = 0.999 * a->v[i] + 0.001 * g[i] * g[i];
        const double m = a->m[i] / (1 - pow(0.9, a->t));
        const double v = a->v[i] / (1 - pow(0.999, a->t));
        a->w[i] -= lr * m / (sqrt(v) + 1e-6);
    }
}

static void steps_are_those_of_the_paper(void **state)
{
    static struct naive_adam naive;
    struct adam a;
    struct rng r;
    float w[N], g[N];
    double norm;

    (void)state;
    rng_init(&r, 1);
    adam_init(&a, N);
    draw(w, &r, 1);
    for (int i = 0; i < N; i++) {
        naive.w[i] = (double)w[i];
    }
    for (int k = 0; k < STEPS; k++) {
        draw(g, &r, k % 3 == 0 ? 100.0F : 1e-3F); // clipped, and far below epsilon
        assert_int_equal(adam_step(&a, w, g, 128, 0.01, 1, &norm), ST_OK);
        naive_step(&naive, g, 128, 0.01, 1);
    }
    for (int i = 0; i < N; i++) {
        assert_float_equal(w[i], naive.w[i], 2e-5);
    }
    adam_release(&a);
}

static void a_gradient_that_is_no_number_changes_nothing(void **state)
{
    struct adam a;
    float w[N] = {1, 2, 3}, g[N] = {0}, before[N];
    double norm = -1;

    (void)state;
    adam_init(&a, N);
    memcpy(before, w, sizeof(w));
    g[7] = NAN;
    assert_int_equal(adam_step(&a, w, g, 1, 0.1, 1, &norm), ST_CORRUPT);
    g[7] = INFINITY;
    assert_int_equal(adam_step(&a, w, g, 1, 0.1, 1, &norm), ST_CORRUPT);
    assert_memory_equal(before, w, sizeof(w));
    assert_int_equal(a.steps, 0);
    assert_float_equal(a.first[7], 0, 0);
    adam_release(&a);
}

static void the_norm_is_over_everything_and_before_clipping(void **state)
{
    struct adam a;
    float w[N] = {0}, g[N] = {0};
    double norm;

    (void)state;
    adam_init(&a, N);
    g[0] = 30, g[N - 1] = 40;
    assert_int_equal(adam_step(&a, w, g, 10, 0.1, 1, &norm), ST_OK);
    assert_float_equal(norm, 5, 1e-6);
    adam_release(&a);
}

static void the_rate_falls_in_a_straight_line_and_stays_at_its_end(void **state)
{
    (void)state;
    assert_float_equal(adam_lr(1e-3, 1e-4, 0), 1e-3, 1e-12);
    assert_float_equal(adam_lr(1e-3, 1e-4, 0.5), 5.5e-4, 1e-12);
    assert_float_equal(adam_lr(1e-3, 1e-4, 1.7), 1e-4, 1e-12);
}

/* Debiased running averages by their definition: weights (1-r)^(k-i) r. */
static void moments_are_weighted_averages_of_all_that_came(void **state)
{
    const double rate = 0.005;
    double sums[STEPS], squares[STEPS];
    struct moments m;
    struct rng r;

    (void)state;
    rng_init(&r, 2);
    moments_init(&m, true, rate);
    for (int k = 0; k < STEPS; k++) {
        sums[k] = squares[k] = 0;
        for (int i = 0; i < 64; i++) {
            const double v = 3 + 0.5 * (double)rng_normal(&r);
            sums[k] += v;
            squares[k] += v * v;
        }
        moments_move(&m, 64, sums[k], squares[k]);
        double weight = 0, first = 0, second = 0;
        for (int i = 0; i <= k; i++) {
            const double w = rate * pow(1 - rate, k - i);
            weight += w;
            first += w * sums[i] / 64;
            second += w * squares[i] / 64;
        }
        const double mean = first / weight;
        assert_float_equal(m.mean, mean, 1e-9);
        assert_float_equal(m.scale, sqrt(second / weight - mean * mean), 1e-7);
    }
    // At once near the truth, not after 1/rate updates.
    assert_float_equal(m.mean, 3, 0.05);
    assert_float_equal(m.scale, 0.5, 0.05);
}

static void the_scale_never_falls_below_a_hundredth(void **state)
{
    struct moments m;

    (void)state;
    moments_init(&m, true, 0.005);
    moments_move(&m, 10, 20, 40); // all equal 2
    assert_float_equal(m.mean, 2, 1e-12);
    assert_float_equal(m.scale, 0.01, 1e-12);
}

static void moments_stand_still_without_samples_or_when_off(void **state)
{
    struct moments m;

    (void)state;
    moments_init(&m, true, 0.005);
    moments_move(&m, 0, 5, 5);
    assert_float_equal(m.weight, 0, 0);
    moments_init(&m, false, 0.005);
    moments_move(&m, 10, 20, 80);
    assert_float_equal(m.mean, 0, 0);
    assert_float_equal(m.scale, 1, 0);
}

/* A table of 6 rows of 16 in front; rows 1 and 4 get a gradient in every other step. */
static void a_row_without_gradient_stands_still_in_a_table(void **state)
{
    static struct naive_adam naive, before;
    struct adam a;
    struct rng r;
    float w[N], g[N];
    double norm;

    (void)state;
    rng_init(&r, 4);
    adam_init(&a, N);
    adam_set_table(&a, 6, 16, NULL);
    draw(w, &r, 1);
    for (int i = 0; i < N; i++) {
        naive.w[i] = (double)w[i];
    }
    for (int t = 0; t < STEPS; t++) {
        draw(g, &r, 3);
        for (int i = 0; i < 96; i++) {
            const bool used =
                i / 16 == 5 || ((i / 16 == 1 || i / 16 == 4) && t % 2 == 0);
            g[i] = used ? g[i] : 0;
        }
        before = naive;
        naive_step(&naive, g, 2, 0.01, 4);
        for (int i = 0; i < 96; i++) { // undone where the row was not met
            if (g[i] == 0.0F) {
                naive.w[i] = before.w[i];
                naive.m[i] = before.m[i];
                naive.v[i] = before.v[i];
            }
        }
        assert_int_equal(adam_step(&a, w, g, 2, 0.01, 4, &norm), ST_OK);
        double sum = 0;
        for (int i = 0; i < N; i++) {
            sum += (double)g[i] * (double)g[i] / 4;
            if (fabs((double)w[i] - naive.w[i]) > 1e-5) {
                fail_msg("weight %d is %g, not %g", i, (double)w[i], naive.w[i]);
            }
        }
        assert_true(fabs(norm - sqrt(sum)) < 1e-4 * norm);
    }
    g[3] = NAN;
    assert_int_equal(adam_step(&a, w, g, 2, 0.01, 4, &norm), ST_CORRUPT);
    adam_release(&a);
}

/* The rows that are said to be touched are more than those that have a gradient. */
static void rows_that_are_not_touched_are_not_missed(void **state)
{
    enum { ROWS = 40, COLS = 16, FLOATS = ROWS * COLS + 5 };
    static float w[2][FLOATS], g[FLOATS];
    static bool touched[ROWS];
    struct adam a[2];
    struct rng r;
    double norm[2];

    (void)state;
    rng_init(&r, 6);
    for (int i = 0; i < 2; i++) {
        adam_init(&a[i], FLOATS);
        adam_set_table(&a[i], ROWS, COLS, i == 0 ? NULL : touched);
    }
    for (int t = 0; t < 20; t++) {
        for (int i = 0; i < ROWS; i++) {
            touched[i] = rng_float(&r) < 0.3F;
        }
        for (int i = 0; i < FLOATS; i++) {
            const bool used =
                i >= ROWS * COLS || (touched[i / COLS] && i / COLS % 5 != 0);
            g[i] = used ? rng_float(&r) - 0.5F : 0;
        }
        for (int i = 0; i < 2; i++) {
            assert_int_equal(adam_step(&a[i], w[i], g, 2, 0.01, 1, &norm[i]), ST_OK);
        }
        assert_memory_equal(w[0], w[1], sizeof(w[0]));
        assert_memory_equal(a[0].first, a[1].first, sizeof(w[0]));
        assert_memory_equal(a[0].second, a[1].second, sizeof(w[0]));
        assert_memory_equal(&norm[0], &norm[1], sizeof(norm[0]));
    }
    adam_release(&a[0]);
    adam_release(&a[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_those_of_the_paper),
        cmocka_unit_test(a_row_without_gradient_stands_still_in_a_table),
        cmocka_unit_test(a_gradient_that_is_no_number_changes_nothing),
        cmocka_unit_test(the_norm_is_over_everything_and_before_clipping),
        cmocka_unit_test(the_rate_falls_in_a_straight_line_and_stays_at_its_end),
        cmocka_unit_test(moments_are_weighted_averages_of_all_that_came),
        cmocka_unit_test(the_scale_never_falls_below_a_hundredth),
        cmocka_unit_test(moments_stand_still_without_samples_or_when_off),
        cmocka_unit_test(rows_that_are_not_touched_are_not_missed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
