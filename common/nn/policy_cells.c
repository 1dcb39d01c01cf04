#include "common/nn/policy_cells.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "common/nn/act.h"
#include "common/nn/cellconv.h"
#include "common/nn/conv.h"
#include "common/nn/embed.h"
#include "common/nn/init.h"
#include "common/nn/linear.h"
#include "common/nn/ngram.h"
#include "common/nn/scaling.h"

enum {
    CONV1 = CELLCONV_OUT * CELLCONV_OUT * CELLCONV_CH, // 800
    CONV2 = 3 * 3 * 32,                                // 288
    DENSE = 128,
    STATS_IN = POLICY_STATS + SCALING_BITS, // 59
    STATS = 32,
    ACTION = 16,
    CHUNK = 32,       // rows whose conv1 gradients (3 KB each) are held at a time
    AT_STATS = DENSE, // where each part of x begins
    AT_CAPTION = AT_STATS + STATS,
    AT_ACTION = AT_CAPTION + NGRAM_DIM,
};
_Static_assert(AT_ACTION + ACTION == CELLS_WIDTH, "the parts fill x");

static const struct conv_shape CONV2_SHAPE = {
    .S = CELLCONV_OUT, .IN = CELLCONV_CH, .K = 3, .STRIDE = 1, .OUT = 32};

struct policy_cells {
    const struct param *chars, *colors, *conv1_w, *conv1_b, *conv2_w, *conv2_b;
    const struct param *dense_w, *dense_b, *stats_w, *stats_b, *ngrams, *action;
    int actions, max_captions;
    struct cellconv *conv1;
    struct panels conv2, dense;
    // activations of all rows, kept for backward
    float *y1, *y2, *y3, *stats_in, *y4, *captions;
    uint8_t *prev;
    float *cols; // conv2's scratch
    float *d1, *d2, *d3, *d4, *dcaptions;
};

struct policy_cells *policy_cells_new(struct params *p, int actions)
{
    struct policy_cells *c = mem_new(1, sizeof *c);
    c->actions = actions;
    c->chars = params_declare(p, "cells.chars", 256, CELLCONV_EMBED);
    c->colors = params_declare(p, "cells.colors", 32, CELLCONV_EMBED);
    c->conv1_w = params_declare(p, "cells.conv1.w", 32, 9 * CELLCONV_EMBED);
    c->conv1_b = params_declare(p, "cells.conv1.b", 1, 32);
    c->conv2_w = params_declare(p, "cells.conv2.w", 32, 9 * CELLCONV_CH);
    c->conv2_b = params_declare(p, "cells.conv2.b", 1, 32);
    c->dense_w = params_declare(p, "cells.dense.w", DENSE, CONV2);
    c->dense_b = params_declare(p, "cells.dense.b", 1, DENSE);
    c->stats_w = params_declare(p, "cells.stats.w", STATS, STATS_IN);
    c->stats_b = params_declare(p, "cells.stats.b", 1, STATS);
    c->ngrams = params_declare(p, "cells.ngrams", NGRAM_ROWS, NGRAM_DIM);
    c->action = params_declare(p, "cells.action", actions + 1, ACTION);
    return c;
}

static float *floats(int rows, int width)
{
    return mem_new((size_t)rows * (size_t)width, sizeof(float));
}

void policy_cells_alloc(struct policy_cells *c, int max_rows, int max_captions,
                        bool train)
{
    const struct cellconv_params conv1 = {c->chars, c->colors, c->conv1_w, c->conv1_b};
    c->max_captions = max_captions;
    c->conv1 = cellconv_new(&conv1, train);
    panels_open(&c->conv2, c->conv2_w->w, true, c->conv2_w->rows, c->conv2_w->cols);
    panels_open(&c->dense, c->dense_w->w, true, DENSE, CONV2);
    c->y1 = floats(max_rows, CONV1);
    c->y2 = floats(max_rows, CONV2);
    c->y3 = floats(max_rows, DENSE);
    c->stats_in = floats(max_rows, STATS_IN);
    c->y4 = floats(max_rows, STATS);
    c->captions = floats(max_captions, NGRAM_DIM);
    c->prev = mem_new((size_t)max_rows, 1);
    c->cols = mem_new(conv_scratch(&CONV2_SHAPE), sizeof(float));
    if (train) {
        c->d1 = floats(CHUNK, CONV1);
        c->d2 = floats(max_rows, CONV2);
        c->d3 = floats(max_rows, DENSE);
        c->d4 = floats(max_rows, STATS);
        c->dcaptions = floats(max_captions, NGRAM_DIM);
    }
}

void policy_cells_free(struct policy_cells *c)
{
    if (c == NULL) {
        return;
    }
    float *all[] = {c->y1,   c->y2, c->y3, c->stats_in, c->y4, c->captions,
                    c->cols, c->d1, c->d2, c->d3,       c->d4, c->dcaptions};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        mem_free(all[i]);
    }
    mem_free(c->prev);
    cellconv_free(c->conv1);
    panels_release(&c->conv2);
    panels_release(&c->dense);
    mem_free(c);
}

void policy_cells_init(struct policy_cells *c, struct rng *rng)
{
    // Char and colour are added: half the variance each makes their sum's 1.
    init_normal(c->chars, sqrt(0.5), rng);
    init_normal(c->colors, sqrt(0.5), rng);
    init_orthogonal(c->conv1_w, sqrt(2.0), rng);
    init_orthogonal(c->conv2_w, sqrt(2.0), rng);
    init_orthogonal(c->dense_w, sqrt(2.0), rng);
    init_orthogonal(c->stats_w, sqrt(2.0), rng);
    init_normal(c->ngrams, 1.0, rng); // a sum of n over sqrt(n) keeps variance 1
    init_normal(c->action, 1.0, rng);
    init_zero(c->conv1_b);
    init_zero(c->conv2_b);
    init_zero(c->dense_b);
    init_zero(c->stats_b);
}

void policy_cells_changed(struct policy_cells *c)
{
    cellconv_changed(c->conv1);
    panels_pack(&c->conv2);
    panels_pack(&c->dense);
}

void policy_cells_forward(struct policy_cells *c, float *x,
                          const struct policy_input *in, int N)
{
    CHECK(in->U >= 1 && in->U <= c->max_captions);
    cellconv_forward(c->conv1, c->y1, in->chars, in->colors, N);
    act_relu(c->y1, (size_t)N * CONV1);
    conv_forward(c->y2, c->y1, c->cols, &CONV2_SHAPE, &c->conv2, c->conv2_b, N);
    act_relu(c->y2, (size_t)N * CONV2);
    linear_forward_packed(c->y3, c->y2, &c->dense, c->dense_b, N);
    act_relu(c->y3, (size_t)N * DENSE);

    for (size_t n = 0; n < (size_t)N; n++) {
        const int32_t *stats = in->stats + n * POLICY_STATS;
        scaling_stats(c->stats_in + n * STATS_IN, stats);
        scaling_condition(c->stats_in + n * STATS_IN + POLICY_STATS,
                          stats[SCALING_CONDITION]);
        const uint8_t prev = in->prev_action[n];
        c->prev[n] = prev == POLICY_NO_ACTION ? (uint8_t)c->actions : prev;
    }
    linear_forward(c->y4, c->stats_in, c->stats_w, c->stats_b, N);
    act_relu(c->y4, (size_t)N * STATS);

    for (size_t u = 0; u < (size_t)in->U; u++) {
        ngram_forward(c->captions + u * NGRAM_DIM, in->captions[u], c->ngrams);
    }
    for (size_t n = 0; n < (size_t)N; n++) {
        float *to = x + n * CELLS_WIDTH;
        CHECK(in->caption[n] < (uint32_t)in->U);
        memcpy(to, c->y3 + n * DENSE, DENSE * sizeof(float));
        memcpy(to + AT_STATS, c->y4 + n * STATS, STATS * sizeof(float));
        memcpy(to + AT_CAPTION, c->captions + in->caption[n] * (size_t)NGRAM_DIM,
               NGRAM_DIM * sizeof(float));
    }
    embed_forward(x + AT_ACTION, CELLS_WIDTH, c->prev, c->action, N);
}

void policy_cells_backward(struct policy_cells *c, const float *dx,
                           const struct policy_input *in, int N)
{
    memset(c->dcaptions, 0, (size_t)in->U * NGRAM_DIM * sizeof(float));
    for (size_t n = 0; n < (size_t)N; n++) {
        const float *from = dx + n * CELLS_WIDTH;
        float *to = c->dcaptions + in->caption[n] * (size_t)NGRAM_DIM;
        memcpy(c->d3 + n * DENSE, from, DENSE * sizeof(float));
        memcpy(c->d4 + n * STATS, from + AT_STATS, STATS * sizeof(float));
        for (int i = 0; i < NGRAM_DIM; i++) {
            to[i] += from[AT_CAPTION + i];
        }
    }
    embed_backward(dx + AT_ACTION, CELLS_WIDTH, c->prev, c->action, N);
    for (size_t u = 0; u < (size_t)in->U; u++) {
        ngram_backward(c->dcaptions + u * NGRAM_DIM, in->captions[u], c->ngrams);
    }
    act_relu_backward(c->d4, c->y4, (size_t)N * STATS);
    linear_backward(NULL, c->d4, c->stats_in, c->stats_w, c->stats_b, N);

    act_relu_backward(c->d3, c->y3, (size_t)N * DENSE);
    linear_backward(c->d2, c->d3, c->y2, c->dense_w, c->dense_b, N);
    act_relu_backward(c->d2, c->y2, (size_t)N * CONV2);
    for (int n = 0; n < N; n += CHUNK) {
        const int M = N - n < CHUNK ? N - n : CHUNK;
        const size_t row = (size_t)n;
        const float *y1 = c->y1 + row * CONV1;
        conv_backward(c->d1, c->d2 + row * CONV2, y1, c->cols, &CONV2_SHAPE, c->conv2_w,
                      c->conv2_b, M);
        act_relu_backward(c->d1, y1, (size_t)M * CONV1);
        cellconv_backward(c->conv1, c->d1, in->chars + row * POLICY_CELLS,
                          in->colors + row * POLICY_CELLS, M);
    }
    cellconv_contract(c->conv1);
}
