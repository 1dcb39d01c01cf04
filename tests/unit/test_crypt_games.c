#include "tests/support/harness.h"

#include <string.h>

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "tests/support/cryptplay.h"

enum { NORTH, EAST, SOUTH, WEST, FAR_EAST = ACT_FAR + EAST };

/* A random player's 20,000 steps of a task: all that is seen and paid, in one number. */
static struct hash128 play_digest(const char *task, uint64_t seed)
{
    const struct env_options options = {.task = task, .overrides = "", .scratch = ""};
    struct rng_stream stream = {.seed = seed, .role = RNG_ENV};
    struct hash_state *h = hash_begin();
    struct env_result r = {.truncated = true};
    struct rng player;
    struct env *e = NULL;

    rng_init(&player, seed);
    assert_int_equal(env_crypt.open(&options, &e), ST_OK);
    for (int i = 0; i < 20000; i++) {
        if (r.terminated || r.truncated) {
            assert_int_equal(env_crypt.reset(e, &stream), ST_OK);
            stream.episode++;
        }
        r = cryptplay_step(e, (int)rng_below(&player, CRYPT_ACTIONS));
        const struct env_obs *o = env_crypt.obs(e);
        hash_add(h, bytes_of(o->chars, sizeof(o->chars)));
        hash_add(h, bytes_of(o->colors, sizeof(o->colors)));
        hash_add(h, bytes_of(o->stats, sizeof(o->stats)));
        hash_add(h, bytes_of(o->caption, o->caption_len));
        hash_add(h, bytes_of(&o->event, sizeof(o->event)));
        hash_add(h, bytes_of(&r.reward, sizeof(r.reward)));
    }
    env_crypt.close(e);
    return hash_end(h);
}

static void the_same_seed_gives_the_same_games_bit_for_bit(void **state)
{
    // Over 120,000 steps. They change with the rules: then RULES_VERSION in crypt.c goes
    // up, and tasks are calibrated again.
    static const char *const golden[] = {
        "2d08be17310d2b16607a37db5497eb13", "61215a7429d0d02becde7ca972c2a915",
        "e9925fd1ec2ab19c2a60f7b92ab2552a", "653d70661c4cf422279f8d62a4faa442",
        "85c23949e43c426280e1eafd6178553e", "b0d8328c680297f0c7dfb61d490eadf2"};

    (void)state;
    for (int t = 0; tasks_names[t] != NULL; t++) {
        char hex[33];
        hash_hex(play_digest(tasks_names[t], 1), hex);
        assert_string_equal(hex, golden[t]);
    }
}

static void another_seed_gives_other_games(void **state)
{
    (void)state;
    assert_false(
        hash_equal(play_digest("crypt-vault", 1), play_digest("crypt-vault", 2)));
}

static void evaluation_seeds_begin_where_training_seeds_end(void **state)
{
    struct env *e = cryptplay_open("crypt-vault", "");

    (void)state;
    for (uint64_t i = 0; i < 200; i++) {
        struct rng_stream stream = {.seed = 3, .role = RNG_ENV, .episode = i};
        struct env_summary s;
        assert_int_equal(env_crypt.reset(e, &stream), ST_OK);
        env_crypt.summary(e, &s);
        assert_true(s.seed < UINT64_C(1) << 31);
        stream.role = RNG_EVAL;
        assert_int_equal(env_crypt.reset(e, &stream), ST_OK);
        env_crypt.summary(e, &s);
        assert_true(s.seed >= UINT64_C(1) << 31 && s.seed < UINT64_C(1) << 32);
    }
    env_crypt.close(e);
}

static void a_step_and_a_reset_allocate_nothing(void **state)
{
    struct env *e = cryptplay_open("crypt-free", "limit=200");
    struct rng_stream stream = {.seed = 4, .role = RNG_ENV};
    struct env_result r = {0};
    struct rng player;
    const uint64_t before = mem_allocations();

    (void)state;
    rng_init(&player, 1);
    for (int i = 0; i < 5000; i++) {
        r = cryptplay_step(e, (int)rng_below(&player, CRYPT_ACTIONS));
        if (r.terminated || r.truncated) {
            stream.episode++;
            assert_int_equal(env_crypt.reset(e, &stream), ST_OK);
        }
    }
    assert_true(mem_allocations() == before);
    env_crypt.close(e);
}

static void stepping_on_the_chest_ends_the_vault_task_with_its_reward(void **state)
{
    const char *const rows[] = {"-----", "|@&.|", "-----"};
    struct env *e = cryptplay_open("crypt-vault", "");
    struct env_summary s;

    (void)state;
    cryptplay_draw(e, rows, 3);
    struct env_result r = cryptplay_step(e, EAST);
    env_crypt.summary(e, &s);
    assert_true(r.terminated);
    assert_float_equal(r.reward, 50, 0);
    assert_true(s.success);
    assert_string_equal(s.cause, "success");
    // The last observation and caption stand until the actor resets.
    assert_int_equal(env_crypt.obs(e)->event, EV_CHEST_OPEN);
    assert_string_equal(cryptplay_caption(e), words_events[EV_CHEST_OPEN].forms[0]);
    assert_int_equal(env_crypt.obs(e)->chars[3][3], '@');
    env_crypt.close(e);
}

static void success_beats_death_in_the_same_step(void **state)
{
    const char *const rows[] = {"-----", "|@&m|", "-----"};
    struct env *e = cryptplay_open("crypt-vault", "bite=1,hp=1,limit=1");

    (void)state;
    cryptplay_draw(e, rows, 3);
    struct env_result r = cryptplay_step(e, EAST);
    assert_true(cryptplay_inside(e)->hp <= 0);
    assert_true(r.terminated);
    assert_false(r.truncated);
    assert_float_equal(r.reward, 50, 0);
    assert_int_equal(env_crypt.obs(e)->event, EV_CHEST_OPEN);
    env_crypt.close(e);
}

static void death_beats_truncation_in_the_same_step(void **state)
{
    const char *const rows[] = {"-----", "|@m.|", "-----"};
    struct env *e = cryptplay_open("crypt-vault", "bite=1,hp=1,limit=1");
    struct env_summary s;

    (void)state;
    cryptplay_draw(e, rows, 3);
    struct env_result r = cryptplay_step(e, ACT_SEARCH);
    env_crypt.summary(e, &s);
    assert_true(r.terminated);
    assert_false(r.truncated);
    assert_float_equal(r.reward, 0, 0);
    assert_false(s.success);
    assert_string_equal(s.cause, "bitten by a rat");
    assert_string_equal(cryptplay_caption(e), "You die, bitten by a mangy rat.");
    env_crypt.close(e);
}

static void the_limit_truncates_and_does_not_terminate(void **state)
{
    struct env *e = cryptplay_open("crypt-stairs", "limit=2,monsters=0");
    struct env_summary s;

    (void)state;
    assert_false(cryptplay_step(e, ACT_UP).truncated);
    struct env_result r = cryptplay_step(e, ACT_UP);
    env_crypt.summary(e, &s);
    assert_true(r.truncated);
    assert_false(r.terminated);
    assert_string_equal(s.cause, "limit");
    env_crypt.close(e);
}

static void each_descent_says_its_ordinal_and_the_last_one_succeeds(void **state)
{
    const char *const rows[] = {"-----", "|.@>|", "-----"};
    static const char *const ordinals[] = {"second", "third", "fourth"};
    struct env *e = cryptplay_open("crypt-stairs", "monsters=0");

    (void)state;
    for (int i = 0; i < 3; i++) {
        cryptplay_draw(e, rows, 3);
        assert_int_equal(cryptplay_step(e, EAST).terminated, 0);
        assert_int_equal(env_crypt.obs(e)->event, EV_STAIRS_ON);
        struct env_result r = cryptplay_step(e, ACT_DOWN);
        assert_int_equal(env_crypt.obs(e)->event, EV_DESCEND);
        assert_non_null(strstr(cryptplay_caption(e), ordinals[i]));
        assert_int_equal(r.terminated, i == 2);
        assert_float_equal(r.reward, i == 2 ? 50 : 0, 0);
    }
    env_crypt.close(e);
}

static void a_vault_is_locked_without_its_key_and_opens_with_it(void **state)
{
    const char *const rows[] = {"---------", "|@(XVV&.|", "---------"};
    struct env *e = cryptplay_open("crypt-vault", "");
    const struct env_obs *o = env_crypt.obs(e);

    (void)state;
    cryptplay_draw(e, rows, 3);
    (void)cryptplay_step(e, EAST);
    assert_int_equal(o->event, EV_KEY_ON);
    (void)cryptplay_step(e, EAST);
    assert_int_equal(o->event, EV_LOCKED);
    assert_string_equal(cryptplay_caption(e), "This vault is locked.");
    assert_int_equal(o->stats[STAT_CONDITION], 0);
    (void)cryptplay_step(e, ACT_PICKUP);
    assert_int_equal(o->event, EV_KEY_TAKEN);
    assert_int_equal((uint32_t)o->stats[STAT_CONDITION], UINT32_C(1) << 31);
    (void)cryptplay_step(e, FAR_EAST);
    assert_int_equal(o->event, EV_UNLOCK);
    assert_string_equal(cryptplay_caption(e),
                        "You unlock the vault with your iron key.");
    assert_int_equal(o->chars[3][4], '+');
    assert_int_equal(o->hero_col, 3);
    env_crypt.close(e);
}

static void standing_beside_the_oracle_succeeds(void **state)
{
    const char *const rows[] = {"-------", "|@..O.|", "-------"};
    struct env *e = cryptplay_open("crypt-oracle", "");

    (void)state;
    cryptplay_draw(e, rows, 3);
    assert_false(cryptplay_step(e, EAST).terminated);
    struct env_result r = cryptplay_step(e, EAST);
    assert_true(r.terminated);
    assert_float_equal(r.reward, 50, 0);
    assert_int_equal(env_crypt.obs(e)->event, EV_ORACLE_MET);
    env_crypt.close(e);
}

static void a_score_pays_gold_experience_and_levels(void **state)
{
    const char *const rows[] = {"-----", "|@$>|", "-----"};
    struct env *e = cryptplay_open("crypt-score", "monsters=0");

    (void)state;
    cryptplay_draw(e, rows, 3);
    assert_float_equal(cryptplay_step(e, EAST).reward, 17, 0);
    assert_float_equal(cryptplay_step(e, EAST).reward, 0, 0);
    assert_float_equal(cryptplay_step(e, ACT_DOWN).reward, 50, 0);
    env_crypt.close(e);
}

static void the_screen_shows_what_the_stats_say(void **state)
{
    struct env *e = cryptplay_open("crypt-vault", "");
    const struct env_obs *o = env_crypt.obs(e);
    char row[ENV_COLS + 1];

    (void)state;
    (void)cryptplay_step(e, ACT_UP);
    memcpy(row, o->chars[23], ENV_COLS);
    row[ENV_COLS] = '\0';
    assert_non_null(strstr(row, "Dlvl:1 $:0 HP:12(12) Xp:1/0 T:2 "));
    assert_int_equal(o->chars[o->hero_row][o->hero_col], '@');
    assert_int_equal(o->hero_row, o->stats[STAT_Y] + 1);
    assert_int_equal(o->hero_col, o->stats[STAT_X]);
    assert_memory_equal(o->chars[0], o->caption, o->caption_len);
    env_crypt.close(e);
}

/* Episodes of 200 that the scripted player wins. */
static int wins(const char *task)
{
    struct env *e = cryptplay_open(task, "");
    int won = 0;

    for (uint64_t i = 0; i < 200; i++) {
        const struct rng_stream stream = {.seed = 5, .role = RNG_ENV, .episode = i};
        struct env_result r = {0};
        struct env_summary s;
        assert_int_equal(env_crypt.reset(e, &stream), ST_OK);
        while (!r.terminated && !r.truncated) {
            r = cryptplay_step(e, crypt_script(e));
        }
        env_crypt.summary(e, &s);
        won += s.success;
    }
    env_crypt.close(e);
    return won;
}

static void a_scripted_player_solves_the_sparse_tasks(void **state)
{
    (void)state;
    assert_true(wins("crypt-stairs2") >= 190);
    assert_true(wins("crypt-stairs") >= 190);
    assert_true(wins("crypt-vault") >= 190);
    assert_true(wins("crypt-oracle") >= 190);
}

static void a_wrong_task_constant_is_refused_with_one_line(void **state)
{
    static const char *const wrong[][2] = {
        {"romms=2x2", "'rooms'"},       {"rooms=9x9", "AxB"},
        {"width=200", "from 24 to 78"}, {"rooms=4x4", "does not fit"},
        {"rooms=1x2", "is too few"},    {"limit=0", "from 1 to 100000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const struct env_options options = {
            .task = "crypt-vault", .overrides = wrong[i][0], .scratch = ""};
        struct env *e = NULL;
        harness_stderr_begin();
        enum status st = env_crypt.open(&options, &e);
        const char *log = harness_stderr_end();
        assert_int_equal(st, ST_INVALID);
        assert_non_null(strstr(log, wrong[i][1]));
        assert_string_equal(strchr(log, '\n'), "\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_games_bit_for_bit),
        cmocka_unit_test(another_seed_gives_other_games),
        cmocka_unit_test(evaluation_seeds_begin_where_training_seeds_end),
        cmocka_unit_test(a_step_and_a_reset_allocate_nothing),
        cmocka_unit_test(stepping_on_the_chest_ends_the_vault_task_with_its_reward),
        cmocka_unit_test(success_beats_death_in_the_same_step),
        cmocka_unit_test(death_beats_truncation_in_the_same_step),
        cmocka_unit_test(the_limit_truncates_and_does_not_terminate),
        cmocka_unit_test(each_descent_says_its_ordinal_and_the_last_one_succeeds),
        cmocka_unit_test(a_vault_is_locked_without_its_key_and_opens_with_it),
        cmocka_unit_test(standing_beside_the_oracle_succeeds),
        cmocka_unit_test(a_score_pays_gold_experience_and_levels),
        cmocka_unit_test(the_screen_shows_what_the_stats_say),
        cmocka_unit_test(a_scripted_player_solves_the_sparse_tasks),
        cmocka_unit_test(a_wrong_task_constant_is_refused_with_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
