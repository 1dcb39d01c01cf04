#ifndef LEARNER_TRAIN_LOSS_H
#define LEARNER_TRAIN_LOSS_H
/* The policy, value and entropy losses of N rows as sums, and their gradients with
 * respect to logits and values. Sums, not means: rows lie on several ranks, and the
 * gradient is divided by the summed count once (adam.h). Numeric kernel: outputs, inputs,
 * sizes. Any thread. NaN in gives NaN out; N = 0 gives zero sums. */

#include <stdint.h>

enum loss_kind {
    LOSS_PPO,    // -min(u A, clip(u) A), u = pi/mu
    LOSS_VTRACE, // -rho A log pi, no ratio inside the gradient
    LOSS_ONI     // PPO's surrogate on advantages that hold rho already (vtrace.h)
};

struct loss_options {
    enum loss_kind kind;
    float ratio_clip; // u stays in [1/c, c]; 1.1
    float value_clip; // in value-normalised units; 0 = none
    float value_coef, entropy_coef;
    float adv_clip; // normalised advantages stay in [-c, c]; 0 = no bound
};

/* Whose a row is. */
enum loss_part {
    LOSS_FRESH,
    LOSS_REPLAYED, // of a segment that was trained before
    LOSS_NONE      // of one, too, and carries no loss
};

/* Values in normalised units, advantages divided by the value scale. */
struct loss_rows {
    const float *logp;      // (N,A) log pi, from softmax_log
    const float *log_ratio; // (N) log pi(a) - log mu(a)
    const uint8_t *action;  // (N)
    const float *advantage; // (N)
    const float *value;     // (N) what the critic says now
    const float *old_value; // (N) what it said when it acted
    const float *target;    // (N)
    const uint8_t *part;    // (N) enum loss_part; NULL: all are fresh
    const float *prox;      // (N) log pi_prox(a) - log mu(a), read where replayed
};

/* Advantages enter as (A - mean) / scale: moments over all ranks' samples. */
struct loss_norm {
    float mean, scale;
};

/* Sums over rows. */
struct loss_sums {
    double policy, value, entropy;
    double kl;      // of KL(mu || pi), estimated as u - 1 - log u (never below 0)
    double clipped; // rows whose ratio left [1/c, c]
    double rho;     // min(1, u)
    double weight, weight2; // u and u^2, for the effective sample size
};

/* log_ratio (N) from log pi (N,A), the actions and the behaviour's log mu. */
void loss_log_ratio(float *log_ratio, const float *logp, const uint8_t *action,
                    const float *behaviour, int N, int A);

/* Mean and scale from n, sum and squares of the advantages; the scale never below
 * `floor`. *sigma = the scale before the floor. n = 0: mean 0, scale 1. */
struct loss_norm loss_norm_of(double n, double sum, double squares, double floor,
                              double *sigma);

/* dlogits (N,A) and dvalue (N) of fresh rows are overwritten, the others' left as they
 * are; `sums` is added to. */
void loss_backward(float *dlogits, float *dvalue, struct loss_sums *sums,
                   const struct loss_rows *in, int N, int A, struct loss_norm norm,
                   const struct loss_options *o);

/* The same of the replayed rows, and zeros where there is no loss. A replayed row has aged,
 * so that what it acted with (mu) and what the step must stay close to are two things
 * (the decoupled objective of Hilton et al. 2021, "Batch size-invariance"). With
 * pi_prox = the weights with which the batch was first passed through, LOSS_PPO is
 *   -w min(u A, clip(u, 1/c, c) A),  u = pi/pi_prox,  w = min(pi_prox/mu, 1),
 * where A and w are constants. dL/dlog pi = -w u A where the first is the smaller, since
 * du/dlog pi = u, else 0. In the first pass pi IS pi_prox, so u = 1 in value but not in
 * gradient: dL/dlog pi = -w A, which is V-trace's own policy gradient; from the second
 * pass on the clip holds pi near pi_prox, not near the mu of long ago. LOSS_VTRACE is as
 * for fresh rows. Values are not held near what the critic said when it acted. LOSS_ONI
 * has no replay. */
void loss_backward_replayed(float *dlogits, float *dvalue, struct loss_sums *sums,
                            const struct loss_rows *in, int N, int A,
                            struct loss_norm norm, const struct loss_options *o);

/* The value loss of one more head alone, of all rows: of in, value, old_value, target and
 * part are read. dvalue (N) is overwritten; sums of fresh and of replayed rows are added
 * to. */
void loss_backward_values(float *dvalue, struct loss_sums *fresh,
                          struct loss_sums *replayed, const struct loss_rows *in, int N,
                          const struct loss_options *o);

#endif
