#include "common/nn/mat.h"

#include <cblas.h>

/* With one row OpenBLAS's sgemm packs all of B for a single use: sgemv reads it once
 * and is three times as fast (measured, 1024 x 2048). */

void mat_nt(float *c, int add, const float *a, const float *b, int M, int N, int K)
{
    const float beta = add ? 1.0f : 0.0f;
    if (M == 1) {
        cblas_sgemv(CblasRowMajor, CblasNoTrans, N, K, 1.0f, b, K, a, 1, beta, c, 1);
    } else if (N == 1) {
        cblas_sgemv(CblasRowMajor, CblasNoTrans, M, K, 1.0f, a, K, b, 1, beta, c, 1);
    } else {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1.0f, a, K, b, K,
                    beta, c, N);
    }
}

void mat_nn(float *c, int add, const float *a, const float *b, int M, int N, int K)
{
    const float beta = add ? 1.0f : 0.0f;
    if (M == 1) {
        cblas_sgemv(CblasRowMajor, CblasTrans, K, N, 1.0f, b, N, a, 1, beta, c, 1);
    } else {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, M, N, K, 1.0f, a, K, b,
                    N, beta, c, N);
    }
}

void mat_tn(float *c, int add, const float *a, const float *b, int M, int N, int K)
{
    const float beta = add ? 1.0f : 0.0f;
    if (M == 1) {
        cblas_sgemv(CblasRowMajor, CblasTrans, K, N, 1.0f, b, N, a, 1, beta, c, 1);
    } else {
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, M, N, K, 1.0f, a, M, b, N,
                    beta, c, N);
    }
}

void mat_set_threads(int threads)
{
    openblas_set_num_threads(threads);
}

int mat_threads(void)
{
    return openblas_get_num_threads();
}

const char *mat_core_name(void)
{
    return openblas_get_corename();
}
