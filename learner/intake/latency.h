#ifndef LEARNER_INTAKE_LATENCY_H
#define LEARNER_INTAKE_LATENCY_H
/* Durations in quarter octaves from 1 us on, for quantiles good to a tenth. One thread. */

#include <stdint.h>

enum { LATENCY_BINS = 160 };

struct latency {
    uint64_t bin[LATENCY_BINS], total;
};

void latency_add(struct latency *l, uint64_t ns);
double latency_quantile_ms(const struct latency *l, double q); // 0 when empty

#endif
