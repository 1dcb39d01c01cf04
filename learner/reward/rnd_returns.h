#ifndef LEARNER_REWARD_RND_RETURNS_H
#define LEARNER_REWARD_RND_RETURNS_H
/* The deviation of the discounted return of a stream of rewards,
 *   R_t = gamma R_{t-1} + e_t,
 * which goes on for ever over the ends of episodes (Burda et al. 2018, section 2.4), from
 * segments of T steps whose past is not known. With g_t = gamma^{t+1}, t = 0..T-1 in the
 * segment, and p_t the same sum begun at 0 with the segment, R_t = g_t R_{-1} + p_t. R_{-1}
 * is taken for a draw from the stream's own distribution (mean M, second moment Q),
 * independent of the segment; then over all rows
 *   M = E[g] M + E[p]                             ->  M = E[p] / (1 - E[g])
 *   Q = E[g^2] Q + 2 M E[g p] + E[p^2]            ->  Q
 * and the deviation is sqrt(Q - M^2): exact where rewards of two segments are independent,
 * a little low where they hang together. No state per environment is kept, so that it does
 * not matter which rank or actor a segment comes from. Numeric kernel; any thread. */

/* Means over rows. */
struct rnd_returns {
    double p, gp, p2; // of p_t, g_t p_t, p_t^2
};

/* Adds the sums over T steps of one segment; step t is error[t * stride]. */
void rnd_returns_add(struct rnd_returns *sums, const float *error, int T, int stride,
                     double gamma);
/* From means; never below 0. gamma < 1. */
double rnd_returns_deviation(const struct rnd_returns *mean, int T, double gamma);

#endif
