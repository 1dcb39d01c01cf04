#ifndef JUDGE_BACKENDS_LLM_OPENAI_H
#define JUDGE_BACKENDS_LLM_OPENAI_H
/* The bodies of OpenAI's protocol, chat and plain completion, written and read by
 * jansson. What comes is bytes from outside: bounded in size by http.h, in depth here.
 * Threads: any. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/status.h"

enum openai_api { API_CHAT, API_COMPLETION };

/* How the server is asked to hold the answer to a form. */
enum openai_form {
    FORM_TEXT,   // not at all
    FORM_SCHEMA, // response_format: OpenAI, vLLM, llama.cpp, Ollama
    FORM_CHOICE, // structured_outputs.choice: vLLM since 0.10
    FORM_GUIDED, // guided_choice: vLLM before 0.12
    FORMS
};
const char *openai_form_name(enum openai_form f); // for logs and digests

struct openai_request {
    enum openai_api api;
    const char *model;
    const char *system, *user;
    const char *answered, *reminder; // the follow-up to an answer; NULL = the first ask
    double temperature;
    bool no_temperature;    // the server allows its own alone
    bool completion_tokens; // it calls max_tokens max_completion_tokens
    int max_tokens;
    int top_logprobs; // 0 = none
    enum openai_form form;
    const char *schema; // FORM_SCHEMA: JSON
    const char *const *choice;
    int choices;
};

/* The body as JSON, yours to free(). *text_bytes: of the texts in it, which are what
 * becomes tokens. */
char *openai_write(const struct openai_request *r, size_t *text_bytes);

/* What an answer with code 200 says. Borrows nothing; openai_answer_release(). */
struct openai_answer {
    void *root;                    // the JSON
    struct bytes text;             // UTF-8, in root
    bool refused;                  // by the model, or by a filter before it
    bool cut;                      // at the most tokens
    int64_t tokens_in, tokens_out; // -1: not told
    const void *logprobs;          // in root, NULL: none
    enum openai_api api;
};

/* ST_CORRUPT: no answer of this protocol; *why is a static text: what was expected and
 * what is there. */
MUST_USE enum status openai_read(enum openai_api api, struct bytes body,
                                 struct openai_answer *out, const char **why);
void openai_answer_release(struct openai_answer *a);
/* The tokens that competed where byte `at` of the text is, at most `most`; 0: not told,
 * or tokens and text do not fit together. The texts live as long as the answer. */
int openai_tops(const struct openai_answer *a, size_t at, const char *token[],
                double logprob[], int most);
/* What an answer with another code says, cut and without control bytes: the protocol's
 * error message, or the body's beginning. */
void openai_error(struct bytes body, char *out, size_t size);

#endif
