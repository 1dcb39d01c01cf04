/* common/nn/textcnn: the windows that touch the text and the constants behind it are the
 * plain computation over 256 bytes, forward and in every gradient; that one agrees with
 * central differences. */

#include "common/nn/textcnn.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/support/harness.h"
#include "tests/support/naive_textcnn.h"

enum { WIDTH = TEXTCNN_WIDTH, MOST = 48 };

static char longest[300];
static struct params params;
static struct textcnn *net;
static float x[MOST * WIDTH], dx[MOST * WIDTH];

/* Lengths around every edge: windows of 7 and 3, pools of 3, the last of each layer. */
static const size_t LENGTHS[] = {0,   1,   2,   3,   6,   7,   8,   20,  21,
                                 39,  40,  56,  74,  75,  76,  158, 159, 171,
                                 192, 207, 216, 225, 228, 231, 232, 247, 248,
                                 249, 250, 251, 253, 254, 255, 256, 300};
enum { LENGTH_COUNT = sizeof LENGTHS / sizeof LENGTHS[0] };

static void assert_near(const char *what, size_t n, size_t i, double got, double want)
{
    if (!(fabs(got - want) <= 1e-4 * (1 + fabs(want)))) {
        fail_msg("%s of %zu, number %zu, is %.8g, not %.8g", what, n, i, got, want);
    }
}

static int setup(void **state)
{
    struct rng rng = {5};
    (void)state;
    net = textcnn_new(&params);
    params_alloc(&params, true);
    textcnn_alloc(net, MOST, true);
    textcnn_init(net, &rng);
    for (size_t i = 0; i < sizeof longest; i++) {
        longest[i] = (char)(1 + rng_below(&rng, 255));
    }
    longest[3] = 1; // the ends of what a byte may be
    longest[4] = (char)255;
    for (int i = 0; i < MOST * WIDTH; i++) {
        dx[i] = rng_normal(&rng);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    textcnn_free(net);
    params_release(&params);
    return 0;
}

static void every_length_is_the_plain_computation(void **state)
{
    struct bytes text[LENGTH_COUNT];
    struct naive v;
    double want[WIDTH];
    (void)state;
    naive_copy(&v, &params);
    for (size_t n = 0; n < LENGTH_COUNT; n++) {
        text[n] = bytes_of(longest, LENGTHS[n]);
    }
    textcnn_forward(net, x, text, LENGTH_COUNT);
    for (size_t n = 0; n < LENGTH_COUNT; n++) {
        naive_textcnn(want, &v, text[n]);
        for (size_t i = 0; i < WIDTH; i++) {
            assert_near("x", LENGTHS[n], i, (double)x[n * WIDTH + i], want[i]);
        }
    }
    naive_release(&v);
}

/* Every gradient of `count` texts in one pass. */
static void assert_gradients(const struct bytes *text, int count)
{
    struct naive v;
    double *want = mem_new(params.floats, sizeof *want), wide[WIDTH];
    naive_copy(&v, &params);
    params_zero_grads(&params);
    textcnn_forward(net, x, text, count);
    textcnn_backward(net, dx, x);
    for (int n = 0; n < count; n++) {
        for (int i = 0; i < WIDTH; i++) {
            wide[i] = (double)dx[n * WIDTH + i];
        }
        naive_textcnn_backward(want, wide, &v, text[n]);
    }
    for (size_t i = 0; i < params.floats; i++) {
        assert_near("the gradient", text[0].len, i, (double)params.grads[i], want[i]);
    }
    mem_free(want);
    naive_release(&v);
}

static void every_gradient_is_that_of_the_plain_computation(void **state)
{
    (void)state;
    for (size_t n = 0; n < LENGTH_COUNT; n += HARNESS_SANITIZED ? 5 : 1) {
        const struct bytes text = bytes_of(longest, LENGTHS[n]);
        assert_gradients(&text, 1);
    }
}

/* More texts than go through the layers at a time, one with a 0 inside. */
static void a_batch_in_several_chunks_is_the_sum_of_its_texts(void **state)
{
    static struct bytes text[MOST];
    (void)state;
    for (size_t n = 0; n < MOST; n++) {
        text[n] = bytes_of(longest + n, n * 7 % 41);
    }
    longest[50] = 0;
    assert_gradients(text, MOST);
    longest[50] = 1;
}

static void the_plain_gradient_is_that_of_central_differences(void **state)
{
    const struct bytes text = bytes_of(longest, 30);
    struct naive v;
    double *grads = mem_new(params.floats, sizeof *grads), wide[WIDTH], y[WIDTH];
    struct rng rng = {11};
    (void)state;
    naive_copy(&v, &params);
    for (int i = 0; i < WIDTH; i++) {
        wide[i] = (double)dx[i];
    }
    naive_textcnn_backward(grads, wide, &v, text);
    for (int i = 0; i < params.count; i++) {
        const struct param *d = &params.table[i];
        const uint32_t size = (uint32_t)(d->rows * d->cols);
        for (int s = 0; s < 8; s++) {
            size_t at = rng_below(&rng, size);
            if (i == 0) { // of bytes in the text
                at = (size_t)(uint8_t)longest[s] * 32 + at % 32;
            }
            at += (size_t)(d->w - params.weights);
            const double was = v.w[at], step = 1e-6;
            double sum = 0;
            for (int sign = -1; sign <= 1; sign += 2) {
                v.w[at] = was + sign * step;
                naive_textcnn(y, &v, text);
                for (int k = 0; k < WIDTH; k++) {
                    sum += sign * wide[k] * y[k] / (2 * step);
                }
            }
            v.w[at] = was;
            assert_near(d->name, 30, at, grads[at], sum);
        }
    }
    mem_free(grads);
    naive_release(&v);
}

/* Without training only a chunk's texts are held. */
static void a_net_that_only_scores_gives_the_same(void **state)
{
    struct params copy = {0};
    struct textcnn *scorer = textcnn_new(&copy);
    static struct bytes text[MOST];
    static float y[MOST * WIDTH];
    (void)state;
    params_alloc(&copy, false);
    textcnn_alloc(scorer, MOST, false);
    memcpy(copy.weights, params.weights, params.floats * sizeof(float));
    for (size_t n = 0; n < MOST; n++) {
        text[n] = bytes_of(longest + n, n * 11 % 256);
    }
    textcnn_forward(net, x, text, MOST);
    textcnn_forward(scorer, y, text, MOST);
    assert_memory_equal(x, y, sizeof x);
    textcnn_free(scorer);
    params_release(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_is_the_plain_computation),
        cmocka_unit_test(every_gradient_is_that_of_the_plain_computation),
        cmocka_unit_test(a_batch_in_several_chunks_is_the_sum_of_its_texts),
        cmocka_unit_test(the_plain_gradient_is_that_of_central_differences),
        cmocka_unit_test(a_net_that_only_scores_gives_the_same),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
