/* Facts about settings. The errors are golden: people read them. */
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/option.h"
#include "tests/support/harness.h"

struct settings {
    int64_t id, envs, any;
    double lr;
    bool fast;
    char env[OPTION_TEXT_MAX], net[OPTION_TEXT_MAX];
};

static struct settings set;

static struct option table[] = {
    OPT(struct settings, id, "id", OPT_INT, "0", 0, 65535, "this actor's number"),
    OPT(struct settings, envs, "envs", OPT_INT, "32", 1, 1024,
        "environments stepped as one batch, which is also how many segments this actor "
        "begins at once"),
    OPT(struct settings, any, "any", OPT_INT, "-5", 0, 0, "a number without bounds"),
    OPT(struct settings, lr, "lr", OPT_FLOAT, "2.5e-4", 0, 1, "step size"),
    OPT(struct settings, fast, "fast", OPT_BOOL, "false", 0, 0, "leave out the checks"),
    OPT(struct settings, env, "env", OPT_TEXT, "crypt-vault", 0, 0, "environment"),
    OPT_ONE_OF(struct settings, net, "net", "small", "small|large|huge",
               "network size"),
    OPT_END,
};

static int reset(void **state)
{
    (void)state;
    memset(&set, 0xee, sizeof(set));
    option_defaults(table, &set);
    return 0;
}

/* Parses one argument (NULL: none) and gives back what was said on stderr. */
static const char *say(enum status expect, char *arg)
{
    char program[] = "/usr/bin/minos-actor";
    char *argv[] = {program, arg, NULL};

    harness_stderr_begin();
    const enum status st = option_parse(table, &set, arg != NULL ? 2 : 1, argv);
    const char *said = harness_stderr_end();
    assert_int_equal(st, expect);
    return said;
}

static void defaults_fill_every_field(void **state)
{
    (void)state;
    assert_int_equal(set.envs, 32);
    assert_int_equal(set.any, -5);
    assert_true(set.lr == 2.5e-4);
    assert_false(set.fast);
    assert_string_equal(set.env, "crypt-vault");
    assert_string_equal(set.net, "small");
    assert_false(option_find(table, "envs")->set);
}

static void each_type_is_read_from_the_command_line(void **state)
{
    char program[] = "p", envs[] = "--envs=1024", lr[] = "--lr=0.5", fast[] = "--fast";
    char env[] = "--env=a=b", net[] = "--net=huge", any[] = "--any=-9000000000";
    char *argv[] = {program, envs, lr, fast, env, net, any};

    (void)state;
    assert_int_equal(option_parse(table, &set, 7, argv), ST_OK);
    assert_int_equal(set.envs, 1024);
    assert_true(set.lr == 0.5);
    assert_true(set.fast);
    assert_string_equal(set.env, "a=b");
    assert_string_equal(set.net, "huge");
    assert_true(set.any == -9000000000);
    assert_true(option_find(table, "envs")->set);
    assert_false(option_find(table, "id")->set);
}

static void errors_name_the_option_the_value_and_what_is_allowed(void **state)
{
    static const struct {
        const char *arg, *error;
    } cases[] = {
        {"--envs=5000",
         "minos-actor: --envs: 5000 is not allowed; a whole number from 1 to 1024\n"},
        {"--envs=0",
         "minos-actor: --envs: 0 is not allowed; a whole number from 1 to 1024\n"},
        {"--envs=3.5",
         "minos-actor: --envs: 3.5 is not allowed; a whole number from 1 to 1024\n"},
        {"--envs",
         "minos-actor: --envs: needs a value, as in --envs=32; a whole number "
         "from 1 to 1024\n"},
        {"--envs=",
         "minos-actor: --envs: needs a value, as in --envs=32; a whole number "
         "from 1 to 1024\n"},
        {"--any=x", "minos-actor: --any: x is not allowed; a whole number\n"},
        {"--lr=nan", "minos-actor: --lr: nan is not allowed; a number from 0 to 1\n"},
        {"--fast=maybe", "minos-actor: --fast: maybe is not allowed; true or false\n"},
        {"--net=larg",
         "minos-actor: --net: larg is not allowed; one of small, large or huge\n"},
        {"--net=small|large", "minos-actor: --net: small|large is not allowed; one of "
                              "small, large or huge\n"},
        {"--env-count=3",
         "minos-actor: --env-count: no such option; did you mean --envs?\n"},
        {"--evns=3", "minos-actor: --evns: no such option; did you mean --envs?\n"},
        {"--goal=x", "minos-actor: --goal: no such option; --help lists them all\n"},
        {"32", "minos-actor: 32: not an option; settings are written --name=value\n"},
        {"-e=3",
         "minos-actor: -e=3: not an option; settings are written --name=value\n"},
        {"--", "minos-actor: --: not an option; settings are written --name=value\n"},
        {"--env=a\nb",
         "minos-actor: --env: a\nb is not allowed; at most 511 bytes, without "
         "control characters or ' ;'\n"},
        {"--env=a ;b",
         "minos-actor: --env: a ;b is not allowed; at most 511 bytes, without "
         "control characters or ' ;'\n"},
        {"--config", "minos-actor: --config: needs a file, as in --config=FILE\n"},
        {"--config=/nowhere/x.ini",
         "/nowhere/x.ini: cannot be read: No such file or directory\n"},
    };
    const struct settings before = set;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char arg[64];
        snprintf(arg, sizeof(arg), "%s", cases[i].arg);
        assert_string_equal(say(ST_INVALID, arg), cases[i].error);
        assert_memory_equal(&set, &before, sizeof(set));
    }
}

static void write_file(const char *path, const char *text)
{
    assert_int_equal(file_write_atomic(path, bytes_text(text)), ST_OK);
}

static void the_command_line_wins_over_a_file_wherever_config_stands(void **state)
{
    const char *dir = harness_make_dir();
    const char *path = harness_path(dir, "a.ini");
    char program[] = "p", envs[] = "--envs=7", config[1100];
    char *first[] = {program, config, envs}, *last[] = {program, envs, config};

    (void)state;
    snprintf(config, sizeof(config), "--config=%s", path);
    write_file(path,
               "; a comment\n[actor]\nenvs = 9\nid=3 ; and why\n\n[any]\nlr = 1\n");
    assert_int_equal(option_parse(table, &set, 3, first), ST_OK);
    assert_int_equal(set.envs, 7);
    assert_int_equal(set.id, 3);
    assert_true(set.lr == 1);
    reset(NULL);
    assert_int_equal(option_parse(table, &set, 3, last), ST_OK);
    assert_int_equal(set.envs, 7);
    assert_int_equal(set.id, 3);
    harness_remove_dir(dir);
}

static void an_error_in_a_file_names_file_and_line_once(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"[a]\n\nenvs = 0\nlr = 7\n",
         ":3: envs: 0 is not allowed; a whole number from 1 to 1024\n"},
        {"id = 1\nenvz = 2\n", ":2: envz: no such option; did you mean envs?\n"},
        {"  id = 1\nnonsense\nenvs = 0\n",
         ":2: neither name = value, [section] nor a comment\n"},
    };
    const char *dir = harness_make_dir();
    const char *path = harness_path(dir, "b.ini");
    char want[1200];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_file(path, cases[i].text);
        harness_stderr_begin();
        const enum status st = option_read_file(table, &set, path, false);
        const char *said = harness_stderr_end();
        assert_int_equal(st, ST_INVALID);
        snprintf(want, sizeof(want), "%s%s", path, cases[i].error);
        assert_string_equal(said, want);
    }
    write_file(path, "other-program = 1\nenvs = 5\n");
    assert_int_equal(option_read_file(table, &set, path, true), ST_OK);
    assert_int_equal(set.envs, 5);
    harness_remove_dir(dir);
}

static void a_run_directory_is_read_first_and_tolerates_other_programs(void **state)
{
    const char *dir = harness_make_dir();
    char program[] = "p", envs[] = "--envs=7", run[1100],
         nowhere[] = "--run-dir=/nowhere";
    char *argv[] = {program, run, envs}, *fresh[] = {program, nowhere};
    static struct option with_run[] = {
        OPT(struct settings, envs, "envs", OPT_INT, "32", 1, 1024, "games"),
        OPT(struct settings, id, "id", OPT_INT, "0", 0, 9, "number"),
        OPT(struct settings, env, "run-dir", OPT_TEXT, "", 0, 0, "run directory"),
        OPT_END,
    };

    (void)state;
    snprintf(run, sizeof(run), "--run-dir=%s", dir);
    write_file(harness_path(dir, "config.ini"), "judges = 3\nenvs = 9\nid = 4\n");
    assert_int_equal(option_parse_run(with_run, &set, 3, argv), ST_OK);
    assert_int_equal(set.envs, 7);
    assert_int_equal(set.id, 4);
    assert_string_equal(set.env, dir);
    assert_int_equal(option_parse_run(with_run, &set, 2, fresh), ST_OK);
    harness_remove_dir(dir);
}

static void a_printed_config_reads_back_the_same(void **state)
{
    const char *dir = harness_make_dir();
    const char *path = harness_path(dir, "c.ini");
    struct settings printed;
    FILE *f = fopen(path, "w");

    (void)state;
    // 500 bytes: longer than the 198 that inih holds in one line.
    memset(set.env, 'e', 500);
    set.env[500] = '\0';
    set.lr = 1.0 / 3;
    set.fast = true;
    option_print_config(table, &set, f);
    fclose(f);
    printed = set;
    reset(NULL);
    assert_int_equal(option_read_file(table, &set, path, false), ST_OK);
    assert_true(set.lr == printed.lr);
    assert_true(set.fast);
    assert_string_equal(set.env, printed.env);
    assert_int_equal(set.any, printed.any);
    harness_remove_dir(dir);
}

/* minos knows its roles' settings from there alone: the choices must come along. */
static void the_printed_file_names_the_choices_of_a_row(void **state)
{
    char text[4000] = "";
    FILE *f = tmpfile();

    (void)state;
    assert_non_null(f);
    reset(NULL);
    option_print_config(table, &set, f);
    rewind(f);
    assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
    fclose(f);
    assert_non_null(
        strstr(text, "# network size: small, large or huge\nnet = small\n"));
}

static void help_shows_every_row_with_its_default(void **state)
{
    static const char golden[] =
        "Usage: minos-actor [--NAME=VALUE ...]\n"
        "\n"
        "  --id=    this actor's number [0]\n"
        "  --envs=  environments stepped as one batch, which is also how many segments "
        "this actor\n"
        "           begins at once [32]\n"
        "  --any=   a number without bounds [-5]\n"
        "  --lr=    step size [2.5e-4]\n"
        "  --fast=  leave out the checks [false]\n"
        "  --env=   environment [crypt-vault]\n"
        "  --net=   network size: small, large or huge [small]\n"
        "\n"
        "Examples:\n";
    char text[2000];
    FILE *f = tmpfile();

    (void)state;
    option_print_help(table, "minos-actor [--NAME=VALUE ...]", "Examples:\n", f);
    rewind(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(text, golden);
}

static void help_is_seen_wherever_it_stands(void **state)
{
    char program[] = "p", bad[] = "--nonsense=1", help[] = "--help";
    char *argv[] = {program, bad, help};

    (void)state;
    assert_true(option_is_given(3, argv, "help"));
    assert_false(option_is_given(3, argv, "nonsense"));
    assert_false(option_is_given(1, argv, "p"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_fill_every_field, reset),
        cmocka_unit_test_setup(each_type_is_read_from_the_command_line, reset),
        cmocka_unit_test_setup(errors_name_the_option_the_value_and_what_is_allowed,
                               reset),
        cmocka_unit_test_setup(the_command_line_wins_over_a_file_wherever_config_stands,
                               reset),
        cmocka_unit_test_setup(an_error_in_a_file_names_file_and_line_once, reset),
        cmocka_unit_test_setup(
            a_run_directory_is_read_first_and_tolerates_other_programs, reset),
        cmocka_unit_test_setup(a_printed_config_reads_back_the_same, reset),
        cmocka_unit_test_setup(the_printed_file_names_the_choices_of_a_row, reset),
        cmocka_unit_test_setup(help_shows_every_row_with_its_default, reset),
        cmocka_unit_test(help_is_seen_wherever_it_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
