#include "judge/backends/llm/discovery.h"

#include <string.h>

#include "common/base/text.h"
#include "judge/backends/llm/backoff.h"

enum {
    TOP_LOGPROBS = 5, // OpenAI allows 20, vLLM 20, completions 5
    TRIES = 2,        // of one form: one bad answer says little about it
    DEADLINE_MS = 120000,
    TELL_MS = 30000,
    BUDGET_MS = 60000 // until a budget that was used up at the start is looked at again
};

static bool form_fits(const struct traffic *t, enum openai_form form)
{
    const char *word[PROMPT_CHOICES_MOST];

    const enum prompt_style style = prompt_style_of(t->prompt);
    // Of eight captions there are too many orders for a choice.
    const int captions = style == STYLE_ORDER  ? ITEM_CAPTIONS_MAX
                         : style == STYLE_PAIR ? 2
                                               : 1;
    return form == FORM_TEXT || form == FORM_SCHEMA ||
           prompt_choices(t->prompt, captions, word, PROMPT_CHOICES_MOST) > 0;
}

static void add(struct discovery *d, enum openai_form form, bool logprobs)
{
    if (logprobs) {
        d->candidate[d->candidates++] = (struct candidate){form, TOP_LOGPROBS};
    }
    d->candidate[d->candidates++] = (struct candidate){form, 0};
}

void discovery_init(struct discovery *d, const struct traffic *t,
                    const char *structured, bool logprobs, const char *shown,
                    bool has_key)
{
    static const struct {
        const char *name;
        enum openai_form form;
    } tried[] = {{"schema", FORM_SCHEMA},
                 {"choice", FORM_CHOICE},
                 {"choice", FORM_GUIDED},
                 {"text", FORM_TEXT}};

    *d = (struct discovery){.shown = shown,
                            .has_key = has_key,
                            .since_ms = clock_ms(t->clock),
                            .told_ms = clock_ms(t->clock)};
    for (int i = 0; i < FORMS; i++) {
        if ((strcmp(structured, "auto") == 0 ||
             strcmp(structured, tried[i].name) == 0) &&
            form_fits(t, tried[i].form)) {
            add(d, tried[i].form, logprobs);
        }
    }
    if (d->candidates == 0) {
        LOG_WARN("LLM-FORM", "no choice of words is possible with this style and "
                             "reasoning; answers are free text");
        add(d, FORM_TEXT, logprobs);
    }
}

/* ---- the question ---- */

static void set_caption(struct judge_caption *c, const char *text)
{
    text_format(c->text, sizeof(c->text), "%s", text);
    c->len = (uint8_t)strlen(c->text);
    c->truth = -1;
    c->strength = 0;
}

void discovery_ask(struct traffic *t, int retries, uint64_t deadline_ms)
{
    static const char *const said[] = {"You climb down the stairs.", "It's a wall.",
                                       "You hear some noises in the distance."};
    const enum prompt_style style = prompt_style_of(t->prompt);
    const int captions = style == STYLE_ORDER ? 3 : style == STYLE_PAIR ? 2 : 1;
    struct judge_caption caption[3];
    const struct judge_question q = {
        .kind = captions > 1 ? QUESTION_ORDER : QUESTION_RATE,
        .purpose = PURPOSE_PROBE,
        .captions = captions,
        .caption = caption,
        .taken_ns = clock_ns(t->clock),
        .deadline_ns = clock_ns(t->clock) + deadline_ms * 1000000};

    for (int i = 0; i < captions; i++) {
        set_caption(&caption[i], said[i]);
    }
    traffic_begin(t, traffic_own_place(t), &q, 1, retries);
}

static enum prompt_mode mode_of(enum openai_form form)
{
    return form == FORM_TEXT     ? MODE_TEXT
           : form == FORM_SCHEMA ? MODE_SCHEMA
                                 : MODE_CHOICE;
}

static void ask(struct discovery *d, struct traffic *t)
{
    const struct candidate *c = &d->candidate[d->at];

    t->manner.form = c->form;
    t->manner.top_logprobs = c->top_logprobs;
    prompt_set_mode(t->prompt, mode_of(c->form));
    discovery_ask(t, 0, DEADLINE_MS);
    // A form that the server ignores shows in an answer that is not of it.
    traffic_own_place(t)->no_follow_up = c->form != FORM_TEXT;
    d->asking = true;
}

/* ---- what came of it ---- */

static enum status give_up(const struct discovery *d, const char *what, const char *why)
{
    LOG_ERROR("LLM-SERVER", "%s: %s (%s)", d->shown, what, why);
    return ST_INVALID;
}

static enum status wait_for_server(struct discovery *d, struct traffic *t,
                                   const struct inquiry *q)
{
    const uint64_t now = clock_ms(t->clock);
    uint64_t wait;

    wait = backoff_ms(++d->failures, &t->rng);
    // A connection that is refused costs nobody anything.
    if (q->verdict.requests == 0 && wait > BREAKER_AWAY_MOST_MS) {
        wait = BREAKER_AWAY_MOST_MS;
    }
    d->not_before_ms = now + wait;
    if (d->failures == 1 || now - d->told_ms >= TELL_MS) {
        LOG_WARN("LLM-WAIT", "%s does not answer yet (%s); asks nothing until it does",
                 d->shown, q->why[0] != '\0' ? q->why : "not in time");
        d->told_ms = now;
    }
    return ST_AGAIN;
}

static void accept(struct discovery *d, struct traffic *t, const struct inquiry *q)
{
    const bool soft = q->shot[0].state == SHOT_DONE && q->shot[0].soft;
    const bool answered =
        q->verdict.kind == VERDICT_LABEL || q->verdict.kind == VERDICT_TIE;

    // Asked for in vain they cost the server work.
    if (!soft) {
        t->manner.top_logprobs = 0;
    }
    LOG_INFO("LLM-START",
             "%s answered the first question at %s in %.2f s with %u and %u tokens%s; "
             "form of the answers: %s, %s",
             t->options.model, d->shown,
             (double)(clock_ms(t->clock) - q->begun_ms) * 1e-3, q->verdict.tokens_in,
             q->verdict.tokens_out, q->verdict.estimated ? " (estimated)" : "",
             openai_form_name(t->manner.form),
             soft ? "with log-probabilities" : "without log-probabilities");
    if (!answered) {
        LOG_WARN("LLM-START", "that answer could not be read (%s): %.*s", q->why,
                 q->verdict.raw_len < 200 ? q->verdict.raw_len : 200, q->verdict.raw);
    }
    t->starting = false;
    d->done = true;
}

/* The next form; past the last one there is none, or it was the server's fault. */
static enum status next_form(struct discovery *d, struct traffic *t,
                             const struct inquiry *q)
{
    LOG_INFO("LLM-FORM", "%s does not take %s answers%s (%s)", d->shown,
             openai_form_name(d->candidate[d->at].form),
             d->candidate[d->at].top_logprobs > 0 ? " with log-probabilities" : "",
             q->why);
    d->tries = 0;
    if (++d->at < d->candidates) {
        return ST_OK;
    }
    d->at = 0;
    if (d->failed_within) {
        d->failed_within = false;
        return wait_for_server(d, t, q);
    }
    return give_up(d, "the server takes none of the forms of a question", q->why);
}

/* Some models have other names for a setting, or none. True: the same form again. */
static bool learn_manner(struct traffic *t, const struct inquiry *q)
{
    if (q->code != 400 && q->code != 422) {
        return false;
    }
    if (!t->manner.completion_tokens &&
        strstr(q->why, "max_completion_tokens") != NULL) {
        t->manner.completion_tokens = true;
        return true;
    }
    if (!t->manner.no_temperature && strstr(q->why, "temperature") != NULL) {
        t->manner.no_temperature = true;
        return true;
    }
    return false;
}

static enum status take_unreadable(struct discovery *d, struct traffic *t,
                                   const struct inquiry *q)
{
    if (++d->tries < TRIES) {
        return ST_OK;
    }
    if (d->candidate[d->at].form != FORM_TEXT) {
        return d->at + 1 < d->candidates
                   ? next_form(d, t, q)
                   : give_up(
                         d,
                         "the server takes --llm-structured and does not keep to it; "
                         "auto or text does without",
                         q->why);
    }
    // The server is one; its model may do better with other captions.
    accept(d, t, q);
    return ST_OK;
}

static enum status take_code(struct discovery *d, struct traffic *t,
                             const struct inquiry *q)
{
    switch (q->code) {
    case 401:
    case 403:
        return give_up(d,
                       d->has_key
                           ? "the server refuses the key"
                           : "the server wants a key; export it as OPENAI_API_KEY, "
                             "or name its variable with --llm-key-env",
                       q->why);
    case 404:
    case 405:
    case 410:
        return give_up(d,
                       "nothing answers questions there, or it has no such model; the "
                       "address mostly ends with /v1, see --llm-url and --llm-model",
                       q->why);
    case 408:
    case 425:
    case 429:
    case 503:
    case 504:
        return wait_for_server(d, t, q);
    default:
        break;
    }
    if (q->code >= 300 && q->code < 400) {
        return give_up(d,
                       "a redirect, which is not followed: give the address that it "
                       "leads to",
                       q->why);
    }
    if (q->code >= 500 && ++d->tries < TRIES) {
        return wait_for_server(d, t, q);
    }
    d->failed_within = d->failed_within || q->code >= 500;
    return learn_manner(t, q) ? ST_OK : next_form(d, t, q);
}

static enum status take_result(struct discovery *d, struct traffic *t,
                               struct inquiry *q)
{
    const enum verdict_kind kind = q->verdict.kind;

    if (kind == VERDICT_LABEL || kind == VERDICT_TIE) {
        // A form with log-probabilities that come not is the same without them.
        accept(d, t, q);
        return ST_OK;
    }
    if (t->full) {
        d->not_before_ms = clock_ms(t->clock) + BUDGET_MS;
        return ST_AGAIN;
    }
    if (q->untrusted) {
        return give_up(d,
                       "the server's certificate is not to be trusted; SSL_CERT_FILE "
                       "names other authorities",
                       q->why);
    }
    if (q->not_openai) {
        if (++d->tries <= TRIES) {
            return wait_for_server(d, t, q);
        }
        return give_up(d, "not a server of OpenAI's protocol", q->why);
    }
    if (q->code == 0) {
        return wait_for_server(d, t, q);
    }
    d->failures = 0;
    if (q->code >= 200 && q->code < 300) {
        return take_unreadable(d, t, q);
    }
    return take_code(d, t, q);
}

enum status discovery_turn(struct discovery *d, struct traffic *t)
{
    struct inquiry *q = traffic_own_place(t);
    enum status st = ST_OK;

    if (d->asking) {
        if (!q->done) {
            return ST_OK;
        }
        d->asking = false;
        st = take_result(d, t, q);
        traffic_drop(t, q);
    }
    if (!d->done && st != ST_INVALID && clock_ms(t->clock) >= d->not_before_ms) {
        ask(d, t);
        return ST_OK;
    }
    return st;
}
