#include "common/nn/capnet.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/nn/act.h"
#include "common/nn/init.h"
#include "common/nn/linear.h"
#include "common/nn/ngram.h"

enum { LAYERS_MAX = 3 };

struct layer {
    const struct param *w, *b;
    struct panels packed;
    float *y;  // (most, OUT)
    float *dy; // the same, NULL unless training
};

struct capnet {
    int most, layers, width; // width = what the text gives to the first layer
    bool train;
    bool stale; // what is derived from the weights is older than they
    struct params params;
    const struct param *grams;
    struct layer layer[LAYERS_MAX];
    float *x, *dx; // (most, width)
    // the last forward, for backward
    const struct bytes *texts;
    int N;
};

static const char *const NAMES[LAYERS_MAX][2] = {
    {"fc1.w", "fc1.b"}, {"fc2.w", "fc2.b"}, {"fc3.w", "fc3.b"}};

static float *floats(int rows, int width)
{
    return mem_new((size_t)rows * (size_t)width, sizeof(float));
}

static void declare_layer(struct capnet *c, int IN, int OUT)
{
    struct layer *l = &c->layer[c->layers];
    l->w = params_declare(&c->params, NAMES[c->layers][0], OUT, IN);
    l->b = params_declare(&c->params, NAMES[c->layers][1], 1, OUT);
    c->layers++;
}

static void alloc_layers(struct capnet *c)
{
    for (int i = 0; i < c->layers; i++) {
        struct layer *l = &c->layer[i];
        panels_open(&l->packed, l->w->w, true, l->w->rows, l->w->cols);
        l->y = floats(c->most, l->w->rows);
        l->dy = c->train ? floats(c->most, l->w->rows) : NULL;
    }
    c->x = floats(c->most, c->width);
    c->dx = c->train ? floats(c->most, c->width) : NULL;
}

struct capnet *capnet_new(enum capnet_text text, enum capnet_head head, int most,
                          bool train)
{
    const int outputs = head == CAPNET_RATE ? 2 : 1;
    struct capnet *c = mem_new(1, sizeof *c);

    CHECK(text == CAPNET_NGRAM && most > 0);
    c->most = most;
    c->train = train;
    c->width = NGRAM_DIM;
    c->grams = params_declare(&c->params, "gram.w", NGRAM_ROWS, NGRAM_DIM);
    declare_layer(c, NGRAM_DIM, 32);
    declare_layer(c, 32, outputs);
    params_alloc(&c->params, train);
    alloc_layers(c);
    capnet_weights_changed(c);
    return c;
}

void capnet_free(struct capnet *c)
{
    if (c == NULL) {
        return;
    }
    for (int i = 0; i < c->layers; i++) {
        panels_release(&c->layer[i].packed);
        mem_free(c->layer[i].y);
        mem_free(c->layer[i].dy);
    }
    mem_free(c->x);
    mem_free(c->dx);
    params_release(&c->params);
    mem_free(c);
}

struct params *capnet_params(struct capnet *c)
{
    return &c->params;
}

int capnet_outputs(const struct capnet *c)
{
    return c->layer[c->layers - 1].w->rows;
}

/* Small n-gram rows: grams that no label has taught say little about a caption, so that
 * an unknown one comes out near the middle. */
void capnet_init_weights(struct capnet *c, struct rng *rng)
{
    init_normal(c->grams, 0.1, rng);
    for (int i = 0; i < c->layers; i++) {
        init_orthogonal(c->layer[i].w, i + 1 < c->layers ? sqrt(2.0) : 1.0, rng);
        init_zero(c->layer[i].b);
    }
    capnet_weights_changed(c);
}

void capnet_weights_changed(struct capnet *c)
{
    c->stale = true;
}

static void refresh(struct capnet *c)
{
    for (int i = 0; c->stale && i < c->layers; i++) {
        panels_pack(&c->layer[i].packed);
    }
    c->stale = false;
}

const float *capnet_forward(struct capnet *c, const struct bytes *text, int N,
                            const uint64_t *drop)
{
    const float *x = c->x;

    (void)drop;
    CHECK(N >= 0 && N <= c->most);
    refresh(c);
    for (int n = 0; n < N; n++) {
        ngram_forward(c->x + (size_t)n * NGRAM_DIM, text[n], c->grams);
    }
    for (int i = 0; i < c->layers && N > 0; i++) {
        struct layer *l = &c->layer[i];
        linear_forward_packed(l->y, x, &l->packed, l->b, N);
        if (i + 1 < c->layers) {
            act_relu(l->y, (size_t)N * (size_t)l->w->rows);
        }
        x = l->y;
    }
    c->texts = text;
    c->N = N;
    return c->layer[c->layers - 1].y;
}

void capnet_backward(struct capnet *c, const float *dout)
{
    const int N = c->N;
    const float *dy = dout;

    CHECK(c->train);
    for (int i = c->layers - 1; i >= 0; i--) {
        struct layer *l = &c->layer[i];
        const float *x = i > 0 ? c->layer[i - 1].y : c->x;
        float *dx = i > 0 ? c->layer[i - 1].dy : c->dx;
        linear_backward(dx, dy, x, l->w, l->b, N);
        if (i > 0) {
            act_relu_backward(dx, x, (size_t)N * (size_t)l->w->cols);
        }
        dy = dx;
    }
    for (int n = 0; n < N; n++) {
        ngram_backward(c->dx + (size_t)n * NGRAM_DIM, c->texts[n], c->grams);
    }
}
