#include "learner/train/loss.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

// e^3 = 20: the reference clamps its ratios to [0.05, 20]; beyond it no gradient flows.
static const float most_log_ratio = 3.0F;

void loss_log_ratio(float *log_ratio, const float *logp, const uint8_t *action,
                    const float *behaviour, int N, int A)
{
    for (size_t n = 0; n < (size_t)N; n++) {
        log_ratio[n] = logp[n * (size_t)A + action[n]] - behaviour[n];
    }
}

struct loss_norm loss_norm_of(double n, double sum, double squares, double floor,
                              double *sigma)
{
    *sigma = 0;
    if (!(n > 0)) {
        return (struct loss_norm){0.0F, 1.0F};
    }
    const double mean = sum / n;
    *sigma = sqrt(fmax(squares / n - mean * mean, 0));
    // Without the floor, advantages that are nothing but the critic's noise would be
    // blown up to full-size gradients wherever nothing is paid.
    return (struct loss_norm){(float)mean, (float)fmax(*sigma, floor)};
}

/* Keeps NaN, which fminf and fmaxf would hide. */
static float clip(float x, float least, float most)
{
    return x < least ? least : x > most ? most : x;
}

/* What the ratio to the behaviour tells, whatever the loss does with it; pi/pi_near is the
 * ratio that is clipped. */
static void note_ratio(struct loss_sums *sums, float bounded, float u, float rho,
                       float near, const struct loss_options *o)
{
    sums->kl += (double)(u - 1.0F - bounded);
    sums->clipped += near < 1.0F / o->ratio_clip || near > o->ratio_clip ? 1 : 0;
    sums->rho += (double)rho;
    sums->weight += (double)u;
    sums->weight2 += (double)(u * u);
}

/* rho and A are constants: the policy gradient of Espeholt et al. 2018, section 4.2. */
static float vtrace_row(struct loss_sums *sums, float rho, float A, float logp)
{
    sums->policy -= (double)(rho * A * logp);
    return -rho * A;
}

/* -w min(u A, clip(u) A); free: u moves with pi. */
static float clipped_row(struct loss_sums *sums, float w, float u, bool free, float A,
                         const struct loss_options *o)
{
    const float clipped = clip(u, 1.0F / o->ratio_clip, o->ratio_clip);
    const float free_gain = u * A, held_gain = clipped * A;

    if (held_gain < free_gain) {
        sums->policy -= (double)(w * held_gain);
        return 0.0F; // the clipped ratio does not move with pi
    }
    sums->policy -= (double)(w * free_gain);
    return free ? -w * u * A : 0.0F; // du/dlog pi = u
}

/* Adds the row's policy loss; returns its derivative by log pi(a). */
static float policy_row(struct loss_sums *sums, float log_ratio, float logp, float A,
                        const struct loss_options *o)
{
    const float bounded = clip(log_ratio, -most_log_ratio, most_log_ratio);
    const float u = expf(bounded), rho = expf(clip(log_ratio, -HUGE_VALF, 0.0F));

    note_ratio(sums, bounded, u, rho, u, o);
    return o->kind == LOSS_VTRACE
               ? vtrace_row(sums, rho, A, logp)
               : clipped_row(sums, 1.0F, u, bounded == log_ratio, A, o);
}

/* The same of a replayed row; prox = log pi_prox(a) - log mu(a). */
static float replayed_row(struct loss_sums *sums, float log_ratio, float prox,
                          float logp, float A, const struct loss_options *o)
{
    const float bounded = clip(log_ratio, -most_log_ratio, most_log_ratio);
    const float rho = expf(clip(log_ratio, -HUGE_VALF, 0.0F));
    const float moved = log_ratio - prox; // log pi/pi_prox
    const float held = clip(moved, -most_log_ratio, most_log_ratio);
    const float u = expf(held), w = expf(clip(prox, -HUGE_VALF, 0.0F));

    note_ratio(sums, bounded, expf(bounded), rho, u, o);
    return o->kind == LOSS_VTRACE ? vtrace_row(sums, rho, A, logp)
                                  : clipped_row(sums, w, u, held == moved, A, o);
}

/* Adds the row's value loss; returns its derivative by the value. The larger of two
 * squares: a critic that has moved further than value_clip from what it said when it
 * acted earns nothing by moving on, and is still pulled back. */
static float value_row(struct loss_sums *sums, float value, float old, float target,
                       const struct loss_options *o)
{
    const float free_error = value - target;
    const float moved = value - old;
    const float held =
        o->value_clip > 0 ? clip(moved, -o->value_clip, o->value_clip) : moved;
    const float held_error = old + held - target;

    if (held != moved && held_error * held_error > free_error * free_error) {
        sums->value += (double)(held_error * held_error);
        return 0.0F;
    }
    sums->value += (double)(free_error * free_error);
    return 2.0F * o->value_coef * free_error;
}

/* L = policy + value_coef value - entropy_coef H. By the logits z, with p = softmax(z):
 *   dlog p_a / dz_k = 1[k = a] - p_k        dH / dz_k = -p_k (log p_k + H) */
static void logits_row(float *dlogits, const float *logp, float entropy, int action,
                       float dlogp, float entropy_coef, int A)
{
    for (int k = 0; k < A; k++) {
        // An action that cannot happen has log p = -inf; its p log p is 0.
        const float p = expf(logp[k]);
        const float surprise = p > 0.0F ? logp[k] + entropy : 0.0F;
        dlogits[k] = -dlogp * p + entropy_coef * p * surprise;
    }
    dlogits[action] += dlogp;
}

static float entropy_of(const float *logp, int A)
{
    float h = 0;

    for (int k = 0; k < A; k++) {
        const float p = expf(logp[k]);
        h -= p > 0.0F ? p * logp[k] : 0.0F;
    }
    return h;
}

static bool of_part(const struct loss_rows *in, size_t n, enum loss_part part)
{
    return in->part == NULL ? part == LOSS_FRESH : in->part[n] == part;
}

void loss_backward(float *dlogits, float *dvalue, struct loss_sums *sums,
                   const struct loss_rows *in, int N, int A, struct loss_norm norm,
                   const struct loss_options *o)
{
    const float most = o->adv_clip > 0 ? o->adv_clip : HUGE_VALF;

    for (size_t n = 0; n < (size_t)N; n++) {
        if (!of_part(in, n, LOSS_FRESH)) {
            continue;
        }
        const float *logp = in->logp + n * (size_t)A;
        const float advantage =
            clip((in->advantage[n] - norm.mean) / norm.scale, -most, most);
        const float h = entropy_of(logp, A);
        const float dlogp =
            policy_row(sums, in->log_ratio[n], logp[in->action[n]], advantage, o);

        sums->entropy += (double)h;
        logits_row(dlogits + n * (size_t)A, logp, h, in->action[n], dlogp,
                   o->entropy_coef, A);
        dvalue[n] = value_row(sums, in->value[n], in->old_value[n], in->target[n], o);
    }
}

void loss_backward_replayed(float *dlogits, float *dvalue, struct loss_sums *sums,
                            const struct loss_rows *in, int N, int A,
                            struct loss_norm norm, const struct loss_options *o)
{
    const float most = o->adv_clip > 0 ? o->adv_clip : HUGE_VALF;

    for (size_t n = 0; n < (size_t)N; n++) {
        float *dl = dlogits + n * (size_t)A;
        if (of_part(in, n, LOSS_FRESH)) {
            continue;
        }
        if (of_part(in, n, LOSS_NONE)) {
            memset(dl, 0, sizeof(float) * (size_t)A);
            dvalue[n] = 0;
            continue;
        }
        const float *logp = in->logp + n * (size_t)A;
        const float advantage =
            clip((in->advantage[n] - norm.mean) / norm.scale, -most, most);
        const float h = entropy_of(logp, A), error = in->value[n] - in->target[n];
        const float dlogp = replayed_row(sums, in->log_ratio[n], in->prox[n],
                                         logp[in->action[n]], advantage, o);

        sums->entropy += (double)h;
        sums->value += (double)(error * error);
        logits_row(dl, logp, h, in->action[n], dlogp, o->entropy_coef, A);
        dvalue[n] = 2.0F * o->value_coef * error;
    }
}

void loss_backward_values(float *dvalue, struct loss_sums *fresh,
                          struct loss_sums *replayed, const struct loss_rows *in, int N,
                          const struct loss_options *o)
{
    for (size_t n = 0; n < (size_t)N; n++) {
        const float error = in->value[n] - in->target[n];
        if (of_part(in, n, LOSS_FRESH)) {
            dvalue[n] =
                value_row(fresh, in->value[n], in->old_value[n], in->target[n], o);
        } else if (of_part(in, n, LOSS_REPLAYED)) {
            replayed->value += (double)(error * error);
            dvalue[n] = 2.0F * o->value_coef * error;
        } else {
            dvalue[n] = 0;
        }
    }
}
