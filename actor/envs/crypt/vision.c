#include <stddef.h>

#include "actor/envs/crypt/dungeon.h"

/* A hero in a room sees the whole of it, anywhere else the eight cells around him. What
 * was seen stays drawn. */

static void reveal_cell(struct crypt *g, int row, int col)
{
    if (!map_holds(row, col) || g->level.known[row][col]) {
        return;
    }
    g->level.known[row][col] = 1;
    if (g->level.terrain[row][col] != T_STONE) {
        g->summary.scout++;
        draw_cell(g, row, col);
    }
}

static void reveal(struct crypt *g, int top, int left, int bottom, int right)
{
    for (int r = top; r <= bottom; r++) {
        for (int c = left; c <= right; c++) {
            reveal_cell(g, r, c);
        }
    }
}

void vision_reveal(struct crypt *g)
{
    int number = g->level.room_at[g->row][g->col];

    if (number == 0) {
        reveal(g, g->row - 1, g->col - 1, g->row + 1, g->col + 1);
        return;
    }
    struct room *q = &g->level.rooms[number - 1];
    if (!q->drawn) {
        q->drawn = true;
        reveal(g, q->top - 1, q->left - 1, q->bottom + 1, q->right + 1);
    }
}

void vision_enter_level(struct crypt *g)
{
    draw_level(g);
    vision_reveal(g);
}

/* In the hero's room or beside him. */
static bool in_view(const struct crypt *g, int row, int col)
{
    int room = g->level.room_at[g->row][g->col];
    int dr = row - g->row;
    int dc = col - g->col;

    return (room != 0 && g->level.room_at[row][col] == room) ||
           (dr >= -1 && dr <= 1 && dc >= -1 && dc <= 1);
}

static void say_object(struct crypt *g, const struct object *o)
{
    static const int16_t seen[] = {
        [OBJ_STAIRS] = EV_STAIRS_SEEN,   [OBJ_KEY] = EV_KEY_SEEN,
        [OBJ_CHEST] = EV_CHEST_SEEN,     [OBJ_GOLD] = EV_GOLD_SEEN,
        [OBJ_FOOD] = EV_FOOD_SEEN,       [OBJ_INSCRIPTION] = EV_INSCRIPTION_SEEN,
        [OBJ_TRAP] = EV_TRAP_SEEN,       [OBJ_STATUE] = EV_STATUE_SEEN,
        [OBJ_FOUNTAIN] = ENV_EVENT_NONE, [OBJ_ORACLE] = EV_ORACLE_SEEN,
    };

    if (seen[o->kind] != ENV_EVENT_NONE) {
        captions_note(g, (enum crypt_event)seen[o->kind]);
    }
}

void vision_objects(struct crypt *g)
{
    struct level *l = &g->level;

    for (int i = 0; i < l->n_objects; i++) {
        struct object *o = &l->objects[i];
        bool view = !o->gone && in_view(g, o->row, o->col);
        if (view && !o->in_view) {
            say_object(g, o);
        }
        o->in_view = view;
    }
}

void vision_monsters(struct crypt *g)
{
    struct level *l = &g->level;

    for (int i = 0; i < l->n_monsters; i++) {
        struct monster *m = &l->monsters[i];
        bool view = m->hp > 0 && in_view(g, m->row, m->col);
        if (view && !m->in_view) {
            captions_note_monster(g, EV_MONSTER_SEEN, m->kind, m->adjective);
        }
        m->in_view = view;
    }
}
