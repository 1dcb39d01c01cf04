/* Lines of a ledger: what is written comes back, what is hostile does not. */
#include "tests/support/harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "learner/store/ledger_line.h"

static uint8_t every_byte[256];
static char long_raw[LEDGER_RAW_MAX];
static struct ledger_line *room;
static struct text_buf line;

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < 256; i++) {
        every_byte[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < sizeof(long_raw); i++) {
        long_raw[i] = (char)(i * 7 % 32); // the longest form in JSON
    }
    room = ledger_line_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ledger_line_free(room);
    text_buf_release(&line);
    return 0;
}

static struct ledger_entry sample(void)
{
    struct ledger_entry e = {.serial = 7,
                             .time_ms = 1700000000000u,
                             .question = 0xfedcba9876543210u,
                             .goal_digest = {1, 2},
                             .prompt_digest = {3, UINT64_MAX},
                             .goal = bytes_of(every_byte, 255),
                             .judge = bytes_text("llm"),
                             .model = bytes_of(every_byte + 1, 255),
                             .question_kind = QUESTION_RATE,
                             .verdict_kind = VERDICT_LABEL,
                             .trains = true,
                             .label = 0.1f,
                             .confidence = NAN,
                             .captions = 1,
                             .tokens_in = UINT32_MAX,
                             .tokens_out = 8,
                             .latency_us = 9,
                             .cost_micro = UINT32_MAX,
                             .requests = UINT16_MAX,
                             .estimated = true,
                             .position = -128,
                             .origin = bytes_text("00ff00ff00ff00ff/123")};

    e.caption[0] = bytes_of(every_byte + 1, 255);
    e.raw = bytes_of(every_byte, 256);
    e.key = ledger_item_key(e.caption, 1);
    return e;
}

static void write_line(const struct ledger_entry *e)
{
    text_buf_clear(&line);
    ledger_line_write(e, &line);
    assert_true(line.len > 0 && line.len < LEDGER_LINE_MAX);
}

/* Read back and written again it is the same line. */
static void comes_back(const struct ledger_entry *e)
{
    struct ledger_entry back;

    write_line(e);
    char *first = mem_new(line.len + 1, 1);
    memcpy(first, line.data, line.len);
    const enum status st =
        ledger_line_read(room, bytes_of(line.data, line.len - 1), &back);
    if (st != ST_OK) {
        fail_msg("refused: %s", ledger_line_why(room));
    }
    write_line(&back);
    assert_string_equal(line.data, first);
    assert_true(bytes_equal(back.raw, e->raw));
    assert_true(bytes_equal(back.goal, e->goal));
    for (int i = 0; i < e->captions; i++) {
        assert_true(bytes_equal(back.caption[i], e->caption[i]));
    }
    mem_free(first);
}

static void all_byte_values_come_back(void **state)
{
    struct ledger_entry e = sample();

    (void)state;
    comes_back(&e);
    e.raw = bytes_of(long_raw, sizeof(long_raw));
    comes_back(&e);
    e.caption[0] = bytes_of(every_byte, 255);
    e.key = ledger_item_key(e.caption, 1);
    comes_back(&e);
}

static void orders_failures_and_unknown_answers_come_back(void **state)
{
    struct ledger_entry e = sample();

    (void)state;
    e.question_kind = QUESTION_ORDER;
    e.captions = 3;
    e.caption[1] = bytes_text("b");
    e.caption[2] = bytes_text("c");
    e.key = ledger_item_key(e.caption, 3);
    e.order[0] = 2;
    e.order[2] = 1;
    e.label = NAN;
    comes_back(&e);
    e = sample();
    e.verdict_kind = VERDICT_TIMEOUT;
    e.label = NAN;
    e.trains = false;
    comes_back(&e);
    e.captions = 0;
    e.key = (struct hash128){0, 0};
    comes_back(&e);
}

static void the_key_of_several_captions_does_not_depend_on_their_order(void **state)
{
    const struct bytes ab[2] = {bytes_text("a"), bytes_text("b")};
    const struct bytes ba[2] = {bytes_text("b"), bytes_text("a")};
    const struct bytes aa[2] = {bytes_text("a"), bytes_text("a")};

    (void)state;
    assert_true(hash_equal(ledger_item_key(ab, 2), ledger_item_key(ba, 2)));
    assert_false(hash_equal(ledger_item_key(ab, 2), ledger_item_key(aa, 2)));
    assert_true(hash_equal(ledger_item_key(ab, 1), hash_128(bytes_text("a"))));
}

/* ---- hostile ---- */

static void is_refused(struct bytes b, const char *why)
{
    struct ledger_entry e = {.serial = 99};

    if (ledger_line_read(room, b, &e) == ST_OK) {
        fail_msg("taken: %.*s", (int)b.len, (const char *)b.data);
    }
    assert_int_equal(e.serial, 99); // untouched
    if (strstr(ledger_line_why(room), why) == NULL) {
        fail_msg("refused because %s, not because %s", ledger_line_why(room), why);
    }
}

/* The sample's line with one text replaced by another. */
static void replaced_is_refused(const char *old, const char *new, const char *why)
{
    struct ledger_entry e = sample();
    struct text_buf b = {0};

    e.goal = bytes_text("treasure");
    e.model = bytes_text("");
    e.caption[0] = bytes_text("You find gold.");
    e.key = ledger_item_key(e.caption, 1);
    e.raw = bytes_text("yes");
    write_line(&e);
    const char *at = strstr(line.data, old);
    assert_non_null(at);
    text_buf_add(&b, "%.*s%s%s", (int)(at - line.data), line.data, new,
                 at + strlen(old));
    is_refused(bytes_of(b.data, b.len), why);
    text_buf_release(&b);
}

static void values_out_of_range_are_refused(void **state)
{
    static const char *const table[][3] = {
        {"\"serial\":7", "\"serial\":0", "serial"},
        {"\"serial\":7", "\"serial\":-1", "serial"},
        {"\"serial\":7", "\"serial\":7.0", "serial"},
        {"\"serial\":7", "\"serial\":\"7\"", "serial"},
        {"\"serial\":7", "\"serial\":281474976710656", "serial"},
        {"\"serial\":7", "\"serial\":99999999999999999999999", "too big"},
        {"\"label\":0.1", "\"label\":1.5,\"x\":0.1", "no meaning"},
        {"\"label\":0.100000001", "\"label\":1.01", "label"},
        {"\"label\":0.100000001", "\"label\":-0.01", "label"},
        {"\"label\":0.100000001", "\"label\":null", "label"},
        {"\"label\":0.100000001", "\"label\":true", "label"},
        {"\"label\":0.100000001", "\"label\":1e999", "overflow"},
        {"\"label\":0.100000001", "\"label\":NaN", "token"},
        {"\"label\":0.100000001", "\"label\":Infinity", "token"},
        {"\"confidence\":null", "\"confidence\":2", "confidence"},
        {"\"tokens_in\":4294967295", "\"tokens_in\":4294967296", "tokens_in"},
        {"\"requests\":65535", "\"requests\":65536", "requests"},
        {"\"position\":-128", "\"position\":-2", "position"},
        {"\"position\":-128", "\"position\":2", "position"},
        {"\"late\":false", "\"late\":0", "late"},
        {"\"verdict\":\"label\"", "\"verdict\":\"maybe\"", "verdict"},
        {"\"verdict\":\"label\"", "\"verdict\":\"timeout\"", "trains"},
        {"\"purpose\":\"label\"", "\"purpose\":\"fun\"", "purpose"},
        {"\"purpose\":\"label\"", "\"purpose\":\"canary\"", "trains"},
        {"\"ask\":\"rate\"", "\"ask\":\"order\"", "captions"},
        {"\"ask\":\"rate\"", "\"ask\":\"beg\"", "ask"},
        {"gold.", "gems.", "the hash"},
        {"[\"You find gold.\"]", "[]", "the hash"},
        {"[\"You find gold.\"]", "\"You find gold.\"", "captions"},
        {"[\"You find gold.\"]", "[\"a\",\"b\"]", "captions"},
        {"You find gold.", "\\u0100", "U+0100"},
        {"\"question\":\"f", "\"question\":\"g", "question"},
        {"00ff00ff00ff00ff/123", "00ff00ff00ff00ff/", "origin"},
        {"00ff00ff00ff00ff/123", "00FF00ff00ff00ff/1", "origin"},
        {"00ff00ff00ff00ff/123", "x", "origin"},
        {",\"raw\":\"yes\"", "", "no raw"},
        {"\"raw\":\"yes\"", "\"raw\":[[[[[[[[\"deep\"]]]]]]]]", "deeper"},
        {"\"raw\":\"yes\"", "\"raw\":\"yes\",\"raw\":\"no\"", "duplicate"},
        {"\"raw\":\"yes\"", "\"raw\":\"yes\",\"extra\":1", "no meaning"},
        {"\"raw\":\"yes\"", "\"raw\":\"yes", "newline"},
        {"\"raw\":\"yes\"", "\"raw\":\"\\ud800\"", "Unicode"},
        {"\"raw\":\"yes\"", "\"raw\":\"\xff\"", "decode"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        replaced_is_refused(table[i][0], table[i][1], table[i][2]);
    }
}

static void what_is_no_verdict_is_refused(void **state)
{
    char *huge = mem_new(LEDGER_LINE_MAX + 2, 1);

    (void)state;
    is_refused(bytes_text(""), "");
    is_refused(bytes_text("null"), "");
    is_refused(bytes_text("[]"), "not an object");
    is_refused(bytes_text("{}"), "has no serial");
    is_refused(bytes_text("{\"a\":1}"), "no meaning");
    is_refused(bytes_of("{\"\0\":1}", 7), "");
    is_refused(bytes_of(every_byte, 256), "");
    memset(huge, '[', LEDGER_LINE_MAX + 1);
    is_refused(bytes_of(huge, LEDGER_LINE_MAX), "deeper");
    is_refused(bytes_of(huge, LEDGER_LINE_MAX + 1), "longer");
    // Brackets in a text are no nesting, wherever a quote in it seems to end it.
    is_refused(bytes_text("{\"a\\\"[[[[[[[[[[[[\":1}"), "no meaning");
    mem_free(huge);
}

static void an_answer_that_is_too_long_is_refused(void **state)
{
    struct ledger_entry e = sample();
    struct text_buf b = {0};

    (void)state;
    e.raw = bytes_of(long_raw, sizeof(long_raw));
    write_line(&e);
    text_buf_add(&b, "%.*sx\"}", (int)line.len - 3, line.data);
    is_refused(bytes_of(b.data, b.len), "raw");
    text_buf_release(&b);
}

static void a_head_says_whose_it_is(void **state)
{
    struct ledger_head h = {.run = 0xab, .environment = "crypt-vault"}, back = {0};
    struct text_buf b = {0};

    (void)state;
    ledger_line_write_head(&h, &b);
    assert_int_equal(ledger_line_read_head(room, bytes_of(b.data, b.len - 1), &back),
                     ST_OK);
    assert_int_equal(back.run, 0xab);
    assert_string_equal(back.environment, "crypt-vault");
    text_buf_release(&b);
    assert_int_equal(
        ledger_line_read_head(room,
                              bytes_text("{\"ledger\":1,\"run\":\"00000000000000ab\","
                                         "\"environment\":\"\"}"),
                              &back),
        ST_VERSION);
    assert_non_null(strstr(ledger_line_why(room), "schema 1, this program reads 2"));
    assert_int_equal(ledger_line_read_head(room, bytes_text("{\"ledger\":2}"), &back),
                     ST_CORRUPT);
    assert_int_equal(ledger_line_read_head(room, bytes_text("{\"serial\":1}"), &back),
                     ST_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_byte_values_come_back),
        TEST(orders_failures_and_unknown_answers_come_back),
        TEST(the_key_of_several_captions_does_not_depend_on_their_order),
        TEST(values_out_of_range_are_refused),
        TEST(what_is_no_verdict_is_refused),
        TEST(an_answer_that_is_too_long_is_refused),
        TEST(a_head_says_whose_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
