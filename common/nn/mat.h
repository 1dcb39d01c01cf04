#ifndef COMMON_NN_MAT_H
#define COMMON_NN_MAT_H
/* The only door to BLAS: row-major f32 products. Not thread-safe beyond what
 * mat_set_threads() allows; one caller at a time per process is the rule. */

/* C (M,N) = [add ? C : 0] + A (M,K) B (N,K)'   i.e. y = x W' for W (OUT,IN) */
void mat_nt(float *c, int add, const float *a, const float *b, int M, int N, int K);
/* C (M,N) = [add ? C : 0] + A (M,K) B (K,N)    i.e. dx = dy W */
void mat_nn(float *c, int add, const float *a, const float *b, int M, int N, int K);
/* C (M,N) = [add ? C : 0] + A (K,M)' B (K,N)   i.e. dW = dy' x */
void mat_tn(float *c, int add, const float *a, const float *b, int M, int N, int K);

void mat_set_threads(int threads);
int mat_threads(void);
const char *mat_core_name(void); // what OpenBLAS chose: "SkylakeX", "Cooperlake", …

#endif
