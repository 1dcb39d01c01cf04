#include "common/nn/panels.h"

#include <limits.h>
#include <stddef.h>

#include "common/base/mem.h"
#include "common/nn/mat.h"
#include "common/nn/vec.h"

enum { WIDTH = 32 };

/* Rows of c whose sums are in registers at once: a row takes 2 of 32 with AVX-512, 4 of
 * 16 with AVX. */
enum { BLOCK = VEC == 16 ? 12 : 3 };

void panels_open(struct panels *p, const float *b, bool transposed, int N, int K)
{
    *p = (struct panels){.b = b, .transposed = transposed, .N = N, .K = K};
    if (N % WIDTH == 0) {
        p->data = mem_new((size_t)N * (size_t)K, sizeof(float));
    }
}

void panels_release(struct panels *p)
{
    mem_free(p->data);
    *p = (struct panels){0};
}

void panels_pack(struct panels *p)
{
    const size_t N = (size_t)p->N, K = (size_t)p->K;
    float *to = p->data;
    for (size_t n = 0; to != NULL && n < N; n += WIDTH) {
        for (size_t k = 0; k < K; k++) {
            for (size_t j = 0; j < WIDTH; j++) {
                to[j] = p->transposed ? p->b[(n + j) * K + k] : p->b[k * N + n + j];
            }
            to += WIDTH;
        }
    }
}

/* Measured on Zen 4 and with AVX-512 taken away: with AVX-512 ours is ahead at every
 * size, with AVX up to some 64 rows, with SSE never. Ours has one thread. */
static bool ours(const struct panels *p, int M)
{
    const int most = VEC == 16 ? INT_MAX : VEC == 8 ? 64 : 0;
    return p->data != NULL && M <= most && (M < 256 || mat_threads() == 1);
}

/* c (R,32) of one panel; R is a constant where it is called, so that the loops over it
 * vanish and the sums stay in registers. */
VEC_INLINE void block(float *c, int add, const float *a, const float *panel, size_t N,
                      size_t K, const int R)
{
    struct vec32 sum[BLOCK];
    for (int r = 0; r < R; r++) {
        sum[r] = add ? vec_get(c + (size_t)r * N) : vec_zero();
    }
    for (size_t k = 0; k < K; k++) {
        const struct vec32 b = vec_get(panel + k * WIDTH);
        for (int r = 0; r < R; r++) {
            sum[r] = vec_fma(sum[r], b, a[(size_t)r * K + k]);
        }
    }
    for (int r = 0; r < R; r++) {
        vec_put(c + (size_t)r * N, sum[r]);
    }
}

void panels_mul(float *c, int add, const float *a, const struct panels *p, int M)
{
    const size_t N = (size_t)p->N, K = (size_t)p->K;
    if (!ours(p, M)) {
        (p->transposed ? mat_nt : mat_nn)(c, add, a, p->b, M, p->N, p->K);
        return;
    }
    for (size_t n = 0; n < N; n += WIDTH) {
        const float *panel = p->data + n * K;
        int m = 0;
        for (; m + BLOCK <= M; m += BLOCK) {
            block(c + (size_t)m * N + n, add, a + (size_t)m * K, panel, N, K, BLOCK);
        }
        for (; BLOCK > 8 && m + 8 <= M; m += 8) {
            block(c + (size_t)m * N + n, add, a + (size_t)m * K, panel, N, K, 8);
        }
        for (; BLOCK > 4 && m + 4 <= M; m += 4) {
            block(c + (size_t)m * N + n, add, a + (size_t)m * K, panel, N, K, 4);
        }
        for (; m < M; m++) {
            block(c + (size_t)m * N + n, add, a + (size_t)m * K, panel, N, K, 1);
        }
    }
}
