#include "tests/support/harness.h"

#include <string.h>

#include "tests/support/cryptplay.h"

enum { LEVELS = 100000 };

static bool has_object(const struct level *l, int kind, int *row, int *col)
{
    for (int i = 0; i < l->n_objects; i++) {
        if (l->objects[i].kind == kind) {
            *row = l->objects[i].row;
            *col = l->objects[i].col;
            return true;
        }
    }
    return false;
}

/* Rooms whose first cell the flood reached. */
static int rooms_reached(const struct level *l, uint8_t seen[MAP_ROWS][MAP_COLS])
{
    int n = 0;

    for (int i = 0; i < l->n_rooms; i++) {
        n += seen[l->rooms[i].top][l->rooms[i].left];
    }
    return n;
}

static void a_hundred_thousand_levels_are_connected(void **state)
{
    struct env *e = cryptplay_open("crypt-stairs", "");
    struct crypt *g = cryptplay_inside(e);
    uint8_t seen[MAP_ROWS][MAP_COLS];
    int row = 0;
    int col = 0;

    (void)state;
    for (int i = 0; i < LEVELS; i++) {
        level_make(g, 1);
        level_flood(&g->level, g->row, g->col, seen);
        assert_int_equal(rooms_reached(&g->level, seen), 4);
        assert_true(has_object(&g->level, OBJ_STAIRS, &row, &col));
        assert_true(seen[row][col]);
        assert_int_not_equal(g->level.room_at[row][col],
                             g->level.room_at[g->row][g->col]);
    }
    env_crypt.close(e);
}

static void the_key_lies_outside_the_vault_and_never_in_the_first_room(void **state)
{
    struct env *e = cryptplay_open("crypt-vault", "");
    struct crypt *g = cryptplay_inside(e);
    const struct level *l = &g->level;
    uint8_t seen[MAP_ROWS][MAP_COLS];
    int row = 0;
    int col = 0;

    (void)state;
    for (int i = 0; i < LEVELS / 5; i++) {
        level_make(g, 1);
        level_flood(l, g->row, g->col, seen);
        assert_true(has_object(l, OBJ_KEY, &row, &col));
        assert_true(seen[row][col]);
        assert_int_not_equal(l->room_at[row][col], l->room_at[g->row][g->col]);
        assert_true(has_object(l, OBJ_CHEST, &row, &col));
        assert_false(seen[row][col]);
        assert_int_equal(l->room_at[row][col], l->vault + 1);
        assert_false(has_object(l, OBJ_STAIRS, &row, &col));
    }
    env_crypt.close(e);
}

static void levels_lie_anywhere_on_the_map(void **state)
{
    struct env *e = cryptplay_open("crypt-vault", "");
    struct crypt *g = cryptplay_inside(e);
    int left = MAP_COLS;
    int right = 0;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        level_make(g, 1);
        left = g->level.rooms[0].left < left ? g->level.rooms[0].left : left;
        right = g->level.rooms[1].right > right ? g->level.rooms[1].right : right;
    }
    assert_true(left <= 3 && right >= MAP_COLS - 4);
    env_crypt.close(e);
}

static void the_oracle_sits_amid_four_fountains_in_the_middle_room(void **state)
{
    struct env *e = cryptplay_open("crypt-oracle", "");
    struct crypt *g = cryptplay_inside(e);
    const struct level *l = &g->level;
    int row = 0;
    int col = 0;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        int fountains = 0;
        level_make(g, 3);
        assert_true(has_object(l, OBJ_ORACLE, &row, &col));
        assert_int_equal(row, (l->rooms[1].top + l->rooms[1].bottom) / 2);
        assert_int_equal(col, (l->rooms[1].left + l->rooms[1].right) / 2);
        for (int k = 0; k < l->n_objects; k++) {
            fountains += l->objects[k].kind == OBJ_FOUNTAIN;
        }
        assert_int_equal(fountains, 4);
        assert_int_not_equal(l->room_at[g->row][g->col], 2);
        assert_false(has_object(l, OBJ_STAIRS, &row, &col));
    }
    env_crypt.close(e);
}

static void what_was_seen_stays_drawn_and_the_rest_stays_dark(void **state)
{
    struct env *e = cryptplay_open("crypt-stairs", "monsters=0");
    const struct crypt *g = cryptplay_inside(e);
    struct rng_stream stream = {.seed = 9, .role = RNG_ENV};
    struct rng player;

    (void)state;
    rng_init(&player, 3);
    for (int i = 0; i < 3000; i++) {
        struct env_result r = cryptplay_step(e, (int)rng_below(&player, ACT_DOWN));
        for (int row = 0; row < MAP_ROWS; row++) {
            for (int col = 0; col < MAP_COLS; col++) {
                bool dark = g->obs.chars[row + 1][col] == ' ';
                bool unknown =
                    !g->level.known[row][col] || g->level.terrain[row][col] == T_STONE;
                assert_int_equal(dark, unknown);
            }
        }
        if (r.terminated || r.truncated) {
            stream.episode++;
            assert_int_equal(env_crypt.reset(e, &stream), ST_OK);
        }
    }
    env_crypt.close(e);
}

/* Letters on the map, capitals left out: monsters. */
static int letters_on_map(const struct env_obs *o, int *heroes)
{
    int letters = 0;

    *heroes = 0;
    for (int row = 1; row <= MAP_ROWS; row++) {
        for (int col = 0; col < MAP_COLS; col++) {
            letters += o->chars[row][col] >= 'a' && o->chars[row][col] <= 'z';
            *heroes += o->chars[row][col] == '@';
        }
    }
    return letters;
}

static void hero_and_monsters_leave_no_trace_where_they_were(void **state)
{
    struct env *e = cryptplay_open("crypt-stairs", "monsters=12,bite=1000");
    const struct crypt *g = cryptplay_inside(e);
    struct rng_stream stream = {.seed = 9, .role = RNG_ENV};
    struct rng player;

    (void)state;
    rng_init(&player, 4);
    for (int i = 0; i < 3000; i++) {
        int in_view = 0;
        int heroes = 0;
        struct env_result r = cryptplay_step(e, (int)rng_below(&player, ACT_DOWN));
        for (int m = 0; m < g->level.n_monsters; m++) {
            in_view += g->level.monsters[m].in_view && g->level.monsters[m].hp > 0;
        }
        assert_int_equal(letters_on_map(&g->obs, &heroes), in_view);
        assert_int_equal(heroes, 1);
        if (r.terminated || r.truncated) {
            stream.episode++;
            assert_int_equal(env_crypt.reset(e, &stream), ST_OK);
        }
    }
    env_crypt.close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_levels_are_connected),
        cmocka_unit_test(the_key_lies_outside_the_vault_and_never_in_the_first_room),
        cmocka_unit_test(levels_lie_anywhere_on_the_map),
        cmocka_unit_test(the_oracle_sits_amid_four_fountains_in_the_middle_room),
        cmocka_unit_test(what_was_seen_stays_drawn_and_the_rest_stays_dark),
        cmocka_unit_test(hero_and_monsters_leave_no_trace_where_they_were),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
