#include "common/nn/act.h"

void act_elu(float *restrict x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const float e = act_exp(x[i]) - 1.0f;
        x[i] = x[i] > 0.0f ? x[i] : e;
    }
}

void act_relu(float *restrict x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = x[i] < 0.0f ? 0.0f : x[i]; // this way round a NaN stays one
    }
}

void act_elu_backward(float *restrict dy, const float *restrict y, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const float slope = y[i] > 0.0f ? 1.0f : y[i] + 1.0f;
        dy[i] *= slope;
    }
}

void act_relu_backward(float *restrict dy, const float *restrict y, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        dy[i] = y[i] > 0.0f ? dy[i] : 0.0f;
    }
}
