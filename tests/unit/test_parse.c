#include "judge/backends/llm/parse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "tests/support/harness.h"

static struct parsed got;

static bool text(enum prompt_style s, int captions, const char *answer)
{
    parse_text(s, captions, bytes_text(answer), &got);
    assert_true(got.ok == (got.why == NULL));
    return got.ok;
}

static bool object(enum prompt_style s, int captions, const char *answer)
{
    parse_structured(s, captions, bytes_text(answer), &got);
    assert_true(got.ok == (got.why == NULL));
    return got.ok;
}

/* ---- free text ---- */

static void a_rating_is_read_from_the_last_line(void **state)
{
    (void)state;
    assert_true(text(STYLE_BINARY, 1, "<answer>yes</answer>"));
    assert_true(got.p == 1 && got.hard && got.at == 8 && got.len == 3);
    assert_true(text(STYLE_BINARY, 1, "It is a wall.\n <answer>no</answer>\t\r\n\n"));
    assert_true(got.p == 0 && got.hard);
    assert_true(text(STYLE_GRADED, 1, "\n\n<answer>7</answer>"));
    assert_true(got.p == 0.7 && !got.hard);
    assert_true(text(STYLE_GRADED, 1, "<answer>0</answer>") && got.p == 0);
    assert_true(text(STYLE_GRADED, 1, "<answer>10</answer>") && got.p == 1);
}

static void a_comparison_gives_ranks_by_shown_position(void **state)
{
    (void)state;
    assert_true(text(STYLE_PAIR, 2, "<answer>1</answer>"));
    assert_memory_equal(got.rank, ((const uint8_t[]){0, 1}), 2);
    assert_true(got.p == 1 && got.hard);
    assert_true(text(STYLE_PAIR, 2, "<answer>2</answer>"));
    assert_memory_equal(got.rank, ((const uint8_t[]){1, 0}), 2);
    assert_true(got.p == 0);
    assert_true(text(STYLE_PAIR, 2, "<answer>tie</answer>"));
    assert_memory_equal(got.rank, ((const uint8_t[]){0, 0}), 2);
    assert_true(got.p == 0.5);
    assert_true(text(STYLE_ORDER, 4, "<answer>2 > 1 = 4 > 3</answer>"));
    assert_memory_equal(got.rank, ((const uint8_t[]){1, 0, 3, 1}), 4);
    assert_true(text(STYLE_ORDER, 3, "<answer>3=2=1</answer>") && got.hard);
    assert_memory_equal(got.rank, ((const uint8_t[]){0, 0, 0}), 3);
    assert_true(text(STYLE_ORDER, 8, "<answer>8>7>6>5>4>3>2>1</answer>"));
    assert_memory_equal(got.rank, ((const uint8_t[]){7, 6, 5, 4, 3, 2, 1, 0}), 8);
}

static void malformed_texts_are_refused(void **state)
{
    static const struct {
        enum prompt_style style;
        int captions;
        const char *answer;
    } wrong[] = {
        {STYLE_BINARY, 1, ""},
        {STYLE_BINARY, 1, " \n\t\r\n"},
        {STYLE_BINARY, 1, "yes"},
        {STYLE_BINARY, 1, "Answer: yes"},
        {STYLE_BINARY, 1, "<answer>"},
        {STYLE_BINARY, 1, "</answer>"},
        {STYLE_BINARY, 1, "<answer></answer>"},
        {STYLE_BINARY, 1, "<answer</answer>"},
        {STYLE_BINARY, 1, "<answer>yes"},
        {STYLE_BINARY, 1, "yes</answer>"},
        {STYLE_BINARY, 1, "<answer>yes</answer"},
        {STYLE_BINARY, 1, "<answer>Yes</answer>"},
        {STYLE_BINARY, 1, "<answer>YES</answer>"},
        {STYLE_BINARY, 1, "<ANSWER>yes</ANSWER>"},
        {STYLE_BINARY, 1, "<answer> yes</answer>"},
        {STYLE_BINARY, 1, "<answer>yes </answer>"},
        {STYLE_BINARY, 1, "<answer>yes.</answer>"},
        {STYLE_BINARY, 1, "<answer>\"yes\"</answer>"},
        {STYLE_BINARY, 1, "<answer>y</answer>"},
        {STYLE_BINARY, 1, "<answer>true</answer>"},
        {STYLE_BINARY, 1, "<answer>1</answer>"},
        {STYLE_BINARY, 1, "<answer>maybe</answer>"},
        {STYLE_BINARY, 1, "<answer>yes or no</answer>"},
        {STYLE_BINARY, 1, "<answer>yes</answer>."},
        {STYLE_BINARY, 1, "**<answer>yes</answer>**"},
        {STYLE_BINARY, 1, "`<answer>yes</answer>`"},
        {STYLE_BINARY, 1, "So: <answer>yes</answer>"},
        {STYLE_BINARY, 1, "<answer>yes</answer> I am sure."},
        {STYLE_BINARY, 1, "<answer>yes</answer>\nI am sure."},
        {STYLE_BINARY, 1, "<answer>yes</answer>\n```"},
        {STYLE_BINARY, 1, "<answer>yes</answer><answer>yes</answer>"},
        {STYLE_BINARY, 1, "<answer>yes</answer> <answer>no</answer>"},
        {STYLE_BINARY, 1, "<answer><answer>yes</answer></answer>"},
        {STYLE_BINARY, 1, "<answer>yes\n</answer>"},
        {STYLE_BINARY, 1, "<answer>\nyes\n</answer>"},
        {STYLE_BINARY, 1, "<answer>yes</answer>\xc2\xa0"},
        {STYLE_GRADED, 1, "<answer>-1</answer>"},
        {STYLE_GRADED, 1, "<answer>+1</answer>"},
        {STYLE_GRADED, 1, "<answer>11</answer>"},
        {STYLE_GRADED, 1, "<answer>07</answer>"},
        {STYLE_GRADED, 1, "<answer>100</answer>"},
        {STYLE_GRADED, 1, "<answer>7.0</answer>"},
        {STYLE_GRADED, 1, "<answer>7.5</answer>"},
        {STYLE_GRADED, 1, "<answer>7/10</answer>"},
        {STYLE_GRADED, 1, "<answer>1e1</answer>"},
        {STYLE_GRADED, 1, "<answer>0x7</answer>"},
        {STYLE_GRADED, 1, "<answer>seven</answer>"},
        {STYLE_GRADED, 1, "<answer>yes</answer>"},
        {STYLE_GRADED, 1, "<answer>99999999999999999999</answer>"},
        {STYLE_GRADED, 1, "<answer>nan</answer>"},
        {STYLE_PAIR, 2, "<answer>0</answer>"},
        {STYLE_PAIR, 2, "<answer>3</answer>"},
        {STYLE_PAIR, 2, "<answer>Tie</answer>"},
        {STYLE_PAIR, 2, "<answer>none</answer>"},
        {STYLE_PAIR, 2, "<answer>1 > 2</answer>"},
        {STYLE_PAIR, 2, "<answer>first</answer>"},
        {STYLE_ORDER, 3, "<answer></answer>"},
        {STYLE_ORDER, 3, "<answer>1</answer>"},
        {STYLE_ORDER, 3, "<answer>1 > 2</answer>"},
        {STYLE_ORDER, 3, "<answer>1 > 2 > 2</answer>"},
        {STYLE_ORDER, 3, "<answer>1 > 2 > 3 > 3</answer>"},
        {STYLE_ORDER, 3, "<answer>1 > 2 > 4</answer>"},
        {STYLE_ORDER, 3, "<answer>0 > 1 > 2</answer>"},
        {STYLE_ORDER, 3, "<answer>1 > 2 > 3 ></answer>"},
        {STYLE_ORDER, 3, "<answer>> 1 > 2 > 3</answer>"},
        {STYLE_ORDER, 3, "<answer>1 >> 2 > 3</answer>"},
        {STYLE_ORDER, 3, "<answer>1 >= 2 > 3</answer>"},
        {STYLE_ORDER, 3, "<answer>1 < 2 < 3</answer>"},
        {STYLE_ORDER, 3, "<answer>1, 2, 3</answer>"},
        {STYLE_ORDER, 3, "<answer>1 2 3</answer>"},
        {STYLE_ORDER, 3, "<answer>123</answer>"},
        {STYLE_ORDER, 3, "<answer>12 > 3</answer>"},
        {STYLE_ORDER, 3, "<answer>1\t> 2 > 3</answer>"},
        {STYLE_ORDER, 3, "<answer>tie</answer>"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (text(wrong[i].style, wrong[i].captions, wrong[i].answer)) {
            fail_msg("was read: %s", wrong[i].answer);
        }
        assert_int_equal(got.len, 0);
    }
}

static void two_tags_with_different_answers_are_refused(void **state)
{
    static const char *const wrong[] = {
        "<answer>no</answer>\n<answer>yes</answer>",
        "First <answer>no</answer>, but then\n<answer>yes</answer>",
        "<ANSWER>No</ANSWER>\n<answer>yes</answer>",
        "<answer> no </answer>\n<answer>yes</answer>",
        "<answer>\nno\n</answer>\n<answer>yes</answer>",
        "<answer>no\n<answer>yes</answer>",
        "<answer>\n no\nis wrong.\n<answer>yes</answer>",
        "<answer>yes</answer>\n<answer>no</answer>\n<answer>yes</answer>",
        "<answer>yes or no</answer>\n<answer>yes</answer>",
        "<answer></answer>\n<answer>yes</answer>",
        "Either <answer>yes</answer> or <answer>no</answer>.\n<answer>yes</answer>",
    };
    static const char *const fine[] = {
        "<answer>yes</answer>\n<answer>yes</answer>",
        "<answer> Yes </answer>\n<answer>yes</answer>",
        "I use the <answer> tag.\n<answer>yes</answer>",
        "</answer></answer>\n<answer>yes</answer>",
        "<answers>no</answers>\n<answer>yes</answer>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (text(STYLE_BINARY, 1, wrong[i])) {
            fail_msg("was read: %s", wrong[i]);
        }
        assert_non_null(strstr(got.why, "twice"));
    }
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        assert_true(text(STYLE_BINARY, 1, fine[i]));
        assert_true(got.p == 1);
    }
    // Orders are compared by what they mean.
    assert_true(
        text(STYLE_ORDER, 3, "<answer>2>1=3</answer>\n<answer>2 > 3 = 1</answer>"));
    assert_false(
        text(STYLE_ORDER, 3, "<answer>2>1>3</answer>\n<answer>2>1=3</answer>"));
}

static void a_text_over_64_kb_is_refused(void **state)
{
    char *big = mem_new(PARSE_ANSWER_MAX + 1, 1);
    static const char answer[] = "\n<answer>yes</answer>";

    (void)state;
    memset(big, 'a', PARSE_ANSWER_MAX + 1);
    memcpy(big + PARSE_ANSWER_MAX - strlen(answer), answer, strlen(answer));
    parse_text(STYLE_BINARY, 1, bytes_of(big, PARSE_ANSWER_MAX), &got);
    assert_true(got.ok);
    big[PARSE_ANSWER_MAX] = '\n';
    parse_text(STYLE_BINARY, 1, bytes_of(big, PARSE_ANSWER_MAX + 1), &got);
    assert_false(got.ok);
    parse_structured(STYLE_BINARY, 1, bytes_of(big, PARSE_ANSWER_MAX + 1), &got);
    assert_false(got.ok);
    mem_free(big);
}

/* ---- objects and choices ---- */

static void an_object_holds_the_answer_and_maybe_a_reasoning(void **state)
{
    (void)state;
    assert_true(object(STYLE_BINARY, 1, "{\"answer\":\"yes\"}") && got.p == 1);
    assert_true(got.at == 11 && got.len == 3);
    assert_true(
        object(STYLE_BINARY, 1,
               " {\"answer\" : \"no\" , \"reasoning\":\"\\\"answer\\\": x\"}\n"));
    assert_true(got.p == 0 && got.at == 14 && got.len == 2);
    assert_true(object(STYLE_GRADED, 1, "{\"reasoning\":\"\",\"answer\":10}"));
    assert_true(got.p == 1 && got.at == 25 && got.len == 2);
    assert_true(object(STYLE_PAIR, 2, "{\"answer\":\"tie\"}") && got.p == 0.5);
    assert_true(object(STYLE_ORDER, 3, "{\"answer\":\"3>1 = 2\"}"));
    assert_memory_equal(got.rank, ((const uint8_t[]){1, 1, 0}), 3);
    // Found, but not where.
    assert_true(object(STYLE_BINARY, 1, "{\"\\u0061nswer\":\"yes\"}") && got.len == 0);
}

static void malformed_objects_are_refused(void **state)
{
    static const struct {
        enum prompt_style style;
        int captions;
        const char *answer;
    } wrong[] = {
        {STYLE_BINARY, 1, ""},
        {STYLE_BINARY, 1, "{"},
        {STYLE_BINARY, 1, "{}"},
        {STYLE_BINARY, 1, "[]"},
        {STYLE_BINARY, 1, "\"yes\""},
        {STYLE_BINARY, 1, "yes"},
        {STYLE_BINARY, 1, "null"},
        {STYLE_BINARY, 1, "{\"answer\":\"yes\""},
        {STYLE_BINARY, 1, "{\"answer\":yes}"},
        {STYLE_BINARY, 1, "{'answer':'yes'}"},
        {STYLE_BINARY, 1, "{\"answer\":true}"},
        {STYLE_BINARY, 1, "{\"answer\":1}"},
        {STYLE_BINARY, 1, "{\"answer\":null}"},
        {STYLE_BINARY, 1, "{\"answer\":\"Yes\"}"},
        {STYLE_BINARY, 1, "{\"answer\":\" yes\"}"},
        {STYLE_BINARY, 1, "{\"answer\":\"yes\\n\"}"},
        {STYLE_BINARY, 1, "{\"answer\":\"yes\\u0000\"}"},
        {STYLE_BINARY, 1, "{\"Answer\":\"yes\"}"},
        {STYLE_BINARY, 1, "{\"answer\":[\"yes\"]}"},
        {STYLE_BINARY, 1, "{\"answer\":{\"answer\":\"yes\"}}"},
        {STYLE_BINARY, 1, "[{\"answer\":\"yes\"}]"},
        {STYLE_BINARY, 1, "{\"answer\":\"yes\",\"answer\":\"yes\"}"},
        {STYLE_BINARY, 1, "{\"answer\":\"no\",\"answer\":\"yes\"}"},
        {STYLE_BINARY, 1, "{\"answer\":\"yes\",\"final\":\"no\"}"},
        {STYLE_BINARY, 1, "{\"answer\":\"yes\",\"reasoning\":1}"},
        {STYLE_BINARY, 1, "{\"answer\":\"yes\"}{\"answer\":\"yes\"}"},
        {STYLE_BINARY, 1, "{\"answer\":\"yes\"} I am sure."},
        {STYLE_BINARY, 1, "```json\n{\"answer\":\"yes\"}\n```"},
        {STYLE_BINARY, 1, "{\"answer\":\"yes\",}"},
        {STYLE_BINARY, 1, "{\"answer\":\"yes\",\"reasoning\":\"\xff\"}"},
        {STYLE_BINARY, 1, "{\"answer\":\"yes\",\"reasoning\":\"\n\"}"},
        {STYLE_GRADED, 1, "{\"answer\":\"7\"}"},
        {STYLE_GRADED, 1, "{\"answer\":7.0}"},
        {STYLE_GRADED, 1, "{\"answer\":7.5}"},
        {STYLE_GRADED, 1, "{\"answer\":-1}"},
        {STYLE_GRADED, 1, "{\"answer\":11}"},
        {STYLE_GRADED, 1, "{\"answer\":07}"},
        {STYLE_GRADED, 1, "{\"answer\":1e1}"},
        {STYLE_GRADED, 1, "{\"answer\":NaN}"},
        {STYLE_GRADED, 1, "{\"answer\":99999999999999999999}"},
        {STYLE_GRADED, 1, "{\"answer\":-9223372036854775808}"},
        {STYLE_PAIR, 2, "{\"answer\":1}"},
        {STYLE_PAIR, 2, "{\"answer\":\"3\"}"},
        {STYLE_ORDER, 3, "{\"answer\":[2,1,3]}"},
        {STYLE_ORDER, 3, "{\"answer\":\"2 > 1\"}"},
        {STYLE_ORDER, 3, "{\"answer\":\"2 > 1 > 3 \"}"},
    };
    struct text_buf deep = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (object(wrong[i].style, wrong[i].captions, wrong[i].answer)) {
            fail_msg("was read: %s", wrong[i].answer);
        }
    }
    for (int i = 0; i < 30000; i++) {
        text_buf_add(&deep, "[");
    }
    assert_false(object(STYLE_BINARY, 1, deep.data));
    assert_non_null(strstr(got.why, "nested"));
    text_buf_release(&deep);
}

static void a_choice_is_the_bare_word(void **state)
{
    (void)state;
    parse_choice(STYLE_BINARY, 1, bytes_text(" yes\n"), &got);
    assert_true(got.ok && got.p == 1 && got.at == 1 && got.len == 3);
    parse_choice(STYLE_GRADED, 1, bytes_text("10"), &got);
    assert_true(got.ok && got.p == 1);
    parse_choice(STYLE_BINARY, 1, bytes_text("yes, it is"), &got);
    assert_false(got.ok);
    parse_choice(STYLE_BINARY, 1, bytes_text(""), &got);
    assert_false(got.ok);
    parse_choice(STYLE_BINARY, 1, bytes_text("<answer>yes</answer>"), &got);
    assert_false(got.ok);
}

/* ---- log-probabilities ---- */

static bool logprobs(enum prompt_style s, const char *const *token, const double *share,
                     int n, double *p)
{
    double logs[16];

    for (int i = 0; i < n; i++) {
        logs[i] = log(share[i]);
    }
    return parse_logprobs(s, token, logs, n, p);
}

static void log_probabilities_make_soft_labels(void **state)
{
    double p = -1;

    (void)state;
    assert_true(logprobs(
        STYLE_BINARY, (const char *[]){"yes", " Yes", "no", "\xe2\x96\x81no", "maybe"},
        (double[]){0.5, 0.1, 0.2, 0.1, 0.1}, 5, &p));
    assert_float_equal(p, 0.6 / 0.9, 1e-9);
    assert_true(logprobs(STYLE_GRADED,
                         (const char *[]){"7",
                                          "\xc4\xa0"
                                          "8",
                                          "10", "x"},
                         (double[]){0.5, 0.25, 0.05, 0.2}, 4, &p));
    assert_float_equal(p, (0.35 + 0.2 + 0.05) / 0.8, 1e-9);
    assert_true(logprobs(STYLE_PAIR, (const char *[]){"1", "2", "tie"},
                         (double[]){0.2, 0.6, 0.2}, 3, &p));
    assert_float_equal(p, 0.3, 1e-9);
    // The chosen token often stands in the list a second time; a share of 0 is one.
    assert_true(logprobs(STYLE_BINARY, (const char *[]){"yes", "yes", "no", "NO"},
                         (double[]){0.9, 0.9, 0.1, 0}, 4, &p));
    assert_float_equal(p, 0.9, 1e-9);
}

static void log_probabilities_that_say_too_little_are_refused(void **state)
{
    const double nan_and_more[] = {NAN, -0.1};
    const double positive[] = {0.5, -3};
    double p = -1;

    (void)state;
    const char *const two[] = {"yes", "no"};
    assert_false(logprobs(STYLE_BINARY, two, (double[]){0.3, 0.1}, 2, &p));
    assert_false(parse_logprobs(STYLE_BINARY, two, nan_and_more, 2, &p));
    assert_false(parse_logprobs(STYLE_BINARY, two, positive, 2, &p));
    assert_false(parse_logprobs(STYLE_BINARY, two, positive, 0, &p));
    assert_false(logprobs(STYLE_BINARY, (const char *[]){"yes", "Yes"},
                          (double[]){0.9, 0.9}, 2, &p));
    assert_false(logprobs(STYLE_BINARY, (const char *[]){"yesterday", "nothing"},
                          (double[]){0.5, 0.5}, 2, &p));
    assert_false(
        logprobs(STYLE_ORDER, (const char *[]){"1", "2"}, (double[]){0.5, 0.5}, 2, &p));
    // "1" may go on to "10", unless "10" is a token and stands there itself.
    assert_false(logprobs(STYLE_GRADED, (const char *[]){"1", "2"},
                          (double[]){0.5, 0.5}, 2, &p));
    assert_true(p == -1);
    assert_true(logprobs(STYLE_GRADED, (const char *[]){"1", "2", "10"},
                         (double[]){0.5, 0.4, 0.1}, 3, &p));
}

/* ---- anything ---- */

/* Random pieces of answers: whatever is read lies in its range, and the tag stood on the
 * last line. */
static void random_answers_are_read_in_range_or_not_at_all(void **state)
{
    static const char *const pieces[] = {"<answer>",
                                         "</answer>",
                                         "yes",
                                         "no",
                                         "tie",
                                         "1",
                                         "2",
                                         "3",
                                         "10",
                                         " > ",
                                         " = ",
                                         "\n",
                                         " ",
                                         "\"",
                                         "{",
                                         "}",
                                         ":",
                                         "answer",
                                         ",",
                                         "<",
                                         "\r",
                                         "[",
                                         "{\"answer\":",
                                         "\"yes\"}",
                                         "\\",
                                         "\xff",
                                         "x",
                                         "7}"};
    static const enum prompt_style styles[] = {STYLE_BINARY, STYLE_GRADED, STYLE_PAIR,
                                               STYLE_ORDER};
    static const int captions[] = {1, 1, 2, 3};
    struct text_buf answer = {0};
    struct rng rng;
    int read = 0;

    (void)state;
    rng_init(&rng, 11);
    for (int n = 0; n < 200000; n++) {
        const int k = (int)rng_below(&rng, 4);
        const int count = 1 + (int)rng_below(&rng, 9);
        text_buf_clear(&answer);
        for (int i = 0; i < count; i++) {
            text_buf_add(&answer, "%s",
                         pieces[rng_below(&rng, sizeof(pieces) / sizeof(pieces[0]))]);
        }
        // In a block of its own, so that the address sanitizer sees one byte over.
        char *exact = malloc(answer.len + (answer.len == 0));
        memcpy(exact, answer.data, answer.len);
        for (int form = 0; form < 3; form++) {
            (form == 0   ? parse_text
             : form == 1 ? parse_structured
                         : parse_choice)(styles[k], captions[k],
                                         bytes_of(exact, answer.len), &got);
            assert_true(got.ok == (got.why == NULL));
            assert_true(got.p >= 0 && got.p <= 1);
            assert_true(got.at + got.len <= answer.len);
            for (int i = 0; i < ITEM_CAPTIONS_MAX; i++) {
                assert_true(got.rank[i] < captions[k]);
            }
            read += got.ok;
        }
        free(exact);
    }
    assert_in_range(read, 200, 200000);
    text_buf_release(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rating_is_read_from_the_last_line),
        cmocka_unit_test(a_comparison_gives_ranks_by_shown_position),
        cmocka_unit_test(malformed_texts_are_refused),
        cmocka_unit_test(two_tags_with_different_answers_are_refused),
        cmocka_unit_test(a_text_over_64_kb_is_refused),
        cmocka_unit_test(an_object_holds_the_answer_and_maybe_a_reasoning),
        cmocka_unit_test(malformed_objects_are_refused),
        cmocka_unit_test(a_choice_is_the_bare_word),
        cmocka_unit_test(log_probabilities_make_soft_labels),
        cmocka_unit_test(log_probabilities_that_say_too_little_are_refused),
        cmocka_unit_test(random_answers_are_read_in_range_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
