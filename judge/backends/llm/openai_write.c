#include <jansson.h>
#include <string.h>

#include "common/base/check.h"
#include "judge/backends/llm/openai.h"

const char *openai_form_name(enum openai_form f)
{
    static const char *const names[FORMS] = {"text", "schema", "choice",
                                             "guided choice"};

    return names[f];
}

/* Invalid UTF-8 never comes from prompts; an answer that is sent back may have been cut
 * amid a letter. */
static json_t *text_of(const char *text, size_t *bytes)
{
    json_t *j;
    size_t len = strlen(text);

    *bytes += len;
    for (j = json_stringn(text, len); j == NULL && len > 0;
         j = json_stringn(text, len)) {
        len--;
    }
    CHECK(j != NULL);
    return j;
}

static void add_message(json_t *list, const char *role, const char *text, size_t *bytes)
{
    if (text == NULL || text[0] == '\0') {
        return;
    }
    CHECK(json_array_append_new(list, json_pack("{s:s, s:o}", "role", role, "content",
                                                text_of(text, bytes))) == 0);
}

static json_t *messages_of(const struct openai_request *r, size_t *bytes)
{
    json_t *list = json_array();

    add_message(list, "system", r->system, bytes);
    add_message(list, "user", r->user, bytes);
    if (r->reminder != NULL) {
        // An empty turn is refused by some servers.
        add_message(list, "assistant", r->answered[0] != '\0' ? r->answered : "...",
                    bytes);
        add_message(list, "user", r->reminder, bytes);
    }
    return list;
}

/* Plain completion knows no roles: blank lines part what roles would. */
static json_t *prompt_of(const struct openai_request *r, size_t *bytes)
{
    const char *part[] = {r->system, r->user, r->reminder != NULL ? r->answered : NULL,
                          r->reminder};
    size_t len = 0;

    for (int i = 0; i < 4; i++) {
        len += part[i] != NULL ? strlen(part[i]) + 2 : 0;
    }
    char *text = calloc(len + 1, 1), *end = text;
    CHECK(text != NULL);
    for (int i = 0; i < 4; i++) {
        if (part[i] != NULL && part[i][0] != '\0') {
            const size_t n = strlen(part[i]);
            memcpy(end, part[i], n);
            memcpy(end + n, "\n\n", 2);
            end += n + 2;
        }
    }
    json_t *j = text_of(text, bytes);
    free(text);
    return j;
}

static void put(json_t *body, const char *name, json_t *value)
{
    CHECK(value != NULL && json_object_set_new(body, name, value) == 0);
}

static void put_form(json_t *body, const struct openai_request *r)
{
    json_t *words;

    if (r->form == FORM_SCHEMA) {
        json_t *schema = json_loads(r->schema, 0, NULL);
        CHECK(schema != NULL); // our own text
        put(body, "response_format",
            json_pack("{s:s, s:{s:s, s:b, s:o}}", "type", "json_schema", "json_schema",
                      "name", "answer", "strict", 1, "schema", schema));
        return;
    }
    if (r->form == FORM_TEXT) {
        return;
    }
    words = json_array();
    for (int i = 0; i < r->choices; i++) {
        CHECK(json_array_append_new(words, json_string(r->choice[i])) == 0);
    }
    if (r->form == FORM_CHOICE) {
        put(body, "structured_outputs", json_pack("{s:o}", "choice", words));
    } else {
        put(body, "guided_choice", words);
    }
}

char *openai_write(const struct openai_request *r, size_t *text_bytes)
{
    json_t *body = json_object();

    *text_bytes = 0;
    put(body, "model", json_string(r->model));
    if (r->api == API_CHAT) {
        put(body, "messages", messages_of(r, text_bytes));
    } else {
        put(body, "prompt", prompt_of(r, text_bytes));
    }
    if (!r->no_temperature) {
        put(body, "temperature", json_real(r->temperature));
    }
    put(body, r->completion_tokens ? "max_completion_tokens" : "max_tokens",
        json_integer(r->max_tokens));
    if (r->top_logprobs > 0 && r->api == API_CHAT) {
        put(body, "logprobs", json_true());
        put(body, "top_logprobs", json_integer(r->top_logprobs));
    } else if (r->top_logprobs > 0) {
        put(body, "logprobs", json_integer(r->top_logprobs));
    }
    put_form(body, r);
    char *text = json_dumps(body, JSON_COMPACT);
    CHECK(text != NULL);
    json_decref(body);
    return text;
}
