#ifndef COMMON_NN_VEC_H
#define COMMON_NN_VEC_H
/* Sixteen floats as one value, for the few loops where the sums must stay in registers
 * (gcc's and clang's vector extension: one 512-bit register or two of 256 bits). */

typedef float vec16 __attribute__((vector_size(64), aligned(4), may_alias));

static inline vec16 vec_get(const float *p)
{
    return *(const vec16 *)p;
}

static inline void vec_put(float *p, vec16 v)
{
    *(vec16 *)p = v;
}

static inline void vec_add(float *p, vec16 v)
{
    *(vec16 *)p += v;
}

static inline float vec_sum(vec16 v)
{
    float s[16];
    vec_put(s, v);
    for (int width = 8; width > 0; width /= 2) {
        for (int i = 0; i < width; i++) {
            s[i] += s[i + width];
        }
    }
    return s[0];
}

#endif
