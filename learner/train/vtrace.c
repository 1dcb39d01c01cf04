#include "learner/train/vtrace.h"

#include <math.h>
#include <stddef.h>

#include "common/wire/segment.h"

enum { ENDS = SEGMENT_TERMINATED | SEGMENT_TRUNCATED };

/* min(1, pi/mu); NaN stays, which fminf would hide. */
static float truncated(float log_ratio)
{
    const float ratio = expf(log_ratio);
    return ratio > 1.0F ? 1.0F : ratio;
}

/* What lies right of a step: V(x_{t+1}) and v_{t+1}. */
struct next {
    float value, target;
};

/* An ended step has no next step of its own episode. At a death nothing is worth anything
 * (gamma_t = 0 does the same); at a time limit v_{t+1} := V(final observation), which also
 * cuts the trace, since v_{t+1} - V(x_{t+1}) is then 0. */
static struct next next_of(const struct vtrace_rows *in, size_t row, struct next inside,
                           bool endless)
{
    if (endless) {
        return inside;
    }
    if ((in->flags[row] & SEGMENT_TERMINATED) != 0) {
        return (struct next){0.0F, 0.0F};
    }
    if ((in->flags[row] & SEGMENT_TRUNCATED) != 0) {
        return (struct next){in->final_value[row], in->final_value[row]};
    }
    return inside;
}

/* Espeholt et al. 2018, eq. 1 in its recursive form (remark 1), with rho_bar = c_bar = 1,
 * so that c_t = rho_t = min(1, pi/mu):
 *   delta_t = rho_t (r_t + gamma_t V(x_{t+1}) - V(x_t))
 *   v_t = V(x_t) + delta_t + gamma_t c_t (v_{t+1} - V(x_{t+1}))
 * Right to left, each target needs only its right neighbour: one pass, no table. */
static void one_sequence(float *target, float *advantage, const struct vtrace_rows *in,
                         int T, size_t B, size_t b, const struct vtrace_options *o)
{
    const float gamma = o->gamma;
    struct next next = {in->last[b], in->last[b]};

    for (size_t t = (size_t)T; t-- > 0;) {
        const size_t row = t * B + b;
        const float rho = truncated(in->log_ratio[row]);
        const float r = in->reward[row], v = in->value[row];

        next = next_of(in, row, next, o->endless);
        advantage[row] = r + gamma * next.target - v;
        target[row] = v + rho * (r + gamma * next.value - v) +
                      gamma * rho * (next.target - next.value);
        next = (struct next){v, target[row]};
    }
}

/* The same as the reference has it, as released: a value after the last step that makes
 * this step's error 0, deaths and time limits alike, rho in the advantage. */
static void one_sequence_oni(float *target, float *advantage,
                             const struct vtrace_rows *in, int T, size_t B, size_t b,
                             const struct vtrace_options *o)
{
    const float gamma = o->gamma;
    const size_t last = (size_t)(T - 1) * B + b;
    const float fake = (in->value[last] - in->reward[last]) / gamma;
    struct next next = {fake, fake};

    for (size_t t = (size_t)T; t-- > 0;) {
        const size_t row = t * B + b;
        // ratios are clamped to [0.05, 20] before rho := min(1, ratio)
        const float least = 0.05F, free_rho = truncated(in->log_ratio[row]);
        const float rho = free_rho < least ? least : free_rho;
        const float r = in->reward[row], v = in->value[row];
        const bool ends = (in->flags[row] & ENDS) != 0 && !o->endless;
        const float g = ends ? 0.0F : gamma;

        advantage[row] = rho * (r + g * next.target - v);
        target[row] =
            v + rho * (r + g * next.value - v) + g * rho * (next.target - next.value);
        next = (struct next){v, target[row]};
    }
}

void vtrace_targets(float *target, float *advantage, const struct vtrace_rows *in,
                    int T, int B, const struct vtrace_options *o)
{
    for (size_t b = 0; b < (size_t)B && T > 0; b++) {
        if (o->oni) {
            one_sequence_oni(target, advantage, in, T, (size_t)B, b, o);
        } else {
            one_sequence(target, advantage, in, T, (size_t)B, b, o);
        }
    }
}
