#ifndef JUDGE_BACKENDS_LLM_BACKOFF_H
#define JUDGE_BACKENDS_LLM_BACKOFF_H
/* How long to wait before a request is sent again. Any thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/rng.h"

enum { RETRY_AFTER_MOST_MS = 60000 };

/* Before attempt number `attempt` (1 = the first repetition): half a second, doubled each
 * time up to 30 s, of that a part drawn from [1/2, 1), so that many clients that failed
 * together do not come back together. */
uint64_t backoff_ms(int attempt, struct rng *rng);
/* The value of a Retry-After header, seconds or an HTTP date (RFC 9110, 5.6.7, in its
 * three forms), seen at now_s of calendar time; at most RETRY_AFTER_MOST_MS, a time that
 * has passed is 0. False: neither. */
bool backoff_retry_after(const char *value, int64_t now_s, uint64_t *ms);

#endif
