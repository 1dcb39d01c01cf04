#ifndef JUDGE_BACKENDS_LLM_PACE_H
#define JUDGE_BACKENDS_LLM_PACE_H
/* Limits on requests and tokens a minute. A bucket each, which holds a tenth of a minute's
 * worth and fills so slowly that no minute, wherever it begins, sees more than the limit
 * (tokens: than the limit by their estimates, which pace_settle() puts right after). One
 * thread; time comes in. */

#include <stdint.h>

struct pace_bucket {
    double most, level, per_ms; // most 0 = no limit
    uint64_t at_ms;
};

struct pace {
    struct pace_bucket requests, tokens;
};

/* Per minute; 0 = no limit. */
void pace_init(struct pace *p, double requests, double tokens, uint64_t now_ms);
/* Milliseconds until a request of so many tokens may go; 0 = now. */
uint64_t pace_wait_ms(struct pace *p, uint32_t tokens, uint64_t now_ms);
/* How many requests of so many tokens may go within so long, in the long run. */
double pace_within(const struct pace *p, double tokens, uint64_t ms);
void pace_take(struct pace *p, uint32_t tokens);
/* It used so many tokens and not as many as were taken. */
void pace_settle(struct pace *p, uint32_t taken, uint32_t used);

#endif
