/* How the answers to one question become one verdict: votes, both orders, failures. */

#include <math.h>
#include <string.h>

#include "judge/backends/llm/inquiry.h"
#include "tests/support/harness.h"

static struct shot shots[SHOTS_MAX];
static struct inquiry q;

static void begin(enum prompt_style style, int captions, int votes)
{
    static struct judge_caption caption[ITEM_CAPTIONS_MAX];
    const struct judge_question question = {.id = 9,
                                            .kind = captions > 1 ? QUESTION_ORDER
                                                                 : QUESTION_RATE,
                                            .captions = captions,
                                            .caption = caption};

    q.shot = shots;
    inquiry_begin(&q, &question, style, votes, 4);
}

/* Of a rate or a pair; of what was shown. */
static void answer(int shot, double p, bool hard)
{
    struct parsed a = {.ok = true, .hard = hard, .p = p};

    a.rank[0] = p >= 0.5 ? 0 : 1;
    a.rank[1] = p <= 0.5 ? 0 : 1;
    inquiry_take(&q, &shots[shot], &a, !hard, p);
}

static void order_is(const char *ranks)
{
    for (int i = 0; ranks[i] != '\0'; i++) {
        assert_int_equal(q.verdict.order[i], ranks[i] - '0');
    }
}

static void one_hard_vote_is_the_label_and_says_nothing_of_its_confidence(void **state)
{
    (void)state;
    begin(STYLE_BINARY, 1, 1);
    assert_int_equal(q.shots, 1);
    answer(0, 1, true);
    assert_true(q.done);
    assert_int_equal(q.verdict.kind, VERDICT_LABEL);
    assert_true(q.verdict.label == 1 && isnan(q.verdict.confidence));
    assert_int_equal(q.verdict.position, POSITION_UNKNOWN);
}

static void votes_are_averaged(void **state)
{
    (void)state;
    begin(STYLE_BINARY, 1, 5);
    for (int i = 0; i < 5; i++) {
        assert_false(q.done);
        answer(i, i < 4 ? 1 : 0, true);
    }
    assert_true(q.done);
    assert_float_equal(q.verdict.label, 0.8, 1e-6);
    assert_float_equal(q.verdict.confidence, 0.8, 1e-6);
}

static void a_minority_of_votes_may_fail_and_half_of_them_may_not(void **state)
{
    (void)state;
    begin(STYLE_GRADED, 1, 3);
    inquiry_fail(&q, &shots[0], VERDICT_TIMEOUT);
    assert_false(q.done);
    answer(1, 0.7, false);
    answer(2, 0.3, false);
    assert_int_equal(q.verdict.kind, VERDICT_LABEL);
    assert_float_equal(q.verdict.label, 0.5, 1e-6);

    begin(STYLE_GRADED, 1, 4);
    answer(0, 1, false);
    inquiry_fail(&q, &shots[1], VERDICT_TIMEOUT);
    assert_false(q.done);
    inquiry_fail(&q, &shots[2], VERDICT_UNPARSEABLE);
    assert_true(q.done);
    assert_int_equal(q.verdict.kind, VERDICT_UNPARSEABLE);
}

static void a_pair_is_shown_in_both_orders(void **state)
{
    uint8_t shown[ITEM_CAPTIONS_MAX];

    (void)state;
    begin(STYLE_PAIR, 2, 1);
    assert_int_equal(q.shots, 2);
    inquiry_shown(&q, &shots[0], shown);
    assert_true(shown[0] == 0 && shown[1] == 1);
    inquiry_shown(&q, &shots[1], shown);
    assert_true(shown[0] == 1 && shown[1] == 0);
    answer(0, 0, true); // the second shown: caption 1
    assert_false(q.done);
    answer(1, 1, true); // the first shown: caption 1
    assert_true(q.done);
    assert_int_equal(q.verdict.kind, VERDICT_LABEL);
    order_is("10");
    assert_int_equal(q.verdict.position, 0);
    assert_true(q.verdict.confidence == 1);
}

static void hard_answers_that_disagree_are_a_tie_and_tell_the_bias(void **state)
{
    (void)state;
    begin(STYLE_PAIR, 2, 1);
    answer(0, 1, true);
    answer(1, 1, true);
    assert_int_equal(q.verdict.kind, VERDICT_TIE);
    assert_int_equal(q.verdict.position, 1);
    begin(STYLE_PAIR, 2, 1);
    answer(0, 0, true);
    answer(1, 0, true);
    assert_int_equal(q.verdict.kind, VERDICT_TIE);
    assert_int_equal(q.verdict.position, -1);
    // A tie one way and a winner the other way disagree too.
    begin(STYLE_PAIR, 2, 1);
    answer(0, 0.5, true);
    answer(1, 1, true);
    assert_int_equal(q.verdict.kind, VERDICT_TIE);
    assert_int_equal(q.verdict.position, POSITION_UNKNOWN);
}

static void soft_answers_of_both_orders_are_averaged(void **state)
{
    (void)state;
    begin(STYLE_PAIR, 2, 1);
    answer(0, 0.9, false); // caption 0 with 0.9
    answer(1, 0.7, false); // caption 1 with 0.7: caption 0 with 0.3
    assert_int_equal(q.verdict.kind, VERDICT_LABEL);
    order_is("01");
    assert_float_equal(q.verdict.confidence, 0.6, 1e-6);
    assert_int_equal(q.verdict.position, 1);
}

static void one_order_that_fails_gives_no_label(void **state)
{
    (void)state;
    begin(STYLE_PAIR, 2, 1);
    answer(0, 1, true);
    inquiry_fail(&q, &shots[1], VERDICT_UNPARSEABLE);
    assert_true(q.done);
    assert_int_equal(q.verdict.kind, VERDICT_UNPARSEABLE);
    assert_int_equal(q.verdict.position, POSITION_UNKNOWN);
    assert_true(isnan(q.verdict.confidence));
    begin(STYLE_PAIR, 2, 1);
    inquiry_fail(&q, &shots[0], VERDICT_OVERLOAD);
    assert_true(q.done); // the other need not be asked
    assert_int_equal(q.verdict.kind, VERDICT_OVERLOAD);
}

static void orders_are_averaged_by_rank_of_the_captions(void **state)
{
    struct parsed a = {.ok = true, .hard = true};

    (void)state;
    begin(STYLE_ORDER, 3, 1);
    memcpy(a.rank, (uint8_t[]){0, 1, 2}, 3); // as shown: captions 0, 1, 2
    inquiry_take(&q, &shots[0], &a, false, 0);
    memcpy(a.rank, (uint8_t[]){2, 0, 1}, 3); // as shown: captions 2, 1, 0
    inquiry_take(&q, &shots[1], &a, false, 0);
    assert_int_equal(q.verdict.kind, VERDICT_LABEL);
    // Sums of ranks: caption 0: 0 + 1, caption 1: 1 + 0, caption 2: 2 + 2.
    order_is("002");
}

static void
the_raw_text_leaves_each_answer_its_share_and_ends_with_whole_letters(void **state)
{
    char longest[JUDGE_RAW_MAX + 3];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(longest); i += 2) {
        memcpy(longest + i, "\xc3\xa9", 2); // an e with an accent
    }
    begin(STYLE_PAIR, 2, 1);
    inquiry_add_raw(&q, &shots[1], "", bytes_of(longest, sizeof(longest) - 1));
    answer(1, 1, true);
    assert_in_range(q.verdict.raw_len, JUDGE_RAW_MAX / 2 - 2, JUDGE_RAW_MAX / 2);
    inquiry_add_raw(&q, &shots[0], "", bytes_of(longest, sizeof(longest) - 1));
    assert_in_range(q.verdict.raw_len, JUDGE_RAW_MAX - 2, JUDGE_RAW_MAX);
    assert_memory_equal(q.verdict.raw + q.verdict.raw_len - 2, "\xc3\xa9", 2);
    begin(STYLE_BINARY, 1, 1);
    inquiry_add_raw(&q, &shots[0], "", bytes_text("yes"));
    assert_int_equal(q.verdict.raw_len, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_hard_vote_is_the_label_and_says_nothing_of_its_confidence),
        cmocka_unit_test(votes_are_averaged),
        cmocka_unit_test(a_minority_of_votes_may_fail_and_half_of_them_may_not),
        cmocka_unit_test(a_pair_is_shown_in_both_orders),
        cmocka_unit_test(hard_answers_that_disagree_are_a_tie_and_tell_the_bias),
        cmocka_unit_test(soft_answers_of_both_orders_are_averaged),
        cmocka_unit_test(one_order_that_fails_gives_no_label),
        cmocka_unit_test(orders_are_averaged_by_rank_of_the_captions),
        cmocka_unit_test(
            the_raw_text_leaves_each_answer_its_share_and_ends_with_whole_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
