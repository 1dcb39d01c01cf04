/* Facts about status names and checks. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/status.h"
#include "tests/support/harness.h"

static void every_status_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = ST_OK; i <= ST_IO; i++) {
        assert_string_not_equal(status_name((enum status)i), "unknown status");
        for (int j = ST_OK; j < i; j++) {
            assert_string_not_equal(status_name((enum status)i),
                                    status_name((enum status)j));
        }
    }
    assert_string_equal(status_name((enum status)77), "unknown status");
}

static enum status pass_up(enum status inner, int *after)
{
    TRY(inner);
    *after = 1;
    return ST_OK;
}

static void try_returns_the_failure_and_goes_on_after_success(void **state)
{
    int after = 0;

    (void)state;
    assert_int_equal(pass_up(ST_TIMEOUT, &after), ST_TIMEOUT);
    assert_int_equal(after, 0);
    assert_int_equal(pass_up(ST_OK, &after), ST_OK);
    assert_int_equal(after, 1);
}

static void a_failed_check_names_the_place_and_aborts(void **state)
{
    int wait_status;

    (void)state;
    harness_stderr_begin();
    const pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        CHECK(1 + 1 == 3);
        _exit(0);
    }
    waitpid(pid, &wait_status, 0);
    const char *said = harness_stderr_end();
    assert_true(WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGABRT);
    assert_non_null(strstr(said, "test_status.c"));
    assert_non_null(strstr(said, "1 + 1 == 3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name_of_its_own),
        cmocka_unit_test(try_returns_the_failure_and_goes_on_after_success),
        cmocka_unit_test(a_failed_check_names_the_place_and_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
