#include "common/nn/scaling.h"

#include "common/nn/policy.h"

static const float SCALE[POLICY_STATS] = {
    1.0f / 79, 1.0f / 21, 0,     .1f, .1f, .1f, // x y str25 str125 dex con
    .1f,       .1f,       .1f,   0,   .1f, .1f, // int wis cha score hp hpmax
    0,         1e-3f,     .1f,   .1f, .1f, 0,   // depth gold en enmax ac hd
    .1f,       1e-2f,     1e-3f, 1,   .1f, 0,   // xlvl exp time hunger cap dnum
    0,         0,         0,                    // dlevel condition align
};

void scaling_stats(float *out, const int32_t *stats)
{
    for (int i = 0; i < POLICY_STATS; i++) {
        const float v = (float)stats[i] * SCALE[i];
        out[i] = v > 5.0f ? 5.0f : v < -5.0f ? -5.0f : v;
    }
}

void scaling_condition(float out[SCALING_BITS], int32_t condition)
{
    for (int i = 0; i < SCALING_BITS; i++) {
        out[i] = (float)((uint32_t)condition >> i & 1u);
    }
}
