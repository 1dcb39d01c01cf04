#include "learner/reward/rnd_returns.h"

#include <math.h>
#include <stddef.h>

void rnd_returns_add(struct rnd_returns *sums, const float *error, int T, int stride,
                     double gamma)
{
    double p = 0, g = 1;

    for (size_t t = 0; t < (size_t)T; t++) {
        p = gamma * p + (double)error[t * (size_t)stride];
        g *= gamma;
        sums->p += p;
        sums->gp += g * p;
        sums->p2 += p * p;
    }
}

double rnd_returns_deviation(const struct rnd_returns *mean, int T, double gamma)
{
    double g1 = 0, g2 = 0, g = 1;

    for (int t = 0; t < T; t++) {
        g *= gamma;
        g1 += g / T;
        g2 += g * g / T;
    }
    const double M = mean->p / (1 - g1);
    const double Q = (mean->p2 + 2 * M * mean->gp) / (1 - g2);
    return sqrt(fmax(Q - M * M, 0));
}
