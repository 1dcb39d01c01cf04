/* Settings are bytes from outside: whatever a file or a command line holds, the answer is
 * ST_OK with every field in range, or ST_INVALID with one line that says why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/option.h"
#include "common/base/rng.h"
#include "tests/support/harness.h"

enum { ROUNDS = 4000, PIECES_MAX = 24 };

struct settings {
    int64_t envs;
    double lr;
    bool fast;
    char env[OPTION_TEXT_MAX], net[OPTION_TEXT_MAX];
};

static struct option table[] = {
    OPT(struct settings, envs, "envs", OPT_INT, "32", 1, 1024, "games"),
    OPT(struct settings, lr, "lr", OPT_FLOAT, "2.5e-4", 0, 1, "step size"),
    OPT(struct settings, fast, "fast", OPT_BOOL, "false", 0, 0, "hurry"),
    OPT(struct settings, env, "env", OPT_TEXT, "vault", 0, 0, "environment"),
    OPT_ONE_OF(struct settings, net, "net", "small", "small|large", "size"),
    OPT_END,
};

static const char *const pieces[] = {
    "envs", "lr",  "fast", "env",    "net",   "config", "=",     "=",   "\n",
    "\n",   " ",   ";",    "#",      "[",     "]",      "--",    "5",   "1024",
    "1025", "-1",  "0.5",  "1e-400", "1e999", "nan",    "small", "|",   "true",
    "yes",  "abc", "\t",   "\r\n",   ":",     "\x01",   "\xff",  "%s%n"};

/* A text of random pieces, now and then with a long run or a random byte. */
static void make_text(struct rng *r, char *out, size_t size)
{
    size_t len = 0;

    for (uint32_t n = rng_below(r, PIECES_MAX); n > 0 && len + 700 < size; n--) {
        const uint32_t kind = rng_below(r, 50);
        if (kind == 0) {
            const size_t run = rng_below(r, 600);
            memset(out + len, 'a' + (int)rng_below(r, 26), run);
            len += run;
        } else if (kind < 4) {
            out[len++] = (char)(1 + rng_below(r, 255));
        } else {
            const char *piece = pieces[rng_below(r, sizeof(pieces) / sizeof(*pieces))];
            len += (size_t)snprintf(out + len, size - len, "%s", piece);
        }
    }
    out[len] = '\0';
}

static void assert_fields_in_range(const struct settings *s)
{
    assert_true(s->envs >= 1 && s->envs <= 1024);
    assert_true(s->lr >= 0 && s->lr <= 1);
    assert_true(memchr(s->env, '\0', sizeof(s->env)) != NULL);
    assert_true(strcmp(s->net, "small") == 0 || strcmp(s->net, "large") == 0);
}

/* An error is one line, though a value that is shown may hold line breaks itself. */
static void assert_answer(enum status st, const char *said)
{
    if (st == ST_OK) {
        assert_string_equal(said, "");
    } else {
        assert_int_equal(st, ST_INVALID);
        assert_true(strlen(said) > 0 && said[strlen(said) - 1] == '\n');
    }
}

static void any_file_is_taken_whole_or_refused(void **state)
{
    const char *dir = harness_make_dir();
    const char *path = harness_path(dir, "x.ini");
    static char text[16384];
    struct settings s;
    struct rng r;
    int good = 0;

    (void)state;
    rng_init(&r, 1);
    for (int i = 0; i < ROUNDS / 4; i++) {
        make_text(&r, text, sizeof(text));
        FILE *f = fopen(path, "w");
        fputs(text, f);
        fclose(f);
        option_defaults(table, &s);
        harness_stderr_begin();
        const enum status st = option_read_file(table, &s, path, rng_below(&r, 2) == 0);
        assert_answer(st, harness_stderr_end());
        assert_fields_in_range(&s);
        good += st == ST_OK;
    }
    assert_true(good > ROUNDS / 400 && good < ROUNDS / 4); // both answers were seen
    harness_remove_dir(dir);
}

static void any_command_line_is_taken_or_refused(void **state)
{
    static char words[3][16384];
    char program[] = "fuzz";
    struct settings s;
    struct rng r;
    int good = 0;

    (void)state;
    rng_init(&r, 2);
    for (int i = 0; i < ROUNDS; i++) {
        char *argv[] = {program, words[0], words[1], words[2]};
        const int argc = 1 + (int)rng_below(&r, 4);
        for (int a = 0; a + 1 < argc; a++) {
            make_text(&r, words[a], sizeof(words[a]) / 2);
            if (rng_below(&r, 2) == 0) { // near a right one
                snprintf(words[a], sizeof(words[a]), "--%s=%s",
                         table[rng_below(&r, 5)].name,
                         pieces[rng_below(&r, sizeof(pieces) / sizeof(*pieces))]);
            }
        }
        option_defaults(table, &s);
        harness_stderr_begin();
        const enum status st = option_parse(table, &s, argc, argv);
        assert_answer(st, harness_stderr_end());
        assert_fields_in_range(&s);
        good += st == ST_OK;
    }
    assert_true(good > ROUNDS / 10 && good < ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_file_is_taken_whole_or_refused),
        cmocka_unit_test(any_command_line_is_taken_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
