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
#include "common/nn/textcnn.h"
#include "common/nn/vec.h"

enum { LAYERS_MAX = 4 };

static const float DROPPED = 0.1f; // the reference's share, before the last layer

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
    const struct param *grams; // ngram, else NULL
    struct textcnn *cnn;       // cnn, else NULL
    bool drops;                // dropout before the last layer
    struct layer layer[LAYERS_MAX];
    float *x, *dx; // (most, width)
    // ngram, training: which rows have been touched since the gradients were zeroed, and
    // the rows of each text of the last forward
    bool *touched;  // (NGRAM_ROWS)
    uint16_t *rows; // (most, NGRAM_MOST), without gaps
    int *first;     // (most + 1) where a text's begin
    // a batch that ranks share: what goes to each text, then the layers' gradients
    int shared;  // texts of it
    float *part; // (texts, width), (params.floats - table)
    // the last forward, for backward
    const struct bytes *texts;
    int N;
    bool dropped;
};

static const char *const NAMES[LAYERS_MAX][2] = {
    {"fc1.w", "fc1.b"}, {"fc2.w", "fc2.b"}, {"fc3.w", "fc3.b"}, {"fc4.w", "fc4.b"}};

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
    static const int wide[2][3] = {
        [CAPNET_RATE] = {512, 512, 2}, [CAPNET_SCORE] = {256, 512, 1}};
    struct capnet *c = mem_new(1, sizeof *c);

    CHECK(most > 0);
    c->most = most;
    c->train = train;
    if (text == CAPNET_NGRAM) {
        c->width = NGRAM_DIM;
        c->grams = params_declare(&c->params, "gram.w", NGRAM_ROWS, NGRAM_DIM);
        declare_layer(c, NGRAM_DIM, 32);
        declare_layer(c, 32, head == CAPNET_RATE ? 2 : 1);
    } else {
        c->width = TEXTCNN_WIDTH;
        c->cnn = textcnn_new(&c->params);
        c->drops = head == CAPNET_RATE;
        declare_layer(c, TEXTCNN_WIDTH, 128);
        for (int i = 0; i < 3; i++) {
            declare_layer(c, c->layer[i].w->rows, wide[head][i]);
        }
    }
    params_alloc(&c->params, train);
    if (c->cnn != NULL) {
        textcnn_alloc(c->cnn, most, train);
    }
    alloc_layers(c);
    if (c->grams != NULL && train) {
        c->touched = mem_new(NGRAM_ROWS, sizeof *c->touched);
        c->rows = mem_new((size_t)most * NGRAM_MOST, sizeof *c->rows);
        c->first = mem_new((size_t)most + 1, sizeof *c->first);
    }
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
    textcnn_free(c->cnn);
    mem_free(c->x);
    mem_free(c->dx);
    mem_free(c->touched);
    mem_free(c->rows);
    mem_free(c->first);
    mem_free(c->part);
    params_release(&c->params);
    mem_free(c);
}

struct params *capnet_params(struct capnet *c)
{
    return &c->params;
}

void capnet_table(const struct capnet *c, size_t *rows, size_t *cols,
                  const bool **touched)
{
    CHECK(c->grams == NULL || c->grams->w == c->params.weights); // declared first
    *rows = c->grams != NULL ? NGRAM_ROWS : 0;
    *cols = NGRAM_DIM;
    *touched = c->touched;
}

/* Floats of the table at the beginning of weights and gradients. */
static size_t table_floats(const struct capnet *c)
{
    return c->grams != NULL ? (size_t)NGRAM_ROWS * NGRAM_DIM : 0;
}

void capnet_zero_grads(struct capnet *c)
{
    const size_t table = table_floats(c);

    for (size_t r = 0; c->grams != NULL && r < NGRAM_ROWS; r++) {
        if (c->touched[r]) {
            vec_put(c->grams->g + r * NGRAM_DIM, vec_zero());
            c->touched[r] = false;
        }
    }
    memset(c->params.grads + table, 0, (c->params.floats - table) * sizeof(float));
}

int capnet_outputs(const struct capnet *c)
{
    return c->layer[c->layers - 1].w->rows;
}

/* Small n-gram rows: grams that no label has taught say little about a caption, so that
 * an unknown one comes out near the middle. */
static void init_ngram(struct capnet *c, struct rng *rng)
{
    init_normal(c->grams, 0.1, rng);
    for (int i = 0; i < c->layers; i++) {
        init_orthogonal(c->layer[i].w, i + 1 < c->layers ? sqrt(2.0) : 1.0, rng);
        init_zero(c->layer[i].b);
    }
}

/* The reference's: torch's own where it classifies, orthogonal where it scores. */
static void init_cnn(struct capnet *c, struct rng *rng)
{
    textcnn_init(c->cnn, rng);
    for (int i = 0; i < c->layers; i++) {
        const struct layer *l = &c->layer[i];
        const double bound = 1 / sqrt(l->w->cols);
        if (capnet_outputs(c) == 2) {
            init_uniform(l->w, bound, rng);
            init_uniform(l->b, bound, rng);
        } else {
            init_orthogonal(l->w, 1.0, rng);
            init_zero(l->b);
        }
    }
}

void capnet_init_weights(struct capnet *c, struct rng *rng)
{
    if (c->cnn != NULL) {
        init_cnn(c, rng);
    } else {
        init_ngram(c, rng);
    }
    capnet_weights_changed(c);
}

void capnet_weights_changed(struct capnet *c)
{
    c->stale = true;
    if (c->cnn != NULL) {
        textcnn_changed(c->cnn);
    }
}

static void refresh(struct capnet *c)
{
    for (int i = 0; c->stale && i < c->layers; i++) {
        panels_pack(&c->layer[i].packed);
    }
    c->stale = false;
}

/* y (N,OUT) of the last layer, one or two numbers a text: for so few BLAS is slow, and
 * what it gives a row depends on the number of rows. */
static void forward_last(const struct layer *l, const float *x, int N)
{
    const size_t IN = (size_t)l->w->cols, OUT = (size_t)l->w->rows;
    for (size_t n = 0; n < (size_t)N; n++) {
        for (size_t o = 0; o < OUT; o++) {
            float sum = l->b->w[o];
            for (size_t i = 0; i < IN; i += 32) {
                sum += vec_dot(vec_get(x + n * IN + i), vec_get(l->w->w + o * IN + i));
            }
            l->y[n * OUT + o] = sum;
        }
    }
}

static void backward_last(const struct layer *l, float *dx, const float *dy,
                          const float *x, int N)
{
    const size_t IN = (size_t)l->w->cols, OUT = (size_t)l->w->rows;
    linear_backward_bias(l->b, dy, N);
    for (size_t n = 0; n < (size_t)N; n++) {
        for (size_t i = 0; i < IN; i += 32) {
            const struct vec32 xi = vec_get(x + n * IN + i);
            struct vec32 d = vec_zero();
            for (size_t o = 0; o < OUT; o++) {
                float *g = l->w->g + o * IN + i;
                d = vec_fma(d, vec_get(l->w->w + o * IN + i), dy[n * OUT + o]);
                vec_put(g, vec_fma(vec_get(g), xi, dy[n * OUT + o]));
            }
            vec_put(dx + n * IN + i, d);
        }
    }
}

/* Zeroes a tenth of x (N,width) and stretches the rest. Zeros have no gradient through
 * the ReLU before, so the backward pass need not know which. */
static void drop_out(float *x, int width, const struct bytes *text, int N,
                     uint64_t seed)
{
    for (int n = 0; n < N; n++) {
        struct rng rng = {seed ^ hash_64(text[n])};
        for (int i = 0; i < width; i++) {
            float *at = x + (size_t)n * (size_t)width + i;
            *at = rng_float(&rng) < DROPPED ? 0.0f : *at / (1 - DROPPED);
        }
    }
}

static void forward_text(struct capnet *c, const struct bytes *text, int N)
{
    if (c->cnn != NULL) {
        textcnn_forward(c->cnn, c->x, text, N);
        return;
    }
    for (int n = 0; n < N; n++) {
        float *x = c->x + (size_t)n * NGRAM_DIM;
        if (!c->train) {
            ngram_forward(x, text[n], c->grams);
            continue;
        }
        uint16_t *rows = c->rows + c->first[n];
        const int count = ngram_rows(rows, text[n]);
        ngram_forward_rows(x, rows, count, c->grams);
        c->first[n + 1] = c->first[n] + count;
    }
}

const float *capnet_forward(struct capnet *c, const struct bytes *text, int N,
                            const uint64_t *drop)
{
    const struct layer *last = &c->layer[c->layers - 1];
    const float *x = c->x;

    CHECK(N >= 0 && N <= c->most);
    refresh(c);
    forward_text(c, text, N);
    c->texts = text;
    c->N = N;
    c->dropped = c->drops && drop != NULL;
    for (struct layer *l = c->layer; l < last && N > 0; l++) {
        linear_forward_packed(l->y, x, &l->packed, l->b, N);
        act_relu(l->y, (size_t)N * (size_t)l->w->rows);
        if (l + 1 == last && c->dropped) {
            drop_out(l->y, l->w->rows, text, N, *drop);
        }
        x = l->y;
    }
    forward_last(last, x, N);
    return last->y;
}

/* All but the texts: leaves their gradient in c->dx. */
static void backward_layers(struct capnet *c, const float *dout)
{
    const float *dy = dout;

    CHECK(c->train);
    for (int i = c->layers - 1; i >= 0; i--) {
        struct layer *l = &c->layer[i];
        const bool last = i + 1 == c->layers;
        const size_t inputs = (size_t)c->N * (size_t)l->w->cols;
        const float *x = i > 0 ? l[-1].y : c->x;
        float *dx = i > 0 ? l[-1].dy : c->dx;
        if (last) {
            backward_last(l, dx, dy, x, c->N);
        } else {
            linear_backward(dx, dy, x, l->w, l->b, c->N);
        }
        for (size_t k = 0; last && c->dropped && k < inputs; k++) {
            dx[k] /= 1 - DROPPED;
        }
        if (i > 0) {
            act_relu_backward(dx, x, inputs);
        }
        dy = dx;
    }
}

static void backward_grams(struct capnet *c, const float *dx, const uint16_t *rows,
                           int count)
{
    for (int i = 0; i < count; i++) {
        c->touched[rows[i]] = true;
    }
    ngram_backward_rows(dx, rows, count, c->grams);
}

void capnet_backward(struct capnet *c, const float *dout)
{
    backward_layers(c, dout);
    if (c->cnn != NULL) {
        textcnn_backward(c->cnn, c->dx, c->x);
        return;
    }
    for (int n = 0; n < c->N; n++) {
        backward_grams(c, c->dx + (size_t)n * NGRAM_DIM, c->rows + c->first[n],
                       c->first[n + 1] - c->first[n]);
    }
}

/* ---- a batch that ranks share ---- */

void capnet_share_open(struct capnet *c, int most)
{
    CHECK(c->train && c->part == NULL && most > 0);
    if (c->grams != NULL) {
        const size_t rest = c->params.floats - table_floats(c);
        c->part = mem_new((size_t)most * NGRAM_DIM + rest, sizeof *c->part);
    }
}

void capnet_share_begin(struct capnet *c, int texts)
{
    c->shared = texts;
    if (c->grams != NULL) {
        memset(c->part, 0, (size_t)texts * NGRAM_DIM * sizeof *c->part);
    }
    capnet_zero_grads(c);
}

void capnet_share_backward(struct capnet *c, const float *dout, const int *number)
{
    if (c->grams == NULL) {
        capnet_backward(c, dout);
        return;
    }
    backward_layers(c, dout);
    for (int n = 0; n < c->N; n++) {
        CHECK(number[n] >= 0 && number[n] < c->shared);
        memcpy(c->part + (size_t)number[n] * NGRAM_DIM, c->dx + (size_t)n * NGRAM_DIM,
               NGRAM_DIM * sizeof(float));
    }
}

size_t capnet_share_part(struct capnet *c, float **part)
{
    const size_t table = table_floats(c), rest = c->params.floats - table;
    const size_t texts = (size_t)c->shared * NGRAM_DIM;

    if (c->grams == NULL) {
        *part = c->params.grads;
        return rest;
    }
    memcpy(c->part + texts, c->params.grads + table, rest * sizeof *c->part);
    *part = c->part;
    return texts + rest;
}

void capnet_share_end(struct capnet *c, const struct bytes *text)
{
    const size_t table = table_floats(c), rest = c->params.floats - table;
    uint16_t rows[NGRAM_MOST];

    if (c->grams == NULL) {
        return;
    }
    for (int n = 0; n < c->shared; n++) {
        backward_grams(c, c->part + (size_t)n * NGRAM_DIM, rows,
                       ngram_rows(rows, text[n]));
    }
    memcpy(c->params.grads + table, c->part + (size_t)c->shared * NGRAM_DIM,
           rest * sizeof(float));
}
