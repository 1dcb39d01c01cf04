#include <stdlib.h>
#include <string.h>

#include "actor/envs/crypt/dungeon.h"

/* A monster that is within `range` cells comes nearer on its way, in `chase` per cent of
 * turns; beside the hero it bites instead, once in `bite` turns. */

enum { RANGE_MAX = 20, SPAN = 2 * RANGE_MAX + 1, FAR_AWAY = 255 };

/* Steps to the hero from the cells around him, found when the first monster asks. */
struct paths {
    uint8_t steps[SPAN][SPAN];
    bool found;
};

struct monster *monsters_at(struct level *l, int row, int col)
{
    for (int i = 0; i < l->n_monsters; i++) {
        struct monster *m = &l->monsters[i];
        if (m->row == row && m->col == col && m->hp > 0) {
            return m;
        }
    }
    return NULL;
}

static int apart(int row, int col, int row2, int col2)
{
    int dr = abs(row - row2);
    int dc = abs(col - col2);

    return dr > dc ? dr : dc;
}

bool monsters_near(const struct level *l, int row, int col)
{
    for (int i = 0; i < l->n_monsters; i++) {
        const struct monster *m = &l->monsters[i];
        if (m->hp > 0 && apart(m->row, m->col, row, col) <= 1) {
            return true;
        }
    }
    return false;
}

static int direction_of(int down, int right)
{
    for (int d = 0; d < DIRECTIONS; d++) {
        if (step_row[d] == down && step_col[d] == right) {
            return d;
        }
    }
    return -1;
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

/* Breadth first from the hero, as far as monsters notice him. */
static void find_paths(const struct crypt *g, struct paths *p)
{
    const int range = g->task.c.range;
    const int span = 2 * range + 1;
    uint8_t queue[SPAN * SPAN][2];
    int head = 0;
    int tail = 0;

    for (int r = 0; r < span; r++) {
        memset(p->steps[r], FAR_AWAY, (size_t)span);
    }
    p->found = true;
    p->steps[range][range] = 0;
    queue[tail][0] = queue[tail][1] = (uint8_t)range;
    tail++;
    while (head < tail) {
        int r = queue[head][0];
        int c = queue[head][1];
        head++;
        for (int d = 0; d < DIRECTIONS; d++) {
            int r2 = r + step_row[d];
            int c2 = c + step_col[d];
            if (r2 < 0 || r2 >= span || c2 < 0 || c2 >= span ||
                p->steps[r2][c2] != FAR_AWAY ||
                !move_possible(&g->level, g->row + r - range, g->col + c - range, d)) {
                continue;
            }
            p->steps[r2][c2] = (uint8_t)(p->steps[r][c] + 1);
            queue[tail][0] = (uint8_t)r2;
            queue[tail][1] = (uint8_t)c2;
            tail++;
        }
    }
}

static bool can_take(struct crypt *g, const struct monster *m, int d)
{
    int r = m->row + step_row[d];
    int c = m->col + step_col[d];

    return move_possible(&g->level, m->row, m->col, d) &&
           (r != g->row || c != g->col) && monsters_at(&g->level, r, c) == NULL;
}

static void step(struct monster *m, int d)
{
    m->row = (uint8_t)(m->row + step_row[d]);
    m->col = (uint8_t)(m->col + step_col[d]);
}

/* In the same room the straight way is the shortest: no search. */
static void chase_in_room(struct crypt *g, struct monster *m)
{
    int down = sign(g->row - m->row);
    int right = sign(g->col - m->col);
    const int tries[3][2] = {{down, right}, {0, right}, {down, 0}};

    for (int i = 0; i < 3; i++) {
        int d = direction_of(tries[i][0], tries[i][1]);
        if (d >= 0 && can_take(g, m, d)) {
            step(m, d);
            return;
        }
    }
}

static void chase(struct crypt *g, struct monster *m, struct paths *p)
{
    const int range = g->task.c.range;
    int room = g->level.room_at[m->row][m->col];

    if (room != 0 && g->level.room_at[g->row][g->col] == room) {
        chase_in_room(g, m);
        return;
    }
    if (!p->found) {
        find_paths(g, p);
    }
    int best = -1;
    int least = p->steps[m->row - g->row + range][m->col - g->col + range];
    for (int d = 0; d < DIRECTIONS; d++) {
        int r = m->row + step_row[d] - g->row + range;
        int c = m->col + step_col[d] - g->col + range;
        if (r < 0 || r > 2 * range || c < 0 || c > 2 * range ||
            p->steps[r][c] >= least || !can_take(g, m, d)) {
            continue;
        }
        least = p->steps[r][c];
        best = d;
    }
    if (best >= 0) {
        step(m, best);
    }
}

static void bite(struct crypt *g, const struct monster *m)
{
    if (rng_below(&g->game, (uint32_t)g->task.c.bite) != 0) {
        return;
    }
    g->hp--;
    g->status_stale = true;
    g->last_hurt = EV_DEATH_BITE;
    g->killer_kind = (int8_t)m->kind;
    g->killer_adjective = (int8_t)m->adjective;
    captions_note_monster(g, EV_BITE, m->kind, m->adjective);
}

static bool beside_hero(const struct crypt *g, const struct monster *m)
{
    int down = g->row - m->row;
    int right = g->col - m->col;

    return down >= -1 && down <= 1 && right >= -1 && right <= 1 &&
           move_possible(&g->level, m->row, m->col, direction_of(down, right));
}

void monsters_act(struct crypt *g)
{
    struct paths paths;

    paths.found = false;
    for (int i = 0; i < g->level.n_monsters; i++) {
        struct monster *m = &g->level.monsters[i];
        if (m->hp <= 0 || apart(m->row, m->col, g->row, g->col) > g->task.c.range) {
            continue;
        }
        if (beside_hero(g, m)) {
            bite(g, m);
        } else if ((int)rng_below(&g->game, 100) < g->task.c.chase) {
            chase(g, m, &paths);
        }
    }
}
