#ifndef COMMON_NN_PANELS_H
#define COMMON_NN_PANELS_H
/* Products with a weight matrix that is packed once per version. BLAS packs its operands
 * at every call; with 32 rows (an actor's environments, one step of a GRU over 32
 * sequences) that is a fifth to a quarter of its time. Here the matrix lies in panels of
 * 32 columns, (N/32,K,32), and a product only reads: 108-116 GFLOP/s on a core where
 * BLAS has 77-82 with 32 rows and 95-100 with 1,024. Where BLAS is better (columns no
 * multiple of 32, many rows without AVX-512 or with several threads) it is called.
 * One owner thread; NaN in, NaN out. */

#include <stdbool.h>

struct panels {
    const float *b;  // the matrix itself, borrowed
    bool transposed; // b is (N,K): the product is a b'; else b is (K,N)
    int N, K;
    float *data; // NULL where N is no multiple of 32
};

/* Takes the memory; packs nothing. b must outlive p. */
void panels_open(struct panels *p, const float *b, bool transposed, int N, int K);
void panels_release(struct panels *p);
void panels_pack(struct panels *p); // before the first product, and after b changed
/* c (M,N) = [add ? c : 0] + a (M,K) times b' or b. */
void panels_mul(float *c, int add, const float *a, const struct panels *p, int M);

#endif
