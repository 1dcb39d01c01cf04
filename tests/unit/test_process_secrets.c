/* The key of a language model's server reaches judges and nobody else. */

#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "launch/process.h"
#include "tests/support/harness.h"

static const char *environment_of(bool secrets)
{
    static struct text_buf out;
    struct process_args args = {.secrets = secrets};
    int code = -1;

    text_buf_clear(&out);
    process_arg(&args, "env");
    assert_int_equal(process_capture(&args, &out, &code), ST_OK);
    assert_int_equal(code, 0);
    process_args_release(&args);
    return out.data;
}

static void a_child_without_secrets_does_not_see_the_key(void **state)
{
    (void)state;
    setenv("OPENAI_API_KEY", "sk-usual", 1);
    setenv("MY_KEY", "sk-mine", 1);
    setenv("OPENAI_API_KEYS", "harmless", 1);
    process_hide("MY_KEY");
    const char *seen = environment_of(false);
    assert_null(strstr(seen, "sk-usual"));
    assert_null(strstr(seen, "sk-mine"));
    assert_non_null(strstr(seen, "OPENAI_API_KEYS=harmless"));
    assert_non_null(strstr(seen, "PATH="));
}

static void a_child_with_secrets_sees_it(void **state)
{
    (void)state;
    const char *seen = environment_of(true);
    assert_non_null(strstr(seen, "OPENAI_API_KEY=sk-usual"));
    assert_non_null(strstr(seen, "MY_KEY=sk-mine"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_without_secrets_does_not_see_the_key),
        cmocka_unit_test(a_child_with_secrets_sees_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
