#include "judge/backends/llm/traffic.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "judge/backends/llm/reply.h"

enum {
    MARGIN_MS = 30, // before a deadline, so that the verdict still says what it cost
    PROMPT_TOKENS = 700, // of a first request, whose length nobody knows yet
    STUCK_MS = 5000,
    CHOICES_MOST = 32,
    ROOM_AGAIN = 16,           // requests: a budget with so much room is a new state
    SILENCE_MS = 10000,        // without an answer, until it is said
    SILENCE_AGAIN_MS = 300000, // between two such words: some servers are slow
    PACE_SHARE = 2 // of a deadline, how much of what limits let through is asked for
};

void traffic_open(struct traffic *t, const struct traffic_options *o,
                  const struct traffic_parts *p)
{
    const uint64_t now = clock_ms(p->clock);
    const struct rng_stream stream = {
        .seed = now ^ clock_wall_ms(), .role = RNG_JUDGE, .index = (uint32_t)getpid()};

    *t = (struct traffic){.options = *o,
                          .clock = p->clock,
                          .prompt = p->prompt,
                          .http = p->http,
                          .budget = p->budget,
                          .key = p->key,
                          .starting = true,
                          .inquiries = p->questions + 1};
    t->inquiry = mem_new((size_t)t->inquiries, sizeof(*t->inquiry));
    t->shots = mem_new((size_t)t->inquiries * SHOTS_MAX, sizeof(*t->shots));
    t->ids = mem_new((size_t)t->inquiries, sizeof(*t->ids));
    t->owner = mem_new((size_t)o->in_flight, sizeof(*t->owner));
    for (int i = 0; i < t->inquiries; i++) {
        t->inquiry[i].shot = &t->shots[(size_t)i * SHOTS_MAX];
    }
    t->quiet_ms = now;
    breaker_init(&t->breaker);
    pace_init(&t->pace, p->requests_a_minute, p->tokens_a_minute, now);
    rng_init_stream(&t->rng, &stream);
    t->typical = (struct budget_amount){
        .of = {1, (uint64_t)PROMPT_TOKENS + (uint64_t)o->max_tokens,
               tokens_cost(&o->prices, PROMPT_TOKENS, (uint64_t)o->max_tokens)}};
}

void traffic_close(struct traffic *t)
{
    for (int i = 0; i < t->inquiries; i++) {
        if (t->inquiry[i].used) {
            traffic_drop(t, &t->inquiry[i]);
        }
    }
    http_close(t->http);
    budget_close(t->budget);
    text_buf_release(&t->system);
    text_buf_release(&t->user);
    text_buf_release(&t->schema);
    mem_free(t->inquiry);
    mem_free(t->shots);
    mem_free(t->ids);
    mem_free(t->owner);
    *t = (struct traffic){.options = {0}};
}

/* ---- places ---- */

struct inquiry *traffic_place(struct traffic *t)
{
    for (int i = 1; i < t->inquiries; i++) {
        if (!t->inquiry[i].used) {
            return &t->inquiry[i];
        }
    }
    return NULL;
}

struct inquiry *traffic_own_place(struct traffic *t)
{
    return &t->inquiry[0];
}

struct inquiry *traffic_find(struct traffic *t, uint64_t question)
{
    for (int i = 1; i < t->inquiries; i++) {
        if (t->ids[i] == question && t->inquiry[i].used) {
            return &t->inquiry[i];
        }
    }
    return NULL;
}

void traffic_begin(struct traffic *t, struct inquiry *q,
                   const struct judge_question *question, int votes, int retries)
{
    inquiry_begin(q, question, prompt_style_of(t->prompt), votes, retries);
    t->ids[q - t->inquiry] = question->id;
    q->serial = ++t->serial;
    q->begun_ms = clock_ms(t->clock);
}

/* Nobody waits for what is still in flight. */
static void cancel(struct traffic *t, struct inquiry *q)
{
    for (int i = 0; i < q->shots; i++) {
        struct shot *s = &q->shot[i];
        if (s->state == SHOT_SENT) {
            http_cancel(t->http, s->handle);
            t->owner[s->handle] = (struct owner){NULL, NULL};
            reply_give_up(t, q, s);
        }
    }
}

void traffic_drop(struct traffic *t, struct inquiry *q)
{
    cancel(t, q);
    q->used = q->done = false;
}

/* ---- sending ---- */

static char *write_body(struct traffic *t, const struct inquiry *q,
                        const struct shot *s, size_t *text_bytes)
{
    uint8_t shown[ITEM_CAPTIONS_MAX];
    const char *choice[CHOICES_MOST];
    struct openai_request r = {.api = t->options.api,
                               .model = t->options.model,
                               .temperature = t->options.temperature,
                               .no_temperature = t->manner.no_temperature,
                               .completion_tokens = t->manner.completion_tokens,
                               .max_tokens = t->options.max_tokens,
                               .top_logprobs = t->manner.top_logprobs,
                               .form = t->manner.form,
                               .choice = choice};

    inquiry_shown(q, s, shown);
    prompt_fill(t->prompt, &q->question, shown, &t->system, &t->user);
    r.system = t->system.data;
    r.user = t->user.data;
    if (s->follow_up) {
        r.answered = s->answered;
        r.reminder = prompt_reminder(t->prompt);
    }
    if (r.form == FORM_SCHEMA) {
        prompt_schema(t->prompt, q->question.captions, &t->schema);
        r.schema = t->schema.data;
    } else if (r.form != FORM_TEXT) {
        r.choices =
            prompt_choices(t->prompt, q->question.captions, choice, CHOICES_MOST);
    }
    return openai_write(&r, text_bytes);
}

/* Says so once, until there is room for more than what requests under way give back. */
static void tell_full(struct traffic *t)
{
    static const char *const what[BUDGET_KINDS] = {"requests", "tokens", "money"};
    const struct budget_reached *r = &t->reached, *told = &t->reached_told;

    if (t->full_told && told->kind == r->kind && told->hourly == r->hourly) {
        return;
    }
    t->full_told = true;
    t->reached_told = *r;
    const double unit = r->kind == BUDGET_MICRO ? 1e-6 : 1;
    LOG_WARN("LLM-BUDGET",
             "the budget of %s%s, %.10g, has no room for another question (%.10g are "
             "used): asks nothing %s",
             what[r->kind], r->hourly ? " an hour" : "", (double)r->limit * unit,
             (double)r->used * unit, r->hourly ? "until the next hour" : "more");
}

static void take_room(struct traffic *t)
{
    t->full = false;
    if (t->full_told && budget_room(t->budget, &t->typical) >= ROOM_AGAIN) {
        t->full_told = false;
    }
}

/* Everything that may hold a request back; true: reserved, and it must be sent. */
static bool may_send(struct traffic *t, const struct tokens *expected,
                     struct budget_amount *need)
{
    const uint64_t now = clock_ms(t->clock);
    const uint32_t tokens = expected->in + expected->out;
    struct budget_reached reached;

    *need = (struct budget_amount){
        .of = {1, tokens,
               tokens_cost(&t->options.prices, expected->in, expected->out)}};
    if (now < t->stuck_until_ms || !breaker_may_send(&t->breaker, now) ||
        pace_wait_ms(&t->pace, tokens, now) > 0) {
        return false;
    }
    t->typical = *need;
    switch (budget_reserve(t->budget, need, clock_wall_ms(), &reached)) {
    case ST_OK:
        take_room(t);
        break;
    case ST_FULL:
        t->full = true;
        t->reached = reached;
        return false;
    case ST_AGAIN:
        return false;
    default: // logged by who wrote it; what is not written down is not spent
        t->stuck_until_ms = now + STUCK_MS;
        return false;
    }
    pace_take(&t->pace, tokens);
    breaker_sent(&t->breaker);
    return true;
}

static bool send_shot(struct traffic *t, struct inquiry *q, struct shot *s, int handle)
{
    const uint64_t now = clock_ms(t->clock);
    const uint64_t deadline = q->question.deadline_ns / 1000000;
    uint64_t timeout = t->options.timeout_ms;
    char *body = write_body(t, q, s, &s->text_bytes);
    const struct tokens expected =
        tokens_expect(s->text_bytes, (uint32_t)t->options.max_tokens);

    if (!may_send(t, &expected, &s->reserved)) {
        free(body);
        return false;
    }
    if (deadline > now && deadline - now < timeout) {
        timeout = deadline - now;
    }
    s->state = SHOT_SENT;
    s->handle = handle;
    t->owner[handle] = (struct owner){q, s};
    // A probe says nothing over a connection from before the server's fall.
    http_post_take(t->http, handle, body, timeout,
                   s->fresh || t->breaker.state == BREAKER_HALF_OPEN);
    return true;
}

/* Of one of its shots an answer has come or is on its way. */
static bool is_begun(const struct inquiry *q)
{
    for (int i = 0; i < q->shots; i++) {
        if (q->shot[i].state == SHOT_SENT || q->shot[i].state == SHOT_DONE) {
            return true;
        }
    }
    return false;
}

bool traffic_stop(struct traffic *t)
{
    t->stopping = true;
    for (int i = 1; i < t->inquiries; i++) {
        const struct inquiry *q = &t->inquiry[i];
        if (q->used && (q->done || is_begun(q))) {
            return true;
        }
    }
    return false;
}

/* Of the question that waits longest; NULL: none may go now. *waiting: one is there, now
 * or later. */
static struct shot *next_shot(struct traffic *t, struct inquiry **of, bool *waiting)
{
    const uint64_t now = clock_ms(t->clock);
    struct shot *best = NULL;

    for (int i = 0; i < t->inquiries; i++) {
        struct inquiry *q = &t->inquiry[i];
        if (!q->used || q->done || (t->stopping && !is_begun(q)) ||
            (best != NULL && q->serial > (*of)->serial)) {
            continue;
        }
        for (int k = 0; k < q->shots; k++) {
            struct shot *s = &q->shot[k];
            if (s->state != SHOT_READY) {
                continue;
            }
            *waiting = true;
            if (s->not_before_ms <= now) {
                best = s;
                *of = q;
                break;
            }
        }
    }
    return best;
}

/* Those of which something would still have to be sent. */
static void end_unaffordable(struct traffic *t)
{
    for (int i = 0; i < t->inquiries; i++) {
        struct inquiry *q = &t->inquiry[i];
        bool ready = false;
        for (int k = 0; q->used && !q->done && k < q->shots; k++) {
            ready = ready || q->shot[k].state == SHOT_READY;
        }
        if (ready) {
            text_format(q->why, sizeof(q->why), "the budget is used up");
            inquiry_end(q, VERDICT_OVERLOAD);
            cancel(t, q);
        }
    }
}

static bool send_what_may(struct traffic *t)
{
    struct inquiry *q = NULL;
    struct shot *s;
    bool waiting = false;
    int handle;

    while ((s = next_shot(t, &q, &waiting)) != NULL &&
           (handle = http_idle(t->http)) >= 0) {
        if (!send_shot(t, q, s, handle)) {
            // What is under way may give some of its reservation back.
            if (t->full && http_in_flight(t->http) == 0) {
                tell_full(t);
                end_unaffordable(t);
            }
            break;
        }
    }
    return waiting;
}

/* ---- each turn ---- */

static void end_late(struct traffic *t)
{
    const uint64_t now = clock_ns(t->clock) + (uint64_t)MARGIN_MS * 1000000;

    for (int i = 0; i < t->inquiries; i++) {
        struct inquiry *q = &t->inquiry[i];
        if (q->used && !q->done && now >= q->question.deadline_ns) {
            inquiry_end(q, VERDICT_TIMEOUT);
            cancel(t, q);
        }
    }
}

static void tell_breaker(struct traffic *t)
{
    const uint64_t now = clock_ms(t->clock);
    const enum breaker_state state = breaker_look(&t->breaker, now);

    if (t->starting) {
        return;
    }
    if (state == BREAKER_OPEN && t->told != BREAKER_OPEN) {
        LOG_WARN("LLM-BREAKER",
                 "the server fails (the last time: %s); asks nothing for %.1f s",
                 t->last_failure, (double)(t->breaker.until_ms - now) * 1e-3);
    } else if (state == BREAKER_CLOSED && t->told != BREAKER_CLOSED) {
        LOG_INFO("LLM-BREAKER", "the server answers again");
    }
    t->told = state;
}

/* A server that hangs shows nowhere before the first time-out. */
static void tell_silence(struct traffic *t)
{
    const uint64_t now = clock_ms(t->clock);
    const int waiting = http_in_flight(t->http);

    if (waiting == 0) {
        t->quiet_ms = now;
    } else if (!t->silent && now - t->quiet_ms >= SILENCE_MS) {
        t->silent = true;
        if (t->silence_told_ms == 0 || now - t->silence_told_ms >= SILENCE_AGAIN_MS) {
            t->silence_told_ms = now;
            t->silence_told = true;
            LOG_WARN("LLM-SILENCE",
                     "the server has answered nothing for %d s, %d requests wait; each "
                     "is given %.0f s",
                     SILENCE_MS / 1000, waiting, (double)t->options.timeout_ms * 1e-3);
        }
    }
}

static void hear(struct traffic *t, const struct http_result *r)
{
    if (r->end != HTTP_DONE) {
        return;
    }
    if (t->silence_told) {
        LOG_INFO("LLM-SILENCE", "the server answers again");
    }
    t->silent = t->silence_told = false;
}

bool traffic_turn(struct traffic *t)
{
    struct http_result r;

    while (http_next(t->http, &r)) {
        t->quiet_ms = clock_ms(t->clock);
        hear(t, &r);
        const struct owner o = t->owner[r.handle];
        CHECK(o.inquiry != NULL);
        t->owner[r.handle] = (struct owner){NULL, NULL};
        reply_take(t, o.inquiry, o.shot, &r);
        if (o.inquiry->done) {
            cancel(t, o.inquiry);
        }
    }
    end_late(t);
    const bool waiting = send_what_may(t);
    tell_breaker(t);
    tell_silence(t);
    return waiting || http_in_flight(t->http) > 0;
}

static bool open_for_questions(struct traffic *t)
{
    const uint64_t now = clock_ms(t->clock);
    struct budget_reached reached;

    if (now < t->stuck_until_ms || breaker_look(&t->breaker, now) != BREAKER_CLOSED) {
        return false;
    }
    if (budget_has_room(t->budget, &t->typical, clock_wall_ms(), &reached)) {
        take_room(t);
        return true;
    }
    t->full = true;
    t->reached = reached;
    if (http_in_flight(t->http) > 0) {
        return true; // for those that are held
    }
    tell_full(t);
    return false;
}

/* What the limits by the minute let through within half of a deadline: the other half is
 * for what must be sent again. */
static uint32_t paced(const struct traffic *t, uint64_t shots, uint32_t most)
{
    const double n = pace_within(&t->pace, (double)t->typical.of[BUDGET_TOKENS],
                                 t->options.deadline_ms) /
                     (PACE_SHARE * (double)shots);

    return n < 1 ? 1 : n < most ? (uint32_t)n : most;
}

uint32_t traffic_room(struct traffic *t, uint32_t most)
{
    const uint64_t shots =
        (uint64_t)t->options.votes * (prompt_style_of(t->prompt) >= STYLE_PAIR ? 2 : 1);
    uint64_t unsent = 0, held = 0;

    if (!open_for_questions(t)) {
        return 0;
    }
    const uint64_t room = budget_room(t->budget, &t->typical);
    most = paced(t, shots, most);
    if (room == UINT64_MAX) {
        return most;
    }
    for (int i = 1; i < t->inquiries; i++) {
        const struct inquiry *q = &t->inquiry[i];
        held += q->used && !q->done;
        for (int k = 0; q->used && !q->done && k < q->shots; k++) {
            unsent += q->shot[k].state == SHOT_READY;
        }
    }
    const uint64_t more = room > unsent ? (room - unsent) / shots : 0;
    return held + more < most ? (uint32_t)(held + more) : most;
}

enum judge_pause traffic_pause(const struct traffic *t)
{
    return !t->full            ? PAUSE_SERVER
           : t->reached.hourly ? PAUSE_BUDGET_HOUR
                               : PAUSE_BUDGET;
}
