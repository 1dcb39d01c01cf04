/* common/nn/capnet: what holds for its passes, whatever the weights. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/nn/capnet.h"
#include "common/nn/vec.h"
#include "tests/support/harness.h"

enum { TEXTS = 4 };

static struct bytes texts[TEXTS];

static const enum capnet_text KINDS[] = {CAPNET_NGRAM, CAPNET_CNN};
enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

static struct capnet *network(enum capnet_text text, enum capnet_head head)
{
    struct capnet *c = capnet_new(text, head, TEXTS, true);
    struct rng rng = {3};
    capnet_init_weights(c, &rng);
    return c;
}

static void a_text_does_not_hang_on_its_neighbours(void **state)
{
    float all[2 * TEXTS];
    (void)state;
    for (int k = 0; k < KIND_COUNT; k++) {
        struct capnet *c = network(KINDS[k], CAPNET_RATE);
        memcpy(all, capnet_forward(c, texts, TEXTS, NULL), sizeof all);
        for (int n = 0; n < TEXTS; n++) {
            const float *one = capnet_forward(c, &texts[n], 1, NULL);
            assert_true(fabsf(one[0] - all[2 * n]) < 1e-5F);
            assert_true(fabsf(one[1] - all[2 * n + 1]) < 1e-5F);
        }
        capnet_forward(c, texts, 0, NULL); // and no text is nothing
        capnet_backward(c, all);
        capnet_free(c);
    }
}

/* What a score is cached for must not change with the company it is scored in. Where
 * BLAS computes the products (vec.h) it may, in the last digit. */
static void with_wide_vectors_company_changes_no_bit(void **state)
{
    enum { LINES = 100 };
    static char line[LINES][64];
    struct bytes forward[LINES], backward[LINES];
    float all[LINES];
    (void)state;
    if (VEC < 16) {
        skip();
    }
    for (int i = 0; i < LINES; i++) {
        const int len = snprintf(line[i], sizeof line[i], "%*d. kobold%s", i % 37, i,
                                 i % 3 == 0 ? " hits!" : "");
        forward[i] = backward[LINES - 1 - i] = bytes_of(line[i], (size_t)len);
    }
    for (int k = 0; k < KIND_COUNT; k++) {
        struct capnet *c = capnet_new(KINDS[k], CAPNET_SCORE, LINES, false);
        struct rng rng = {3};
        capnet_init_weights(c, &rng);
        memcpy(all, capnet_forward(c, forward, LINES, NULL), sizeof all);
        for (int n = 1; n <= LINES; n += 7) {
            const float *some = capnet_forward(c, backward, n, NULL);
            for (int i = 0; i < n; i++) {
                assert_memory_equal(&some[i], &all[LINES - 1 - i], sizeof(float));
            }
        }
        capnet_free(c);
    }
}

static void a_second_backward_adds_to_the_gradient(void **state)
{
    const float dout[TEXTS] = {1, -2, 0.5F, 3};
    (void)state;
    for (int k = 0; k < KIND_COUNT; k++) {
        struct capnet *c = network(KINDS[k], CAPNET_SCORE);
        struct params *p = capnet_params(c);
        float *once = mem_new(p->floats, sizeof(float));
        capnet_forward(c, texts, TEXTS, NULL);
        capnet_backward(c, dout);
        memcpy(once, p->grads, p->floats * sizeof(float));
        capnet_backward(c, dout);
        for (size_t i = 0; i < p->floats; i++) {
            if (!(fabsf(p->grads[i] - 2 * once[i]) <= 1e-5F * (1 + fabsf(once[i])))) {
                fail_msg("gradient %zu is %g, not twice %g", i, (double)p->grads[i],
                         (double)once[i]);
            }
        }
        mem_free(once);
        capnet_free(c);
    }
}

/* A net that has passed before against one that never saw the old weights. */
static void changed_weights_are_seen_once_they_are_told(void **state)
{
    const float dout[TEXTS] = {1, -2, 0.5F, 3};
    (void)state;
    for (int k = 0; k < KIND_COUNT; k++) {
        struct capnet *old = network(KINDS[k], CAPNET_SCORE);
        struct capnet *fresh = network(KINDS[k], CAPNET_SCORE);
        struct params *p = capnet_params(old), *q = capnet_params(fresh);
        float out[TEXTS];
        capnet_forward(old, texts, TEXTS, NULL);
        capnet_backward(old, dout);
        params_zero_grads(p);
        for (size_t i = 0; i < p->floats; i++) {
            p->weights[i] = q->weights[i] = 1.5F * p->weights[i] + 0.01F;
        }
        capnet_weights_changed(old);
        capnet_weights_changed(fresh);
        memcpy(out, capnet_forward(fresh, texts, TEXTS, NULL), sizeof out);
        capnet_backward(fresh, dout);
        assert_memory_equal(capnet_forward(old, texts, TEXTS, NULL), out, sizeof out);
        capnet_backward(old, dout);
        assert_memory_equal(p->grads, q->grads, p->floats * sizeof(float));
        capnet_free(old);
        capnet_free(fresh);
    }
}

static void nan_in_any_weight_that_is_used_comes_out(void **state)
{
    (void)state;
    for (int k = 0; k < KIND_COUNT; k++) {
        struct capnet *c = network(KINDS[k], CAPNET_RATE);
        struct params *p = capnet_params(c);
        for (int i = 0; i < p->count; i++) {
            const struct param *d = &p->table[i];
            const size_t size = (size_t)d->rows * (size_t)d->cols;
            float *kept = mem_new(size, sizeof(float));
            memcpy(kept, d->w, size * sizeof(float));
            for (size_t j = 0; j < size; j++) {
                d->w[j] = NAN;
            }
            capnet_weights_changed(c);
            const float *out = capnet_forward(c, texts, 1, NULL);
            if (!isnan(out[0]) || !isnan(out[1])) {
                fail_msg("NaN in %s is hidden", d->name);
            }
            memcpy(d->w, kept, size * sizeof(float));
            mem_free(kept);
        }
        capnet_free(c);
    }
}

static void dropout_hangs_on_its_seed_and_the_text_alone(void **state)
{
    struct capnet *c = network(CAPNET_CNN, CAPNET_RATE);
    const uint64_t seed = 9, other = 10;
    float all[2 * TEXTS], none[2 * TEXTS];
    (void)state;
    memcpy(none, capnet_forward(c, texts, TEXTS, NULL), sizeof none);
    memcpy(all, capnet_forward(c, texts, TEXTS, &seed), sizeof all);
    for (int n = 0; n < TEXTS; n++) {
        const float *one = capnet_forward(c, &texts[n], 1, &seed);
        assert_true(fabsf(one[0] - all[2 * n]) < 1e-5F);
        assert_true(fabsf(one[0] - none[2 * n]) > 1e-5F);
    }
    assert_true(fabsf(capnet_forward(c, texts, 1, &other)[0] - all[0]) > 1e-5F);
    capnet_free(c);

    const enum capnet_text without[] = {CAPNET_NGRAM, CAPNET_CNN};
    for (int k = 0; k < 2; k++) {
        c = network(without[k], CAPNET_SCORE);
        memcpy(all, capnet_forward(c, texts, TEXTS, NULL), TEXTS * sizeof(float));
        assert_memory_equal(all, capnet_forward(c, texts, TEXTS, &seed),
                            TEXTS * sizeof(float));
        capnet_free(c);
    }
}

static void passes_take_no_memory(void **state)
{
    const float dout[2 * TEXTS] = {1, -2, 0.5F, 3};
    (void)state;
    for (int k = 0; k < KIND_COUNT; k++) {
        struct capnet *c = network(KINDS[k], CAPNET_RATE);
        const uint64_t before = mem_allocations();
        capnet_forward(c, texts, TEXTS, NULL);
        capnet_backward(c, dout);
        capnet_weights_changed(c);
        capnet_forward(c, texts, TEXTS, NULL);
        assert_int_equal(mem_allocations(), before);
        capnet_free(c);
    }
}

/* Texts 0 and 2 lie on the one, 1 and 3 on the other. */
static void pass_half(struct capnet *c, int half, const float *dout)
{
    const struct bytes mine[2] = {texts[half], texts[2 + half]};
    const float d[2] = {dout[half], dout[2 + half]};

    capnet_share_begin(c, TEXTS);
    for (int n = 0; n < 2; n++) { // each in a pass of its own
        const int number = 2 * n + half;
        capnet_forward(c, &mine[n], 1, NULL);
        capnet_share_backward(c, &d[n], &number);
    }
}

static void assert_grads_near(const struct params *is, const struct params *want)
{
    for (size_t f = 0; f < want->floats; f++) {
        if (!(fabsf(is->grads[f] - want->grads[f]) <=
              1e-5F * (1 + fabsf(want->grads[f])))) {
            fail_msg("gradient %zu is %g, not %g", f, (double)is->grads[f],
                     (double)want->grads[f]);
        }
    }
}

/* Two nets stand for two ranks with half a batch each; a third has it all. */
static void parts_of_two_ranks_add_up_to_the_gradient_of_one(void **state)
{
    const float dout[2][TEXTS] = {{1, -2, 0.5F, 3}, {0.2F, 1, -1, 0}};
    (void)state;
    for (int k = 0; k < KIND_COUNT; k++) {
        struct capnet *net[3];
        float *part[2];
        size_t floats[2];
        for (int i = 0; i < 3; i++) {
            net[i] = network(KINDS[k], CAPNET_SCORE);
        }
        struct params *whole = capnet_params(net[2]);
        for (int i = 0; i < 2; i++) {
            capnet_share_open(net[i], TEXTS);
        }
        for (int round = 0; round < 2; round++) { // nothing is left of the one before
            capnet_zero_grads(net[2]);
            capnet_forward(net[2], texts, TEXTS, NULL);
            capnet_backward(net[2], dout[round]);
            for (int i = 0; i < 2; i++) {
                pass_half(net[i], i, dout[round]);
                floats[i] = capnet_share_part(net[i], &part[i]);
            }
            assert_int_equal(floats[0], floats[1]);
            assert_true(KINDS[k] == CAPNET_CNN || floats[0] < whole->floats / 20);
            for (size_t f = 0; f < floats[0]; f++) {
                part[0][f] += part[1][f];
            }
            memcpy(part[1], part[0], floats[0] * sizeof(float));
            for (int i = 0; i < 2; i++) {
                capnet_share_end(net[i], texts);
            }
            assert_memory_equal(capnet_params(net[0])->grads,
                                capnet_params(net[1])->grads,
                                whole->floats * sizeof(float));
            assert_grads_near(capnet_params(net[0]), whole);
        }
        for (int i = 0; i < 3; i++) {
            capnet_free(net[i]);
        }
    }
}

/* Zeroing looks at the rows that were touched alone: those of several backwards, and of
 * what other ranks brought. */
static void zeroed_gradients_are_all_zeros(void **state)
{
    const float dout[TEXTS] = {1, -2, 0.5F, 3};
    (void)state;
    for (int k = 0; k < KIND_COUNT; k++) {
        struct capnet *c = network(KINDS[k], CAPNET_SCORE);
        const struct params *p = capnet_params(c);
        const bool *touched;
        size_t rows, cols;
        float *part;
        capnet_table(c, &rows, &cols, &touched);
        capnet_share_open(c, TEXTS);
        pass_half(c, 0, dout);
        (void)capnet_share_part(c, &part);
        capnet_share_end(c, texts);
        capnet_forward(c, &texts[3], 1, NULL);
        capnet_backward(c, dout);
        for (size_t i = 0; i < rows * cols; i++) {
            assert_true(p->grads[i] == 0.0F || touched[i / cols]);
        }
        capnet_zero_grads(c);
        for (size_t i = 0; i < p->floats; i++) {
            assert_true(p->grads[i] == 0.0F);
        }
        for (size_t i = 0; i < rows; i++) {
            assert_false(touched[i]);
        }
        capnet_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_does_not_hang_on_its_neighbours),
        cmocka_unit_test(with_wide_vectors_company_changes_no_bit),
        cmocka_unit_test(a_second_backward_adds_to_the_gradient),
        cmocka_unit_test(changed_weights_are_seen_once_they_are_told),
        cmocka_unit_test(nan_in_any_weight_that_is_used_comes_out),
        cmocka_unit_test(dropout_hangs_on_its_seed_and_the_text_alone),
        cmocka_unit_test(parts_of_two_ranks_add_up_to_the_gradient_of_one),
        cmocka_unit_test(zeroed_gradients_are_all_zeros),
        cmocka_unit_test(passes_take_no_memory),
    };
    texts[0] = bytes_text("You unlock the door with the brass key.");
    texts[1] = bytes_text("");
    texts[2] = bytes_text("a");
    texts[3] = bytes_text("The rat bites! You kill the rat! It had 12 gold pieces.");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
