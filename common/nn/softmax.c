#include "common/nn/softmax.h"

#include <math.h>
#include <stddef.h>

#include "common/nn/act.h"

void softmax_log(float *logp, const float *logits, int N, int A)
{
    for (int n = 0; n < N; n++) {
        const float *in = logits + (size_t)n * (size_t)A;
        float *out = logp + (size_t)n * (size_t)A;
        float most = in[0];
        for (int a = 1; a < A; a++) {
            most = in[a] > most ? in[a] : most;
        }
        float sum = 0;
        for (int a = 0; a < A; a++) {
            sum += act_exp(in[a] - most);
        }
        const float shift = most + logf(sum);
        for (int a = 0; a < A; a++) {
            out[a] = in[a] - shift;
        }
    }
}

float softmax_entropy(const float *logp, int A)
{
    float h = 0;
    for (int a = 0; a < A; a++) {
        h -= act_exp(logp[a]) * logp[a];
    }
    return h;
}

int softmax_sample(const float *logp, int A, float uniform)
{
    float sum = 0;
    int last = A - 1;
    for (int a = 0; a < A; a++) {
        const float p = expf(logp[a]);
        sum += p;
        if (p > 0.0f) {
            if (uniform < sum) {
                return a;
            }
            last = a; // where rounding leaves the sum short of 1
        }
    }
    return last;
}

int softmax_argmax(const float *logits, int A)
{
    int best = 0;
    for (int a = 1; a < A; a++) {
        if (logits[a] > logits[best] || isnan(logits[best])) {
            best = a;
        }
    }
    return isnan(logits[best]) ? 0 : best;
}
