/* The bodies of OpenAI's protocol: what is written, and what is made of what comes. */

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/base/rng.h"
#include "common/base/text.h"
#include "judge/backends/llm/openai.h"
#include "tests/support/harness.h"

static const struct openai_request usual = {.api = API_CHAT,
                                            .model = "m",
                                            .system = "Judge.",
                                            .user = "Is \"it\" good?",
                                            .max_tokens = 64};

static json_t *write(const struct openai_request *r, size_t *bytes)
{
    char *text = openai_write(r, bytes);
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(j);
    free(text);
    return j;
}

static void a_question_is_a_system_and_a_user_message(void **state)
{
    size_t bytes;
    json_t *j = write(&usual, &bytes);
    json_t *messages = json_object_get(j, "messages");

    (void)state;
    assert_int_equal(json_array_size(messages), 2);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(messages, 1), "content")),
        "Is \"it\" good?");
    assert_int_equal(bytes, strlen("Judge.") + strlen("Is \"it\" good?"));
    assert_int_equal(json_integer_value(json_object_get(j, "max_tokens")), 64);
    assert_null(json_object_get(j, "response_format"));
    assert_null(json_object_get(j, "logprobs"));
    json_decref(j);
}

static void a_follow_up_repeats_the_answer_as_the_models(void **state)
{
    struct openai_request r = usual;
    size_t bytes;

    (void)state;
    r.answered = "Well \xc3"; // cut amid a letter
    r.reminder = "Again, please.";
    json_t *j = write(&r, &bytes);
    json_t *third = json_array_get(json_object_get(j, "messages"), 2);
    assert_string_equal(json_string_value(json_object_get(third, "role")), "assistant");
    assert_string_equal(json_string_value(json_object_get(third, "content")), "Well ");
    json_decref(j);
    r.api = API_COMPLETION;
    j = write(&r, &bytes);
    assert_string_equal(json_string_value(json_object_get(j, "prompt")),
                        "Judge.\n\nIs \"it\" good?\n\nWell ");
    json_decref(j);
}

static void each_form_of_answers_has_its_fields(void **state)
{
    static const char *const words[] = {"yes", "no"};
    struct openai_request r = usual;
    size_t bytes;

    (void)state;
    r.schema = "{\"type\": \"object\"}";
    r.choice = words;
    r.choices = 2;
    r.top_logprobs = 5;
    r.form = FORM_SCHEMA;
    json_t *j = write(&r, &bytes);
    assert_non_null(json_object_get(
        json_object_get(json_object_get(j, "response_format"), "json_schema"),
        "schema"));
    assert_int_equal(json_integer_value(json_object_get(j, "top_logprobs")), 5);
    json_decref(j);
    r.form = FORM_CHOICE;
    j = write(&r, &bytes);
    assert_int_equal(json_array_size(json_object_get(
                         json_object_get(j, "structured_outputs"), "choice")),
                     2);
    json_decref(j);
    r.form = FORM_GUIDED;
    r.api = API_COMPLETION;
    r.no_temperature = r.completion_tokens = true;
    j = write(&r, &bytes);
    assert_int_equal(json_array_size(json_object_get(j, "guided_choice")), 2);
    assert_int_equal(json_integer_value(json_object_get(j, "logprobs")), 5);
    assert_null(json_object_get(j, "temperature"));
    assert_null(json_object_get(j, "max_tokens"));
    assert_non_null(json_object_get(j, "max_completion_tokens"));
    json_decref(j);
}

static bool reads(enum openai_api api, const char *body, struct openai_answer *a,
                  const char **why)
{
    return openai_read(api, bytes_text(body), a, why) == ST_OK;
}

static void an_answer_has_its_text_and_tokens(void **state)
{
    struct openai_answer a;
    const char *why;

    (void)state;
    assert_true(
        reads(API_CHAT,
              "{\"choices\": [{\"message\": {\"content\": \"yes\"}, "
              "\"finish_reason\": \"stop\"}], \"usage\": {\"prompt_tokens\": 12, "
              "\"completion_tokens\": 3}}",
              &a, &why));
    assert_true(bytes_equal(a.text, bytes_text("yes")));
    assert_true(a.tokens_in == 12 && a.tokens_out == 3 && !a.refused && !a.cut);
    openai_answer_release(&a);
    assert_true(
        reads(API_COMPLETION, "{\"choices\": [{\"text\": \" no\"}]}", &a, &why));
    assert_true(bytes_equal(a.text, bytes_text(" no")));
    assert_true(a.tokens_in == -1 && a.tokens_out == -1);
    openai_answer_release(&a);
}

static void a_refusal_and_a_cut_answer_are_told_from_others(void **state)
{
    struct openai_answer a;
    const char *why;

    (void)state;
    assert_true(reads(API_CHAT,
                      "{\"choices\": [{\"message\": {\"content\": null, \"refusal\": "
                      "\"I cannot.\"}}]}",
                      &a, &why));
    assert_true(a.refused);
    assert_true(bytes_equal(a.text, bytes_text("I cannot.")));
    openai_answer_release(&a);
    assert_true(reads(API_CHAT,
                      "{\"choices\": [{\"message\": {\"content\": \"\"}, "
                      "\"finish_reason\": \"content_filter\"}]}",
                      &a, &why));
    assert_true(a.refused);
    openai_answer_release(&a);
    assert_true(reads(API_CHAT,
                      "{\"choices\": [{\"message\": {\"content\": null}, "
                      "\"finish_reason\": \"length\"}]}",
                      &a, &why));
    assert_true(a.cut && a.text.len == 0 && !a.refused);
    openai_answer_release(&a);
}

static void what_is_no_answer_of_the_protocol_says_what_was_expected(void **state)
{
    static const char *const bodies[] = {
        "",
        "<html>hello</html>",
        "[]",
        "{}",
        "{\"choices\": []}",
        "{\"choices\": {}}",
        "{\"choices\": [7]}",
        "{\"choices\": [{\"message\": {\"content\": 7}}]}",
        "{\"choices\": [{\"text\": \"yes\"}]}", // of the other kind
        "{\"choices\": [{\"message\": {\"content\": \"yes\"}}]",
        "{\"choices\": [], \"choices\": [{\"message\": {\"content\": \"yes\"}}]}",
        "{\"choices\": [{\"message\": {\"content\": \"a\\u0000b\"}}]}"};
    struct openai_answer a;

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        const char *why = NULL;
        assert_false(reads(API_CHAT, bodies[i], &a, &why));
        assert_non_null(strstr(why, "expected"));
    }
}

static void deep_nesting_is_refused_before_it_is_read(void **state)
{
    static char body[1 << 20];
    struct openai_answer a;
    const char *why;

    (void)state;
    memset(body, '[', sizeof(body) - 1);
    assert_false(reads(API_CHAT, body, &a, &why));
    for (int depth = 20; depth <= 40; depth += 20) {
        text_format(body, sizeof(body),
                    "{\"x\": %.*s%.*s, \"choices\": [{\"message\": {\"content\": "
                    "\"yes\"}}]}",
                    depth, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", depth,
                    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
        assert_int_equal(reads(API_CHAT, body, &a, &why), depth == 20);
        if (depth == 20) {
            openai_answer_release(&a);
        }
    }
    // Brackets in a text are no nesting.
    memset(body, '[', 1000);
    text_format(body, 64, "{\"choices\": [{\"message\": {\"content\": \"\\\"[[");
    memset(body + strlen(body), '[', 900);
    strcpy(body + 900, "\"}}]}");
    assert_true(reads(API_CHAT, body, &a, &why));
    openai_answer_release(&a);
}

static void tokens_at_the_answers_place_are_found(void **state)
{
    static const char body[] =
        "{\"choices\": [{\"message\": {\"content\": \"{\\\"answer\\\": "
        "\\\"yes\\\"}\"}, "
        "\"logprobs\": {\"content\": ["
        "{\"token\": \"{\\\"answer\\\": \\\"\", \"logprob\": 0, \"top_logprobs\": []}, "
        "{\"token\": \"yes\", \"logprob\": -0.1, \"top_logprobs\": ["
        "{\"token\": \"yes\", \"logprob\": -0.1}, {\"token\": \"no\", \"logprob\": "
        "-2.4}]}, "
        "{\"token\": \"\\\"}\", \"logprob\": 0, \"top_logprobs\": []}]}}]}";
    static const char plain[] = "{\"choices\": [{\"text\": \" yes.\", \"logprobs\": "
                                "{\"tokens\": [\" yes\", \".\"], "
                                "\"token_logprobs\": [-0.2, -0.3], \"top_logprobs\": "
                                "[{\" yes\": -0.2, \" no\": "
                                "-1.9}, {}]}}]}";
    const char *token[8], *why;
    double logprob[8];
    struct openai_answer a;

    (void)state;
    assert_true(reads(API_CHAT, body, &a, &why));
    assert_int_equal(openai_tops(&a, 12, token, logprob, 8), 3);
    assert_string_equal(token[2], "no");
    assert_float_equal(logprob[2], -2.4, 1e-9);
    assert_int_equal(openai_tops(&a, 12, token, logprob, 2), 2);
    assert_int_equal(openai_tops(&a, 999, token, logprob, 8), 0);
    openai_answer_release(&a);
    assert_true(reads(API_COMPLETION, plain, &a, &why));
    assert_int_equal(openai_tops(&a, 1, token, logprob, 8), 3);
    openai_answer_release(&a);
}

static void tokens_that_do_not_spell_the_text_say_nothing(void **state)
{
    static const char body[] =
        "{\"choices\": [{\"message\": {\"content\": \"yes\"}, \"logprobs\": "
        "{\"content\": "
        "[{\"token\": \"no\", \"logprob\": -0.1, \"top_logprobs\": []}]}}]}";
    const char *token[8], *why;
    double logprob[8];
    struct openai_answer a;

    (void)state;
    assert_true(reads(API_CHAT, body, &a, &why));
    assert_int_equal(openai_tops(&a, 0, token, logprob, 8), 0);
    openai_answer_release(&a);
}

static void an_error_is_one_short_line(void **state)
{
    char out[40];

    (void)state;
    openai_error(bytes_text("{\"error\": {\"message\": \"no\\n such   model\"}}"), out,
                 sizeof(out));
    assert_string_equal(out, "no such model");
    openai_error(bytes_text("{\"detail\": \"Not Found\"}"), out, sizeof(out));
    assert_string_equal(out, "Not Found");
    openai_error(bytes_text("{\"error\": \"nope\"}"), out, sizeof(out));
    assert_string_equal(out, "nope");
    openai_error(bytes_text("<html>\x1b[31m a page that is longer than there is room"),
                 out, sizeof(out));
    assert_int_equal(strlen(out), sizeof(out) - 1);
    assert_null(strchr(out, '\x1b'));
}

/* Bytes from outside: whatever comes is an answer or a refusal, never a crash. */
static void damaged_bodies_are_read_or_refused(void **state)
{
    static const char whole[] =
        "{\"id\": 1, \"choices\": [{\"message\": {\"content\": \"yes\", \"refusal\": "
        "null}, "
        "\"finish_reason\": \"stop\", \"logprobs\": {\"content\": [{\"token\": "
        "\"yes\", "
        "\"logprob\": -0.1, \"top_logprobs\": [{\"token\": \"yes\", \"logprob\": "
        "-1e9}]}]}}]"
        ", \"usage\": {\"prompt_tokens\": 5, \"completion_tokens\": 1}}";
    const char *token[8], *why;
    char body[sizeof(whole)], out[64];
    double logprob[8];
    struct openai_answer a;
    struct rng rng;

    (void)state;
    rng_init(&rng, 11);
    for (int n = 0; n < 20000; n++) {
        memcpy(body, whole, sizeof(whole));
        size_t len = sizeof(whole) - 1;
        for (uint32_t k = 1 + rng_below(&rng, 4); k > 0; k--) {
            body[rng_below(&rng, (uint32_t)len)] = (char)rng_next(&rng);
        }
        len = n % 3 == 0 ? rng_below(&rng, (uint32_t)len) : len;
        if (openai_read(n % 2 == 0 ? API_CHAT : API_COMPLETION, bytes_of(body, len), &a,
                        &why) == ST_OK) {
            openai_tops(&a, rng_below(&rng, 4), token, logprob, 8);
            openai_answer_release(&a);
        }
        openai_error(bytes_of(body, len), out, sizeof(out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_a_system_and_a_user_message),
        cmocka_unit_test(a_follow_up_repeats_the_answer_as_the_models),
        cmocka_unit_test(each_form_of_answers_has_its_fields),
        cmocka_unit_test(an_answer_has_its_text_and_tokens),
        cmocka_unit_test(a_refusal_and_a_cut_answer_are_told_from_others),
        cmocka_unit_test(what_is_no_answer_of_the_protocol_says_what_was_expected),
        cmocka_unit_test(deep_nesting_is_refused_before_it_is_read),
        cmocka_unit_test(tokens_at_the_answers_place_are_found),
        cmocka_unit_test(tokens_that_do_not_spell_the_text_say_nothing),
        cmocka_unit_test(an_error_is_one_short_line),
        cmocka_unit_test(damaged_bodies_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
