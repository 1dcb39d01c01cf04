#include "tests/support/harness.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/envs/crypt/calibrate.h"
#include "common/base/file.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include "tests/support/cryptplay.h"

enum { EAST = 1 };

static void a_bite_is_said_rather_than_an_item_or_a_wall(void **state)
{
    const char *const rows[] = {"-----", "|@%m|", "-----"};
    struct env *e = cryptplay_open("crypt-stairs", "bite=1");

    (void)state;
    cryptplay_draw(e, rows, 3);
    (void)cryptplay_step(e, EAST);
    assert_int_equal(env_crypt.obs(e)->event, EV_BITE);
    assert_string_equal(cryptplay_caption(e), "The mangy rat bites!");
    env_crypt.close(e);
}

static void standing_on_the_goal_is_said_rather_than_a_bite(void **state)
{
    const char *const rows[] = {"-----", "|@>m|", "-----"};
    struct env *e = cryptplay_open("crypt-stairs", "bite=1");

    (void)state;
    cryptplay_draw(e, rows, 3);
    (void)cryptplay_step(e, EAST);
    assert_int_equal(env_crypt.obs(e)->event, EV_STAIRS_ON);
    env_crypt.close(e);
}

static void ranks_are_in_the_order_of_the_rules(void **state)
{
    static const int falling[] = {EV_DEATH_BITE,   EV_DESCEND, EV_HIT,    EV_GOLD_TAKEN,
                                  EV_MONSTER_SEEN, EV_WALL,    EV_AMBIENT};

    (void)state;
    assert_true(RANK_SUCCESS > words_events[falling[0]].rank);
    for (size_t i = 0; i + 1 < sizeof(falling) / sizeof(falling[0]); i++) {
        assert_true(words_events[falling[i]].rank > words_events[falling[i + 1]].rank);
    }
    assert_true(words_events[EV_AMBIENT].rank > RANK_EMPTY);
}

static void a_sight_is_said_again_only_after_it_was_out_of_view(void **state)
{
    const char *const rows[] = {"------", "|>..+##a##", "------"};
    struct env *e = cryptplay_open("crypt-stairs", "ambient=100000");
    const struct env_obs *o = env_crypt.obs(e);
    int said = 0;

    (void)state;
    cryptplay_draw(e, rows, 3);
    for (int round = 0; round < 2; round++) {
        static const int walk[] = {3, 3, 3, 3, 3, 1, 1, 1, 1, 1};
        for (int i = 0; i < 10; i++) {
            (void)cryptplay_step(e, walk[i]);
            said += o->event == EV_STAIRS_SEEN;
        }
        assert_int_equal(said, round + 1);
    }
    env_crypt.close(e);
}

static void every_event_has_three_surface_forms_at_least(void **state)
{
    (void)state;
    for (int v = 0; v < EVENTS; v++) {
        if (words_events[v].rank == RANK_AMBIENT) {
            continue;
        }
        for (int f = 0; f < 3; f++) {
            assert_non_null(words_events[v].forms[f]);
        }
    }
    for (int i = 0; i < AMBIENT_FORMS; i++) {
        assert_non_null(words_ambient[i]);
    }
}

/* Reads an inscription `count` times and gives each text to `take`. */
static void read_texts(int count, void (*take)(const char *text, void *to), void *to)
{
    const char *const rows[] = {"-----", "|@~.|", "-----"};
    struct env *e = cryptplay_open("crypt-stairs", "limit=100000");

    cryptplay_draw(e, rows, 3);
    (void)cryptplay_step(e, EAST);
    for (int i = 0; i < count; i++) {
        (void)cryptplay_step(e, ACT_SEARCH);
        assert_int_equal(env_crypt.obs(e)->event, EV_READ);
        take(cryptplay_caption(e), to);
    }
    env_crypt.close(e);
}

static void keep_hash(const char *text, void *to)
{
    uint64_t **next = to;

    *(*next)++ = hash_64(bytes_text(text));
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void an_inscription_never_says_the_same_twice(void **state)
{
    enum { READS = 90000 };
    uint64_t *hashes = mem_new(READS, sizeof(*hashes));
    uint64_t *next = hashes;

    (void)state;
    read_texts(READS, keep_hash, &next);
    qsort(hashes, READS, sizeof(*hashes), compare_u64);
    for (int i = 1; i < READS; i++) {
        assert_true(hashes[i] != hashes[i - 1]);
    }
    mem_free(hashes);
}

static void check_words(const char *text, void *to)
{
    static const char *const words[] = {
        "stair", "step",  "down",     "descend", "key",  "lock",   "vault",
        "chest", "gold",  "treasure", "kill",    "hit",  "oracle", "climb",
        "lead",  "jewel", "coin",     "dungeon", "level"};
    const char *quoted = strchr(text, '"');

    (void)to;
    assert_non_null(quoted);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_null(strstr(quoted, words[i]));
    }
}

static void an_inscription_never_holds_a_word_of_a_goal(void **state)
{
    (void)state;
    read_texts(20000, check_words, NULL);
}

static void a_whisper_is_always_new_and_never_progress(void **state)
{
    const char *const rows[] = {"-----", "|@'.|", "-----"};
    struct env *e = cryptplay_open("crypt-stairs", "whispers=1");
    char first[ENV_CAPTION_MAX + 1];
    int strength = -1;

    (void)state;
    cryptplay_draw(e, rows, 3);
    (void)cryptplay_step(e, ACT_SEARCH);
    strcpy(first, cryptplay_caption(e));
    assert_int_equal(env_crypt.obs(e)->event, EV_WHISPER);
    (void)cryptplay_step(e, ACT_SEARCH);
    assert_string_not_equal(first, cryptplay_caption(e));
    assert_int_equal(env_crypt.truth(e, EV_WHISPER, &strength), 0);
    env_crypt.close(e);
}

static void truth_is_the_tasks_own(void **state)
{
    struct env *stairs = cryptplay_open("crypt-stairs", "");
    struct env *vault = cryptplay_open("crypt-vault", "");
    int strength = -1;

    (void)state;
    assert_int_equal(env_crypt.truth(stairs, EV_DESCEND, &strength), 1);
    assert_int_equal(strength, 3);
    assert_int_equal(env_crypt.truth(vault, EV_DESCEND, &strength), 0);
    assert_int_equal(env_crypt.truth(stairs, EV_KEY_TAKEN, &strength), 0);
    assert_int_equal(env_crypt.truth(vault, EV_KEY_TAKEN, &strength), 1);
    assert_int_equal(env_crypt.truth(vault, EV_AMBIENT_KEYS, &strength), 0);
    assert_int_equal(env_crypt.truth(vault, ENV_EVENT_NONE, &strength), 0);
    assert_int_equal(strength, 0);
    env_crypt.close(stairs);
    env_crypt.close(vault);
}

static void captions_do_not_disturb_maps(void **state)
{
    struct env *quiet = cryptplay_open("crypt-stairs", "ambient=100000,forms=1");
    struct env *loud = cryptplay_open("crypt-stairs", "ambient=1");
    struct rng player;

    (void)state;
    rng_init(&player, 2);
    for (int i = 0; i < 250; i++) {
        int action = (int)rng_below(&player, CRYPT_ACTIONS);
        struct env_result r = cryptplay_step(quiet, action);
        (void)cryptplay_step(loud, action);
        assert_memory_equal(env_crypt.obs(quiet)->chars[1],
                            env_crypt.obs(loud)->chars[1], MAP_ROWS * ENV_COLS);
        if (r.terminated) {
            break;
        }
    }
    env_crypt.close(quiet);
    env_crypt.close(loud);
}

static const char *rules_path(const char *goal, char *path, size_t size)
{
    const char *source = getenv("MINOS_SOURCE");

    (void)snprintf(path, size, "%s/judge/goals/%s.crypt.rules",
                   source != NULL ? source : ".", goal);
    return path;
}

static double number_of(const char *json, const char *key)
{
    const char *at = strstr(json, key);

    assert_non_null(at);
    return strtod(at + strlen(key) + 3, NULL);
}

static void the_frozen_rules_are_good_but_not_perfect(void **state)
{
    static const char *const cases[][2] = {{"crypt-stairs", "stairs"},
                                           {"crypt-vault", "treasure"},
                                           {"crypt-oracle", "exploration"}};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct metrics_row m = {0};
        char path[512];
        metrics_begin(&m);
        assert_int_equal(crypt_calibrate_rules(
                             cases[i][0], rules_path(cases[i][1], path, sizeof(path)),
                             PLAYER_RANDOM, 1000000, 1, &m),
                         ST_OK);
        const char *json = metrics_end(&m);
        assert_in_range((int)(1000 * number_of(json, "\"precision\"")), 700, 950);
        assert_in_range((int)(1000 * number_of(json, "\"recall\"")), 700, 950);
        metrics_release(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bite_is_said_rather_than_an_item_or_a_wall),
        cmocka_unit_test(standing_on_the_goal_is_said_rather_than_a_bite),
        cmocka_unit_test(ranks_are_in_the_order_of_the_rules),
        cmocka_unit_test(a_sight_is_said_again_only_after_it_was_out_of_view),
        cmocka_unit_test(every_event_has_three_surface_forms_at_least),
        cmocka_unit_test(an_inscription_never_says_the_same_twice),
        cmocka_unit_test(an_inscription_never_holds_a_word_of_a_goal),
        cmocka_unit_test(a_whisper_is_always_new_and_never_progress),
        cmocka_unit_test(truth_is_the_tasks_own),
        cmocka_unit_test(captions_do_not_disturb_maps),
        cmocka_unit_test(the_frozen_rules_are_good_but_not_perfect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
