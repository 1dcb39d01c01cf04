/* A person's keys and screen. */

#include "tests/support/harness.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "actor/env.h"
#include "actor/envs/nethack/nethack_tasks.h"
#include "actor/tools.h"

static void each_has_its_own_key(const char *const *names, int count)
{
    bool taken[256] = {false};

    for (int a = 0; a < count; a++) {
        const unsigned char key = (unsigned char)play_key(names[a], a);
        if (key <= ' ' && key != ' ') {
            fail_msg("action %s has no key", names[a]);
        }
        if (taken[key] || key == PLAY_QUIT || key == PLAY_KEYS) {
            fail_msg("the key %c of %s is another's", key, names[a]);
        }
        taken[key] = true;
    }
}

static void each_action_of_each_environment_has_a_key_of_its_own(void **state)
{
    (void)state;
    for (int k = 0; env_kinds[k] != NULL; k++) {
        const struct env_options options = {env_kinds[k]->tasks[0], "", "", false};
        struct env *e = NULL;
        if (strcmp(env_kinds[k]->name, "nethack") == 0) {
            continue; // it need not be installed
        }
        assert_int_equal(env_kinds[k]->open(&options, &e), ST_OK);
        const struct env_spec *spec = env_kinds[k]->spec(e);
        each_has_its_own_key(spec->action_names, spec->actions);
        env_kinds[k]->close(e);
    }
    each_has_its_own_key(nethack_action_names, NETHACK_ACTIONS);
}

static void what_both_games_know_has_one_name_and_its_key(void **state)
{
    (void)state;
    assert_int_equal(play_key("northeast", 0), 'u');
    assert_int_equal(play_key("far-southwest", 0), 'B');
    assert_int_equal(play_key("pickup", 0), ',');
}

/* What tools_draw writes without a terminal, which counts as 24 lines. */
static void draw(const struct env_obs *obs, int below, char *out, size_t size)
{
    FILE *file = tmpfile();

    assert_non_null(file);
    fflush(stdout);
    const int own = dup(STDOUT_FILENO);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    tools_draw(obs, below);
    fflush(stdout);
    assert_true(dup2(own, STDOUT_FILENO) >= 0);
    close(own);
    rewind(file);
    out[fread(out, 1, size - 1, file)] = '\0';
    fclose(file);
}

static int lines_of(const char *text)
{
    int n = 0;

    for (; *text != '\0'; text++) {
        n += *text == '\n';
    }
    return n;
}

static void a_small_terminal_loses_empty_rows_and_never_the_caption(void **state)
{
    static struct env_obs obs;
    static char drawn[1 << 16];

    (void)state;
    memset(obs.chars, ' ', sizeof(obs.chars));
    for (int r = 0; r < ENV_ROWS; r++) {
        obs.chars[r][0] = (uint8_t)('a' + r);
    }
    obs.chars[0][0] = ' '; // a step without a caption keeps its row too
    draw(&obs, 0, drawn, sizeof(drawn));
    assert_int_equal(lines_of(drawn), ENV_ROWS);
    draw(&obs, 2, drawn, sizeof(drawn));
    assert_int_equal(lines_of(drawn), ENV_ROWS); // none of these is empty
    obs.chars[5][0] = obs.chars[9][0] = obs.chars[12][0] = ' ';
    draw(&obs, 2, drawn, sizeof(drawn));
    assert_int_equal(lines_of(drawn), ENV_ROWS - 2);
    for (int r = 1; r < ENV_ROWS; r++) {
        assert_true((strchr(drawn, 'a' + r) != NULL) || obs.chars[r][0] == ' ' ||
                    r == 'm' - 'a'); // m ends the colours' sequences
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_action_of_each_environment_has_a_key_of_its_own),
        cmocka_unit_test(what_both_games_know_has_one_name_and_its_key),
        cmocka_unit_test(a_small_terminal_loses_empty_rows_and_never_the_caption),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
