/* A person's keys. */

#include "tests/support/harness.h"

#include <string.h>

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
        if (taken[key] || key == PLAY_QUIT) {
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_action_of_each_environment_has_a_key_of_its_own),
        cmocka_unit_test(what_both_games_know_has_one_name_and_its_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
