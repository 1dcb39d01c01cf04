/* common/nn/capnet: both text networks under both heads against naive double, entries of
 * every gradient against central differences of it. */

#include "common/nn/capnet.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/nn/ngram.h"
#include "tests/support/harness.h"
#include "tests/support/naive_textcnn.h"

enum { TEXTS = 5, WIDEST = 512 };

static struct bytes texts[TEXTS];
static const float dout[2 * TEXTS] = {0.3F, -1, 0.7F, 0.2F, -0.5F,
                                      1,    2,  -1,   0.4F, 0.9F};

static void assert_near(const char *what, size_t i, double got, double want)
{
    if (!(fabs(got - want) <= 2e-4 * (1 + fabs(want)))) {
        fail_msg("%s[%zu] is %.7g, not %.7g", what, i, got, want);
    }
}

static void naive_grams(double *x, struct bytes text, const double *w)
{
    uint16_t rows[NGRAM_MOST];
    const int n = ngram_rows(rows, text);
    memset(x, 0, NGRAM_DIM * sizeof *x);
    for (int i = 0; i < n * NGRAM_DIM; i++) {
        x[i % NGRAM_DIM] +=
            w[rows[i / NGRAM_DIM] * NGRAM_DIM + i % NGRAM_DIM] / sqrt(n);
    }
}

/* The dense layers: x becomes the outputs. */
static void naive_layers(const struct naive *v, double *x)
{
    static const char *const names[][2] = {
        {"fc1.w", "fc1.b"}, {"fc2.w", "fc2.b"}, {"fc3.w", "fc3.b"}, {"fc4.w", "fc4.b"}};
    double y[WIDEST];
    for (int i = 0; i < 4 && params_find(v->p, names[i][0]) != NULL; i++) {
        const struct param *w = params_find(v->p, names[i][0]);
        for (int k = 0; i > 0 && k < w->cols; k++) {
            x[k] = fmax(x[k], 0); // between the layers
        }
        naive_linear(y, x, naive_w(v, names[i][0]), naive_w(v, names[i][1]), 1, w->rows,
                     w->cols);
        memcpy(x, y, (size_t)w->rows * sizeof *x);
    }
}

/* What the layers read, of every text. */
static double read_text[TEXTS][WIDEST];

static void naive_texts(const struct naive *v)
{
    for (int n = 0; n < TEXTS; n++) {
        if (params_find(v->p, "gram.w") != NULL) {
            naive_grams(read_text[n], texts[n], naive_w(v, "gram.w"));
        } else {
            naive_textcnn(read_text[n], v, texts[n]);
        }
    }
}

/* sum(dout * outputs); the outputs are also put out unless NULL. */
static double objective(const struct naive *v, int outputs, double *out)
{
    double sum = 0, x[WIDEST];
    for (int n = 0; n < TEXTS; n++) {
        memcpy(x, read_text[n], sizeof x);
        naive_layers(v, x);
        for (int o = 0; o < outputs; o++) {
            sum += (double)dout[n * outputs + o] * x[o];
            if (out != NULL) {
                out[n * outputs + o] = x[o];
            }
        }
    }
    return sum;
}

/* One that lies below the layers; of a table it is in a row that a text uses. */
static size_t entry_of(const struct param *d, struct rng *rng)
{
    const uint32_t size = (uint32_t)(d->rows * d->cols);
    const struct bytes text = texts[rng_below(rng, 3)];
    const size_t at = rng_below(rng, size);
    if (strcmp(d->name, "gram.w") == 0) {
        uint16_t rows[NGRAM_MOST];
        const int n = ngram_rows(rows, text);
        return (size_t)rows[rng_below(rng, (uint32_t)n)] * NGRAM_DIM + at % NGRAM_DIM;
    }
    if (strcmp(d->name, "embed.w") == 0) {
        const uint8_t *s = text.data;
        return (size_t)s[rng_below(rng, (uint32_t)text.len)] * 32 + at % 32;
    }
    return at;
}

/* Entries of one parameter: fewer where all convolutions must be gone through, whose
 * gradients test_textcnn compares one by one. */
static void assert_gradient(struct naive *v, const struct param *d, int outputs)
{
    const bool below = strncmp(d->name, "fc", 2) != 0;
    const int samples = below && strcmp(d->name, "gram.w") != 0 ? 1 : 40;
    struct rng rng = {(uint64_t)d->rows};
    for (int s = 0; s < samples; s++) {
        const size_t at = entry_of(d, &rng);
        double *w = &v->w[(size_t)(d->w - v->p->weights) + at];
        const double was = *w, step = 1e-6;
        double sum = 0;
        for (int sign = -1; sign <= 1; sign += 2) {
            *w = was + sign * step;
            if (below) {
                naive_texts(v);
            }
            sum += sign * objective(v, outputs, NULL) / (2 * step);
        }
        *w = was;
        assert_near(d->name, at, (double)d->g[at], sum);
    }
    if (below) {
        naive_texts(v);
    }
}

/* With biases of 0 an empty text stands on the edge of every ReLU. */
static void fill_biases(const struct params *p, struct rng *rng)
{
    for (int i = 0; i < p->count; i++) {
        for (int j = 0; p->table[i].rows == 1 && j < p->table[i].cols; j++) {
            p->table[i].w[j] += 0.1F * rng_normal(rng);
        }
    }
}

static void assert_network(enum capnet_text text, enum capnet_head head)
{
    struct capnet *c = capnet_new(text, head, TEXTS, true);
    struct rng rng = {7};
    struct naive v;
    double want[2 * TEXTS];
    const int outputs = capnet_outputs(c);
    assert_int_equal(outputs, head == CAPNET_RATE ? 2 : 1);
    capnet_init_weights(c, &rng);
    fill_biases(capnet_params(c), &rng);
    capnet_weights_changed(c);
    naive_copy(&v, capnet_params(c));
    naive_texts(&v);
    const float *out = capnet_forward(c, texts, TEXTS, NULL);
    objective(&v, outputs, want);
    for (int i = 0; i < TEXTS * outputs; i++) {
        assert_near("out", (size_t)i, (double)out[i], want[i]);
    }
    capnet_backward(c, dout);
    // a sanitizer makes the plain convolutions slow: every third parameter
    for (int i = 0; i < v.p->count; i += HARNESS_SANITIZED ? 3 : 1) {
        assert_gradient(&v, &v.p->table[i], outputs);
    }
    naive_release(&v);
    capnet_free(c);
}

static void the_ngram_network_and_its_gradients_are_right(void **state)
{
    (void)state;
    assert_network(CAPNET_NGRAM, CAPNET_RATE);
    assert_network(CAPNET_NGRAM, CAPNET_SCORE);
}

static void the_cnn_and_its_gradients_are_right(void **state)
{
    (void)state;
    assert_network(CAPNET_CNN, CAPNET_RATE);
    assert_network(CAPNET_CNN, CAPNET_SCORE);
}

static void the_networks_have_the_reference_s_numbers(void **state)
{
    const size_t numbers[2][2] = {
        [CAPNET_NGRAM] = {NGRAM_ROWS * NGRAM_DIM + 32 * 33 + 2 * 33,
                          NGRAM_ROWS * NGRAM_DIM + 32 * 33 + 33},
        [CAPNET_CNN] = {471554, 306945}};
    (void)state;
    for (int text = 0; text < 2; text++) {
        for (int head = 0; head < 2; head++) {
            struct capnet *c =
                capnet_new((enum capnet_text)text, (enum capnet_head)head, 1, false);
            assert_int_equal(params_count(capnet_params(c)), numbers[text][head]);
            capnet_free(c);
        }
    }
}

/* With dout = (0, 1) the gradient of the last weights is what the last layer read, and
 * that of the biases before it is what came down through dropout and ReLU. */
static void dropout_goes_both_ways(void **state)
{
    struct capnet *c = capnet_new(CAPNET_CNN, CAPNET_RATE, 1, true);
    const struct param *last = params_find(capnet_params(c), "fc4.w");
    const struct param *bias = params_find(capnet_params(c), "fc3.b");
    struct rng rng = {3};
    const uint64_t seed = 77;
    float whole[512];
    int alive = 0, dropped = 0;
    (void)state;
    capnet_init_weights(c, &rng);
    capnet_forward(c, texts, 1, NULL);
    capnet_backward(c, (const float[]){0, 1});
    memcpy(whole, last->g + 512, sizeof whole);
    params_zero_grads(capnet_params(c));
    capnet_forward(c, texts, 1, &seed);
    capnet_backward(c, (const float[]){0, 1});
    for (size_t i = 0; i < 512; i++) {
        const double y = (double)last->g[512 + i];
        const double came = y > 0 ? (double)last->w[512 + i] / 0.9 : 0;
        if (y != 0) {
            assert_near("what is left", i, y, (double)whole[i] / 0.9);
        }
        alive += whole[i] > 0;
        dropped += whole[i] > 0 && y == 0;
        assert_near("fc3.b", i, (double)bias->g[i], came);
    }
    assert_true(alive > 100 && dropped > alive / 30 && dropped < alive / 5);
    capnet_free(c);
}

static void fill_texts(void)
{
    static char longest[255];
    for (size_t i = 0; i < sizeof longest; i++) {
        longest[i] = (char)(33 + i * 7 % 90);
    }
    texts[0] = bytes_text("You find a key under the stone.");
    texts[1] = bytes_text("the newt bites!");
    texts[2] = bytes_of(longest, sizeof longest);
    texts[3] = bytes_text("");
    texts[4] = bytes_text("x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_networks_have_the_reference_s_numbers),
        cmocka_unit_test(the_ngram_network_and_its_gradients_are_right),
        cmocka_unit_test(the_cnn_and_its_gradients_are_right),
        cmocka_unit_test(dropout_goes_both_ways),
    };
    fill_texts();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
