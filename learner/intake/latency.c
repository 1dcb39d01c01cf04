#include "learner/intake/latency.h"

#include <math.h>

void latency_add(struct latency *l, uint64_t ns)
{
    const double us = (double)ns / 1e3;
    int at = us > 1 ? (int)(4 * log2(us)) : 0;

    at = at < LATENCY_BINS ? at : LATENCY_BINS - 1;
    l->bin[at]++;
    l->total++;
}

double latency_quantile_ms(const struct latency *l, double q)
{
    const double wanted = q * (double)l->total;
    double below = 0;

    for (int i = 0; l->total > 0 && i < LATENCY_BINS; i++) {
        below += (double)l->bin[i];
        if (below >= wanted) {
            return exp2((i + 0.5) / 4) / 1e3; // the middle of the bin
        }
    }
    return 0;
}
