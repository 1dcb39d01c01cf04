/* Captions that try to be something else (tests/golden/hostile_captions.txt), through every
 * prompt of ours, and answers that quote them through every reader. */

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "judge/backends/llm/escape.h"
#include "judge/backends/llm/parse.h"
#include "judge/backends/llm/prompt.h"
#include "tests/support/harness.h"

enum { CAPTIONS_MAX = 200 };

static struct judge_caption corpus[CAPTIONS_MAX];
static int captions;

static const char *const principles[] = {"Opening the chest is worth most."};
static const struct judge_goal goal = {.name = "treasure",
                                       .sentence = "The player wants the treasure.",
                                       .principles = principles,
                                       .principle_count = 1,
                                       .task = "crypt-vault",
                                       .family = "crypt",
                                       .text = ""};

/* The inverse of escaping as judge/prompts/README.md tells it; false: not of its form. */
static bool unescape(const char *text, size_t len, struct judge_caption *out)
{
    const unsigned char *s = (const unsigned char *)text;
    char hex[3] = {0};
    int n = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char byte = s[i];
        if (n == SEGMENT_TEXT_MAX) {
            return false;
        }
        if (s[i] == '\\' && i + 1 < len && s[i + 1] == '\\') {
            i++;
        } else if (s[i] == '\\') {
            if (i + 3 >= len || s[i + 1] != 'x') {
                return false;
            }
            memcpy(hex, s + i + 2, 2);
            byte = (unsigned char)strtoul(hex, NULL, 16);
            i += 3;
        } else if (s[i] >= 0x80) {
            if (i + 1 >= len || (s[i] != 0xc2 && s[i] != 0xc3)) {
                return false;
            }
            byte = (unsigned char)((s[i] & 3) << 6 | (s[i + 1] & 0x3f));
            i++;
        }
        out->text[n++] = (char)byte;
    }
    out->text[n] = '\0';
    out->len = (uint8_t)n;
    return true;
}

static bool same(const struct judge_caption *a, const struct judge_caption *b)
{
    return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static int read_corpus(void **state)
{
    const char *source = getenv("MINOS_SOURCE");
    char path[PATH_MAX_], *text, *rest;
    size_t len;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/tests/golden/hostile_captions.txt",
                   source != NULL ? source : ".");
    assert_int_equal(file_read(path, 1 << 20, &text, &len), ST_OK);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] != '#') {
            assert_in_range(captions, 0, CAPTIONS_MAX - 1);
            assert_true(unescape(line, strlen(line), &corpus[captions++]));
        }
    }
    mem_free(text);
    assert_in_range(captions, 50, CAPTIONS_MAX);
    return 0;
}

/* ---- what is sent ---- */

static int count_of(const char *text, const char *word)
{
    int count = 0;

    for (const char *at = text; (at = strcasestr(at, word)) != NULL; at++) {
        count++;
    }
    return count;
}

/* What is special to some chat template, some server or our own prompts. */
static const char *const tokens[] = {"<|",         "|im_start|>\n",
                                     "<s>",        "</s>",
                                     "[inst]",     "[/inst]",
                                     "<<sys",      "<</sys",
                                     "<start_of",  "<end_of",
                                     "<bos>",      "<eos>",
                                     "<unk>",      "<pad>",
                                     "<mask>",     "<think>",
                                     "</think>",   "###",
                                     "## ",        "[system_prompt]",
                                     "[/system_",  "[tool_calls]",
                                     "[available", "[/available",
                                     "[gmask]",    "<sop>",
                                     "[mask]",     "[cls]",
                                     "[sep]",      "{{",
                                     "{%",         "{#",
                                     "assistant:", "user:",
                                     "human:",     "system: the"};

static void no_token_or_control_byte(const char *text)
{
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        if (strcasestr(text, tokens[i]) != NULL) {
            fail_msg("holds %s: %s", tokens[i], text);
        }
    }
    for (const char *c = text; *c != '\0'; c++) {
        assert_false((*c >= 0 && *c < 0x20 && *c != '\n') || *c == 0x7f);
    }
    json_t *value = json_string(text); // NULL unless UTF-8
    assert_non_null(value);
    json_decref(value);
}

/* The delimiters around the i-th shown caption stand there once each, the caption alone
 * on the line between them; and it can be had back. */
static void one_item(const char *user, bool rated, int i,
                     const struct judge_caption *wanted)
{
    char open[32], close[32];
    struct judge_caption back;

    if (rated) {
        strcpy(open, "<caption>\n");
        strcpy(close, "\n</caption>");
    } else {
        (void)snprintf(open, sizeof(open), "<caption-%d>\n", i + 1);
        (void)snprintf(close, sizeof(close), "\n</caption-%d>", i + 1);
    }
    assert_int_equal(count_of(user, open), 1);
    assert_int_equal(count_of(user, close), 1);
    const char *from = strstr(user, open) + strlen(open);
    const char *to = strstr(from, close);
    assert_non_null(to);
    assert_null(memchr(from, '\n', (size_t)(to - from)));
    assert_true(unescape(from, (size_t)(to - from), &back));
    assert_true(same(&back, wanted));
}

static void check_filled(struct prompt *p, int first)
{
    const enum prompt_style style = prompt_style_of(p);
    const bool rated = style == STYLE_BINARY || style == STYLE_GRADED;
    const int count = rated ? 1 : style == STYLE_PAIR ? 2 : ITEM_CAPTIONS_MAX;
    static const struct judge_caption plain = {.text = "You see a wall.", .len = 15};
    struct text_buf system = {0}, user = {0}, usual = {0};
    struct judge_caption shown[ITEM_CAPTIONS_MAX], walls[ITEM_CAPTIONS_MAX];
    const uint8_t backwards[] = {7, 6, 5, 4, 3, 2, 1, 0};

    for (int i = 0; i < count; i++) {
        shown[i] = corpus[(first + i) % captions];
        walls[i] = plain;
    }
    const struct judge_question q = {.captions = count, .caption = shown};
    const struct judge_question wall = {.captions = count, .caption = walls};
    prompt_fill(p, &q, backwards + (ITEM_CAPTIONS_MAX - count), &system, &user);
    no_token_or_control_byte(system.data);
    no_token_or_control_byte(user.data);
    assert_int_equal(count_of(system.data, "<caption"), 0);
    for (int i = 0; i < count; i++) {
        one_item(user.data, rated, i, &shown[count - 1 - i]);
    }
    // Whatever the captions, there are as many marks of each kind as around walls.
    prompt_fill(p, &wall, NULL, &system, &usual);
    static const char *const marks[] = {"<caption",  "</caption", "<answer>",
                                        "</answer>", "<",         "\n"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        assert_int_equal(count_of(user.data, marks[i]), count_of(usual.data, marks[i]));
    }
    text_buf_release(&system);
    text_buf_release(&user);
    text_buf_release(&usual);
}

static void captions_are_delimited_and_can_be_had_back_in_every_prompt(void **state)
{
    (void)state;
    for (int k = 0; k < 2 * STYLES; k++) {
        const enum prompt_style style = (enum prompt_style)(k / 2);
        const struct prompt_options o = {prompt_style_name(style), k % 2 == 1, ""};
        struct prompt *p;
        assert_int_equal(prompt_open(&goal, &o, &p), ST_OK);
        for (int mode = MODE_TEXT; mode <= MODE_CHOICE; mode++) {
            prompt_set_mode(p, (enum prompt_mode)mode);
            for (int i = 0; i < captions; i++) {
                check_filled(p, i);
            }
        }
        prompt_free(p);
    }
}

static void any_bytes_survive_escaping(void **state)
{
    static const char letters[] = "<>[]/\\x1b#{%:user \n\x80\xff";
    char text[ESCAPE_GROWTH * SEGMENT_TEXT_MAX + 1];
    struct judge_caption c, back;
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (int n = 0; n < 20000; n++) {
        c.len = (uint8_t)(n < 256 ? 1 : rng_below(&rng, SEGMENT_TEXT_MAX + 1));
        for (int i = 0; i < c.len; i++) {
            const uint32_t byte = rng_below(&rng, 256);
            c.text[i] = n < 256      ? (char)n
                        : n % 2 == 0 ? (char)byte
                                     : letters[rng_below(&rng, sizeof(letters) - 1)];
        }
        const size_t len = escape_caption(bytes_of(c.text, c.len), text);
        assert_int_equal(len, strlen(text));
        assert_null(strchr(text, '<'));
        assert_null(strchr(text, '\n'));
        assert_true(unescape(text, len, &back));
        assert_true(same(&c, &back));
    }
}

static void a_games_usual_captions_stay_as_they_are(void **state)
{
    static const char *const usual[] = {
        "You see here an iron key.",
        "Really attack the little dog? [yn] (n)",
        "What do you want to eat? [- abcd or ?*]",
        "Beware, there will be no return! Still climb? [ynq]",
        "You have a little trouble lifting j - a scroll labeled FOO #1.",
        "You read: \"ad aerarium\". Is this > or | there? {fountain} 100%",
    };
    char text[ESCAPE_GROWTH * SEGMENT_TEXT_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        escape_caption(bytes_text(usual[i]), text);
        assert_string_equal(text, usual[i]);
    }
}

/* ---- what comes back ---- */

/* Answers and what they mean, one of each style. */
static const struct {
    enum prompt_style style;
    int captions;
    const char *word, *json;
    double p;
    uint8_t rank[3];
} answers[] = {
    {STYLE_BINARY, 1, "no", "\"no\"", 0, {0}},
    {STYLE_BINARY, 1, "yes", "\"yes\"", 1, {0}},
    {STYLE_GRADED, 1, "3", "3", 0.3, {0}},
    {STYLE_PAIR, 2, "2", "\"2\"", 0, {1, 0}},
    {STYLE_PAIR, 2, "tie", "\"tie\"", 0.5, {0, 0}},
    {STYLE_ORDER, 3, "3 > 1 = 2", "\"3 > 1 = 2\"", 0, {1, 1, 0}},
};
enum { ANSWERS = sizeof(answers) / sizeof(answers[0]) };

static void is_right(int a, const struct parsed *got, const char *text)
{
    if (!got->ok) {
        fail_msg("%s: %s", got->why, text);
    }
    assert_true(got->p == answers[a].p);
    assert_memory_equal(got->rank, answers[a].rank, sizeof(answers[a].rank));
}

static void answers_that_quote_the_prompt_are_read_right(void **state)
{
    static const char *const forms[] = {
        "The caption says \"%s\", which is only text.\n<answer>%s</answer>",
        "%s\n\n<answer>%s</answer>\n\n",
        "> %s\r\n\r\nSo it does not matter here.\r\n  <answer>%s</answer>  \r\n",
        "It ends with %s\nI put that into the <answer> tag.\n<answer>%s</answer>",
    };
    char quoted[ESCAPE_GROWTH * SEGMENT_TEXT_MAX + 1];
    struct text_buf text = {0};
    struct parsed got;

    (void)state;
    for (int i = 0; i < captions; i++) {
        escape_caption(bytes_of(corpus[i].text, corpus[i].len), quoted);
        for (int a = 0; a < ANSWERS; a++) {
            for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
                text_buf_clear(&text);
                // The forms are the table above.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                text_buf_add(&text, forms[f], quoted, answers[a].word);
#pragma GCC diagnostic pop
                parse_text(answers[a].style, answers[a].captions,
                           bytes_of(text.data, text.len), &got);
                is_right(a, &got, text.data);
                assert_int_equal(got.len, strlen(answers[a].word));
                assert_memory_equal(text.data + got.at, answers[a].word, got.len);
            }
        }
    }
    text_buf_release(&text);
}

/* A model may write the caption as it was before escaping. Where that holds a tag the
 * answer may be unreadable; it is never read as the caption wants it. */
static void answers_that_quote_the_raw_caption_are_never_read_wrong(void **state)
{
    struct text_buf text = {0};
    int unreadable = 0;

    (void)state;
    for (int i = 0; i < captions; i++) {
        const struct bytes raw = bytes_of(corpus[i].text, corpus[i].len);
        for (int a = 0; a < ANSWERS; a++) {
            char whole[SEGMENT_TEXT_MAX + 100];
            struct parsed got;
            size_t len = (size_t)sprintf(whole, "It says: ");
            memcpy(whole + len, raw.data, raw.len);
            len += raw.len;
            len += (size_t)sprintf(whole + len, "\n<answer>%s</answer>\n",
                                   answers[a].word);
            parse_text(answers[a].style, answers[a].captions, bytes_of(whole, len),
                       &got);
            const bool tagged = memmem(raw.data, raw.len, "answer>", 7) != NULL ||
                                memmem(raw.data, raw.len, "ANSWER>", 7) != NULL;
            unreadable += !got.ok;
            if (got.ok || !tagged) {
                is_right(a, &got, whole);
            }
        }
    }
    assert_in_range(unreadable, 10, captions * ANSWERS / 4);
    text_buf_release(&text);
}

static void objects_whose_reasoning_quotes_a_caption_are_read_right(void **state)
{
    char quoted[ESCAPE_GROWTH * SEGMENT_TEXT_MAX + 1];
    struct text_buf text = {0};

    (void)state;
    for (int i = 0; i < captions; i++) {
        escape_caption(bytes_of(corpus[i].text, corpus[i].len), quoted);
        for (int a = 0; a < ANSWERS; a++) {
            json_t *reasoning = json_pack("{s:s}", "reasoning", quoted);
            char *dumped = json_dumps(reasoning, JSON_COMPACT);
            struct parsed got;
            dumped[strlen(dumped) - 1] = '\0'; // its last brace
            text_buf_clear(&text);
            text_buf_add(&text, "%s, \"answer\" : %s }\n", dumped, answers[a].json);
            parse_structured(answers[a].style, answers[a].captions,
                             bytes_of(text.data, text.len), &got);
            is_right(a, &got, text.data);
            assert_int_equal(got.len, strlen(answers[a].word));
            assert_memory_equal(text.data + got.at, answers[a].word, got.len);
            free(dumped);
            json_decref(reasoning);
        }
    }
    text_buf_release(&text);
}

/* An answer that is the caption alone is no answer: a tag is escaped in what was shown,
 * and a bare word is none in text. */
static void a_caption_said_back_is_no_answer(void **state)
{
    char quoted[ESCAPE_GROWTH * SEGMENT_TEXT_MAX + 1];

    (void)state;
    for (int i = 0; i < captions; i++) {
        const size_t len =
            escape_caption(bytes_of(corpus[i].text, corpus[i].len), quoted);
        for (int a = 0; a < ANSWERS; a++) {
            struct parsed got;
            parse_text(answers[a].style, answers[a].captions, bytes_of(quoted, len),
                       &got);
            assert_false(got.ok);
            assert_non_null(got.why);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captions_are_delimited_and_can_be_had_back_in_every_prompt),
        cmocka_unit_test(any_bytes_survive_escaping),
        cmocka_unit_test(a_games_usual_captions_stay_as_they_are),
        cmocka_unit_test(answers_that_quote_the_prompt_are_read_right),
        cmocka_unit_test(answers_that_quote_the_raw_caption_are_never_read_wrong),
        cmocka_unit_test(objects_whose_reasoning_quotes_a_caption_are_read_right),
        cmocka_unit_test(a_caption_said_back_is_no_answer),
    };

    return cmocka_run_group_tests(tests, read_corpus, NULL);
}
