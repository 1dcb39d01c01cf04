#ifndef COMMON_NN_CONV_H
#define COMMON_NN_CONV_H
/* A square convolution without padding, channels last, as im2col and a product.
 *   x (N,S,S,IN)   y (N,O,O,OUT)   w (OUT,K*K*IN)   b (1,OUT)      O = (S-K)/STRIDE + 1
 * Rows go through in chunks, so that the unfolded inputs stay in the L2 cache; `cols`
 * is scratch of conv_scratch() floats, not kept between calls. The backward pass
 * unfolds again: that costs less than keeping nine copies of the input.
 * Kernels: outputs, inputs, parameters, sizes. NaN in, NaN out. */

#include <stddef.h>

#include "common/nn/panels.h"
#include "common/nn/param.h"

struct conv_shape {
    int S, IN, K, STRIDE, OUT;
};

static inline int conv_out(const struct conv_shape *c)
{
    return (c->S - c->K) / c->STRIDE + 1;
}

/* Floats of scratch: one chunk unfolded. */
size_t conv_scratch(const struct conv_shape *c);
void conv_forward(float *y, const float *x, float *cols, const struct conv_shape *c,
                  const struct panels *w, const struct param *b, int N);
/* Adds into w->g and b->g. Overwrites dx unless it is NULL. */
void conv_backward(float *dx, const float *dy, const float *x, float *cols,
                   const struct conv_shape *c, const struct param *w,
                   const struct param *b, int N);

#endif
