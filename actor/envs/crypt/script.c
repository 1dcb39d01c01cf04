#include <string.h>

#include "actor/envs/crypt/crypt.h"
#include "actor/envs/crypt/dungeon.h"

/* A player who sees through walls: breadth first to the next subgoal, one cell a step. */

enum { FAR_AWAY = 0xffff };

/* Steps to (row, col) from everywhere; a locked vault door may be the goal itself. */
static void measure(const struct level *l, int row, int col,
                    uint16_t steps[MAP_ROWS][MAP_COLS])
{
    uint16_t queue[MAP_ROWS * MAP_COLS];
    int head = 0;
    int tail = 0;
    bool locked = l->terrain[row][col] == T_VAULT_DOOR;

    memset(steps, 0xff, sizeof(uint16_t) * MAP_ROWS * MAP_COLS);
    steps[row][col] = 0;
    queue[tail++] = (uint16_t)(row * MAP_COLS + col);
    while (head < tail) {
        int r = queue[head] / MAP_COLS;
        int c = queue[head] % MAP_COLS;
        bool at_lock = locked && head == 0;
        head++;
        for (int d = 0; d < (at_lock ? 4 : DIRECTIONS); d++) {
            int r2 = r + step_row[d];
            int c2 = c + step_col[d];
            if (map_holds(r2, c2) && steps[r2][c2] == FAR_AWAY &&
                move_possible(l, r, c, d)) {
                steps[r2][c2] = (uint16_t)(steps[r][c] + 1);
                queue[tail++] = (uint16_t)(r2 * MAP_COLS + c2);
            }
        }
    }
}

static const struct object *find(const struct level *l, int kind)
{
    for (int i = 0; i < l->n_objects; i++) {
        if (l->objects[i].kind == kind && !l->objects[i].gone) {
            return &l->objects[i];
        }
    }
    return NULL;
}

/* The vault's locked door that is nearest; false when it stands open or there is none. */
static bool nearest_lock(const struct crypt *g, int *row, int *col)
{
    uint16_t steps[MAP_ROWS][MAP_COLS];
    int least = FAR_AWAY;

    for (int r = 0; r < MAP_ROWS; r++) {
        for (int c = 0; c < MAP_COLS; c++) {
            if (g->level.terrain[r][c] != T_VAULT_DOOR) {
                continue;
            }
            measure(&g->level, r, c, steps);
            if (steps[g->row][g->col] < least) {
                least = steps[g->row][g->col];
                *row = r;
                *col = c;
            }
        }
    }
    return least != FAR_AWAY;
}

static bool go_to(const struct object *o, int *row, int *col)
{
    if (o == NULL) {
        return false;
    }
    *row = o->row;
    *col = o->col;
    return true;
}

/* A floor cell beside the oracle. */
static bool beside_oracle(const struct crypt *g, int *row, int *col)
{
    const struct object *o = find(&g->level, OBJ_ORACLE);

    if (o == NULL || (g->summary.achievements >> ACH_ORACLE & 1) != 0) {
        return false;
    }
    *row = o->row - 1;
    *col = o->col;
    return true;
}

/* Where to go next; false when nothing is left to do. */
static bool next_target(const struct crypt *g, int *row, int *col)
{
    const struct level *l = &g->level;

    if (go_to(find(l, OBJ_KEY), row, col) ||
        (g->carries_key && nearest_lock(g, row, col)) ||
        go_to(find(l, OBJ_CHEST), row, col) || beside_oracle(g, row, col)) {
        return true;
    }
    if (g->task.kind == TASK_SCORE || g->task.kind == TASK_FREE) {
        if (go_to(find(l, OBJ_GOLD), row, col) || go_to(find(l, OBJ_FOOD), row, col)) {
            return true;
        }
        bool unread = (g->summary.achievements >> ACH_READ & 1) == 0;
        if (unread && go_to(find(l, OBJ_INSCRIPTION), row, col)) {
            return true;
        }
    }
    return go_to(find(l, OBJ_STAIRS), row, col);
}

/* What to do with the thing that the hero stands on. */
static int use(const struct crypt *g)
{
    int number = g->level.object_at[g->row][g->col];
    int kind = number > 0 ? g->level.objects[number - 1].kind : OBJ_TRAP;

    switch (kind) {
    case OBJ_STAIRS:
        return ACT_DOWN;
    case OBJ_KEY:
    case OBJ_FOOD:
        return ACT_PICKUP;
    default:
        return ACT_SEARCH;
    }
}

int crypt_script(const struct env *e)
{
    const struct crypt *g = (const struct crypt *)e;
    uint16_t steps[MAP_ROWS][MAP_COLS];
    int row = 0;
    int col = 0;

    if (!next_target(g, &row, &col)) {
        return ACT_SEARCH;
    }
    if (row == g->row && col == g->col) {
        return use(g);
    }
    measure(&g->level, row, col, steps);
    int best = ACT_SEARCH;
    int least = FAR_AWAY;
    for (int d = 0; d < DIRECTIONS; d++) {
        int r = g->row + step_row[d];
        int c = g->col + step_col[d];
        bool lock = r == row && c == col && d < 4 && map_holds(r, c) &&
                    g->level.terrain[r][c] == T_VAULT_DOOR;
        if ((lock || move_possible(&g->level, g->row, g->col, d)) &&
            steps[r][c] < least) {
            least = steps[r][c];
            best = ACT_STEP + d;
        }
    }
    return best;
}
