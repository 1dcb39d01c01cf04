/* What may never change in a run, and what older ones do not tell. */

#include "tests/support/harness.h"

#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "learner/rundir.h"

static struct learner_options o; // large
static char dir[512];
static struct rundir_goal goal;

static int open_dir(void **state)
{
    (void)state;
    strcpy(dir, harness_make_dir());
    option_defaults(learner_option_table, &o);
    strcpy(o.run_dir, dir);
    goal = (struct rundir_goal){"treasure", {1, 2}};
    return 0;
}

static int close_dir(void **state)
{
    (void)state;
    harness_remove_dir(dir);
    return 0;
}

static enum status start(void)
{
    struct rundir d;
    const enum status st = rundir_open(&o, &goal, 1, &d);

    if (st == ST_OK) {
        rundir_close(&d);
    }
    return st;
}

static void value_heads_that_differ_are_refused_with_both_values(void **state)
{
    (void)state;
    o.value_heads = 2;
    assert_int_equal(start(), ST_OK);
    assert_int_equal(start(), ST_OK);
    o.value_heads = 1;
    harness_stderr_begin();
    assert_int_equal(start(), ST_INVALID);
    const char *said = harness_stderr_end();
    assert_non_null(strstr(said, "value-heads of"));
    assert_non_null(strstr(said, "was 2 and is now 1"));
}

static void another_text_of_the_goal_is_refused_unless_all_is_asked_anew(void **state)
{
    (void)state;
    assert_int_equal(start(), ST_OK);
    goal.digest.lo = 7;
    harness_stderr_begin();
    assert_int_equal(start(), ST_INVALID);
    const char *said = harness_stderr_end();
    assert_non_null(strstr(said, "the text of goal treasure was changed"));
    assert_non_null(strstr(said, "--relabel"));
    o.relabel = true;
    assert_int_equal(start(), ST_OK);
    o.relabel = false;
    assert_int_equal(start(), ST_OK); // the run's text from now on
}

/* Cuts the last rows out of run.json, which older programs did not write. */
static void forget_heads(void)
{
    char *text;
    size_t len;

    assert_int_equal(file_read(harness_path(dir, "run.json"), 1 << 16, &text, &len),
                     ST_OK);
    char *at = strstr(text, ", \"value-heads\"");
    assert_non_null(at);
    strcpy(at, "}\n");
    assert_int_equal(
        file_write_atomic(harness_path(dir, "run.json"), bytes_of(text, strlen(text))),
        ST_OK);
    mem_free(text);
}

static void a_run_of_before_there_was_a_choice_has_one_head(void **state)
{
    (void)state;
    assert_int_equal(start(), ST_OK);
    forget_heads();
    assert_int_equal(start(), ST_OK);
    forget_heads();
    o.value_heads = 2;
    harness_stderr_begin();
    assert_int_equal(start(), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "was 1 and is now 2"));
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, open_dir, close_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(value_heads_that_differ_are_refused_with_both_values),
        IN_DIR(another_text_of_the_goal_is_refused_unless_all_is_asked_anew),
        IN_DIR(a_run_of_before_there_was_a_choice_has_one_head),
    };
    return cmocka_run_group_tests_name("rundir", tests, NULL, NULL);
}
