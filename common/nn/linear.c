#include "common/nn/linear.h"

#include <string.h>

#include "common/nn/mat.h"

void linear_fill_bias(float *y, const struct param *b, int N)
{
    const size_t OUT = (size_t)b->cols;
    for (int n = 0; n < N; n++) {
        memcpy(y + (size_t)n * OUT, b->w, sizeof(float) * OUT);
    }
}

void linear_forward(float *y, const float *x, const struct param *w,
                    const struct param *b, int N)
{
    if (N == 0) {
        return;
    }
    linear_fill_bias(y, b, N);
    mat_nt(y, 1, x, w->w, N, w->rows, w->cols);
}

void linear_forward_packed(float *y, const float *x, const struct panels *w,
                           const struct param *b, int N)
{
    linear_fill_bias(y, b, N);
    panels_mul(y, 1, x, w, N);
}

void linear_backward_bias(const struct param *b, const float *dy, int N)
{
    const int OUT = b->cols;
    float *restrict g = b->g;
    for (int n = 0; n < N; n++) {
        const float *restrict dyn = dy + (size_t)n * (size_t)OUT;
        for (int o = 0; o < OUT; o++) {
            g[o] += dyn[o];
        }
    }
}

void linear_backward(float *dx, const float *dy, const float *x, const struct param *w,
                     const struct param *b, int N)
{
    const int IN = w->cols, OUT = w->rows;
    if (N == 0) {
        return;
    }
    if (dx != NULL) {
        mat_nn(dx, 0, dy, w->w, N, IN, OUT); // dx = dy W
    }
    mat_tn(w->g, 1, dy, x, OUT, IN, N); // dW += dy' x
    linear_backward_bias(b, dy, N);
}
