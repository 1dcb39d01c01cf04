#ifndef COMMON_NN_EMBED_H
#define COMMON_NN_EMBED_H
/* A table of learnt rows, y_n = w[row_n].   w (ROWS,D)   rows (N)   y (N,D)
 * y and dy may be columns of a wider matrix: `stride` floats from one row to the next.
 * Kernels: outputs, inputs, parameters, sizes. */

#include <stdint.h>

#include "common/nn/param.h"

void embed_forward(float *y, int stride, const uint8_t *rows, const struct param *w,
                   int N);
/* Adds into w->g. */
void embed_backward(const float *dy, int stride, const uint8_t *rows,
                    const struct param *w, int N);

#endif
