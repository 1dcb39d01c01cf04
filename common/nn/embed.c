#include "common/nn/embed.h"

#include <string.h>

#include "common/base/check.h"

void embed_forward(float *y, int stride, const uint8_t *rows, const struct param *w,
                   int N)
{
    const size_t D = (size_t)w->cols;
    for (int n = 0; n < N; n++) {
        CHECK(rows[n] < w->rows);
        memcpy(y + (size_t)n * (size_t)stride, w->w + (size_t)rows[n] * D,
               D * sizeof(float));
    }
}

void embed_backward(const float *dy, int stride, const uint8_t *rows,
                    const struct param *w, int N)
{
    const int D = w->cols;
    for (int n = 0; n < N; n++) {
        float *restrict g = w->g + (size_t)rows[n] * (size_t)D;
        const float *restrict d = dy + (size_t)n * (size_t)stride;
        for (int i = 0; i < D; i++) {
            g[i] += d[i];
        }
    }
}
