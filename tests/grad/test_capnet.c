/* common/nn/capnet: both text networks under both heads against naive double, entries of
 * every gradient against central differences of it. */

#include "common/nn/capnet.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/nn/ngram.h"
#include "tests/support/harness.h"
#include "tests/support/naive.h"

enum { TEXTS = 5, SAMPLES = 40 };

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
        {"fc1.w", "fc1.b"}, {"fc2.w", "fc2.b"}, {"fc3.w", "fc3.b"}};
    double y[512];
    for (int i = 0; i < 3 && params_find(v->p, names[i][0]) != NULL; i++) {
        const struct param *w = params_find(v->p, names[i][0]);
        for (int k = 0; i > 0 && k < w->cols; k++) {
            x[k] = fmax(x[k], 0); // between the layers
        }
        naive_linear(y, x, naive_w(v, names[i][0]), naive_w(v, names[i][1]), 1, w->rows,
                     w->cols);
        memcpy(x, y, (size_t)w->rows * sizeof *x);
    }
}

/* sum(dout * outputs); the outputs are also put out unless NULL. */
static double objective(const struct naive *v, int outputs, double *out)
{
    double sum = 0, x[512];
    for (int n = 0; n < TEXTS; n++) {
        naive_grams(x, texts[n], naive_w(v, "gram.w"));
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

/* Entries of one parameter: of a table those of rows that a text uses. */
static void assert_gradient(struct naive *v, const struct param *d, int outputs)
{
    const size_t size = (size_t)d->rows * (size_t)d->cols;
    struct rng rng = {size};
    for (int s = 0; s < SAMPLES; s++) {
        size_t at = rng_below(&rng, (uint32_t)size);
        if (strcmp(d->name, "gram.w") == 0) {
            uint16_t rows[NGRAM_MOST];
            const int n = ngram_rows(rows, texts[s % 3]);
            at =
                (size_t)rows[rng_below(&rng, (uint32_t)n)] * NGRAM_DIM + at % NGRAM_DIM;
        }
        double *w = &v->w[(size_t)(d->w - v->p->weights) + at];
        const double was = *w, step = 1e-5;
        *w = was + step;
        const double up = objective(v, outputs, NULL);
        *w = was - step;
        const double down = objective(v, outputs, NULL);
        *w = was;
        assert_near(d->name, at, (double)d->g[at], (up - down) / (2 * step));
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
    const float *out = capnet_forward(c, texts, TEXTS, NULL);
    objective(&v, outputs, want);
    for (int i = 0; i < TEXTS * outputs; i++) {
        assert_near("out", (size_t)i, (double)out[i], want[i]);
    }
    capnet_backward(c, dout);
    for (int i = 0; i < v.p->count; i++) {
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
        cmocka_unit_test(the_ngram_network_and_its_gradients_are_right),
    };
    fill_texts();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
