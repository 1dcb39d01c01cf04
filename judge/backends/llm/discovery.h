#ifndef JUDGE_BACKENDS_LLM_DISCOVERY_H
#define JUDGE_BACKENDS_LLM_DISCOVERY_H
/* The start: one real question, asked until the server's work really came to an end once,
 * in the best form that it takes: an object of a schema, one of some words, else free
 * text, each with log-probabilities first where they are wanted. What only an answer to
 * that question can tell is told here: no server of this protocol, no such model, a key
 * refused. A server that is not there yet is waited for. One thread. */

#include "judge/backends/llm/traffic.h"

enum { CANDIDATES_MAX = 2 * FORMS };

struct candidate {
    enum openai_form form;
    int top_logprobs;
};

struct discovery {
    const char *shown; // the URL, for logs
    bool has_key, done;
    struct candidate candidate[CANDIDATES_MAX];
    int candidates, at, tries, failures; // failures: since the last word of the server
    bool asking, failed_within;          // failed_within: a candidate ended with a 5xx
    uint64_t not_before_ms, told_ms, since_ms;
};

/* `structured` is auto, schema, choice or text. */
void discovery_init(struct discovery *d, const struct traffic *t,
                    const char *structured, bool logprobs, const char *shown,
                    bool has_key);
/* ST_OK: under way; ST_AGAIN: waits; ST_INVALID (logged): the user must mend something.
 * d->done: t->manner and the prompt's mode are set. */
MUST_USE enum status discovery_turn(struct discovery *d, struct traffic *t);
/* The start's question of this style, for the breaker's probe too. */
void discovery_ask(struct traffic *t, int retries, uint64_t deadline_ms);

#endif
