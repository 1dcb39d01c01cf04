/* Facts about text. JSON is read back by jansson, which minos itself does not wrap. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "common/base/text.h"
#include "tests/support/harness.h"

static void a_cut_format_says_so_and_is_terminated(void **state)
{
    char out[6];

    (void)state;
    assert_true(text_format(out, sizeof(out), "%d", 12345));
    assert_string_equal(out, "12345");
    assert_false(text_format(out, sizeof(out), "%d", 123456));
    assert_string_equal(out, "12345");
}

static void only_whole_numbers_in_range_parse(void **state)
{
    static const char *const bad[] = {"",   " 5",  "5 ",  "+5",
                                      "5x", "0x5", "5.0", "1e2",
                                      "-",  "11",  "-1",  "99999999999999999999"};
    int64_t v = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(text_to_i64(bad[i], 0, 10, &v));
        assert_int_equal(v, 77);
    }
    assert_true(text_to_i64("10", 0, 10, &v));
    assert_int_equal(v, 10);
    assert_true(text_to_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v));
    assert_true(v == INT64_MIN);
}

static void only_real_numbers_in_range_parse(void **state)
{
    static const char *const bad[] = {"", " 1", "1 ", "1,5", "nan", "inf", "2", "-0.1"};
    double v = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(text_to_f64(bad[i], 0, 1, &v));
        assert_true(v == 77);
    }
    assert_true(text_to_f64("2.5e-4", 0, 1, &v));
    assert_true(v == 2.5e-4);
    assert_true(text_to_f64("1e-400", 0, 1, &v)); // too small for a double
    assert_true(v >= 0 && v < 1e-300);
}

static void a_printed_double_comes_back_and_is_short(void **state)
{
    static const double values[] = {0.1, 1.0 / 3, 2.5e-4, 1e300, -7, 5e-324, 123456789};
    char text[TEXT_F64_MAX];
    double back;

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        text_from_f64(values[i], text);
        assert_true(text_to_f64(text, -HUGE_VAL, HUGE_VAL, &back));
        assert_true(back == values[i]);
    }
    text_from_f64(0.1, text);
    assert_string_equal(text, "0.1");
    text_from_f64(2.5e-4, text);
    assert_string_equal(text, "0.00025");
}

static void trimming_cuts_white_space_at_both_ends_only(void **state)
{
    char text[] = " \t a b\r\n", blank[] = " \n", none[] = "";

    (void)state;
    assert_string_equal(text_trim(text), "a b");
    assert_string_equal(text_trim(blank), "");
    assert_string_equal(text_trim(none), "");
}

static void the_nearest_name_is_found_within_a_third(void **state)
{
    static const char *const names[] = {"envs", "env", "segment-steps", "learner"};

    (void)state;
    assert_string_equal(text_nearest("evns", names, 4), "envs");
    assert_string_equal(text_nearest("segmentsteps", names, 4), "segment-steps");
    assert_string_equal(text_nearest("segments-step", names, 4), "segment-steps");
    assert_string_equal(text_nearest("", names, 4) == NULL ? "none" : "one", "none");
    assert_null(text_nearest("goal", names, 4));
    assert_null(text_nearest("envs", names, 0));
}

static void every_byte_value_survives_json(void **state)
{
    struct text_buf b = {0};
    uint8_t all[256], back[256];
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 256; i++) {
        all[i] = (uint8_t)i;
    }
    text_buf_add_json(&b, bytes_of(all, sizeof(all)));
    assert_int_equal(strlen(b.data), b.len);
    json_t *v = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(v);
    const unsigned char *utf8 = (const unsigned char *)json_string_value(v);
    const unsigned char *end = utf8 + json_string_length(v);
    while (utf8 < end) { // code points below 256 need two bytes at most
        assert_true(n < sizeof(back));
        if (*utf8 < 0x80) {
            back[n++] = *utf8++;
        } else {
            back[n++] = (uint8_t)(utf8[0] << 6 | (utf8[1] & 0x3f));
            utf8 += 2;
        }
    }
    assert_int_equal(n, 256);
    assert_memory_equal(back, all, 256);
    json_decref(v);
    text_buf_release(&b);
}

static void a_buffer_grows_and_stays_terminated(void **state)
{
    struct text_buf b = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        text_buf_add(&b, "%04d", i);
        assert_int_equal(b.data[b.len], '\0');
    }
    assert_int_equal(b.len, 4000);
    assert_memory_equal(b.data + 3996, "0999", 5);
    text_buf_clear(&b);
    text_buf_add(&b, "%s", "again");
    assert_string_equal(b.data, "again");
    text_buf_add_json(&b, bytes_of(NULL, 0));
    assert_string_equal(b.data, "again\"\"");
    text_buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_format_says_so_and_is_terminated),
        cmocka_unit_test(only_whole_numbers_in_range_parse),
        cmocka_unit_test(only_real_numbers_in_range_parse),
        cmocka_unit_test(a_printed_double_comes_back_and_is_short),
        cmocka_unit_test(trimming_cuts_white_space_at_both_ends_only),
        cmocka_unit_test(the_nearest_name_is_found_within_a_third),
        cmocka_unit_test(every_byte_value_survives_json),
        cmocka_unit_test(a_buffer_grows_and_stays_terminated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
