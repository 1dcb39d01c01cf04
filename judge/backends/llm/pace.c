#include "judge/backends/llm/pace.h"

#include <math.h>

enum { MINUTE_MS = 60000, TENTH = 10 };

static struct pace_bucket bucket(double a_minute, uint64_t now_ms)
{
    const double tenth = a_minute / TENTH;
    // Burst and refill of any minute together are the limit; a bucket of one is refilled
    // within its share of the minute, so that it counts as no burst.
    const double most = tenth > 1 ? tenth : 1;
    const double refill = most > 1 ? a_minute - most : a_minute;

    if (a_minute <= 0) {
        return (struct pace_bucket){.most = 0};
    }
    return (struct pace_bucket){
        .most = most, .level = most, .per_ms = refill / MINUTE_MS, .at_ms = now_ms};
}

void pace_init(struct pace *p, double requests, double tokens, uint64_t now_ms)
{
    p->requests = bucket(requests, now_ms);
    p->tokens = bucket(tokens, now_ms);
}

static uint64_t wait_ms(struct pace_bucket *b, double need, uint64_t now_ms)
{
    if (b->most <= 0) {
        return 0;
    }
    b->level = fmin(b->most, b->level + (double)(now_ms - b->at_ms) * b->per_ms);
    b->at_ms = now_ms;
    // What is larger than the bucket goes when it is full, and leaves a debt.
    const double lacks = fmin(need, b->most) - b->level;
    return lacks <= 1e-9 ? 0 : (uint64_t)ceil(lacks / b->per_ms);
}

uint64_t pace_wait_ms(struct pace *p, uint32_t tokens, uint64_t now_ms)
{
    const uint64_t a = wait_ms(&p->requests, 1, now_ms);
    const uint64_t b = wait_ms(&p->tokens, tokens, now_ms);

    return a > b ? a : b;
}

double pace_within(const struct pace *p, double tokens, uint64_t ms)
{
    const double requests = p->requests.most > 0 ? p->requests.per_ms : INFINITY;
    const double of_tokens =
        p->tokens.most > 0 && tokens > 0 ? p->tokens.per_ms / tokens : INFINITY;

    return (double)ms * fmin(requests, of_tokens);
}

void pace_take(struct pace *p, uint32_t tokens)
{
    p->requests.level -= 1;
    p->tokens.level -= tokens;
}

void pace_settle(struct pace *p, uint32_t taken, uint32_t used)
{
    p->tokens.level += (double)taken - (double)used;
}
