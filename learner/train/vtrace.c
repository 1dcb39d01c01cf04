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
                           const struct vtrace_options *o)
{
    if (o->endless || (in->flags[row] & ENDS) == 0) {
        return inside;
    }
    if ((in->flags[row] & SEGMENT_TERMINATED) != 0 || o->limits_end) {
        return (struct next){0.0F, 0.0F};
    }
    return (struct next){in->final_value[row], in->final_value[row]};
}

/* V(o_T), or what makes the last step's error 0: with it nothing is learnt of this step. */
static float value_after(const struct vtrace_rows *in, size_t last, size_t b,
                         const struct vtrace_options *o)
{
    return o->fake_last ? (in->value[last] - in->reward[last]) / o->gamma : in->last[b];
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
    const float after = value_after(in, (size_t)(T - 1) * B + b, b, o);
    struct next next = {after, after};

    for (size_t t = (size_t)T; t-- > 0;) {
        const size_t row = t * B + b;
        // the reference clamps ratios to [0.05, 20] before rho := min(1, ratio)
        const float free_rho = truncated(in->log_ratio[row]);
        const float rho = o->weighted && free_rho < 0.05F ? 0.05F : free_rho;
        const float r = in->reward[row], v = in->value[row];

        next = next_of(in, row, next, o);
        const float gain = r + gamma * next.target - v;
        advantage[row] = o->weighted ? rho * gain : gain;
        target[row] = v + rho * (r + gamma * next.value - v) +
                      gamma * rho * (next.target - next.value);
        next = (struct next){v, target[row]};
    }
}

void vtrace_targets(float *target, float *advantage, const struct vtrace_rows *in,
                    int T, int B, const struct vtrace_options *o)
{
    for (size_t b = 0; b < (size_t)B && T > 0; b++) {
        one_sequence(target, advantage, in, T, (size_t)B, b, o);
    }
}
