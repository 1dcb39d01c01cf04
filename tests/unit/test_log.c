/* Facts about log lines. */
#include <regex.h>
#include <string.h>

#include "common/base/log.h"
#include "tests/support/harness.h"

static void assert_matches(const char *text, const char *pattern)
{
    regex_t re;

    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    const int rc = regexec(&re, text, 0, NULL, 0);
    regfree(&re);
    if (rc != 0) {
        fail_msg("'%s' does not match %s", text, pattern);
    }
}

static void a_line_names_time_role_level_and_id(void **state)
{
    (void)state;
    log_open("learner", 1, LOG_INFO_);
    harness_stderr_begin();
    LOG_WARN("REPLAY-DROP", "dropped %d oldest segments", 512);
    assert_matches(harness_stderr_end(),
                   "^[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3} learner\\.1 WARN  "
                   "REPLAY-DROP  dropped 512 oldest segments\n$");
}

static void a_role_without_a_number_shows_none_and_may_get_one_later(void **state)
{
    (void)state;
    log_open("actor", -1, LOG_INFO_);
    harness_stderr_begin();
    LOG_INFO("A-B", "x");
    assert_matches(harness_stderr_end(), " actor     INFO  A-B          x\n$");
    log_set_index(12);
    harness_stderr_begin();
    LOG_ERROR("A-B", "x");
    assert_matches(harness_stderr_end(), " actor\\.12  ERROR A-B          x\n$");
}

static void less_urgent_lines_than_asked_for_are_not_written(void **state)
{
    (void)state;
    log_open("judge", 0, LOG_WARN_);
    harness_stderr_begin();
    LOG_INFO("A-B", "info");
    LOG_DEBUG("A-B", "debug");
    LOG_WARN("A-B", "warn");
    const char *said = harness_stderr_end();
    assert_null(strstr(said, "info"));
    assert_null(strstr(said, "debug"));
    assert_non_null(strstr(said, "warn"));
}

static void bytes_from_outside_cannot_forge_a_line(void **state)
{
    (void)state;
    log_open("judge", 0, LOG_INFO_);
    harness_stderr_begin();
    LOG_INFO("A-B", "from %s", "x\n12:00:00.000 learner.0 ERROR \033[31m");
    const char *said = harness_stderr_end();
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    assert_null(strchr(said, '\033'));
}

static void a_long_line_is_cut_and_still_ends(void **state)
{
    static char text[10000];

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    harness_stderr_begin();
    LOG_INFO("A-B", "%s", text);
    const char *said = harness_stderr_end();
    assert_int_equal(strlen(said), 2047);
    assert_int_equal(said[2046], '\n');
}

static void a_limit_passes_one_a_second_and_counts_the_rest(void **state)
{
    struct log_limit l = {0};
    uint64_t held = 99;

    (void)state;
    assert_true(log_limit_pass(&l, 0, &held));
    assert_int_equal(held, 0);
    assert_false(log_limit_pass(&l, 500000000u, &held));
    assert_false(log_limit_pass(&l, 999999999u, &held));
    assert_true(log_limit_pass(&l, 1000000001u, &held));
    assert_int_equal(held, 2);
    assert_true(log_limit_pass(&l, 9000000000u, &held));
    assert_int_equal(held, 0);
}

static void a_level_is_known_by_its_name(void **state)
{
    (void)state;
    assert_int_equal(log_level_of("error"), LOG_ERROR_);
    assert_int_equal(log_level_of("debug"), LOG_DEBUG_);
    assert_int_equal(log_level_of("nonsense"), LOG_INFO_);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_names_time_role_level_and_id),
        cmocka_unit_test(a_role_without_a_number_shows_none_and_may_get_one_later),
        cmocka_unit_test(less_urgent_lines_than_asked_for_are_not_written),
        cmocka_unit_test(bytes_from_outside_cannot_forge_a_line),
        cmocka_unit_test(a_long_line_is_cut_and_still_ends),
        cmocka_unit_test(a_level_is_known_by_its_name),
        cmocka_unit_test(a_limit_passes_one_a_second_and_counts_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
