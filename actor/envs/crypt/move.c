#include <stddef.h>

#include "actor/envs/crypt/crypt.h"
#include "actor/envs/crypt/dungeon.h"

/* NLE's order: north, east, south, west, north-east, south-east, south-west, north-west.
 * The first four are orthogonal. */
const int8_t step_row[DIRECTIONS] = {-1, 0, 1, 0, -1, 1, 1, -1};
const int8_t step_col[DIRECTIONS] = {0, 1, 0, -1, 1, 1, -1, -1};

enum { ORTHOGONAL = 4, NO_DIRECTION = -1 };

static bool is_open(int terrain)
{
    return terrain == T_FLOOR || terrain == T_CORRIDOR || terrain == T_DOOR;
}

static bool is_door(int terrain)
{
    return terrain == T_DOOR || terrain == T_VAULT_DOOR;
}

bool move_possible(const struct level *l, int row, int col, int d)
{
    int r = row + step_row[d];
    int c = col + step_col[d];

    if (!map_holds(r, c) || !is_open(l->terrain[r][c])) {
        return false;
    }
    // Nobody passes a door diagonally.
    return d < ORTHOGONAL ||
           (l->terrain[row][col] != T_DOOR && l->terrain[r][c] != T_DOOR);
}

/* The blow at a monster: hits in `hit` per cent, for one hit point. */
static void attack(struct crypt *g, struct monster *m)
{
    enum { EXP_OF_KILL = 5 };

    if ((int)rng_below(&g->game, 100) >= g->task.c.hit) {
        captions_note_monster(g, EV_MISS, m->kind, m->adjective);
        return;
    }
    m->hp--;
    if (m->hp > 0) {
        captions_note_monster(g, EV_HIT, m->kind, m->adjective);
        return;
    }
    captions_note_monster(g, EV_KILL, m->kind, m->adjective);
    g->exp += EXP_OF_KILL;
    g->kills++;
    g->summary.achievements |= 1u << ACH_KILL;
    if (g->kills == 3) {
        g->summary.achievements |= 1u << ACH_KILL3;
    }
    g->status_stale = true;
}

static void unlock(struct crypt *g)
{
    struct level *l = &g->level;
    const struct room *q = &l->rooms[l->vault];

    for (int r = q->top - 1; r <= q->bottom + 1; r++) {
        for (int c = q->left - 1; c <= q->right + 1; c++) {
            if (l->terrain[r][c] != T_VAULT_DOOR) {
                continue;
            }
            l->terrain[r][c] = T_DOOR;
            if (l->known[r][c]) {
                draw_cell(g, r, c);
            }
        }
    }
    captions_note(g, EV_UNLOCK);
    g->summary.achievements |= 1u << ACH_UNLOCK;
}

/* What is in the way says so. */
static void bump(struct crypt *g, int d)
{
    int r = g->row + step_row[d];
    int c = g->col + step_col[d];

    if (d < ORTHOGONAL && map_holds(r, c) && g->level.terrain[r][c] == T_VAULT_DOOR) {
        if (g->carries_key) {
            unlock(g);
        } else {
            captions_note(g, EV_LOCKED);
        }
        return;
    }
    captions_note(g, EV_WALL);
}

static void open_chest(struct crypt *g, struct object *o)
{
    level_take(&g->level, o);
    g->summary.achievements |= 1u << ACH_CHEST;
    if (g->task.kind == TASK_VAULT) {
        g->success = true;
        captions_note_success(g, EV_CHEST_OPEN, 0);
    } else {
        captions_note(g, EV_CHEST_OPEN);
    }
}

/* What lies where the hero comes to a halt. */
static void arrive(struct crypt *g)
{
    struct object *o = level_object(&g->level, g->row, g->col);

    if (g->level.terrain[g->row][g->col] == T_DOOR) {
        captions_note(g, EV_DOOR);
    }
    if (o == NULL) {
        return;
    }
    switch ((enum object_kind)o->kind) {
    case OBJ_STAIRS:
        captions_note(g, EV_STAIRS_ON);
        break;
    case OBJ_KEY:
        captions_note(g, EV_KEY_ON);
        break;
    case OBJ_CHEST:
        open_chest(g, o);
        break;
    case OBJ_GOLD:
        g->gold += o->amount;
        captions_note_number(g, EV_GOLD_TAKEN, o->amount);
        g->summary.achievements |= 1u << ACH_GOLD;
        level_take(&g->level, o);
        g->status_stale = true;
        break;
    case OBJ_FOOD:
        captions_note(g, EV_FOOD_ON);
        break;
    case OBJ_INSCRIPTION:
        captions_note(g, EV_INSCRIPTION_ON);
        break;
    case OBJ_TRAP:
        captions_note(g, EV_TRAP);
        g->hp--;
        g->last_hurt = EV_DEATH_TRAP;
        g->status_stale = true;
        break;
    case OBJ_STATUE:
    case OBJ_FOUNTAIN:
    case OBJ_ORACLE:
        break;
    }
}

/* The oracle is met from any cell beside hers. */
static void meet_oracle(struct crypt *g)
{
    for (int d = 0; d < DIRECTIONS; d++) {
        int r = g->row + step_row[d];
        int c = g->col + step_col[d];
        const struct object *o = map_holds(r, c) ? level_object(&g->level, r, c) : NULL;
        if (o == NULL || o->kind != OBJ_ORACLE) {
            continue;
        }
        g->summary.achievements |= 1u << ACH_ORACLE;
        if (g->task.kind == TASK_ORACLE) {
            g->success = true;
            captions_note_success(g, EV_ORACLE_MET, 0);
        } else {
            captions_note(g, EV_ORACLE_MET);
        }
        return;
    }
}

/* The way on in a corridor, come from (from_row, from_col): the only orthogonal exit but
 * the one behind; NO_DIRECTION at a fork and at a dead end. After a diagonal step the
 * two corners that it cut are behind as well. */
static int way_on(const struct level *l, int row, int col, int from_row, int from_col)
{
    int found = NO_DIRECTION;

    for (int d = 0; d < ORTHOGONAL; d++) {
        int r = row + step_row[d];
        int c = col + step_col[d];
        int dr = r - from_row;
        int dc = c - from_col;
        int apart = dr * dr + dc * dc;
        bool cut = from_row != row && from_col != col && apart == 1;
        if (apart == 0 || cut || !move_possible(l, row, col, d)) {
            continue;
        }
        if (found != NO_DIRECTION) {
            return NO_DIRECTION;
        }
        found = d;
    }
    return found;
}

/* A door or an object beside a cell of a room on the way in direction d. What lies ahead
 * is run up to and onto, so only the two sides count (all but ahead and behind). */
static bool beside_something(const struct level *l, int row, int col, int d)
{
    for (int side = 0; side < ORTHOGONAL; side++) {
        int r = row + step_row[side];
        int c = col + step_col[side];
        bool ahead = side == d;
        bool behind = step_row[side] == -step_row[d] && step_col[side] == -step_col[d];
        if (!ahead && !behind &&
            (is_door(l->terrain[r][c]) || l->object_at[r][c] != 0)) {
            return true;
        }
    }
    return false;
}

/* One cell of a far move has been taken in direction d. The direction of the next, or
 * NO_DIRECTION to halt. */
static int run_on(const struct crypt *g, int d)
{
    const struct level *l = &g->level;
    int from_row = g->row - step_row[d];
    int from_col = g->col - step_col[d];
    int here = l->terrain[g->row][g->col];

    if (l->object_at[g->row][g->col] != 0 || here == T_DOOR ||
        monsters_near(l, g->row, g->col)) {
        return NO_DIRECTION;
    }
    if (here == T_CORRIDOR) {
        return way_on(l, g->row, g->col, from_row, from_col);
    }
    if (beside_something(l, g->row, g->col, d)) {
        return NO_DIRECTION;
    }
    return move_possible(l, g->row, g->col, d) ? d : NO_DIRECTION;
}

static void walk(struct crypt *g, int d, bool far)
{
    struct monster *m =
        map_holds(g->row + step_row[d], g->col + step_col[d])
            ? monsters_at(&g->level, g->row + step_row[d], g->col + step_col[d])
            : NULL;

    if (m != NULL) {
        attack(g, m);
        return;
    }
    if (!move_possible(&g->level, g->row, g->col, d)) {
        bump(g, d);
        return;
    }
    for (int cells = 0; cells < RUN_MAX && d != NO_DIRECTION; cells++) {
        if (monsters_at(&g->level, g->row + step_row[d], g->col + step_col[d]) !=
            NULL) {
            break;
        }
        g->row += step_row[d];
        g->col += step_col[d];
        vision_reveal(g);
        d = far ? run_on(g, d) : NO_DIRECTION;
    }
    arrive(g);
    meet_oracle(g);
}

static void go_down(struct crypt *g)
{
    const struct object *o = level_object(&g->level, g->row, g->col);

    if (o == NULL || o->kind != OBJ_STAIRS) {
        captions_note(g, EV_NO_DOWN);
        return;
    }
    int depth = g->depth + 1;
    bool success = g->task.kind == TASK_STAIRS && depth == g->task.c.stages + 1;

    level_make(g, depth);
    vision_enter_level(g);
    if (success) {
        g->success = true;
        captions_note_success(g, EV_DESCEND, depth);
    } else {
        captions_note_number(g, EV_DESCEND, depth);
    }
    if (depth <= 4) {
        g->summary.achievements |= 1u << (ACH_LEVEL2 + depth - 2);
    }
    g->carries_key = false;
    g->status_stale = true;
}

static void pick_up(struct crypt *g)
{
    struct object *o = level_object(&g->level, g->row, g->col);

    if (o != NULL && o->kind == OBJ_KEY) {
        level_take(&g->level, o);
        g->carries_key = true;
        g->status_stale = true;
        captions_note(g, EV_KEY_TAKEN);
        g->summary.achievements |= 1u << ACH_KEY;
    } else if (o != NULL && o->kind == OBJ_FOOD) {
        level_take(&g->level, o);
        g->nutrition += g->task.c.nutrition;
        g->status_stale = true;
        captions_note(g, EV_EATEN);
        g->summary.achievements |= 1u << ACH_EAT;
    } else {
        captions_note(g, EV_NO_PICKUP);
    }
}

static bool statue_beside(struct crypt *g)
{
    for (int d = 0; d < DIRECTIONS; d++) {
        int r = g->row + step_row[d];
        int c = g->col + step_col[d];
        const struct object *o = map_holds(r, c) ? level_object(&g->level, r, c) : NULL;
        if (o != NULL && o->kind == OBJ_STATUE) {
            return true;
        }
    }
    return false;
}

static void search(struct crypt *g)
{
    const struct object *o = level_object(&g->level, g->row, g->col);

    if (o != NULL && o->kind == OBJ_INSCRIPTION) {
        captions_note(g, EV_READ);
        g->summary.achievements |= 1u << ACH_READ;
    } else if (g->task.c.whispers && statue_beside(g)) {
        captions_note(g, EV_WHISPER);
    }
}

void move_act(struct crypt *g)
{
    if (g->action < ACT_FAR) {
        walk(g, g->action - ACT_STEP, false);
    } else if (g->action < ACT_DOWN) {
        walk(g, g->action - ACT_FAR, true);
    } else if (g->action == ACT_DOWN) {
        go_down(g);
    } else if (g->action == ACT_UP) {
        captions_note(g, EV_NO_UP);
    } else if (g->action == ACT_PICKUP) {
        pick_up(g);
    } else {
        search(g);
    }
}
