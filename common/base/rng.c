#include "common/base/rng.h"

#include <math.h>

void rng_init(struct rng *r, uint64_t seed)
{
    r->state = seed;
}

/* One more word into a running digest: splitmix64's own output function after each
 * word, so that neighbours in any field land far apart on the one 2^64 cycle that all
 * streams share. n streams of length L meet with a chance of about n^2 L / 2^64. */
static uint64_t mix(uint64_t h, uint64_t word)
{
    struct rng r = {h ^ word};

    return rng_next(&r);
}

void rng_init_stream(struct rng *r, const struct rng_stream *s)
{
    uint64_t h = mix(0, s->seed);

    h = mix(h, (uint64_t)s->role << 32 | s->index);
    h = mix(h, (uint64_t)s->incarnation << 32 | s->env);
    r->state = mix(h, s->episode);
}

float rng_normal(struct rng *r)
{
    const double two_pi = 6.283185307179586;
    const double u = ((double)(rng_next(r) >> 11) + 0.5) * 0x1p-53; // in (0, 1)
    const double v = (double)(rng_next(r) >> 11) * 0x1p-53;

    return (float)(sqrt(-2.0 * log(u)) * cos(two_pi * v));
}
