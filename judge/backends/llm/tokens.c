#include "judge/backends/llm/tokens.h"

#include <math.h>

enum {
    BYTES_MOST = 8,      // of a token
    BYTES_FEW = 3,       // where nobody counts
    TEMPLATE_TOKENS = 32 // that a chat template adds
};

static uint32_t clamped(uint64_t n)
{
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static uint32_t count(int64_t reported, size_t bytes, bool *estimated)
{
    const uint64_t least = bytes / BYTES_MOST;

    if (reported < 0) {
        *estimated = true;
        return clamped(bytes / BYTES_FEW);
    }
    return clamped((uint64_t)reported > least ? (uint64_t)reported : least);
}

struct tokens tokens_count(int64_t reported_in, int64_t reported_out, size_t bytes_in,
                           size_t bytes_out)
{
    struct tokens t = {.estimated = false};

    t.in = count(reported_in, bytes_in, &t.estimated);
    t.out = count(reported_out, bytes_out, &t.estimated);
    return t;
}

struct tokens tokens_expect(size_t bytes_in, uint32_t most_out)
{
    return (struct tokens){.in = clamped(bytes_in / BYTES_FEW + TEMPLATE_TOKENS),
                           .out = most_out,
                           .estimated = true};
}

uint64_t tokens_cost(const struct prices *p, uint64_t in, uint64_t out)
{
    // A price per million tokens is one of millionths per token.
    return (uint64_t)ceil((double)in * p->in + (double)out * p->out - 1e-9);
}
