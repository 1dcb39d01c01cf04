/* common/nn/ngram: which rows a text has. */

#include "common/nn/ngram.h"

#include <string.h>

#include "tests/support/harness.h"

static void an_empty_text_has_no_rows_and_gives_zeros(void **state)
{
    uint16_t rows[NGRAM_MOST];
    float y[NGRAM_DIM];
    struct params p = {0};
    const struct param *w = params_declare(&p, "w", NGRAM_ROWS, NGRAM_DIM);
    (void)state;
    params_alloc(&p, false);
    w->w[0] = 1;
    memset(y, 0xff, sizeof y);
    assert_int_equal(ngram_rows(rows, bytes_text("")), 0);
    ngram_forward(y, bytes_of(NULL, 0), w);
    for (int i = 0; i < NGRAM_DIM; i++) {
        assert_true(y[i] == 0.0f);
    }
    params_release(&p);
}

static void a_text_has_its_grams_of_3_to_5_and_its_words(void **state)
{
    uint16_t rows[NGRAM_MOST];
    (void)state;
    // " a key ": 5 + 4 + 3 grams and 2 words
    assert_int_equal(ngram_rows(rows, bytes_text("a key")), 14);
    assert_int_equal(ngram_rows(rows, bytes_text("a")), 1 + 1); // " a " and the word
}

static void capitals_are_folded_and_digits_are_not(void **state)
{
    uint16_t a[NGRAM_MOST], b[NGRAM_MOST];
    (void)state;
    const int n = ngram_rows(a, bytes_text("The NEWT bites!"));
    assert_int_equal(ngram_rows(b, bytes_text("the newt bites!")), n);
    assert_memory_equal(a, b, (size_t)n * sizeof a[0]);
    ngram_rows(b, bytes_text("the newt bite5!"));
    assert_memory_not_equal(a, b, (size_t)n * sizeof a[0]);
}

static void a_word_is_not_the_gram_of_the_same_letters(void **state)
{
    uint16_t rows[NGRAM_MOST];
    (void)state;
    // " key ": " ke" " key" " key " "key" "key " "ey ", word: all 7 differ
    const int n = ngram_rows(rows, bytes_text("key"));
    assert_int_equal(n, 7);
    for (int i = 0; i < n; i++) {
        assert_true(rows[i] < NGRAM_ROWS);
        for (int j = 0; j < i; j++) {
            assert_int_not_equal(rows[i], rows[j]);
        }
    }
}

static void a_long_text_is_cut_and_fits(void **state)
{
    char text[600];
    uint16_t a[NGRAM_MOST], b[NGRAM_MOST];
    (void)state;
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = i % 2 == 0 ? (char)('a' + i % 26) : ' '; // most words there can be
    }
    const int n = ngram_rows(a, bytes_of(text, sizeof text));
    assert_true(n <= NGRAM_MOST);
    assert_int_equal(ngram_rows(b, bytes_of(text, NGRAM_TEXT_MAX)), n);
    assert_memory_equal(a, b, (size_t)n * sizeof a[0]);
}

static void any_bytes_are_a_text(void **state)
{
    uint8_t text[255];
    uint16_t rows[NGRAM_MOST];
    (void)state;
    for (int i = 0; i < 255; i++) {
        text[i] = (uint8_t)(255 - i);
    }
    const int n = ngram_rows(rows, bytes_of(text, sizeof text));
    for (int i = 0; i < n; i++) {
        assert_true(rows[i] < NGRAM_ROWS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_text_has_no_rows_and_gives_zeros),
        cmocka_unit_test(a_text_has_its_grams_of_3_to_5_and_its_words),
        cmocka_unit_test(capitals_are_folded_and_digits_are_not),
        cmocka_unit_test(a_word_is_not_the_gram_of_the_same_letters),
        cmocka_unit_test(a_long_text_is_cut_and_fits),
        cmocka_unit_test(any_bytes_are_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
