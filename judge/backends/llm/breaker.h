#ifndef JUDGE_BACKENDS_LLM_BREAKER_H
#define JUDGE_BACKENDS_LLM_BREAKER_H
/* Whether a server is worth a request. After BREAKER_FAILURES failures in a row, with no
 * success between, it opens: nothing is sent for a while (5 s, doubled up to 60 s; 1 s,
 * doubled up to 10 s while there is no connection, which costs nobody anything). Then
 * it is half open: one request at a time goes out as a probe; a success closes it, a
 * failure opens it again. One thread; time comes in. */

#include <stdbool.h>
#include <stdint.h>

enum {
    BREAKER_FAILURES = 10,
    BREAKER_FIRST_MS = 5000,
    BREAKER_MOST_MS = 60000,
    BREAKER_AWAY_FIRST_MS = 1000,
    BREAKER_AWAY_MOST_MS = 10000,
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker {
    enum breaker_state state;
    bool probing;
    int failures;
    uint64_t pause_ms, until_ms; // until_ms: of the open state
    uint64_t opened;             // times, for metrics
};

void breaker_init(struct breaker *b);
/* The state at now_ms: an open one whose time is over is half open. */
enum breaker_state breaker_look(struct breaker *b, uint64_t now_ms);
/* Whether a request may be sent now; true in the half-open state is the probe's turn. */
bool breaker_may_send(struct breaker *b, uint64_t now_ms);
/* The request was sent; say how each one ended. A cancelled one: breaker_cancelled(). */
void breaker_sent(struct breaker *b);
void breaker_succeeded(struct breaker *b);
/* at_least_ms: what the server asked for (Retry-After); 0 = nothing. away: there was no
 * connection. */
void breaker_failed(struct breaker *b, uint64_t now_ms, uint64_t at_least_ms,
                    bool away);
void breaker_cancelled(struct breaker *b);
/* Opens at once, for so long: a key that was refused. */
void breaker_trip(struct breaker *b, uint64_t now_ms, uint64_t for_ms);

#endif
