#include "tests/support/harness.h"

#include <string.h>

#include "tests/support/cryptplay.h"

/* Far moves on levels drawn by hand: where the hero comes to a halt. */

enum { NORTH, EAST, SOUTH, WEST, NORTHEAST, SOUTHEAST };

struct halt {
    int row, col; // of the drawing, from 0
};

static struct halt run(const char *const *rows, int count, int direction)
{
    struct env *e = cryptplay_open("crypt-stairs", "bite=1000,chase=0");

    cryptplay_draw(e, rows, count);
    (void)cryptplay_step(e, ACT_FAR + direction);
    const struct crypt *g = cryptplay_inside(e);
    struct halt halt = {g->row - 1, g->col - 1};
    env_crypt.close(e);
    return halt;
}

static void expect(const char *const *rows, int count, int direction, int row, int col)
{
    struct halt halt = run(rows, count, direction);

    assert_int_equal(halt.row, row);
    assert_int_equal(halt.col, col);
}

static void a_far_move_in_a_room_ends_at_the_wall(void **state)
{
    const char *const rows[] = {"---------", "|@......|", "|.......|", "---------"};

    (void)state;
    expect(rows, 4, EAST, 1, 7);
}

static void a_diagonal_far_move_goes_on_straight(void **state)
{
    const char *const rows[] = {"-------", "|@....|", "|.....|", "|.....|", "-------"};

    (void)state;
    expect(rows, 5, SOUTHEAST, 3, 3);
}

static void a_far_move_halts_beside_a_door_at_its_side(void **state)
{
    const char *const rows[] = {"----+----", "|@......|", "|.......|", "---------"};

    (void)state;
    expect(rows, 4, EAST, 1, 4);
}

static void a_far_move_runs_onto_a_door_ahead(void **state)
{
    const char *const rows[] = {"---------", "|.......|", "|@......+", "---------"};

    (void)state;
    expect(rows, 4, EAST, 2, 8);
}

static void a_far_move_halts_beside_an_object_at_its_side(void **state)
{
    const char *const rows[] = {"---------", "|....$..|", "|@......|", "---------"};

    (void)state;
    expect(rows, 4, EAST, 2, 5);
}

static void a_far_move_halts_on_an_object_ahead(void **state)
{
    const char *const rows[] = {"---------", "|@...%..|", "---------"};

    (void)state;
    expect(rows, 3, EAST, 1, 5);
}

static void a_far_move_halts_when_a_monster_is_adjacent(void **state)
{
    const char *const rows[] = {"---------", "|.......|", "|@....m.|", "---------"};

    (void)state;
    expect(rows, 4, EAST, 2, 5);
}

static void a_far_move_follows_the_bends_of_a_corridor_onto_its_door(void **state)
{
    const char *const rows[] = {
        "a####     ",
        "    #     ",
        "    #     ",
        "    ####+-",
    };

    (void)state;
    expect(rows, 4, EAST, 3, 8);
}

static void a_far_move_halts_at_a_fork(void **state)
{
    const char *const rows[] = {
        "    #    ",
        "a########",
    };

    (void)state;
    expect(rows, 2, EAST, 1, 4);
}

static void a_diagonal_step_round_a_corner_finds_the_way_on(void **state)
{
    const char *const rows[] = {
        "a        ",
        "##       ",
        " #       ",
        " ####    ",
    };

    (void)state;
    expect(rows, 4, SOUTHEAST, 3, 4);
}

static void a_far_move_ends_before_a_locked_vault_door(void **state)
{
    const char *const rows[] = {"a####X"};

    (void)state;
    expect(rows, 1, EAST, 0, 4);
}

static void a_far_move_takes_forty_cells_at_most(void **state)
{
    const char *const rows[] = {
        "a#####################################################"};

    (void)state;
    expect(rows, 1, EAST, 0, 40);
}

static void a_far_move_is_one_turn(void **state)
{
    const char *const rows[] = {"a####################"};
    struct env *e = cryptplay_open("crypt-stairs", "");

    (void)state;
    cryptplay_draw(e, rows, 1);
    (void)cryptplay_step(e, ACT_FAR + EAST);
    assert_int_equal(env_crypt.obs(e)->stats[STAT_TIME], 2);
    env_crypt.close(e);
}

static void nobody_passes_a_door_diagonally(void **state)
{
    const char *const rows[] = {"---+--", "|.@..|", "|....|", "------"};

    (void)state;
    expect(rows, 4, NORTHEAST, 1, 2);
}

static void a_monster_follows_the_way_round_a_wall(void **state)
{
    const char *const rows[] = {
        "#######",
        "#     #",
        "a     #",
    };
    struct env *e = cryptplay_open("crypt-stairs", "chase=100,bite=1000");
    struct crypt *g = cryptplay_inside(e);

    (void)state;
    cryptplay_draw(e, rows, 3);
    g->level.monsters[0] = (struct monster){.row = 2, .col = 7, .hp = 2};
    g->level.n_monsters = 1;
    for (int i = 0; i < 20; i++) {
        (void)cryptplay_step(e, ACT_SEARCH);
    }
    assert_true(monsters_near(&g->level, g->row, g->col));
    env_crypt.close(e);
}

static void a_monster_near_by_walks_through_a_door_to_the_hero(void **state)
{
    const char *const rows[] = {
        "------", "|....|", "--+---", "  #   ", " a#   ",
    };
    struct env *e = cryptplay_open("crypt-stairs", "chase=100,bite=1000");
    struct crypt *g = cryptplay_inside(e);

    (void)state;
    cryptplay_draw(e, rows, 5);
    g->level.monsters[0] = (struct monster){.row = 2, .col = 5, .hp = 2};
    g->level.n_monsters = 1;
    for (int i = 0; i < 10; i++) {
        (void)cryptplay_step(e, ACT_SEARCH);
    }
    assert_true(monsters_near(&g->level, g->row, g->col));
    env_crypt.close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_far_move_in_a_room_ends_at_the_wall),
        cmocka_unit_test(a_diagonal_far_move_goes_on_straight),
        cmocka_unit_test(a_far_move_halts_beside_a_door_at_its_side),
        cmocka_unit_test(a_far_move_runs_onto_a_door_ahead),
        cmocka_unit_test(a_far_move_halts_beside_an_object_at_its_side),
        cmocka_unit_test(a_far_move_halts_on_an_object_ahead),
        cmocka_unit_test(a_far_move_halts_when_a_monster_is_adjacent),
        cmocka_unit_test(a_far_move_follows_the_bends_of_a_corridor_onto_its_door),
        cmocka_unit_test(a_far_move_halts_at_a_fork),
        cmocka_unit_test(a_diagonal_step_round_a_corner_finds_the_way_on),
        cmocka_unit_test(a_far_move_ends_before_a_locked_vault_door),
        cmocka_unit_test(a_far_move_takes_forty_cells_at_most),
        cmocka_unit_test(a_far_move_is_one_turn),
        cmocka_unit_test(nobody_passes_a_door_diagonally),
        cmocka_unit_test(a_monster_follows_the_way_round_a_wall),
        cmocka_unit_test(a_monster_near_by_walks_through_a_door_to_the_hero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
