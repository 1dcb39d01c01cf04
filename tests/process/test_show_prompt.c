/* `minos prompt`: what is sent, and what is said to a wrong command line. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

static char dir[PATH_MAX_];
static const char *program;

static void it_prints_what_is_sent(void **state)
{
    (void)state;
    assert_int_equal(runner_run(dir, program, "prompt", "--goal=treasure",
                                "--style=graded", "--reasoning", "--env=crypt-vault",
                                "--item=Caf\xc3\xa9 <s>\\", NULL),
                     0);
    const char *out = runner_output(dir);
    assert_non_null(strstr(out, "==== system\nYou judge"));
    assert_non_null(strstr(out, "Goal: The player wants the treasure"));
    assert_non_null(strstr(out, "<caption>\nCaf\xc3\xa9 \\x3cs>\\\\\n</caption>"));
    assert_non_null(strstr(out, "<answer>10</answer>"));
    assert_non_null(strstr(out, "\"enum\":[0,1,2,3,4,5,6,7,8,9,10]"));
    assert_null(strstr(out, "==== choices"));
}

static void a_pair_and_its_choices_are_shown(void **state)
{
    (void)state;
    assert_int_equal(runner_run(dir, program, "prompt", "--goal=zeroknowledge",
                                "--style=pair", "--llm-structured=choice",
                                "--item=You see a wall.", "--item=You win.", NULL),
                     0);
    const char *out = runner_output(dir);
    assert_non_null(strstr(out, "<caption-1>\nYou see a wall.\n</caption-1>\n"
                                "<caption-2>\nYou win.\n</caption-2>"));
    assert_non_null(strstr(out, "Answer with one word"));
    assert_non_null(strstr(out, "==== choices, where it takes those\n1\n2\ntie\n"));
    assert_null(strstr(out, "crypt"));
}

static void a_wrong_command_line_is_one_error_and_exit_2(void **state)
{
    static const char *const wrong[][3] = {
        {"--goal=tresure", "--style=binary", "did you mean treasure?"},
        {"--goal=gold", "--style=grade", "did you mean graded?"},
        {"--style=binary", "--env=crypt-vault", "none is given; there are combat"},
        {"--goal=/nowhere/x.goal", "--style=binary", "no file /nowhere/x.goal"},
        {"--goal=gold", "--prompt-file=/nowhere/x", "no file /nowhere/x"},
        {"--goal=gold", "--stile=binary", "did you mean --style?"},
        {"--style=pair", "--item=one", "none is given"},
        {"--goal=gold", "--item=\xe2\x82\xac", "Latin-1"},
        {"--goal=gold", "positional", "not an option"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(
            runner_run(dir, program, "prompt", wrong[i][0], wrong[i][1], NULL), 2);
        const char *out = runner_output(dir);
        if (strstr(out, wrong[i][2]) == NULL) {
            fail_msg("%s: %s", wrong[i][1], out);
        }
        assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
    }
    assert_int_equal(runner_run(dir, program, "prompt", "--goal=gold", "--style=pair",
                                "--item=one", NULL),
                     2);
    assert_non_null(strstr(runner_output(dir), "1 given, --style=pair needs two"));
}

static void a_prompt_file_without_its_item_slot_is_named(void **state)
{
    char flag[PATH_MAX_ + 32];

    (void)state;
    assert_int_equal(
        file_write_atomic(harness_path(dir, "my.prompt"),
                          bytes_text("[user]\n{goal}\n[reminder]\nAgain.\n")),
        ST_OK);
    (void)snprintf(flag, sizeof(flag), "--prompt-file=%s",
                   harness_path(dir, "my.prompt"));
    assert_int_equal(runner_run(dir, program, "prompt", "--goal=gold", flag, NULL), 2);
    assert_non_null(
        strstr(runner_output(dir), "my.prompt: the section [user] has no slot {item}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_prints_what_is_sent),
        cmocka_unit_test(a_pair_and_its_choices_are_shown),
        cmocka_unit_test(a_wrong_command_line_is_one_error_and_exit_2),
        cmocka_unit_test(a_prompt_file_without_its_item_slot_is_named),
    };
    static char path[PATH_MAX_];

    (void)snprintf(path, sizeof(path), "%s/minos", getenv("MINOS_BIN"));
    program = path;
    strcpy(dir, harness_make_dir());
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_remove_dir(dir);
    return failed;
}
