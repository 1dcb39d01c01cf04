/* What a model learns from: texts and labels, what is held out, and draws. */

#include "tests/support/harness.h"

#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "learner/reward/labels.h"

static struct labels *labels;

static int setup(void **state)
{
    (void)state;
    labels = labels_new(0.1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    labels_free(labels);
    return 0;
}

static struct hash128 key_of(const char *text)
{
    return hash_128(bytes_text(text));
}

static uint32_t rate(struct labels *l, const char *text, float p)
{
    const struct reward_label label = {
        .key = key_of(text), .kind = VERDICT_LABEL, .captions = 1, .p = p};

    labels_take_text(l, label.key, bytes_text(text));
    return labels_take(l, &label);
}

static void fill(struct labels *l, int from, int to)
{
    char text[64];

    for (int i = from; i < to; i++) {
        // Words alone: each its own form.
        text_format(text, sizeof(text), "word%c%c%c", 'a' + i / 676, 'a' + i / 26 % 26,
                    'a' + i % 26);
        rate(l, text, i % 10 == 0 ? 0.9F : 0.1F);
    }
}

static void expect_form(const char *text, const char *form)
{
    uint8_t out[LABELS_TEXT_MOST];
    const size_t len = labels_form(bytes_text(text), out);

    assert_int_equal(len, strlen(form));
    assert_memory_equal(out, form, len);
}

static void a_form_is_a_text_without_digits_quotes_and_capitals(void **state)
{
    (void)state;
    expect_form("You find 153 gold pieces.", "you find # gold pieces.");
    expect_form("It says: \"Elbereth 3\". Go on.", "it says: \". go on.");
    expect_form("It says: \"cut o", "it says: \"");
    expect_form("", "");
}

static void a_form_lies_on_one_side(void **state)
{
    char text[64];

    (void)state;
    for (int i = 0; i < 200; i++) {
        bool held = false;
        for (int n = 0; n < 5; n++) {
            struct labels_item it;
            text_format(text, sizeof(text), "word%c%c is %d", 'a' + i / 26,
                        'a' + i % 26, n * 37);
            labels_get(labels, rate(labels, text, 0.2F), &it);
            assert_true(n == 0 || it.held == held);
            held = it.held;
        }
    }
    assert_true(labels_held(labels) > 50 && labels_held(labels) < 150); // of 1,000
    assert_int_equal(labels_held(labels) + labels_to_train(labels), 1000);
}

static void as_many_orders_are_held_out_as_ratings(void **state)
{
    char text[64];
    int held = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct reward_label order = {
            .key = {1, (uint64_t)i}, .kind = VERDICT_LABEL, .captions = 8};
        struct labels_item it;
        for (int k = 0; k < 8; k++) {
            text_format(text, sizeof(text), "word%c%c%c%c", 'a' + i / 676,
                        'a' + i / 26 % 26, 'a' + i % 26, 'a' + k);
            order.caption[k] = key_of(text);
            order.place[k] = (uint8_t)k;
            labels_take_text(labels, order.caption[k], bytes_text(text));
        }
        labels_get(labels, labels_take(labels, &order), &it);
        held += it.held;
    }
    assert_true(held > 60 && held < 150);
}

static void the_last_label_of_a_caption_counts_under_the_same_number(void **state)
{
    struct labels_item it;

    (void)state;
    const uint32_t first = rate(labels, "a door", 0.9F);
    rate(labels, "a rock", 0.1F);
    assert_int_equal(labels_of_class(labels, true), 1);
    assert_int_equal(rate(labels, "a door", 0.2F), first);
    labels_get(labels, first, &it);
    assert_float_equal(it.p, 0.2, 1e-6);
    assert_true(bytes_equal(it.text[0], bytes_text("a door")));
    assert_int_equal(labels_count(labels), 2);
    assert_int_equal(labels_of_class(labels, true), 0);
    assert_int_equal(labels_of_class(labels, false), 2);
}

static void a_label_without_its_text_is_left_out_and_said_once(void **state)
{
    const struct reward_label label = {
        .key = {5, 6}, .serial = 17, .kind = VERDICT_LABEL, .captions = 1, .p = 1};

    (void)state;
    harness_stderr_begin();
    assert_int_equal(labels_take(labels, &label), LABELS_NONE);
    assert_int_equal(labels_take(labels, &label), LABELS_NONE);
    const char *said = harness_stderr_end();
    assert_non_null(strstr(said, "ledger row 17"));
    assert_null(strstr(strstr(said, "REWARD-TEXT") + 1, "REWARD-TEXT"));
    assert_int_equal(labels_count(labels), 0);
}

static void an_order_says_something_unless_all_are_tied(void **state)
{
    struct reward_label order = {.key = {1, 1},
                                 .kind = VERDICT_LABEL,
                                 .captions = 2,
                                 .caption = {key_of("a"), key_of("b")},
                                 .place = {1, 0}};

    (void)state;
    labels_take_text(labels, key_of("a"), bytes_text("a"));
    labels_take_text(labels, key_of("b"), bytes_text("b"));
    labels_take(labels, &order);
    assert_int_equal(labels_of_class(labels, true), 1);
    order.kind = VERDICT_TIE; // places of a tie are not read
    labels_take(labels, &order);
    assert_int_equal(labels_of_class(labels, true), 0);
}

static double share_of_helpful(double helpful)
{
    struct rng rng;
    int drawn = 0;

    rng_init(&rng, 3);
    for (int i = 0; i < 2000; i++) {
        struct labels_item it;
        labels_get(labels, labels_draw(labels, &rng, false, helpful), &it);
        assert_false(it.held);
        drawn += it.helpful;
    }
    return drawn / 2000.0;
}

static void a_share_of_the_draws_is_of_helpful_ones_alone(void **state)
{
    (void)state;
    fill(labels, 0, 1000);
    assert_float_equal(share_of_helpful(0.5), 0.55, 0.05);
    assert_float_equal(share_of_helpful(0), 0.1, 0.04);
}

/* Labels that changed sides leave their class's list in another order than that of their
 * arrival: a checkpoint keeps it. */
static void the_draws_after_a_checkpoint_are_those_without_it(void **state)
{
    struct labels *back = labels_new(0.1);
    struct rng one, two;
    char *data;
    size_t len;

    (void)state;
    fill(labels, 0, 500);
    rate(labels, "wordaab", 0.9F);
    rate(labels, "wordabc", 0.9F);
    rate(labels, "wordaka", 0.1F);
    labels_write(labels, &data, &len);
    assert_int_equal(labels_read(back, bytes_of(data, len)), ST_OK);
    fill(labels, 500, 600);
    fill(back, 500, 600);
    rng_init(&one, 9);
    rng_init(&two, 9);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(labels_draw(labels, &one, i % 3 == 0, i % 2 == 0 ? 0.25 : 0),
                         labels_draw(back, &two, i % 3 == 0, i % 2 == 0 ? 0.25 : 0));
    }
    assert_int_equal(labels_of_class(back, true), labels_of_class(labels, true));
    assert_int_equal(labels_newest(back, true, 3), labels_newest(labels, true, 3));
    mem_free(data);
    labels_free(back);
}

static void bytes_that_are_no_labels_are_refused(void **state)
{
    char *data;
    size_t len;

    (void)state;
    fill(labels, 0, 20);
    labels_write(labels, &data, &len);
    struct labels *back = labels_new(0.1);
    harness_stderr_begin();
    for (size_t cut = 0; cut < len; cut += 3) {
        assert_int_equal(labels_read(back, bytes_of(data, cut)), ST_CORRUPT);
        assert_int_equal(labels_count(back), 0);
    }
    memset(data + len - 4, 0xff, 4); // a number of a label that is not there
    assert_int_equal(labels_read(back, bytes_of(data, len)), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "REWARD-LABELS"));
    mem_free(data);
    labels_free(back);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_form_is_a_text_without_digits_quotes_and_capitals),
        TEST(a_form_lies_on_one_side),
        TEST(as_many_orders_are_held_out_as_ratings),
        TEST(the_last_label_of_a_caption_counts_under_the_same_number),
        TEST(a_label_without_its_text_is_left_out_and_said_once),
        TEST(an_order_says_something_unless_all_are_tied),
        TEST(a_share_of_the_draws_is_of_helpful_ones_alone),
        TEST(the_draws_after_a_checkpoint_are_those_without_it),
        TEST(bytes_that_are_no_labels_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
