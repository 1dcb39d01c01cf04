#include "actor/envs/crypt/level.h"

#include <string.h>

#include "actor/envs/crypt/dungeon.h"
#include "common/base/check.h"

/* The generator: rooms in the cells of a grid, a tree of corridors and a few more, then
 * what lies and lives in the rooms. All chance is the game's stream; a draw that does
 * not fit is drawn again from the same stream. */

enum { PAIRS_MAX = 2 * ROOMS_MAX, TRIES_MAX = 10000 };

/* Two rooms that lie side by side in the grid: b is right of a, or below it. */
struct pair {
    int a, b;
    bool across;
};

struct grid {
    int columns, rows, width, top, left;
};

static int below(struct crypt *g, int n)
{
    return (int)rng_below(&g->game, (uint32_t)n);
}

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

/* Uniform in [a, b]. */
static int between(struct crypt *g, int a, int b)
{
    return a + below(g, b - a + 1);
}

static bool oracle_level(const struct crypt *g, int depth)
{
    return (g->task.kind == TASK_ORACLE || g->task.kind == TASK_FREE) &&
           depth == g->task.c.stages + 1;
}

static bool has_stairs(const struct crypt *g, int depth)
{
    switch (g->task.kind) {
    case TASK_VAULT:
        return false;
    case TASK_ORACLE:
        return !oracle_level(g, depth);
    case TASK_SCORE:
    case TASK_FREE:
        return depth < g->task.c.levels;
    case TASK_STAIRS:
        break;
    }
    return true;
}

static bool has_vault(const struct crypt *g, int depth)
{
    return g->task.kind == TASK_VAULT ||
           (g->task.kind == TASK_FREE && !oracle_level(g, depth));
}

/* The window lies anywhere on the map, so that absolute positions tell nothing. */
static struct grid draw_grid(struct crypt *g, bool oracle)
{
    const struct task_constants *c = &g->task.c;
    struct grid grid = {c->columns, c->rows, c->width, 0, 0};

    if (oracle) {
        grid.columns = 3;
        grid.rows = 1;
    }
    grid.left = between(g, 1, MAP_COLS - grid.width);
    grid.top = between(g, 0, MAP_ROWS - WINDOW_ROWS);
    return grid;
}

/* Walls included, a room leaves the last row and column of its cell free: between two
 * facing walls there is always room for a corridor's cross leg. */
static void draw_room(struct crypt *g, const struct grid *grid, int number, bool oracle)
{
    struct level *l = &g->level;
    struct room *room = &l->rooms[number];
    int cell_width = grid->width / grid->columns;
    int cell_height = WINDOW_ROWS / grid->rows;
    int width = between(g, 3, at_most(9, cell_width - 3));
    int height = between(g, 2, at_most(5, cell_height - 3));

    if (oracle) {
        width = 9;
        height = 5;
    }
    int left = grid->left + number % grid->columns * cell_width + 1 +
               between(g, 0, cell_width - width - 3);
    int top = grid->top + number / grid->columns * cell_height + 1 +
              between(g, 0, cell_height - height - 3);
    *room = (struct room){.top = (uint8_t)top,
                          .left = (uint8_t)left,
                          .bottom = (uint8_t)(top + height - 1),
                          .right = (uint8_t)(left + width - 1)};
    for (int r = top - 1; r <= top + height; r++) {
        memset(&l->terrain[r][left - 1],
               r < top || r >= top + height ? T_HWALL : T_VWALL, (size_t)width + 2);
    }
    for (int r = top; r < top + height; r++) {
        memset(&l->terrain[r][left], T_FLOOR, (size_t)width);
        memset(&l->room_at[r][left], number + 1, (size_t)width);
    }
}

static void dig(struct level *l, int row, int col)
{
    if (l->terrain[row][col] == T_STONE) {
        l->terrain[row][col] = T_CORRIDOR;
    }
}

static void dig_across(struct crypt *g, const struct room *a, const struct room *b)
{
    struct level *l = &g->level;
    int from = a->right + 1;
    int to = b->left - 1;
    int row_a = between(g, a->top, a->bottom);
    int row_b = between(g, b->top, b->bottom);
    int cross = between(g, from + 1, to - 1);

    l->terrain[row_a][from] = T_DOOR;
    l->terrain[row_b][to] = T_DOOR;
    for (int c = from + 1; c <= cross; c++) {
        dig(l, row_a, c);
    }
    for (int r = at_most(row_a, row_b); r <= row_a || r <= row_b; r++) {
        dig(l, r, cross);
    }
    for (int c = cross; c < to; c++) {
        dig(l, row_b, c);
    }
}

static void dig_down(struct crypt *g, const struct room *a, const struct room *b)
{
    struct level *l = &g->level;
    int from = a->bottom + 1;
    int to = b->top - 1;
    int col_a = between(g, a->left, a->right);
    int col_b = between(g, b->left, b->right);
    int cross = between(g, from + 1, to - 1);

    l->terrain[from][col_a] = T_DOOR;
    l->terrain[to][col_b] = T_DOOR;
    for (int r = from + 1; r <= cross; r++) {
        dig(l, r, col_a);
    }
    for (int c = at_most(col_a, col_b); c <= col_a || c <= col_b; c++) {
        dig(l, cross, c);
    }
    for (int r = cross; r < to; r++) {
        dig(l, r, col_b);
    }
}

static void dig_pair(struct crypt *g, const struct pair *p)
{
    const struct room *a = &g->level.rooms[p->a];
    const struct room *b = &g->level.rooms[p->b];

    if (p->across) {
        dig_across(g, a, b);
    } else {
        dig_down(g, a, b);
    }
}

static int list_pairs(const struct grid *grid, struct pair *pairs)
{
    int n = 0;

    for (int i = 0; i < grid->columns * grid->rows; i++) {
        if ((i + 1) % grid->columns != 0) {
            pairs[n++] = (struct pair){i, i + 1, true};
        }
        if (i + grid->columns < grid->columns * grid->rows) {
            pairs[n++] = (struct pair){i, i + grid->columns, false};
        }
    }
    return n;
}

/* A spanning tree grown room by room, then each pair left over with chance `extra`. */
static void dig_corridors(struct crypt *g, const struct grid *grid)
{
    struct pair pairs[PAIRS_MAX];
    bool joined[ROOMS_MAX] = {false};
    bool dug[PAIRS_MAX] = {false};
    int n = list_pairs(grid, pairs);
    int rooms = g->level.n_rooms;

    joined[below(g, rooms)] = true;
    for (int grown = 1; grown < rooms; grown++) {
        int open[PAIRS_MAX];
        int n_open = 0;
        for (int i = 0; i < n; i++) {
            if (joined[pairs[i].a] != joined[pairs[i].b]) {
                open[n_open++] = i;
            }
        }
        int chosen = open[below(g, n_open)];
        dig_pair(g, &pairs[chosen]);
        dug[chosen] = joined[pairs[chosen].a] = joined[pairs[chosen].b] = true;
    }
    for (int i = 0; i < n; i++) {
        if (!dug[i] && below(g, 100) < g->task.c.extra) {
            dig_pair(g, &pairs[i]);
        }
    }
}

void level_flood(const struct level *l, int row, int col,
                 uint8_t seen[MAP_ROWS][MAP_COLS])
{
    uint16_t queue[MAP_ROWS * MAP_COLS];
    int head = 0;
    int tail = 0;

    memset(seen, 0, (size_t)MAP_ROWS * MAP_COLS);
    seen[row][col] = 1;
    queue[tail++] = (uint16_t)(row * MAP_COLS + col);
    // Orthogonal steps suffice: every diagonal one has a detour in rooms, and corridors
    // and doors are joined orthogonally.
    while (head < tail) {
        int r = queue[head] / MAP_COLS;
        int c = queue[head] % MAP_COLS;
        head++;
        for (int d = 0; d < 4; d++) {
            int r2 = r + step_row[d];
            int c2 = c + step_col[d];
            if (map_holds(r2, c2) && !seen[r2][c2] && move_possible(l, r, c, d)) {
                seen[r2][c2] = 1;
                queue[tail++] = (uint16_t)(r2 * MAP_COLS + c2);
            }
        }
    }
}

static bool room_reached(const struct level *l, int room,
                         uint8_t seen[MAP_ROWS][MAP_COLS])
{
    const struct room *q = &l->rooms[room];

    for (int r = q->top; r <= q->bottom; r++) {
        for (int c = q->left; c <= q->right; c++) {
            if (l->terrain[r][c] == T_FLOOR && !seen[r][c]) {
                return false;
            }
        }
    }
    return true;
}

static struct object *add_object(struct level *l, int kind, int row, int col)
{
    CHECK(l->n_objects < OBJECTS_MAX);
    struct object *o = &l->objects[l->n_objects++];

    *o = (struct object){
        .kind = (uint8_t)kind, .row = (uint8_t)row, .col = (uint8_t)col};
    l->object_at[row][col] = (uint8_t)l->n_objects;
    if (kind == OBJ_STATUE || kind == OBJ_ORACLE) {
        l->terrain[row][col] = T_BLOCK;
    }
    return o;
}

/* A cell of the room on which nothing lies and the hero does not stand; false when
 * chance finds none. */
static bool free_cell(struct crypt *g, int room, int *row, int *col)
{
    const struct level *l = &g->level;
    const struct room *q = &l->rooms[room];

    for (int i = 0; i < 50; i++) {
        int r = between(g, q->top, q->bottom);
        int c = between(g, q->left, q->right);
        if (l->object_at[r][c] == 0 && (r != g->row || c != g->col)) {
            *row = r;
            *col = c;
            return true;
        }
    }
    return false;
}

static bool put_in(struct crypt *g, int room, int kind)
{
    int row = 0;
    int col = 0;

    if (!free_cell(g, room, &row, &col)) {
        return false;
    }
    (void)add_object(&g->level, kind, row, col);
    return true;
}

/* A room drawn uniformly from those of `mask`, -1 = none. */
static int draw_room_of(struct crypt *g, uint32_t mask)
{
    int rooms[ROOMS_MAX];
    int n = 0;

    for (int i = 0; i < g->level.n_rooms; i++) {
        if ((mask >> i & 1) != 0) {
            rooms[n++] = i;
        }
    }
    return n > 0 ? rooms[below(g, n)] : -1;
}

static void lock_vault(struct level *l)
{
    const struct room *q = &l->rooms[l->vault];

    for (int r = q->top - 1; r <= q->bottom + 1; r++) {
        for (int c = q->left - 1; c <= q->right + 1; c++) {
            if (l->terrain[r][c] == T_DOOR) {
                l->terrain[r][c] = T_VAULT_DOOR;
            }
        }
    }
}

/* Stairs, key, vault and chest: what the task asks for. False: draw again. The key and
 * the stairs lie where the hero gets with the vault shut, never where he starts. */
static bool put_goals(struct crypt *g, int depth, int start, uint32_t targets)
{
    struct level *l = &g->level;
    uint8_t seen[MAP_ROWS][MAP_COLS];
    uint32_t open = 0;

    if (has_vault(g, depth)) {
        l->vault = draw_room_of(g, targets);
        lock_vault(l);
        targets &= ~(1u << l->vault);
        l->metal = (uint8_t)below(g, g->task.c.metals);
    }
    level_flood(l, g->row, g->col, seen);
    for (int i = 0; i < l->n_rooms; i++) {
        if (i != start && i != l->vault && room_reached(l, i, seen)) {
            open |= 1u << i;
        }
    }
    if (l->vault < 0 && open != (((1u << l->n_rooms) - 1) & ~(1u << start))) {
        return false;
    }
    if (has_stairs(g, depth)) {
        int room = draw_room_of(g, targets & open);
        if (room < 0 || !put_in(g, room, OBJ_STAIRS)) {
            return false;
        }
    }
    if (l->vault >= 0) {
        int room = draw_room_of(g, open);
        return room >= 0 && put_in(g, room, OBJ_KEY) && put_in(g, l->vault, OBJ_CHEST);
    }
    return true;
}

/* Delphi in small: the oracle in the middle of the middle room, four fountains around
 * her, statues in the corners. */
static void put_oracle(struct level *l)
{
    const struct room *q = &l->rooms[1];
    int row = q->top + 2;
    int col = q->left + 4;

    (void)add_object(l, OBJ_ORACLE, row, col);
    for (int i = 0; i < 4; i++) {
        int down = i < 2 ? -1 : 1;
        int right = i % 2 == 0 ? -1 : 1;
        (void)add_object(l, OBJ_FOUNTAIN, row + down, col + 2 * right);
        (void)add_object(l, OBJ_STATUE, row + 2 * down, col + 4 * right);
    }
}

static void put_some(struct crypt *g, int kind, int count)
{
    struct level *l = &g->level;
    uint32_t mask = (1u << l->n_rooms) - 1;

    if (l->vault >= 0) {
        mask &= ~(1u << l->vault);
    }
    for (int i = 0; i < count; i++) {
        if (put_in(g, draw_room_of(g, mask), kind) && kind == OBJ_GOLD) {
            l->objects[l->n_objects - 1].amount = (int16_t)between(g, 2, 40);
        }
    }
}

static void put_monsters(struct crypt *g)
{
    struct level *l = &g->level;
    uint32_t mask = (1u << l->n_rooms) - 1;

    if (l->vault >= 0) {
        mask &= ~(1u << l->vault);
    }
    for (int i = 0; i < g->task.c.monsters; i++) {
        int row = 0;
        int col = 0;
        if (!free_cell(g, draw_room_of(g, mask), &row, &col) ||
            monsters_at(l, row, col) != NULL) {
            continue;
        }
        l->monsters[l->n_monsters++] = (struct monster){
            .row = (uint8_t)row,
            .col = (uint8_t)col,
            .kind = (uint8_t)below(g, g->task.c.kinds),
            .adjective = (uint8_t)below(g, g->task.c.adjectives),
            .hp = (int8_t)g->task.c.foe_hp,
        };
    }
}

static bool try_level(struct crypt *g, int depth)
{
    struct level *l = &g->level;
    const struct task_constants *c = &g->task.c;
    bool oracle = oracle_level(g, depth);
    struct grid grid = draw_grid(g, oracle);

    memset(l, 0, sizeof(*l));
    l->vault = -1;
    l->n_rooms = grid.columns * grid.rows;
    for (int i = 0; i < l->n_rooms; i++) {
        draw_room(g, &grid, i, oracle && i == 1);
    }
    dig_corridors(g, &grid);

    uint32_t all = (1u << l->n_rooms) - 1;
    int start = draw_room_of(g, oracle ? all & ~2u : all);
    g->row = between(g, l->rooms[start].top, l->rooms[start].bottom);
    g->col = between(g, l->rooms[start].left, l->rooms[start].right);
    if (oracle) {
        put_oracle(l);
    }
    put_some(g, OBJ_STATUE, c->statues);
    if (!put_goals(g, depth, start, all & ~(1u << start) & ~(oracle ? 2u : 0u))) {
        return false;
    }
    put_some(g, OBJ_GOLD, c->gold);
    put_some(g, OBJ_FOOD, c->food);
    put_some(g, OBJ_INSCRIPTION, c->inscriptions);
    put_some(g, OBJ_TRAP, c->traps);
    put_monsters(g);
    return true;
}

void level_make(struct crypt *g, int depth)
{
    int tries = 0;

    while (!try_level(g, depth)) {
        // Constants that fit (tasks.c) give a level within a few draws.
        CHECK(++tries < TRIES_MAX);
    }
    g->depth = depth;
    captions_draw_forms(g);
}

struct object *level_object(struct level *l, int row, int col)
{
    int number = l->object_at[row][col];

    return number > 0 ? &l->objects[number - 1] : NULL;
}

void level_take(struct level *l, struct object *o)
{
    o->gone = true;
    l->object_at[o->row][o->col] = 0;
}
