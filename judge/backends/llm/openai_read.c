#include <jansson.h>
#include <string.h>

#include "common/base/text.h"
#include "judge/backends/llm/openai.h"

enum { DEPTH_MOST = 32 }; // log-probabilities lie eight deep

/* jansson goes 2048 deep, on the stack. */
static bool is_shallow(struct bytes body)
{
    const char *c = body.data;
    bool quoted = false;
    int depth = 0;

    for (size_t i = 0; i < body.len; i++) {
        if (quoted) {
            if (c[i] == '\\') {
                i++;
            } else if (c[i] == '"') {
                quoted = false;
            }
        } else if (c[i] == '"') {
            quoted = true;
        } else if (c[i] == '{' || c[i] == '[') {
            if (++depth > DEPTH_MOST) {
                return false;
            }
        } else if (c[i] == '}' || c[i] == ']') {
            depth--;
        }
    }
    return true;
}

static json_t *load(struct bytes body)
{
    return body.len > 0 && is_shallow(body)
               ? json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES, NULL)
               : NULL;
}

static int64_t count_of(const json_t *usage, const char *name)
{
    const json_t *n = json_object_get(usage, name);

    return json_is_integer(n) && json_integer_value(n) >= 0 ? json_integer_value(n)
                                                            : -1;
}

static const char *read_choice(const json_t *choice, struct openai_answer *out)
{
    const json_t *message = json_object_get(choice, "message");
    const json_t *text = out->api == API_CHAT ? json_object_get(message, "content")
                                              : json_object_get(choice, "text");
    const json_t *reason = json_object_get(choice, "finish_reason");
    const json_t *refusal = json_object_get(message, "refusal");

    out->logprobs = json_object_get(choice, "logprobs");
    if (json_is_string(reason)) {
        out->cut = strcmp(json_string_value(reason), "length") == 0;
        out->refused = strcmp(json_string_value(reason), "content_filter") == 0;
    }
    out->refused =
        out->refused || (json_is_string(refusal) && json_string_length(refusal) > 0);
    out->text = bytes_text("");
    if (json_is_string(text)) {
        out->text = bytes_of(json_string_value(text), json_string_length(text));
    } else if (json_is_string(refusal)) {
        out->text = bytes_of(json_string_value(refusal), json_string_length(refusal));
    } else if (!out->refused && !json_is_null(text)) {
        // A model that spent everything on its hidden thoughts says null.
        return "expected choices with a text, the first has none";
    }
    return NULL;
}

enum status openai_read(enum openai_api api, struct bytes body,
                        struct openai_answer *out, const char **why)
{
    json_t *root = load(body);
    const json_t *choices = json_object_get(root, "choices");
    const json_t *usage = json_object_get(root, "usage");

    *out = (struct openai_answer){.root = root,
                                  .api = api,
                                  .tokens_in = count_of(usage, "prompt_tokens"),
                                  .tokens_out = count_of(usage, "completion_tokens")};
    if (root == NULL) {
        *why = body.len == 0
                   ? "expected a JSON object with choices, the body is empty"
                   : "expected a JSON object with choices, the body is no JSON";
    } else if (!json_is_array(choices)) {
        *why = "expected a JSON object with choices, there are none in it";
    } else if (json_array_size(choices) == 0) {
        *why = "expected one choice, the list is empty";
    } else {
        *why = read_choice(json_array_get(choices, 0), out);
        if (*why == NULL) {
            return ST_OK;
        }
    }
    openai_answer_release(out);
    return ST_CORRUPT;
}

void openai_answer_release(struct openai_answer *a)
{
    json_decref(a->root);
    a->root = NULL;
    a->logprobs = NULL;
    a->text = bytes_text("");
}

/* Whether this token's text is what stands at *offset of the answer and covers `at`; moves
 * on otherwise. -1: it does not fit. */
static int covers(const struct openai_answer *a, const char *token, size_t at,
                  size_t *offset)
{
    const size_t len = strlen(token);

    if (len > a->text.len - *offset ||
        memcmp((const char *)a->text.data + *offset, token, len) != 0) {
        return -1;
    }
    if (at < *offset + len) {
        return 1;
    }
    *offset += len;
    return 0;
}

static int add_top(const json_t *token, const json_t *logprob, const char *tokens[],
                   double logprobs[], int n)
{
    if (!json_is_string(token) || !json_is_number(logprob)) {
        return n;
    }
    tokens[n] = json_string_value(token);
    logprobs[n] = json_number_value(logprob);
    return n + 1;
}

static int chat_tops(const struct openai_answer *a, size_t at, const char *token[],
                     double logprob[], int most)
{
    const json_t *list = json_object_get(a->logprobs, "content"), *one, *top;
    size_t index, k, offset = 0;
    int n = 0;

    json_array_foreach(list, index, one)
    {
        const char *text = json_string_value(json_object_get(one, "token"));
        const int here = text != NULL ? covers(a, text, at, &offset) : -1;
        if (here < 0) {
            return 0;
        }
        if (here == 0) {
            continue;
        }
        n = add_top(json_object_get(one, "token"), json_object_get(one, "logprob"),
                    token, logprob, n);
        json_array_foreach(json_object_get(one, "top_logprobs"), k, top)
        {
            if (n < most) {
                n = add_top(json_object_get(top, "token"),
                            json_object_get(top, "logprob"), token, logprob, n);
            }
        }
        return n;
    }
    return 0;
}

static int completion_tops(const struct openai_answer *a, size_t at,
                           const char *token[], double logprob[], int most)
{
    const json_t *tokens = json_object_get(a->logprobs, "tokens"), *one, *value;
    const json_t *own = json_object_get(a->logprobs, "token_logprobs");
    size_t index, offset = 0;
    const char *name;
    int n = 0;

    json_array_foreach(tokens, index, one)
    {
        const char *text = json_string_value(one);
        const int here = text != NULL ? covers(a, text, at, &offset) : -1;
        if (here < 0) {
            return 0;
        }
        if (here == 0) {
            continue;
        }
        n = add_top(one, json_array_get(own, index), token, logprob, n);
        json_t *tops =
            json_array_get(json_object_get(a->logprobs, "top_logprobs"), index);
        json_object_foreach(tops, name, value)
        {
            if (n < most && json_is_number(value)) {
                token[n] = name;
                logprob[n++] = json_number_value(value);
            }
        }
        return n;
    }
    return 0;
}

int openai_tops(const struct openai_answer *a, size_t at, const char *token[],
                double logprob[], int most)
{
    if (a->logprobs == NULL || at >= a->text.len || most < 1) {
        return 0;
    }
    return a->api == API_CHAT ? chat_tops(a, at, token, logprob, most)
                              : completion_tops(a, at, token, logprob, most);
}

/* {"error": {"message": TEXT}}, {"error": TEXT}, {"message": TEXT}, {"detail": TEXT} */
static const char *message_of(const json_t *root)
{
    const json_t *error = json_object_get(root, "error");
    const char *text = json_string_value(json_object_get(error, "message"));

    text = text != NULL ? text : json_string_value(error);
    text = text != NULL ? text : json_string_value(json_object_get(root, "message"));
    return text != NULL ? text : json_string_value(json_object_get(root, "detail"));
}

void openai_error(struct bytes body, char *out, size_t size)
{
    json_t *root = load(body);
    const char *message = message_of(root);
    const struct bytes from = message != NULL ? bytes_text(message) : body;
    size_t n = 0;

    for (size_t i = 0; i < from.len && n + 1 < size; i++) {
        const char c = ((const char *)from.data)[i];
        const bool blank = c == '\n' || c == '\r' || c == '\t' || c == ' ';
        if (blank && (n == 0 || out[n - 1] == ' ')) {
            continue;
        }
        out[n++] = blank ? ' ' : c < ' ' || c > '~' ? '?' : c;
    }
    out[n] = '\0';
    json_decref(root);
}
