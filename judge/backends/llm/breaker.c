#include "judge/backends/llm/breaker.h"

void breaker_init(struct breaker *b)
{
    *b = (struct breaker){.state = BREAKER_CLOSED};
}

enum breaker_state breaker_look(struct breaker *b, uint64_t now_ms)
{
    if (b->state == BREAKER_OPEN && now_ms >= b->until_ms) {
        b->state = BREAKER_HALF_OPEN;
        b->probing = false;
    }
    return b->state;
}

bool breaker_may_send(struct breaker *b, uint64_t now_ms)
{
    switch (breaker_look(b, now_ms)) {
    case BREAKER_CLOSED:
        return true;
    case BREAKER_HALF_OPEN:
        return !b->probing;
    default:
        return false;
    }
}

void breaker_sent(struct breaker *b)
{
    if (b->state == BREAKER_HALF_OPEN) {
        b->probing = true;
    }
}

void breaker_succeeded(struct breaker *b)
{
    // What was under way when it opened says nothing of the probe's kind, but a server
    // that answers is one that answers.
    b->state = BREAKER_CLOSED;
    b->probing = false;
    b->failures = 0;
    b->pause_ms = 0;
}

static void open_for(struct breaker *b, uint64_t now_ms, uint64_t ms)
{
    b->state = BREAKER_OPEN;
    b->probing = false;
    b->failures = 0;
    b->until_ms = now_ms + ms;
    b->opened++;
}

/* The next pause: the first, or the last one doubled, within its bounds. */
static uint64_t pause_after(uint64_t last_ms, bool away)
{
    const uint64_t first = away ? BREAKER_AWAY_FIRST_MS : BREAKER_FIRST_MS;
    const uint64_t most = away ? BREAKER_AWAY_MOST_MS : BREAKER_MOST_MS;
    const uint64_t twice = 2 * last_ms;

    return twice < first ? first : twice < most ? twice : most;
}

void breaker_failed(struct breaker *b, uint64_t now_ms, uint64_t at_least_ms, bool away)
{
    const bool probe = breaker_look(b, now_ms) == BREAKER_HALF_OPEN && b->probing;

    if (b->state == BREAKER_OPEN || (b->state == BREAKER_HALF_OPEN && !probe)) {
        return; // sent before it opened
    }
    b->failures++;
    if (!probe && b->failures < BREAKER_FAILURES) {
        return;
    }
    b->pause_ms = pause_after(b->pause_ms, away);
    open_for(b, now_ms, at_least_ms > b->pause_ms ? at_least_ms : b->pause_ms);
}

void breaker_cancelled(struct breaker *b)
{
    b->probing = false;
}

void breaker_trip(struct breaker *b, uint64_t now_ms, uint64_t for_ms)
{
    if (b->state != BREAKER_OPEN || b->until_ms < now_ms + for_ms) {
        open_for(b, now_ms, for_ms);
    }
}
