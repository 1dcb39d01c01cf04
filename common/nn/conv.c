#include "common/nn/conv.h"

#include <string.h>

#include "common/nn/linear.h"
#include "common/nn/mat.h"

/* Rows of the product at a time, at least: enough for its speed, few enough that a chunk
 * stays near the core (110 KB unfolded for `cells`, 200 to 300 KB for `tiles`; 128 and
 * more cost `cells` a fifth of the backward pass). */
enum { CONV_CHUNK_ROWS = 96 };

/* Rows of the batch unfolded at once. */
static int chunk_rows(const struct conv_shape *c)
{
    const int O = conv_out(c);
    return (CONV_CHUNK_ROWS + O * O - 1) / (O * O);
}

size_t conv_scratch(const struct conv_shape *c)
{
    const size_t O = (size_t)conv_out(c), K = (size_t)c->K;
    return (size_t)chunk_rows(c) * O * O * K * K * (size_t)c->IN;
}

/* cols (N*O*O, K*K*IN): one line of the kernel is K*IN floats that lie together. */
static void unfold(float *cols, const float *x, const struct conv_shape *c, int N)
{
    const int O = conv_out(c), S = c->S;
    const size_t line = (size_t)(c->K * c->IN);
    for (int n = 0; n < N; n++) {
        for (int oy = 0; oy < O; oy++) {
            for (int ox = 0; ox < O; ox++) {
                const int at = (n * S + oy * c->STRIDE) * S + ox * c->STRIDE;
                const float *from = x + (size_t)at * (size_t)c->IN;
                for (int ky = 0; ky < c->K; ky++) {
                    memcpy(cols, from, line * sizeof(float));
                    cols += line;
                    from += (size_t)S * (size_t)c->IN;
                }
            }
        }
    }
}

/* The transpose of unfold: adds what cols holds into dx. */
static void fold(float *dx, const float *cols, const struct conv_shape *c, int N)
{
    const int O = conv_out(c), S = c->S, line = c->K * c->IN;
    for (int n = 0; n < N; n++) {
        for (int oy = 0; oy < O; oy++) {
            for (int ox = 0; ox < O; ox++) {
                const int at = (n * S + oy * c->STRIDE) * S + ox * c->STRIDE;
                float *to = dx + (size_t)at * (size_t)c->IN;
                for (int ky = 0; ky < c->K; ky++) {
                    for (int i = 0; i < line; i++) {
                        to[i] += cols[i];
                    }
                    cols += line;
                    to += (size_t)S * (size_t)c->IN;
                }
            }
        }
    }
}

void conv_forward(float *y, const float *x, float *cols, const struct conv_shape *c,
                  const struct panels *w, const struct param *b, int N)
{
    const int O = conv_out(c), chunk = chunk_rows(c);
    const size_t in = (size_t)(c->S * c->S * c->IN), out = (size_t)(O * O * c->OUT);
    for (int n = 0; n < N; n += chunk) {
        const int M = N - n < chunk ? N - n : chunk;
        unfold(cols, x + (size_t)n * in, c, M);
        linear_forward_packed(y + (size_t)n * out, cols, w, b, M * O * O);
    }
}

void conv_backward(float *dx, const float *dy, const float *x, float *cols,
                   const struct conv_shape *c, const struct param *w,
                   const struct param *b, int N)
{
    const int O = conv_out(c), chunk = chunk_rows(c), KKIN = c->K * c->K * c->IN;
    const size_t in = (size_t)(c->S * c->S * c->IN), out = (size_t)(O * O * c->OUT);
    for (int n = 0; n < N; n += chunk) {
        const int M = N - n < chunk ? N - n : chunk;
        const float *dyn = dy + (size_t)n * out;
        unfold(cols, x + (size_t)n * in, c, M);
        mat_tn(w->g, 1, dyn, cols, c->OUT, KKIN, M * O * O);
        if (dx != NULL) {
            float *dxn = dx + (size_t)n * in;
            mat_nn(cols, 0, dyn, w->w, M * O * O, KKIN, c->OUT);
            memset(dxn, 0, (size_t)M * in * sizeof(float));
            fold(dxn, cols, c, M);
        }
    }
    linear_backward_bias(b, dy, N * O * O);
}
