#include "judge/backends/llm/reply.h"

#include <string.h>

#include "common/base/text.h"
#include "judge/backends/llm/backoff.h"

enum {
    TOPS_MOST = 24,
    KEY_REFUSED_MS = 60000, // until a refused key is tried again
    EXCERPT = 80
};

enum next { NEXT_ANSWER, NEXT_AGAIN, NEXT_NEVER };

struct reading {
    enum next next;
    enum verdict_kind kind; // when it ends here
    bool healthy;           // the server is there and works
    uint64_t wait_ms;       // that the server asks for
};

static struct reading again(enum verdict_kind kind)
{
    return (struct reading){.next = NEXT_AGAIN, .kind = kind};
}

/* Whether a code speaks of what was asked: the same would be said again, and another
 * caption may do. All others speak of the server, its settings and ours, and cost no caption
 * its label: it is asked again once they are mended. */
static bool is_of_question(int code)
{
    switch (code) {
    case 401: // the key
    case 402: // money
    case 404: // the model, the path
    case 405:
    case 407: // a proxy's key
    case 409:
    case 410:
    case 425:
    case 429:
        return false;
    default:
        return (code >= 400 && code < 500) || code == 501 || code == 505;
    }
}

static struct reading read_code(const struct http_result *r)
{
    struct reading out = again(VERDICT_OVERLOAD);

    if (r->code >= 200 && r->code < 300) {
        return (struct reading){.next = NEXT_ANSWER, .healthy = true};
    }
    switch (r->code) {
    case 408:
    case 504:
        out.kind = VERDICT_TIMEOUT;
        break;
    case 401:
        return (struct reading){.next = NEXT_NEVER, .kind = VERDICT_OVERLOAD};
    case 403: // of the key, or of a filter
        return again(VERDICT_REFUSED);
    default:
        if (is_of_question(r->code)) {
            return (struct reading){
                .next = NEXT_NEVER, .kind = VERDICT_REFUSED, .healthy = true};
        }
    }
    if (r->retry_after[0] != '\0' &&
        !backoff_retry_after(r->retry_after, (int64_t)(clock_wall_ms() / 1000),
                             &out.wait_ms)) {
        out.wait_ms = 0;
    }
    return out;
}

static struct reading read_end(const struct http_result *r)
{
    switch (r->end) {
    case HTTP_DONE:
        return read_code(r);
    case HTTP_TIMEOUT:
        return again(VERDICT_TIMEOUT);
    case HTTP_TOO_LARGE:
        return again(VERDICT_UNPARSEABLE);
    default:
        return again(VERDICT_OVERLOAD);
    }
}

/* ---- accounts ---- */

static void settle(struct traffic *t, struct inquiry *q, struct shot *s,
                   const struct tokens *used, bool sent)
{
    struct judge_verdict *v = &q->verdict;
    const uint64_t cost = tokens_cost(&t->options.prices, used->in, used->out);
    const struct budget_amount amount = {
        .of = {sent ? 1 : 0, (uint64_t)used->in + used->out, cost}};

    budget_settle(t->budget, &s->reserved, &amount);
    pace_settle(&t->pace, (uint32_t)s->reserved.of[BUDGET_TOKENS],
                (uint32_t)amount.of[BUDGET_TOKENS]);
    v->requests = (uint16_t)(v->requests + (sent ? 1 : 0));
    v->tokens_in += used->in;
    v->tokens_out += used->out;
    v->cost_micro += cost < UINT32_MAX ? (uint32_t)cost : UINT32_MAX;
    v->estimated = v->estimated || used->estimated;
    t->counters.requests += sent ? 1 : 0;
    t->counters.tokens_in += used->in;
    t->counters.tokens_out += used->out;
    t->counters.cost_micro += cost;
}

void reply_give_up(struct traffic *t, struct inquiry *q, struct shot *s)
{
    const struct tokens used = tokens_count(-1, -1, s->text_bytes, 0);

    settle(t, q, s, &used, true);
    breaker_cancelled(&t->breaker);
    s->state = SHOT_FAILED;
}

/* ---- failures ---- */

static void say_why(struct traffic *t, struct inquiry *q, const struct http_result *r,
                    const char *wrong)
{
    char said[WHY_MAX], scrubbed[WHY_MAX];

    q->code = r->end == HTTP_DONE ? r->code : 0;
    q->untrusted = r->end == HTTP_UNTRUSTED;
    q->not_openai = wrong != NULL;
    openai_error(r->body, said, sizeof(said));
    if (r->end != HTTP_DONE) {
        text_format(scrubbed, sizeof(scrubbed), "%s", r->error);
    } else if (wrong != NULL) {
        said[EXCERPT] = '\0';
        text_format(scrubbed, sizeof(scrubbed), "%s; got %d %.60s: %s", wrong, r->code,
                    r->type[0] != '\0' ? r->type : "of no type", said);
    } else if (r->code >= 300 && r->code < 400) {
        text_format(scrubbed, sizeof(scrubbed), "%d, a redirect to %.150s", r->code,
                    r->location[0] != '\0' ? r->location : "nowhere");
    } else {
        text_format(scrubbed, sizeof(scrubbed), "%d %s", r->code, said);
    }
    key_scrub(t->key, scrubbed, strlen(scrubbed));
    text_format(q->why, sizeof(q->why), "%s", scrubbed);
    text_format(t->last_failure, sizeof(t->last_failure), "%s", scrubbed);
    t->counters.failed++;
}

static void add_raw(struct traffic *t, struct inquiry *q, const struct shot *s,
                    const char *note, struct bytes text)
{
    const size_t from = inquiry_add_raw(q, s, note, text);

    key_scrub(t->key, q->verdict.raw + from, q->verdict.raw_len - from);
}

static void fail(struct traffic *t, struct inquiry *q, struct shot *s,
                 enum verdict_kind kind)
{
    add_raw(t, q, s, "failed,", bytes_text(q->why));
    inquiry_fail(q, s, kind);
}

static void ask_again(struct traffic *t, struct inquiry *q, struct shot *s,
                      const struct reading *reading)
{
    const uint64_t now = clock_ms(t->clock);
    uint64_t wait;

    s->attempt++;
    wait = backoff_ms(s->attempt, &t->rng);
    wait = reading->wait_ms > wait ? reading->wait_ms : wait;
    // What could be sent again only past the deadline had better be asked elsewhere.
    if (s->attempt > q->retries || now + wait >= q->question.deadline_ns / 1000000) {
        fail(t, q, s, reading->kind);
        return;
    }
    s->state = SHOT_READY;
    s->not_before_ms = now + wait;
}

/* ---- answers ---- */

static void parse(const struct traffic *t, const struct inquiry *q, struct bytes text,
                  struct parsed *out)
{
    switch (t->manner.form) {
    case FORM_SCHEMA:
        parse_structured(q->style, q->question.captions, text, out);
        return;
    case FORM_CHOICE:
    case FORM_GUIDED:
        parse_choice(q->style, q->question.captions, text, out);
        return;
    default:
        parse_text(q->style, q->question.captions, text, out);
    }
}

static bool soften(const struct traffic *t, const struct inquiry *q,
                   const struct openai_answer *a, const struct parsed *answer,
                   double *p)
{
    const char *token[TOPS_MOST];
    double logprob[TOPS_MOST];

    if (t->manner.top_logprobs == 0 || answer->len == 0) {
        return false;
    }
    const int n = openai_tops(a, answer->at, token, logprob, TOPS_MOST);
    return n > 0 && parse_logprobs(q->style, token, logprob, n, p);
}

/* Keeps the end of an answer, where the answer's line should have been. */
static void keep_end(struct traffic *t, struct shot *s, struct bytes text)
{
    size_t len = text.len < ANSWERED_MAX - 1 ? text.len : ANSWERED_MAX - 1;
    const char *from = (const char *)text.data + (text.len - len);

    while (len > 0 && ((uint8_t)*from & 0xc0) == 0x80) { // amid a letter
        from++;
        len--;
    }
    memcpy(s->answered, from, len);
    s->answered[len] = '\0';
    key_scrub(t->key, s->answered, len);
}

static void take_answer(struct traffic *t, struct inquiry *q, struct shot *s,
                        const struct openai_answer *a)
{
    struct parsed answer;
    double p = 0;

    q->cut = a->cut;
    if (a->refused) {
        text_format(q->why, sizeof(q->why), "the model or a filter refused to answer");
        add_raw(t, q, s, "refused,", a->text);
        inquiry_fail(q, s, VERDICT_REFUSED);
        return;
    }
    parse(t, q, a->text, &answer);
    if (answer.ok) {
        const bool soft = soften(t, q, a, &answer, &p);
        add_raw(t, q, s, "", a->text);
        inquiry_take(q, s, &answer, soft, p);
        return;
    }
    text_format(q->why, sizeof(q->why), "%s%s", answer.why,
                a->cut ? ", and it was cut at --llm-max-tokens" : "");
    add_raw(t, q, s, s->follow_up ? "unreadable again," : "unreadable,", a->text);
    if (s->follow_up || q->no_follow_up) {
        inquiry_fail(q, s, VERDICT_UNPARSEABLE);
        return;
    }
    s->follow_up = true;
    s->attempt = 0;
    s->not_before_ms = 0;
    s->state = SHOT_READY;
    keep_end(t, s, a->text);
    t->counters.follow_ups++;
}

/* Of what is no answer: nobody counts it, but no model said more than it may. */
static struct tokens unread(const struct traffic *t, const struct shot *s,
                            const struct http_result *r)
{
    struct tokens used = tokens_count(-1, -1, s->text_bytes, r->body.len);
    const uint32_t most = (uint32_t)t->options.max_tokens;

    used.out = used.out < most ? used.out : most;
    return used;
}

static void take_body(struct traffic *t, struct inquiry *q, struct shot *s,
                      const struct http_result *r)
{
    struct openai_answer a;
    const char *why = NULL;

    q->code = r->code;
    if (openai_read(t->options.api, r->body, &a, &why) != ST_OK) {
        const struct tokens used = unread(t, s, r);
        const struct reading bad = again(VERDICT_UNPARSEABLE);
        settle(t, q, s, &used, true);
        say_why(t, q, r, why);
        breaker_failed(&t->breaker, clock_ms(t->clock), 0, false);
        ask_again(t, q, s, &bad);
        return;
    }
    const struct tokens used =
        tokens_count(a.tokens_in, a.tokens_out, s->text_bytes, a.text.len);
    settle(t, q, s, &used, true);
    breaker_succeeded(&t->breaker);
    q->not_openai = q->untrusted = false;
    take_answer(t, q, s, &a);
    openai_answer_release(&a);
}

void reply_take(struct traffic *t, struct inquiry *q, struct shot *s,
                const struct http_result *r)
{
    const struct reading reading = read_end(r);
    const uint64_t now = clock_ms(t->clock);
    struct tokens used = {.estimated = false};

    if (reading.next == NEXT_ANSWER) {
        take_body(t, q, s, r);
        return;
    }
    if (r->end != HTTP_DONE && r->sent) {
        // Whether the server worked on it nobody says.
        used = unread(t, s, r);
    }
    settle(t, q, s, &used, r->sent);
    say_why(t, q, r, NULL);
    if (r->stale && !s->fresh) {
        // Says nothing of the server as it is now.
        breaker_cancelled(&t->breaker);
        s->fresh = true;
        if (++s->attempt > q->retries) {
            fail(t, q, s, VERDICT_OVERLOAD);
        } else {
            s->state = SHOT_READY;
        }
        return;
    }
    if (r->end == HTTP_DONE && r->code == 401) {
        breaker_trip(&t->breaker, now, KEY_REFUSED_MS);
    } else if (reading.healthy) {
        breaker_succeeded(&t->breaker);
    } else {
        breaker_failed(&t->breaker, now, reading.wait_ms, r->end == HTTP_UNREACHABLE);
    }
    if (reading.next == NEXT_AGAIN) {
        ask_again(t, q, s, &reading);
    } else {
        fail(t, q, s, reading.kind);
    }
}
