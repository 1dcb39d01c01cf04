#include "judge/goal.h"

#include <string.h>

#include "tests/support/harness.h"

static struct goal goal;

static enum status parse(const char *text)
{
    return goal_init(&goal, bytes_text("treasure"), bytes_text("crypt-vault"),
                     bytes_text(text));
}

static void the_first_line_that_says_something_is_the_sentence(void **state)
{
    (void)state;
    assert_int_equal(parse("# about\n\n  Find the key. \n- One.\n\n# more\n-  Two. "),
                     ST_OK);
    assert_string_equal(goal.view.sentence, "Find the key.");
    assert_int_equal(goal.view.principle_count, 2);
    assert_string_equal(goal.view.principles[0], "One.");
    assert_string_equal(goal.view.principles[1], "Two.");
    assert_string_equal(goal.view.name, "treasure");
    assert_string_equal(goal.view.task, "crypt-vault");
    assert_non_null(strstr(goal.view.text, "# about"));
    goal_release(&goal);
}

static void the_family_is_the_task_up_to_its_dash(void **state)
{
    (void)state;
    assert_int_equal(parse("Find the key."), ST_OK);
    assert_string_equal(goal.view.family, "crypt");
    goal_release(&goal);
    assert_int_equal(goal_init(&goal, bytes_text("treasure"), bytes_text("bandit"),
                               bytes_text("Pull.")),
                     ST_OK);
    assert_string_equal(goal.view.family, "bandit");
    goal_release(&goal);
}

static void a_line_that_is_no_principle_is_refused_with_its_number(void **state)
{
    (void)state;
    harness_stderr_begin();
    assert_int_equal(parse("Find the key.\n\nand the chest\n"), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "treasure, line 3"));
}

static void a_goal_without_a_sentence_or_with_odd_bytes_is_refused(void **state)
{
    char longer[600];

    (void)state;
    harness_stderr_begin();
    assert_int_equal(parse("# nothing\n\n"), ST_INVALID);
    assert_int_equal(parse(""), ST_INVALID);
    assert_int_equal(
        goal_init(&goal, bytes_text("x"), bytes_text("y"), bytes_of("Find\0it", 7)),
        ST_INVALID);
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(parse(longer), ST_INVALID);
    harness_stderr_end();
}

static void a_goal_of_65_principles_is_refused(void **state)
{
    char text[1000] = "Sentence.\n";

    (void)state;
    for (int i = 0; i < GOAL_PRINCIPLES_MAX; i++) {
        strcat(text, "- p\n");
    }
    assert_int_equal(parse(text), ST_OK);
    goal_release(&goal);
    strcat(text, "- p\n");
    harness_stderr_begin();
    assert_int_equal(parse(text), ST_INVALID);
    harness_stderr_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_that_says_something_is_the_sentence),
        cmocka_unit_test(the_family_is_the_task_up_to_its_dash),
        cmocka_unit_test(a_line_that_is_no_principle_is_refused_with_its_number),
        cmocka_unit_test(a_goal_without_a_sentence_or_with_odd_bytes_is_refused),
        cmocka_unit_test(a_goal_of_65_principles_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
