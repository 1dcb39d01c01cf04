#include "common/nn/policy_tiles.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "common/nn/act.h"
#include "common/nn/conv.h"
#include "common/nn/init.h"
#include "common/nn/linear.h"
#include "common/nn/scaling.h"
#include "common/nn/tileconv.h"

enum {
    CONV1 = TILECONV_OUT * TILECONV_OUT * TILECONV_CH, // 9248
    CONV2 = 7 * 7 * 64,                                // 3136
    CONV3 = 3 * 3 * 128,                               // 1152
    IMAGE = 512,
    HEAD = 128,
    MESSAGE = 256, // bytes of a caption, 0 after its end
    AT_STATS = IMAGE,
    AT_RAW = AT_STATS + HEAD,
    AT_MESSAGE = AT_RAW + POLICY_STATS,
    CHUNK = 16, // rows whose conv1 gradients (37 KB each) are held at a time
};
_Static_assert(AT_MESSAGE + HEAD == TILES_WIDTH, "the parts fill x");

static const struct conv_shape CONV2_SHAPE = {
    .S = TILECONV_OUT, .IN = TILECONV_CH, .K = 4, .STRIDE = 2, .OUT = 64};
static const struct conv_shape CONV3_SHAPE = {
    .S = 7, .IN = 64, .K = 3, .STRIDE = 2, .OUT = 128};

/* w, b of one layer; w packed too where the product is large. */
struct layer {
    const struct param *w, *b;
    struct panels packed;
};

/* dense, ELU, dense, ELU: activations and gradients of its rows. */
struct head {
    struct layer one, two;
    float *in, *y1, *y2, *d1, *d2;
};

struct policy_tiles {
    struct layer conv1, conv2, conv3, dense;
    struct head stats, message; // of every row; of every caption
    struct tileconv *tiles;
    int max_captions;
    float *y1, *y2, *y3, *y4; // of all rows, kept for backward
    float *cols;              // scratch of either convolution
    float *d1, *d2, *d3, *d4; // d1 of CHUNK rows only
};

static struct layer layer(struct params *p, const char *w, const char *b, int OUT,
                          int IN)
{
    return (struct layer){.w = params_declare(p, w, OUT, IN),
                          .b = params_declare(p, b, 1, OUT)};
}

struct policy_tiles *policy_tiles_new(struct params *p)
{
    struct policy_tiles *c = mem_new(1, sizeof *c);
    c->conv1 = layer(p, "tiles.conv1.w", "tiles.conv1.b", 32, 8 * 8 * 3);
    c->conv2 = layer(p, "tiles.conv2.w", "tiles.conv2.b", 64, 4 * 4 * 32);
    c->conv3 = layer(p, "tiles.conv3.w", "tiles.conv3.b", 128, 3 * 3 * 64);
    c->dense = layer(p, "tiles.dense.w", "tiles.dense.b", IMAGE, CONV3);
    c->stats.one = layer(p, "tiles.stats1.w", "tiles.stats1.b", HEAD, POLICY_STATS);
    c->stats.two = layer(p, "tiles.stats2.w", "tiles.stats2.b", HEAD, HEAD);
    c->message.one = layer(p, "tiles.message1.w", "tiles.message1.b", HEAD, MESSAGE);
    c->message.two = layer(p, "tiles.message2.w", "tiles.message2.b", HEAD, HEAD);
    return c;
}

static void layer_pack_open(struct layer *l)
{
    panels_open(&l->packed, l->w->w, true, l->w->rows, l->w->cols);
}

static float *floats(int rows, int width)
{
    return mem_new((size_t)rows * (size_t)width, sizeof(float));
}

static void head_alloc(struct head *h, int rows, bool train)
{
    h->in = floats(rows, h->one.w->cols);
    h->y1 = floats(rows, HEAD);
    h->y2 = floats(rows, HEAD);
    h->d1 = train ? floats(rows, HEAD) : NULL;
    h->d2 = train ? floats(rows, HEAD) : NULL;
}

static void head_release(struct head *h)
{
    mem_free(h->in);
    mem_free(h->y1);
    mem_free(h->y2);
    mem_free(h->d1);
    mem_free(h->d2);
}

static void head_forward(struct head *h, int N)
{
    linear_forward(h->y1, h->in, h->one.w, h->one.b, N);
    act_elu(h->y1, (size_t)N * HEAD);
    linear_forward(h->y2, h->y1, h->two.w, h->two.b, N);
    act_elu(h->y2, (size_t)N * HEAD);
}

/* From d2, the gradient of y2, which is used up. */
static void head_backward(struct head *h, int N)
{
    act_elu_backward(h->d2, h->y2, (size_t)N * HEAD);
    linear_backward(h->d1, h->d2, h->y1, h->two.w, h->two.b, N);
    act_elu_backward(h->d1, h->y1, (size_t)N * HEAD);
    linear_backward(NULL, h->d1, h->in, h->one.w, h->one.b, N);
}

void policy_tiles_alloc(struct policy_tiles *c, int max_rows, int max_captions,
                        bool train)
{
    const size_t two = conv_scratch(&CONV2_SHAPE), three = conv_scratch(&CONV3_SHAPE);
    c->max_captions = max_captions;
    layer_pack_open(&c->conv2);
    layer_pack_open(&c->conv3);
    layer_pack_open(&c->dense);
    c->tiles = tileconv_new(c->conv1.w, c->conv1.b, train);
    c->cols = mem_new(two > three ? two : three, sizeof(float));
    c->y1 = floats(max_rows, CONV1);
    c->y2 = floats(max_rows, CONV2);
    c->y3 = floats(max_rows, CONV3);
    c->y4 = floats(max_rows, IMAGE);
    if (train) {
        c->d1 = floats(CHUNK, CONV1);
        c->d2 = floats(max_rows, CONV2);
        c->d3 = floats(max_rows, CONV3);
        c->d4 = floats(max_rows, IMAGE);
    }
    head_alloc(&c->stats, max_rows, train);
    head_alloc(&c->message, max_captions, train);
}

void policy_tiles_free(struct policy_tiles *c)
{
    if (c == NULL) {
        return;
    }
    float *all[] = {c->cols, c->y1, c->y2, c->y3, c->y4, c->d1, c->d2, c->d3, c->d4};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        mem_free(all[i]);
    }
    head_release(&c->stats);
    head_release(&c->message);
    tileconv_free(c->tiles);
    panels_release(&c->conv2.packed);
    panels_release(&c->conv3.packed);
    panels_release(&c->dense.packed);
    mem_free(c);
}

void policy_tiles_init(struct policy_tiles *c, struct rng *rng)
{
    const struct layer *all[] = {&c->conv1,       &c->conv2,      &c->conv3,
                                 &c->dense,       &c->stats.one,  &c->stats.two,
                                 &c->message.one, &c->message.two};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        init_orthogonal(all[i]->w, sqrt(2.0), rng);
        init_zero(all[i]->b);
    }
}

void policy_tiles_changed(struct policy_tiles *c)
{
    tileconv_changed(c->tiles);
    panels_pack(&c->conv2.packed);
    panels_pack(&c->conv3.packed);
    panels_pack(&c->dense.packed);
}

/* 256 floats of a caption's bytes over 255, 0 after its end. */
static void message_input(float *to, struct bytes caption)
{
    const uint8_t *bytes = caption.data;
    const size_t len = caption.len < MESSAGE - 1 ? caption.len : MESSAGE - 1;
    for (size_t i = 0; i < MESSAGE; i++) {
        to[i] = i < len ? (float)bytes[i] * (1.0f / 255.0f) : 0.0f;
    }
}

void policy_tiles_forward(struct policy_tiles *c, float *x,
                          const struct policy_input *in, int N)
{
    CHECK(in->U >= 1 && in->U <= c->max_captions);
    tileconv_forward(c->tiles, c->y1, in->chars, in->colors, N);
    act_elu(c->y1, (size_t)N * CONV1);
    conv_forward(c->y2, c->y1, c->cols, &CONV2_SHAPE, &c->conv2.packed, c->conv2.b, N);
    act_elu(c->y2, (size_t)N * CONV2);
    conv_forward(c->y3, c->y2, c->cols, &CONV3_SHAPE, &c->conv3.packed, c->conv3.b, N);
    act_elu(c->y3, (size_t)N * CONV3);
    linear_forward_packed(c->y4, c->y3, &c->dense.packed, c->dense.b, N);
    act_elu(c->y4, (size_t)N * IMAGE);

    for (size_t n = 0; n < (size_t)N; n++) {
        scaling_stats(c->stats.in + n * POLICY_STATS, in->stats + n * POLICY_STATS);
    }
    head_forward(&c->stats, N);
    for (size_t u = 0; u < (size_t)in->U; u++) {
        message_input(c->message.in + u * MESSAGE, in->captions[u]);
    }
    head_forward(&c->message, in->U);

    for (size_t n = 0; n < (size_t)N; n++) {
        float *to = x + n * TILES_WIDTH;
        const size_t u = in->caption[n];
        CHECK(u < (size_t)in->U);
        memcpy(to, c->y4 + n * IMAGE, IMAGE * sizeof(float));
        memcpy(to + AT_STATS, c->stats.y2 + n * HEAD, HEAD * sizeof(float));
        memcpy(to + AT_RAW, c->stats.in + n * POLICY_STATS,
               POLICY_STATS * sizeof(float));
        memcpy(to + AT_MESSAGE, c->message.y2 + u * HEAD, HEAD * sizeof(float));
    }
}

/* From d2 down to the first convolution, a few rows at a time. */
static void conv1_backward(struct policy_tiles *c, const struct policy_input *in, int N)
{
    for (int n = 0; n < N; n += CHUNK) {
        const int M = N - n < CHUNK ? N - n : CHUNK;
        const size_t row = (size_t)n;
        const float *y1 = c->y1 + row * CONV1;
        conv_backward(c->d1, c->d2 + row * CONV2, y1, c->cols, &CONV2_SHAPE, c->conv2.w,
                      c->conv2.b, M);
        act_elu_backward(c->d1, y1, (size_t)M * CONV1);
        tileconv_backward(c->tiles, c->d1, in->chars + row * POLICY_CELLS,
                          in->colors + row * POLICY_CELLS, M);
    }
    tileconv_contract(c->tiles);
}

void policy_tiles_backward(struct policy_tiles *c, const float *dx,
                           const struct policy_input *in, int N)
{
    memset(c->message.d2, 0, (size_t)in->U * HEAD * sizeof(float));
    for (size_t n = 0; n < (size_t)N; n++) {
        const float *from = dx + n * TILES_WIDTH;
        float *message = c->message.d2 + in->caption[n] * (size_t)HEAD;
        memcpy(c->d4 + n * IMAGE, from, IMAGE * sizeof(float));
        memcpy(c->stats.d2 + n * HEAD, from + AT_STATS, HEAD * sizeof(float));
        for (int i = 0; i < HEAD; i++) {
            message[i] += from[AT_MESSAGE + i];
        }
    }
    head_backward(&c->message, in->U);
    head_backward(&c->stats, N);

    act_elu_backward(c->d4, c->y4, (size_t)N * IMAGE);
    linear_backward(c->d3, c->d4, c->y3, c->dense.w, c->dense.b, N);
    act_elu_backward(c->d3, c->y3, (size_t)N * CONV3);
    conv_backward(c->d2, c->d3, c->y2, c->cols, &CONV3_SHAPE, c->conv3.w, c->conv3.b,
                  N);
    act_elu_backward(c->d2, c->y2, (size_t)N * CONV2);
    conv1_backward(c, in, N);
}
