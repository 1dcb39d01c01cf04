#ifndef LEARNER_TRAIN_VTRACE_H
#define LEARNER_TRAIN_VTRACE_H
/* V-trace targets (Espeholt et al. 2018) over T steps of B sequences. Numeric kernel:
 * outputs, inputs, sizes. All values and rewards in reward units. Any thread. NaN in gives
 * NaN out; T = 0 or B = 0 writes nothing. */

#include <stdbool.h>
#include <stdint.h>

/* All (T,B) time-major, row = t * B + b, but for `last`. */
struct vtrace_rows {
    const float *reward;      // what step t pays
    const float *value;       // V(o_t) under the current weights
    const float *log_ratio;   // log pi(a_t) - log mu(a_t)
    const uint8_t *flags;     // SEGMENT_TERMINATED, SEGMENT_TRUNCATED
    const float *final_value; // V(final observation); read where truncated
    const float *last;        // (B) V(o_T), the observation after the last step
};

struct vtrace_options {
    float gamma;
    /* The reference's ways, each by itself. No value after the last step, but one that makes
     * this step's error 0: v_T := (V_{T-1} - r_{T-1}) / gamma. */
    bool fake_last;
    bool limits_end; // time limits are deaths
    bool weighted;   // rho inside the advantage, too, and never below 0.05
    /* Nothing ends: what is paid after an episode belongs to the return before, too, and the
     * next row is the next episode's first. */
    bool endless;
};

/* target (T,B) = v_t; advantage (T,B) = r_t + gamma_t v_{t+1} - V_t, times rho_t where
 * `weighted`. */
void vtrace_targets(float *target, float *advantage, const struct vtrace_rows *in,
                    int T, int B, const struct vtrace_options *o);

#endif
