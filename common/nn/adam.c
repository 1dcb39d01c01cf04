#include "common/nn/adam.h"

#include <math.h>

#include "common/base/mem.h"

static const double beta1 = 0.9, beta2 = 0.999;
// The reference's (1e-8 is Adam's own): gradients of rarely seen captions are tiny, and a
// larger epsilon keeps their first steps small.
static const double epsilon = 1e-6;

void adam_init(struct adam *a, size_t floats)
{
    *a = (struct adam){.floats = floats};
    a->first = mem_new(floats, sizeof(float));
    a->second = mem_new(floats, sizeof(float));
}

void adam_release(struct adam *a)
{
    mem_free(a->first);
    mem_free(a->second);
    *a = (struct adam){0};
}

/* In blocks: a sum of 10^6 squares in one float loses digits, one in double is slow. */
static double norm_of(const float *g, size_t floats)
{
    double sum = 0;

    for (size_t i = 0; i < floats; i += 256) {
        const size_t end = i + 256 < floats ? i + 256 : floats;
        float part[16] = {0};
        size_t k = i;
        for (; k + 16 <= end; k += 16) {
            for (size_t j = 0; j < 16; j++) {
                part[j] += g[k + j] * g[k + j];
            }
        }
        for (; k < end; k++) {
            part[0] += g[k] * g[k];
        }
        for (size_t j = 0; j < 16; j++) {
            sum += (double)part[j];
        }
    }
    return sqrt(sum);
}

/* Algorithm 1, with the two corrections folded into the step size and epsilon (end of
 * section 2): one pass, no division by them per weight. */
static void move(struct adam *a, float *restrict w, const float *restrict g,
                 float scale, float step, float eps)
{
    float *restrict m = a->first, *restrict v = a->second;
    const float b1 = (float)beta1, b2 = (float)beta2;

    for (size_t i = 0; i < a->floats; i++) {
        const float gi = g[i] * scale;
        m[i] = b1 * m[i] + (1.0F - b1) * gi;
        v[i] = b2 * v[i] + (1.0F - b2) * gi * gi;
        w[i] -= step * m[i] / (sqrtf(v[i]) + eps);
    }
}

enum status adam_step(struct adam *a, float *weights, const float *grads, double n,
                      double lr, double most_norm, double *norm)
{
    const double length = norm_of(grads, a->floats) / n;

    if (!isfinite(length)) {
        return ST_CORRUPT;
    }
    const double shrink =
        most_norm > 0 && length > most_norm ? most_norm / length : 1.0;
    const double t = (double)(a->steps + 1);
    const double right = sqrt(1 - pow(beta2, t));

    a->steps++;
    move(a, weights, grads, (float)(shrink / n),
         (float)(lr * right / (1 - pow(beta1, t))), (float)(epsilon * right));
    *norm = length;
    return ST_OK;
}

double adam_lr(double first, double last, double progress)
{
    const double p = fmin(fmax(progress, 0), 1);
    return first + (last - first) * p;
}
