#ifndef COMMON_BASE_RNG_H
#define COMMON_BASE_RNG_H
/* Chance comes from here alone: splitmix64 (Steele, Lea, Flood 2014), one stream per
 * (run seed, role, index, incarnation, environment, episode). The same stream gives
 * the same numbers on every machine. Not thread-safe: a stream has one owner. */

#include <stdint.h>

struct rng {
    uint64_t state;
};

enum rng_role {
    RNG_ACTOR = 1, // action sampling
    RNG_ENV = 2,   // the game itself
    RNG_TEXT = 3,  // ambient text, apart so that captions do not disturb maps
    RNG_LEARNER = 4,
    RNG_JUDGE = 5,
    RNG_INIT = 6, // initial weights
    RNG_EVAL = 7,
    RNG_TEST = 8
};

struct rng_stream {
    uint64_t seed;
    uint32_t role, index, incarnation, env;
    uint64_t episode;
};

void rng_init(struct rng *r, uint64_t seed);
void rng_init_stream(struct rng *r, const struct rng_stream *s);

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in [0, n), n >= 1 (multiply-shift on the upper 32 bits; integer only). */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
    return (uint32_t)(((rng_next(r) >> 32) * (uint64_t)n) >> 32);
}

/* Uniform in [0, 1), 24 bits. */
static inline float rng_float(struct rng *r)
{
    return (float)(rng_next(r) >> 40) * 0x1p-24f;
}

/* Standard normal (Box-Muller), double inside. */
float rng_normal(struct rng *r);

#endif
