/* What `minos ledger stats` says of verdicts: what trains now, what was paid here. */

#include <math.h>
#include <string.h>

#include "learner/store/ledger_stats.h"
#include "tests/support/harness.h"

static struct ledger_stats *s;
static struct text_buf text;

static int set_up(void **state)
{
    (void)state;
    s = ledger_stats_new();
    text = (struct text_buf){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ledger_stats_free(s);
    text_buf_release(&text);
    return 0;
}

static struct ledger_entry label(uint64_t serial, uint64_t item, float p)
{
    return (struct ledger_entry){.serial = serial,
                                 .key = {item, 1},
                                 .goal_digest = {0xabc, 0xdef},
                                 .goal = bytes_text("treasure"),
                                 .judge = bytes_text("llm"),
                                 .question_kind = QUESTION_RATE,
                                 .purpose = PURPOSE_LABEL,
                                 .verdict_kind = VERDICT_LABEL,
                                 .trains = true,
                                 .label = p,
                                 .captions = 1,
                                 .tokens_in = 700,
                                 .tokens_out = 10,
                                 .requests = 1,
                                 .cost_micro = 148,
                                 .latency_us = 415};
}

static const char *told(bool json)
{
    text_buf_clear(&text);
    (json ? ledger_stats_json : ledger_stats_print)(s, &text);
    return text.data;
}

static void holds(bool json, const char *want)
{
    if (strstr(told(json), want) == NULL) {
        fail_msg("'%s' is not in %s", want, text.data);
    }
}

static void a_label_that_a_newer_one_replaced_does_not_train(void **state)
{
    struct ledger_entry e = label(1, 7, 1);

    (void)state;
    ledger_stats_add(s, &e);
    e = label(2, 8, 1);
    ledger_stats_add(s, &e);
    e = label(9, 7, 0); // asked anew
    ledger_stats_add(s, &e);
    e = label(4, 8, 0); // a file may have them in any order
    ledger_stats_add(s, &e);
    e = label(3, 8, 1);
    ledger_stats_add(s, &e);
    holds(false, "labels     2 that train now, 2 ratings, 0.0 % of them above 1/2; 3 "
                 "superseded");
    holds(true, "\"training\":2,\"positive\":0,");
    holds(true, "\"superseded\":3,");
}

static void what_copies_cost_is_not_spent_here(void **state)
{
    struct ledger_entry e = label(1, 7, 1);

    (void)state;
    ledger_stats_add(s, &e);
    e = label(2, 8, 1);
    e.origin = bytes_text("00000000000000aa/5");
    e.tokens_in = 10000;
    ledger_stats_add(s, &e);
    holds(false, "spent      1 requests, 700 tokens in, 10 out");
    holds(false,
          "copied     1 from other runs, paid for there: 1 requests, 10000 tokens");
    holds(true, "\"requests\":1,\"tokens_in\":700,");
    holds(true, "\"copied_tokens_in\":10000,");
}

static void two_texts_of_one_goals_name_are_two_rows(void **state)
{
    struct ledger_entry e = label(1, 7, 1);

    (void)state;
    ledger_stats_add(s, &e);
    holds(false, "llm, goal treasure: 1 verdicts");
    e.goal_digest = (struct hash128){0x123, 0x456};
    ledger_stats_add(s, &e);
    e.serial = 2;
    ledger_stats_add(s, &e);
    holds(false, ": 1 verdicts");
    holds(false, ": 2 verdicts");
    assert_null(strstr(text.data, "goal treasure: "));
    holds(false, "goal treasure of digest ");
}

static void a_quick_judges_latency_is_not_zero(void **state)
{
    struct ledger_entry e = label(1, 7, 1);

    (void)state;
    ledger_stats_add(s, &e);
    e.latency_us = 12345;
    ledger_stats_add(s, &e);
    e.latency_us = 2500000;
    ledger_stats_add(s, &e);
    holds(false, "median 12.3 ms, 99 % 12.3 ms, longest 2.500 s");
    e.latency_us = 3;
    for (int i = 0; i < 4; i++) {
        ledger_stats_add(s, &e);
    }
    holds(false, "median 3 us");
}

static void orders_are_told_apart_from_ratings(void **state)
{
    struct ledger_entry e = label(1, 7, 1);

    (void)state;
    ledger_stats_add(s, &e);
    e = label(2, 8, NAN);
    e.question_kind = QUESTION_ORDER;
    e.captions = 2;
    ledger_stats_add(s, &e);
    e.serial = 3;
    e.key.lo = 9;
    e.verdict_kind = VERDICT_TIE;
    ledger_stats_add(s, &e);
    holds(false, "3 that train now, 1 rating, 100.0 % of them above 1/2, 2 orders, "
                 "50.0 % of them "
                 "ties; 0 superseded");
    holds(true, "\"training\":3,\"positive\":1,\"positive_share\":1.000000,"
                "\"orders\":2,\"ties\":1,");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(orders_are_told_apart_from_ratings),
        TEST(a_label_that_a_newer_one_replaced_does_not_train),
        TEST(what_copies_cost_is_not_spent_here),
        TEST(two_texts_of_one_goals_name_are_two_rows),
        TEST(a_quick_judges_latency_is_not_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
