#ifndef COMMON_NN_VEC_H
#define COMMON_NN_VEC_H
/* Thirty-two floats as one value, for the few loops where sums must stay in registers:
 * two registers of AVX-512, four of AVX, eight of SSE or NEON (gcc's and clang's vector
 * extension at the width that the machine has: a wider one is taken apart through
 * memory, 70 times slower). */

#include <stddef.h>

#if defined(__AVX512F__)
enum { VEC = 16 };
#elif defined(__AVX__)
enum { VEC = 8 };
#else
enum { VEC = 4 };
#endif
enum { VEC_COUNT = 32 / VEC };

typedef float vec __attribute__((vector_size(VEC * 4), aligned(4), may_alias));

struct vec32 {
    vec v[VEC_COUNT];
};

#define VEC_INLINE static inline __attribute__((always_inline))

VEC_INLINE struct vec32 vec_zero(void)
{
    return (struct vec32){0};
}

VEC_INLINE struct vec32 vec_get(const float *p)
{
    struct vec32 x;
    for (int i = 0; i < VEC_COUNT; i++) {
        x.v[i] = *(const vec *)(p + i * VEC);
    }
    return x;
}

VEC_INLINE void vec_put(float *p, struct vec32 x)
{
    for (int i = 0; i < VEC_COUNT; i++) {
        *(vec *)(p + i * VEC) = x.v[i];
    }
}

VEC_INLINE struct vec32 vec_sum(struct vec32 a, struct vec32 b)
{
    for (int i = 0; i < VEC_COUNT; i++) {
        a.v[i] += b.v[i];
    }
    return a;
}

/* a + b s */
VEC_INLINE struct vec32 vec_fma(struct vec32 a, struct vec32 b, float s)
{
    for (int i = 0; i < VEC_COUNT; i++) {
        a.v[i] += b.v[i] * s;
    }
    return a;
}

/* p (32) += x */
VEC_INLINE void vec_add(float *p, struct vec32 x)
{
    vec_put(p, vec_sum(vec_get(p), x));
}

/* Inner product of 32. */
VEC_INLINE float vec_dot(struct vec32 a, struct vec32 b)
{
    vec sum = a.v[0] * b.v[0];
    float s[VEC], total = 0;
    for (int i = 1; i < VEC_COUNT; i++) {
        sum += a.v[i] * b.v[i];
    }
    *(vec *)s = sum;
    for (int i = 0; i < VEC; i++) {
        total += s[i];
    }
    return total;
}

#endif
