#ifndef COMMON_NN_ACT_H
#define COMMON_NN_ACT_H
/* Elementwise functions, written so that the compiler vectorises them without
 * -ffast-math. Kernels: outputs, inputs, sizes. NaN in gives NaN out, in each. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* e^x to 1e-6 relative on [-87, 88], held at the ends outside. Cephes' scheme:
 * x = n ln 2 + r, a polynomial for e^r, the exponent bits for 2^n. Branchless. */
static inline float act_exp(float x)
{
    const float shift = 0x1.8p23f; // adding it rounds to an integer in the low bits
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    const float m = x * 0x1.715476p+0f + shift;
    const float n = m - shift;
    float r = x - n * 0x1.62e400p-1f; // ln 2 in two pieces: the first product is exact
    r = r - n * 0x1.7f7d1cp-20f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    uint32_t bits;
    memcpy(&bits, &m, sizeof bits);
    bits = (bits << 23) + 0x3f800000u;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

static inline float act_sigmoid(float x)
{
    return 1.0f / (1.0f + act_exp(-x));
}

/* To 2e-7 absolute. */
static inline float act_tanh(float x)
{
    return 1.0f - 2.0f / (1.0f + act_exp(2.0f * x));
}

/* In place: x where x > 0, else e^x - 1 (ELU) or 0 (ReLU). */
void act_elu(float *x, size_t count);
void act_relu(float *x, size_t count);
/* dy becomes dx, from the OUTPUT y of the forward pass: ELU' = y + 1 where y <= 0. */
void act_elu_backward(float *dy, const float *y, size_t count);
void act_relu_backward(float *dy, const float *y, size_t count);

#endif
