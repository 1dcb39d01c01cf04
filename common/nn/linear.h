#ifndef COMMON_NN_LINEAR_H
#define COMMON_NN_LINEAR_H
/* A dense layer, y = x W' + b, over N rows.
 *   x (N,IN)   y (N,OUT)   w (OUT,IN)   b (1,OUT)       dx, dy as x, y
 * Kernels: outputs, inputs, parameters, sizes. N = 0 does nothing; NaN in, NaN out. */

#include "common/nn/panels.h"
#include "common/nn/param.h"

void linear_forward(float *y, const float *x, const struct param *w,
                    const struct param *b, int N);
/* The same with the weights packed. */
void linear_forward_packed(float *y, const float *x, const struct panels *w,
                           const struct param *b, int N);
/* Adds into w->g and b->g, since a batch may come in pieces. Overwrites dx, which is
 * NULL where no layer lies below. */
void linear_backward(float *dx, const float *dy, const float *x, const struct param *w,
                     const struct param *b, int N);
/* b->g += column sums of dy (N,OUT). */
void linear_backward_bias(const struct param *b, const float *dy, int N);
/* Every row of y (N,OUT) = b. */
void linear_fill_bias(float *y, const struct param *b, int N);

#endif
