#include "tests/support/network.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/support/harness.h"
#include "tests/support/naive.h"
#include "tests/support/net_input.h"

struct subject {
    struct policy *p;
    struct params *params;
    struct net_input s;
    int N, H;
    const float *logits, *values;
};

static const struct network_plan *plan;
static struct subject k; // made anew for each test
static float *first_weights;

static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance)) {
        fail_msg("%.9g is not %.9g (tolerance %g)", a, b, tolerance);
    }
}

static void forward(const uint8_t *starts)
{
    policy_forward_seq(k.p, &k.s.in, plan->T, plan->B, k.s.state0, starts, &k.logits,
                       &k.values);
}

/* Once for all tests: an orthogonal matrix of this size takes its time. */
static void draw_weights(void)
{
    struct rng rng;
    rng_init(&rng, 42);
    policy_init_weights(k.p, &rng);
    // Biases and the policy head away from 0, so that each has something to do.
    for (int i = 0; i < k.params->count; i++) {
        struct param *d = &k.params->table[i];
        const int size = d->rows * d->cols;
        for (int j = 0; j < size; j++) {
            if (d->rows == 1 || strcmp(d->name, "policy.w") == 0) {
                d->w[j] += 0.1f * rng_normal(&rng);
            }
        }
    }
    first_weights = mem_new(k.params->floats, sizeof(float));
    memcpy(first_weights, k.params->weights, k.params->floats * sizeof(float));
}

static int begin(void **state)
{
    struct policy_shape shape = {.actions = plan->actions, .value_heads = 1};
    (void)state;
    strcpy(shape.net, plan->net);
    k.N = plan->T * plan->B;
    if (policy_new(&shape, k.N, k.N, true, &k.p) != ST_OK) {
        return -1;
    }
    k.params = policy_params(k.p);
    k.H = policy_state_floats(k.p);
    if (first_weights == NULL) {
        draw_weights();
    }
    memcpy(k.params->weights, first_weights, k.params->floats * sizeof(float));
    policy_weights_changed(k.p);
    net_input_make(&k.s, plan->T, plan->B, plan->actions, k.H, 40, 7);
    k.s.starts[plan->B + 1] = 1; // one in the middle, whatever was drawn
    return 0;
}

static int end(void **state)
{
    (void)state;
    policy_free(k.p);
    net_input_release(&k.s);
    return 0;
}

static void it_has_exactly_the_numbers_that_its_design_names(void **state)
{
    (void)state;
    assert_int_equal(params_count(k.params), plan->params);
}

static void outputs_equal_the_naive_network_in_double(void **state)
{
    struct naive v;
    double *logits = mem_new((size_t)(k.N * plan->actions), sizeof(double));
    double *values = mem_new((size_t)k.N, sizeof(double));
    (void)state;
    naive_copy(&v, k.params);
    forward(k.s.starts);
    naive_policy(&v, plan->net, plan->actions, &k.s.in, plan->T, plan->B, k.s.state0,
                 k.s.starts, k.s.dlogits, k.s.dvalues, logits, values);
    for (int i = 0; i < k.N * plan->actions; i++) {
        assert_near((double)k.logits[i], logits[i], 2e-5);
    }
    for (int i = 0; i < k.N; i++) {
        assert_near((double)k.values[i], values[i], 2e-5);
    }
    naive_release(&v);
    mem_free(logits);
    mem_free(values);
}

static double objective(const struct naive *v)
{
    return naive_policy(v, plan->net, plan->actions, &k.s.in, plan->T, plan->B,
                        k.s.state0, k.s.starts, k.s.dlogits, k.s.dvalues, NULL, NULL);
}

/* d objective along `direction` (size) of one parameter, by central differences. */
static double slope(struct naive *v, const struct param *d, const double *direction)
{
    const double step = 1e-6;
    double *w = v->w + (d->w - k.params->weights), two[2];
    const int size = d->rows * d->cols;
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < size; i++) {
            w[i] = (double)d->w[i] + (side == 0 ? step : -step) * direction[i];
        }
        two[side] = objective(v);
    }
    for (int i = 0; i < size; i++) {
        w[i] = (double)d->w[i];
    }
    return (two[0] - two[1]) / (2 * step);
}

/* Along a random direction, then along the gradient itself, whose slope is its squared
 * length: no entry of any size can hide from both. */
static void the_gradient_of_each_parameter_is_the_central_difference(void **state)
{
    struct naive v;
    struct rng rng;
    (void)state;
    rng_init(&rng, 3);
    naive_copy(&v, k.params);
    params_zero_grads(k.params);
    forward(k.s.starts);
    policy_backward_seq(k.p, k.s.dlogits, k.s.dvalues);
    for (int i = 0; i < k.params->count; i++) {
        const struct param *d = &k.params->table[i];
        const int size = d->rows * d->cols;
        double *direction = mem_new((size_t)size, sizeof(double)), length = 0;
        for (int j = 0; j < size; j++) {
            length += (double)d->g[j] * (double)d->g[j];
        }
        length = sqrt(length);
        assert_true(length > 0);
        for (int way = 0; way < 2; way++) {
            double got = 0;
            for (int j = 0; j < size; j++) {
                direction[j] = way == 0 ? (double)rng_normal(&rng) / sqrt((double)size)
                                        : (double)d->g[j] / length;
                got += direction[j] * (double)d->g[j];
            }
            const double want = slope(&v, d, direction);
            if (!(fabs(got - want) <= 2e-5 * length + 1e-6)) {
                fail_msg("%s: gradient %.9g, difference %.9g, length %g", d->name, got,
                         want, length);
            }
        }
        mem_free(direction);
    }
    naive_release(&v);
}

static float *copy_of_grads(void)
{
    float *g = mem_new(k.params->floats, sizeof(float));
    memcpy(g, k.params->grads, k.params->floats * sizeof(float));
    return g;
}

/* g = scale * grads to rounding. */
static void assert_grads(const float *g, double scale)
{
    for (size_t i = 0; i < k.params->floats; i++) {
        assert_near((double)k.params->grads[i], scale * (double)g[i],
                    2e-5 + 2e-5 * fabs((double)g[i]));
    }
}

static void a_second_backward_adds_to_the_gradient(void **state)
{
    (void)state;
    params_zero_grads(k.params);
    forward(k.s.starts);
    policy_backward_seq(k.p, k.s.dlogits, k.s.dvalues);
    float *once = copy_of_grads();
    forward(k.s.starts);
    policy_backward_seq(k.p, k.s.dlogits, k.s.dvalues);
    assert_grads(once, 2);
    mem_free(once);
}

static void a_start_zeroes_the_state_and_cuts_the_gradient(void **state)
{
    const int B = plan->B, A = plan->actions, rest = k.N - B;
    uint8_t *starts = mem_new((size_t)k.N, 1);
    float *zero = mem_new((size_t)(B * k.H), sizeof(float));
    (void)state;
    memset(starts + B, 1, (size_t)B);                        // all begin anew at t = 1
    memset(k.s.dlogits, 0, (size_t)(B * A) * sizeof(float)); // t = 0 asks for nothing
    memset(k.s.dvalues, 0, (size_t)B * sizeof(float));

    params_zero_grads(k.params);
    forward(starts);
    float *logits = mem_new((size_t)(rest * A), sizeof(float));
    memcpy(logits, k.logits + B * A, (size_t)(rest * A) * sizeof(float));
    policy_backward_seq(k.p, k.s.dlogits, k.s.dvalues);
    float *whole = copy_of_grads();

    const struct policy_input in = net_input_from(&k.s, B);
    params_zero_grads(k.params);
    policy_forward_seq(k.p, &in, plan->T - 1, B, zero, NULL, &k.logits, &k.values);
    for (int i = 0; i < rest * A; i++) {
        assert_near((double)k.logits[i], (double)logits[i], 1e-5);
    }
    policy_backward_seq(k.p, k.s.dlogits + B * A, k.s.dvalues + B);
    assert_grads(whole, 1);
    mem_free(starts);
    mem_free(zero);
    mem_free(logits);
    mem_free(whole);
}

static void acting_step_by_step_gives_the_sequence_row_by_row(void **state)
{
    const int B = plan->B, A = plan->actions;
    float *h = mem_new((size_t)(B * k.H), sizeof(float));
    float *logits = mem_new((size_t)(k.N * A), sizeof(float));
    float *values = mem_new((size_t)k.N, sizeof(float));
    (void)state;
    memcpy(h, k.s.state0, (size_t)(B * k.H) * sizeof(float));
    for (int t = 0; t < plan->T; t++) {
        const struct policy_input in = net_input_from(&k.s, t * B);
        for (int b = 0; b < B; b++) {
            if (k.s.starts[t * B + b]) {
                memset(h + b * k.H, 0, (size_t)k.H * sizeof(float));
            }
        }
        policy_act(k.p, &in, B, h, logits + t * B * A, values + t * B);
    }
    forward(k.s.starts);
    for (int i = 0; i < k.N * A; i++) {
        assert_near((double)logits[i], (double)k.logits[i], 1e-5);
    }
    for (int i = 0; i < k.N; i++) {
        assert_near((double)values[i], (double)k.values[i], 1e-5);
    }
    mem_free(h);
    mem_free(logits);
    mem_free(values);
}

static void one_row_alone_gives_what_it_gives_in_a_batch(void **state)
{
    const int A = plan->actions;
    float *h = mem_new((size_t)k.H, sizeof(float)), logits[64], value;
    (void)state;
    memcpy(h, k.s.state0, (size_t)k.H * sizeof(float));
    policy_act(k.p, &k.s.in, 1, h, logits, &value);
    forward(NULL);
    for (int a = 0; a < A; a++) {
        assert_near((double)logits[a], (double)k.logits[a], 1e-5);
    }
    assert_near((double)value, (double)k.values[0], 1e-5);
    mem_free(h);
}

static void rescaling_the_values_keeps_them_in_reward_units(void **state)
{
    (void)state;
    forward(k.s.starts);
    double *before = mem_new((size_t)k.N, sizeof(double));
    for (int n = 0; n < k.N; n++) {
        before[n] = (double)k.values[n] * 3.0 + 0.5;
    }
    policy_rescale_values(k.p, 0, 0.5, 3.0, -1.25, 0.7);
    forward(k.s.starts);
    for (int n = 0; n < k.N; n++) {
        assert_near((double)k.values[n] * 0.7 - 1.25, before[n], 1e-5);
    }
    mem_free(before);
}

static void weights_that_changed_are_used_once_it_is_told(void **state)
{
    (void)state;
    forward(k.s.starts);
    const float before = k.logits[0];
    for (int i = 0; i < k.params->table[0].rows * k.params->table[0].cols; i++) {
        k.params->table[0].w[i] *= 1.5f;
    }
    policy_weights_changed(k.p);
    forward(k.s.starts);
    assert_true(fabsf(k.logits[0] - before) > 1e-6f);
}

static void a_nan_among_the_weights_comes_out(void **state)
{
    (void)state;
    for (int i = 0; i < k.params->count; i++) {
        struct param *d = &k.params->table[i];
        const float was = d->w[0];
        if (strstr(d->name, ".b") == NULL) {
            continue; // an embedding's first row may not be in use; a bias always is
        }
        d->w[0] = NAN;
        policy_weights_changed(k.p);
        forward(k.s.starts);
        bool nan = false;
        for (int n = 0; n < k.N; n++) {
            nan = nan || isnan(k.values[n]) || isnan(k.logits[n * plan->actions]);
        }
        if (!nan) {
            fail_msg("a NaN in %s was lost", d->name);
        }
        d->w[0] = was;
    }
    policy_weights_changed(k.p);
}

static void steps_and_updates_allocate_nothing(void **state)
{
    float *h = mem_new((size_t)(k.N * k.H), sizeof(float));
    float *logits = mem_new((size_t)(k.N * plan->actions), sizeof(float));
    float *values = mem_new((size_t)k.N, sizeof(float));
    (void)state;
    const uint64_t before = mem_allocations();
    for (int i = 0; i < 3; i++) {
        policy_act(k.p, &k.s.in, k.N, h, logits, values);
        forward(k.s.starts);
        policy_backward_seq(k.p, k.s.dlogits, k.s.dvalues);
        policy_weights_changed(k.p);
        (void)policy_digest(k.p);
    }
    assert_int_equal(mem_allocations(), before);
    mem_free(h);
    mem_free(logits);
    mem_free(values);
}

/* More glyphs than the tables have slots: they are emptied on the way. */
static void any_number_of_glyphs_gives_the_same(void **state)
{
    const int A = plan->actions, B = 24;
    struct policy_shape shape = {.actions = A, .value_heads = 1};
    struct policy *wide;
    struct net_input s;
    const float *logits, *values;
    (void)state;
    strcpy(shape.net, plan->net);
    assert_int_equal(policy_new(&shape, B, B, true, &wide), ST_OK);
    memcpy(policy_params(wide)->weights, k.params->weights,
           k.params->floats * sizeof(float));
    policy_weights_changed(wide);
    net_input_make(&s, 1, B, A, k.H, 1 << 13, 9);
    policy_forward_seq(wide, &s.in, 1, B, s.state0, NULL, &logits, &values);
    policy_backward_seq(wide, s.dlogits, s.dvalues);

    params_zero_grads(k.params);
    for (int n = 0; n < B; n++) { // one by one, each with an empty table
        const struct policy_input in = net_input_from(&s, n);
        const float *one, *value;
        policy_weights_changed(k.p);
        policy_forward_seq(k.p, &in, 1, 1, s.state0 + n * k.H, NULL, &one, &value);
        for (int a = 0; a < A; a++) {
            assert_near((double)one[a], (double)logits[n * A + a], 1e-5);
        }
        policy_backward_seq(k.p, s.dlogits + n * A, s.dvalues + n);
    }
    assert_grads(policy_params(wide)->grads, 1);
    policy_free(wide);
    net_input_release(&s);
}

int network_tests(const struct network_plan *of)
{
#define FACT(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        FACT(it_has_exactly_the_numbers_that_its_design_names),
        FACT(outputs_equal_the_naive_network_in_double),
        FACT(the_gradient_of_each_parameter_is_the_central_difference),
        FACT(a_second_backward_adds_to_the_gradient),
        FACT(a_start_zeroes_the_state_and_cuts_the_gradient),
        FACT(acting_step_by_step_gives_the_sequence_row_by_row),
        FACT(one_row_alone_gives_what_it_gives_in_a_batch),
        FACT(rescaling_the_values_keeps_them_in_reward_units),
        FACT(weights_that_changed_are_used_once_it_is_told),
        FACT(a_nan_among_the_weights_comes_out),
        FACT(steps_and_updates_allocate_nothing),
        FACT(any_number_of_glyphs_gives_the_same),
    };
#undef FACT
    plan = of;
    const int failed = cmocka_run_group_tests_name(of->net, tests, NULL, NULL);
    mem_free(first_weights);
    return failed;
}
