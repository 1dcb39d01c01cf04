/* Where a language model's server may be, and how its key is kept to itself. */

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/base/log.h"
#include "common/base/text.h"
#include "judge/backends/llm/key.h"
#include "judge/backends/llm/llm.h"
#include "judge/backends/llm/url.h"
#include "judge/options.h"
#include "tests/support/harness.h"

static const char *check(const char *base, bool has_key, bool allow_http)
{
    static struct url url;

    return url_check(base, "chat/completions", has_key, allow_http, &url) == ST_OK
               ? url.post
               : NULL;
}

static void the_endpoint_is_put_behind_the_address_once(void **state)
{
    (void)state;
    assert_string_equal(check("http://localhost:8000/v1", false, false),
                        "http://localhost:8000/v1/chat/completions");
    assert_string_equal(check("https://api.example.com/v1/", true, false),
                        "https://api.example.com/v1/chat/completions");
    assert_string_equal(
        check("https://api.example.com/v1/chat/completions", true, false),
        "https://api.example.com/v1/chat/completions");
    assert_string_equal(check("https://example.com/v1?version=3", true, false),
                        "https://example.com/v1/chat/completions?version=3");
}

static void a_key_does_not_cross_a_network_in_the_open(void **state)
{
    (void)state;
    harness_stderr_begin();
    assert_null(check("http://10.0.0.7:8000/v1", true, false));
    assert_null(check("http://localhost.example.com/v1", true, false));
    assert_null(check("http://127.evil.example/v1", true, false));
    assert_null(check("http://[::2]:8000/v1", true, false));
    assert_non_null(strstr(harness_stderr_end(), "LLM-URL"));
    assert_non_null(check("http://10.0.0.7:8000/v1", true, true));
    assert_non_null(check("http://10.0.0.7:8000/v1", false, false));
    assert_non_null(check("https://10.0.0.7:8000/v1", true, false));
    assert_non_null(check("http://127.0.0.1:8000/v1", true, false));
    assert_non_null(check("http://127.3.2.1:8000/v1", true, false));
    assert_non_null(check("http://[::1]:8000/v1", true, false));
    assert_non_null(check("http://localhost:8000/v1", true, false));
}

static void what_is_no_address_of_a_server_is_refused(void **state)
{
    static const char *const bad[] = {
        "localhost:8000/v1",     "ftp://localhost/v1",  "file:///etc/passwd", "http://",
        "https://host:99999/v1", "http://host name/v1", "gopher://x/v1",      ""};

    (void)state;
    harness_stderr_begin();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(check(bad[i], false, false));
    }
    harness_stderr_end();
}

static void what_is_wrong_with_an_address_is_named(void **state)
{
    (void)state;
    harness_stderr_begin();
    assert_null(check("http://localhost:99999/v1", false, false));
    assert_non_null(strstr(harness_stderr_end(), "the port 99999"));
    harness_stderr_begin();
    assert_null(check("https://me:hunter2@host:port/v1", true, false));
    const char *said = harness_stderr_end();
    assert_null(strstr(said, "hunter2"));
    assert_non_null(strstr(said, "the port "));
    harness_stderr_begin();
    assert_null(check("http://me:hunt/er2@host/v1", false, false));
    said = harness_stderr_end();
    assert_null(strstr(said, "hunt"));
    harness_stderr_begin();
    assert_null(check("http://[::1]:0x50/v1", false, false));
    assert_non_null(strstr(harness_stderr_end(), "the port 0x50"));
}

static void an_address_with_a_password_is_refused_and_not_repeated(void **state)
{
    (void)state;
    harness_stderr_begin();
    assert_null(check("https://me:hunter2@host/v1", true, false));
    assert_null(check("https://hunter2@host/v1", true, false));
    const char *said = harness_stderr_end();
    assert_non_null(strstr(said, "LLM-URL"));
    assert_null(strstr(said, "hunter2"));
}

static void what_is_shown_of_an_address_has_no_query(void **state)
{
    struct url url;

    (void)state;
    assert_int_equal(
        url_check("https://host/v1?key=hunter2", "completions", false, false, &url),
        ST_OK);
    assert_null(strstr(url.shown, "hunter2"));
    assert_non_null(strstr(url.post, "hunter2"));
}

static void
a_key_leaves_the_environment_and_the_process_is_closed_to_others(void **state)
{
    struct key key;

    (void)state;
    setenv("MINOS_TEST_KEY", "sk-abcdefgh", 1);
    const char *value = getenv("MINOS_TEST_KEY");
    assert_int_equal(key_take("MINOS_TEST_KEY", &key), ST_OK);
    assert_string_equal(key.text, "sk-abcdefgh");
    assert_string_equal(value, "");
    assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    key_forget(&key);
    assert_int_equal(key_take("MINOS_TEST_KEY", &key), ST_OK); // a new goal
    assert_string_equal(key.text, "sk-abcdefgh");
}

static void white_space_around_a_key_is_not_of_it(void **state)
{
    struct key key;

    (void)state;
    setenv("MINOS_PADDED_KEY", " \tsk-abcd1234 \r\n", 1);
    const char *value = getenv("MINOS_PADDED_KEY");
    const size_t len = strlen(value);
    assert_int_equal(key_take("MINOS_PADDED_KEY", &key), ST_OK);
    assert_string_equal(key.text, "sk-abcd1234");
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(value[i], 0);
    }
    setenv("MINOS_EMPTY_KEY", " \n", 1);
    harness_stderr_begin();
    assert_int_equal(key_take("MINOS_EMPTY_KEY", &key), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "MINOS_EMPTY_KEY"));
    setenv("MINOS_TWO_KEYS", "sk-a sk-b", 1);
    harness_stderr_begin();
    assert_int_equal(key_take("MINOS_TWO_KEYS", &key), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "a blank"));
}

static void a_named_key_must_be_there_and_the_usual_one_need_not(void **state)
{
    struct key key;

    (void)state;
    unsetenv("OPENAI_API_KEY");
    assert_int_equal(key_take("", &key), ST_OK);
    assert_int_equal(key.len, 0);
    harness_stderr_begin();
    assert_int_equal(key_take("MINOS_NO_KEY", &key), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "MINOS_NO_KEY"));
    setenv("MINOS_BAD_KEY", "sk-\r\nHost: evil", 1);
    harness_stderr_begin();
    assert_int_equal(key_take("MINOS_BAD_KEY", &key), ST_INVALID);
    assert_null(strstr(harness_stderr_end(), "evil"));
}

static void a_key_is_scrubbed_wherever_it_stands(void **state)
{
    static const struct {
        const char *text, *scrubbed;
    } cases[] = {
        {"Bearer sk-a/b1234 is wrong", "Bearer ********** is wrong"},
        {"sk-a/b1234sk-a/b1234", "********************"},
        {"{\"k\": \"sk-a\\/b1234\"}", "{\"k\": \"***********\"}"},
        {"cut off: sk-a/b1", "cut off: *******"},
        {"sk-a/b1 is another", "sk-a/b1 is another"},
        {"nothing of it, sk-", "nothing of it, sk-"},
    };
    struct key key = {.text = "sk-a/b1234", .len = 10};
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        text_format(text, sizeof(text), "%s", cases[i].text);
        key_scrub(&key, text, strlen(text));
        assert_string_equal(text, cases[i].scrubbed);
    }
}

static struct judge_options options;

static enum status check_with(const char *name, const char *value)
{
    option_defaults(judge_option_table, &options);
    strcpy(options.llm_url, "http://localhost:8000/v1");
    strcpy(options.llm_model, "m");
    assert_int_equal(option_set(judge_option_table, &options, name, value, "test"),
                     ST_OK);
    return llm_backend.check(&options);
}

static void what_the_options_lack_is_said_before_anything_begins(void **state)
{
    (void)state;
    unsetenv("OPENAI_BASE_URL");
    assert_int_equal(check_with("llm-votes", "2"), ST_OK);
    harness_stderr_begin();
    assert_int_equal(check_with("llm-url", ""), ST_INVALID);
    assert_int_equal(check_with("llm-model", ""), ST_INVALID);
    assert_int_equal(check_with("style", "binarry"), ST_INVALID);
    assert_int_equal(check_with("request-budget", "0"), ST_INVALID);
    assert_int_equal(check_with("token-budget-hour", "0"), ST_INVALID);
    assert_int_equal(check_with("money-budget", "0"), ST_INVALID);
    assert_int_equal(check_with("money-budget", "3"), ST_INVALID); // at which price?
    const char *said = harness_stderr_end();
    assert_non_null(strstr(said, "OPENAI_BASE_URL"));
    assert_non_null(strstr(said, "did you mean binary?"));
    assert_non_null(strstr(said, "--request-budget: a budget of 0"));
    assert_non_null(strstr(said, "--token-budget-hour: a budget of 0"));
    assert_non_null(strstr(said, "--money-budget: a budget of 0"));
    setenv("OPENAI_BASE_URL", "http://localhost:1/v1", 1);
    assert_int_equal(check_with("llm-url", ""), ST_OK);
}

static int set_up(void **state)
{
    (void)state;
    log_open("test", 0, LOG_ERROR_);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_endpoint_is_put_behind_the_address_once),
        cmocka_unit_test(a_key_does_not_cross_a_network_in_the_open),
        cmocka_unit_test(what_is_no_address_of_a_server_is_refused),
        cmocka_unit_test(what_is_wrong_with_an_address_is_named),
        cmocka_unit_test(an_address_with_a_password_is_refused_and_not_repeated),
        cmocka_unit_test(what_is_shown_of_an_address_has_no_query),
        cmocka_unit_test(
            a_key_leaves_the_environment_and_the_process_is_closed_to_others),
        cmocka_unit_test(white_space_around_a_key_is_not_of_it),
        cmocka_unit_test(a_named_key_must_be_there_and_the_usual_one_need_not),
        cmocka_unit_test(a_key_is_scrubbed_wherever_it_stands),
        cmocka_unit_test(what_the_options_lack_is_said_before_anything_begins),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
