#ifndef JUDGE_BACKENDS_LLM_TOKENS_H
#define JUDGE_BACKENDS_LLM_TOKENS_H
/* What a request costs, in tokens and money. A server's own count is believed only
 * upwards: a token has at most eight bytes or so, so a count below bytes / 8 is none;
 * without a count it is bytes / 3, which is more than most texts have. Any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prices {
    double in, out; // of the currency, per million tokens
};

struct tokens {
    uint32_t in, out;
    bool estimated;
};

/* Of a request with so many bytes of text in it and in its answer; reported < 0 = the
 * server did not say. */
struct tokens tokens_count(int64_t reported_in, int64_t reported_out, size_t bytes_in,
                           size_t bytes_out);
/* Before it is sent: the most that it should use. */
struct tokens tokens_expect(size_t bytes_in, uint32_t most_out);
/* Millionths of the currency, rounded up. */
uint64_t tokens_cost(const struct prices *p, uint64_t in, uint64_t out);

#endif
