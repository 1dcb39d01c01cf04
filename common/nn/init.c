#include "common/nn/init.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"

/* Makes the `count` vectors of `len` in v orthonormal, count <= len: modified
 * Gram-Schmidt, each vector cleaned of the ones before it. */
static void orthonormalise(double *v, int count, int len)
{
    for (int i = 0; i < count; i++) {
        double *restrict vi = v + (size_t)i * (size_t)len;
        for (int j = 0; j < i; j++) {
            const double *restrict vj = v + (size_t)j * (size_t)len;
            double dot = 0;
            for (int k = 0; k < len; k++) {
                dot += vi[k] * vj[k];
            }
            for (int k = 0; k < len; k++) {
                vi[k] -= dot * vj[k];
            }
        }
        double norm = 0;
        for (int k = 0; k < len; k++) {
            norm += vi[k] * vi[k];
        }
        norm = sqrt(norm);
        for (int k = 0; k < len; k++) {
            vi[k] /= norm;
        }
    }
}

void init_orthogonal(const struct param *p, double gain, struct rng *rng)
{
    const bool wide = p->rows <= p->cols;
    const int count = wide ? p->rows : p->cols, len = wide ? p->cols : p->rows;
    double *v = mem_new((size_t)count * (size_t)len, sizeof *v);
    for (size_t i = 0; i < (size_t)count * (size_t)len; i++) {
        v[i] = (double)rng_normal(rng);
    }
    orthonormalise(v, count, len);
    for (int r = 0; r < p->rows; r++) {
        for (int c = 0; c < p->cols; c++) {
            const size_t from = wide ? (size_t)r * (size_t)len + (size_t)c
                                     : (size_t)c * (size_t)len + (size_t)r;
            p->w[(size_t)r * (size_t)p->cols + (size_t)c] = (float)(gain * v[from]);
        }
    }
    mem_free(v);
}

static size_t size_of(const struct param *p)
{
    return (size_t)p->rows * (size_t)p->cols;
}

void init_uniform(const struct param *p, double bound, struct rng *rng)
{
    for (size_t i = 0; i < size_of(p); i++) {
        p->w[i] = (float)(bound * (2.0 * (double)rng_float(rng) - 1.0));
    }
}

void init_normal(const struct param *p, double deviation, struct rng *rng)
{
    for (size_t i = 0; i < size_of(p); i++) {
        p->w[i] = (float)(deviation * (double)rng_normal(rng));
    }
}

void init_zero(const struct param *p)
{
    memset(p->w, 0, size_of(p) * sizeof(float));
}
