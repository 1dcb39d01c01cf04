#ifndef JUDGE_BACKENDS_SIM_NOISE_H
#define JUDGE_BACKENDS_SIM_NOISE_H
/* How a simulated judge errs. Every draw is a function of the seed, of what is drawn and
 * of what it is drawn for; nothing is remembered, so the order in which questions come
 * does not matter, and the same question (same id) is always answered alike. One
 * thread. */

#include "judge/backends/sim/knobs.h"
#include "judge/judge.h"

/* Uniform in [0, 1), by the text and the seed alone. */
double sim_draw(const struct judge_caption *c, uint64_t seed);

/* Whether this judge always tells the opposite about c: one of the share `flipped` of all
 * captions, or of those that the adversary lies about, but not both. */
bool noise_lies(const struct sim_knobs *k, uint64_t seed, const struct judge_caption *c,
                double flipped);

/* Rates: `truth` (0 or 1) through the votes. */
void noise_rate(const struct sim_knobs *k, uint64_t seed,
                const struct judge_question *q, double truth, struct judge_verdict *v);
/* Orders by score (captions), the larger the better, through votes and orders. */
void noise_order(const struct sim_knobs *k, uint64_t seed,
                 const struct judge_question *q, const double *score,
                 struct judge_verdict *v);

/* True: *v holds a failure, or nonsense that no reader should take for an answer. */
bool noise_fails(const struct sim_knobs *k, uint64_t seed,
                 const struct judge_question *q, struct judge_verdict *v);

/* Seconds until q is answered: log-normal through median and p99, capped. */
double noise_latency_s(const struct sim_knobs *k, uint64_t seed,
                       const struct judge_question *q);

#endif
