/* A second value head beside the first: what it says, its gradient, and its rescaling. A
 * network of two heads is held to two networks of one, which test_policy_cells.c holds to
 * the naive one. */

#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/nn/policy.h"
#include "tests/support/net_input.h"

enum { T = 5, B = 4, N = T * B, A = 6 };

static struct policy *both, *one[2]; // one[h] has head h of `both`
static struct net_input s;
static float *zeros;

/* The weights of `both` but for the value head, of which it gets one row. */
static void copy_weights(struct policy *to, int head)
{
    const struct params *from = policy_params(both);
    struct params *p = policy_params(to);

    for (int i = 0; i < from->count; i++) {
        const struct param *a = &from->table[i], *b = &p->table[i];
        const size_t size = (size_t)b->rows * (size_t)b->cols;
        const size_t at = strncmp(a->name, "value.", 6) == 0 ? (size_t)head * size : 0;
        assert_string_equal(a->name, b->name);
        memcpy(b->w, a->w + at, size * sizeof(float));
    }
    policy_weights_changed(to);
}

static int open_nets(void **state)
{
    struct policy_shape shape = {"cells", A, 2};
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    assert_int_equal(policy_new(&shape, N, N, true, &both), ST_OK);
    policy_init_weights(both, &rng);
    shape.value_heads = 1;
    for (int h = 0; h < 2; h++) {
        assert_int_equal(policy_new(&shape, N, N, true, &one[h]), ST_OK);
        copy_weights(one[h], h);
    }
    net_input_make(&s, T, B, A, policy_state_floats(both), 20, 7);
    zeros = mem_new((size_t)N * A, sizeof(float));
    return 0;
}

static int close_nets(void **state)
{
    (void)state;
    policy_free(both);
    policy_free(one[0]);
    policy_free(one[1]);
    net_input_release(&s);
    mem_free(zeros);
    return 0;
}

static void forward(struct policy *p, const float **values)
{
    const float *logits;

    policy_forward_seq(p, &s.in, T, B, s.state0, s.starts, &logits, values);
}

static void each_head_says_what_it_would_say_alone(void **state)
{
    const float *two, *alone;

    (void)state;
    assert_int_equal(policy_heads(both), 2);
    forward(both, &two);
    for (int h = 0; h < 2; h++) {
        forward(one[h], &alone);
        for (int n = 0; n < N; n++) {
            assert_float_equal(two[2 * n + h], alone[n], 1e-5);
        }
    }
}

/* The gradient of the sum is the sum of the gradients. */
static void gradients_of_two_heads_add_up(void **state)
{
    float dvalues[2 * N], alone[N];
    const float *values;

    (void)state;
    for (int n = 0; n < 2 * N; n++) {
        dvalues[n] = 0.1F * (float)((n * 7) % 11) - 0.5F;
    }
    forward(both, &values);
    policy_backward_seq(both, s.dlogits, dvalues);
    for (int h = 0; h < 2; h++) {
        for (int n = 0; n < N; n++) {
            alone[n] = dvalues[2 * n + h];
        }
        forward(one[h], &values);
        policy_backward_seq(one[h], h == 0 ? s.dlogits : zeros, alone);
    }
    const struct params *p = policy_params(both);
    for (int i = 0; i < p->count; i++) {
        const struct param *d = &p->table[i];
        const struct param *a = &policy_params(one[0])->table[i];
        const struct param *b = &policy_params(one[1])->table[i];
        const size_t size = (size_t)a->rows * (size_t)a->cols;
        const bool value = strncmp(d->name, "value.", 6) == 0;
        for (size_t k = 0; k < size; k++) {
            assert_float_equal(d->g[k], value ? a->g[k] : a->g[k] + b->g[k], 2e-5);
            if (value) {
                assert_float_equal(d->g[size + k], b->g[k], 2e-5);
            }
        }
    }
}

static void rescaling_a_head_keeps_what_both_say(void **state)
{
    static const double mean[2] = {0.5, -1}, scale[2] = {3, 0.25};
    float before[2 * N];
    const float *values;

    (void)state;
    forward(both, &values);
    memcpy(before, values, sizeof(before));
    policy_rescale_values(both, 1, mean[0], scale[0], mean[1], scale[1]);
    forward(both, &values);
    for (size_t n = 0; n < N; n++) {
        assert_float_equal(values[2 * n], before[2 * n], 1e-6);
        assert_float_equal((double)values[2 * n + 1] * scale[1] + mean[1],
                           (double)before[2 * n + 1] * scale[0] + mean[0], 1e-4);
    }
}

static void the_digest_tells_the_number_of_heads(void **state)
{
    const struct policy_shape three = {"cells", A, 3};
    struct policy *p;

    (void)state;
    assert_true(policy_digest(both) != policy_digest(one[0]));
    harness_stderr_begin();
    assert_int_equal(policy_new(&three, N, N, false, &p), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "1 or 2 value heads, not 3"));
}

#define OF_NETS(test) cmocka_unit_test_setup_teardown(test, open_nets, close_nets)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OF_NETS(each_head_says_what_it_would_say_alone),
        OF_NETS(gradients_of_two_heads_add_up),
        OF_NETS(rescaling_a_head_keeps_what_both_say),
        OF_NETS(the_digest_tells_the_number_of_heads),
    };
    return cmocka_run_group_tests_name("policy heads", tests, NULL, NULL);
}
