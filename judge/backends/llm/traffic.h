#ifndef JUDGE_BACKENDS_LLM_TRAFFIC_H
#define JUDGE_BACKENDS_LLM_TRAFFIC_H
/* Which shot of which question is sent when, and what becomes of its answer: retries,
 * breaker, limits, budgets, follow-ups. Everything is made at open; one thread. */

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "judge/backends/llm/breaker.h"
#include "judge/backends/llm/budget.h"
#include "judge/backends/llm/http.h"
#include "judge/backends/llm/inquiry.h"
#include "judge/backends/llm/key.h"
#include "judge/backends/llm/openai.h"
#include "judge/backends/llm/pace.h"
#include "judge/backends/llm/prompt.h"
#include "judge/backends/llm/tokens.h"

/* How the server wants to be asked; found out at the start. */
struct manner {
    enum openai_form form;
    int top_logprobs;
    bool no_temperature, completion_tokens;
};

struct traffic_options {
    enum openai_api api;
    const char *model;
    int votes, in_flight, retries, max_tokens;
    double temperature;
    uint64_t timeout_ms;
    uint64_t deadline_ms; // of a question
    struct prices prices;
};

struct traffic_counters {
    uint64_t requests, failed, follow_ups, tokens_in, tokens_out, cost_micro;
};

/* Whose request a handle carries; NULL: nobody's. */
struct owner {
    struct inquiry *inquiry;
    struct shot *shot;
};

struct traffic {
    struct traffic_options options;
    struct manner manner;
    bool stopping; // nothing is sent of a question of which nothing was
    bool starting; // who finds that out says what goes wrong
    const struct clock *clock;
    struct prompt *prompt; // borrowed
    struct http *http;
    struct budget *budget;
    const struct key *key;
    struct breaker breaker;
    struct pace pace;
    struct rng rng;
    // inquiry[0] is the start's and the breaker's, the others the learner's.
    struct inquiry *inquiry;
    struct shot *shots; // (inquiries, SHOTS_MAX)
    uint64_t *ids; // (inquiries) of the questions, beside each other to be found fast
    int inquiries;
    uint64_t serial;
    struct owner *owner; // (in_flight): of each handle
    struct text_buf system, user, schema;
    struct budget_amount typical; // of the last request
    // A limit of the budget stands in the way; told: and that was said.
    bool full, full_told;
    struct budget_reached reached, reached_told;
    uint64_t quiet_ms; // no answer came since, though one is waited for
    uint64_t silence_told_ms;
    bool silent, silence_told; // for too long; and that was said
    uint64_t stuck_until_ms;   // the budget's file could not be written
    enum breaker_state told;
    struct traffic_counters counters;
    char last_failure[WHY_MAX];
};

struct traffic_parts {
    const struct clock *clock;
    struct prompt *prompt;
    struct http *http;     // taken
    struct budget *budget; // taken
    const struct key *key;
    double requests_a_minute, tokens_a_minute; // 0 = no limit
    int questions;                             // held at most
};

void traffic_open(struct traffic *t, const struct traffic_options *o,
                  const struct traffic_parts *p);
void traffic_close(struct traffic *t);
/* Takes what came, sends what may go. True: something is under way. */
bool traffic_turn(struct traffic *t);
/* A free place for a question, NULL: none; and for the start's. */
struct inquiry *traffic_place(struct traffic *t);
struct inquiry *traffic_own_place(struct traffic *t);
void traffic_begin(struct traffic *t, struct inquiry *q,
                   const struct judge_question *question, int votes, int retries);
struct inquiry *traffic_find(struct traffic *t, uint64_t question);
/* Forgets it; what is in flight is cancelled, and counted as paid. */
void traffic_drop(struct traffic *t, struct inquiry *q);
/* Begins no more questions; true while some that were begun have no verdict fetched. */
bool traffic_stop(struct traffic *t);
/* How many questions may be held, up to `most`: none while the breaker is open, no more
 * than the budgets have room for, and no more than limits by the minute let through well
 * within a deadline. */
uint32_t traffic_room(struct traffic *t, uint32_t most);
/* Why that is none, as seen last. */
enum judge_pause traffic_pause(const struct traffic *t);

#endif
