#include "judge/backends/llm/parse.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void no(struct parsed *out, const char *why)
{
    *out = (struct parsed){.why = why};
}

/* Nesting is refused before anything is built: no honest answer has any. */
static bool is_flat(struct bytes json)
{
    const char *c = json.data;
    bool in_text = false;
    int depth = 0;

    for (size_t i = 0; i < json.len; i++) {
        if (in_text) {
            i += c[i] == '\\';
            in_text = i < json.len && c[i] != '"';
            continue;
        }
        in_text = c[i] == '"';
        depth += c[i] == '{' || c[i] == '[';
    }
    return depth <= 1;
}

/* Behind `"answer":`. A text that quotes it holds \" instead of ", so that the first is
 * the member; 0 when the key is written with escapes. */
static size_t find_answer(struct bytes json)
{
    static const char key[] = "\"answer\"";
    const char *text = json.data;
    const size_t len = sizeof(key) - 1;

    for (size_t i = 0; i + len < json.len; i++) {
        if (memcmp(text + i, key, len) != 0) {
            continue;
        }
        size_t at = i + len;
        while (at < json.len && memchr(" \t\r\n", text[at], 4) != NULL) {
            at++;
        }
        if (at < json.len && text[at] == ':') {
            at++;
            while (at < json.len && memchr(" \t\r\n\"", text[at], 5) != NULL) {
                at++;
            }
            return at;
        }
    }
    return 0;
}

/* The answer of an object that holds nothing but it and a reasoning. */
static const json_t *take_answer(const json_t *object, const char **why)
{
    const json_t *answer = json_object_get(object, "answer");
    const json_t *reasoning = json_object_get(object, "reasoning");

    if (answer == NULL) {
        *why = "the object has no member \"answer\"";
        return NULL;
    }
    if (reasoning != NULL && !json_is_string(reasoning)) {
        *why = "\"reasoning\" is not a text";
        return NULL;
    }
    if (json_object_size(object) != (reasoning != NULL ? 2u : 1u)) {
        *why = "the object has members beside \"reasoning\" and \"answer\"";
        return NULL;
    }
    return answer;
}

static void take_value(enum prompt_style s, int captions, const json_t *answer,
                       struct parsed *out)
{
    char number[32];
    struct bytes word;

    if (json_is_string(answer) != (s != STYLE_GRADED) ||
        json_is_integer(answer) != (s == STYLE_GRADED)) {
        no(out, s == STYLE_GRADED ? "\"answer\" is not a whole number"
                                  : "\"answer\" is not a text");
        return;
    }
    if (s == STYLE_GRADED) {
        (void)snprintf(number, sizeof(number), "%lld",
                       (long long)json_integer_value(answer));
        word = bytes_text(number);
    } else {
        word = bytes_of(json_string_value(answer), json_string_length(answer));
    }
    parse_choice(s, captions, word, out);
    if (out->ok && out->len != word.len) {
        no(out, "\"answer\" has white space around it");
    }
}

void parse_structured(enum prompt_style s, int captions, struct bytes json,
                      struct parsed *out)
{
    const char *why = "the answer is no JSON";

    if (json.len > PARSE_ANSWER_MAX) {
        no(out, "the answer is longer than 64 KB");
        return;
    }
    if (!is_flat(json)) {
        no(out, "the answer is nested");
        return;
    }
    json_t *object = json_loadb(json.data, json.len, JSON_REJECT_DUPLICATES, NULL);
    if (object != NULL && !json_is_object(object)) {
        why = "the answer is no JSON object";
    }
    const json_t *answer = json_is_object(object) ? take_answer(object, &why) : NULL;
    if (answer == NULL) {
        no(out, why);
    } else {
        take_value(s, captions, answer, out);
    }
    if (out->ok) {
        out->at = find_answer(json);
        out->len = out->at > 0 ? out->len : 0;
    }
    json_decref(object);
}
