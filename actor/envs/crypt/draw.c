#include <stdio.h>
#include <string.h>

#include "actor/envs/crypt/dungeon.h"
#include "actor/envs/screen.h"

/* The screen is kept, not redrawn: a step lifts hero and monsters, draws what became
 * known, and puts them down again. */

enum { MAP_TOP = 1, STATUS_ROW = 23, HUNGRY_BELOW = 100 };

struct glyph {
    uint8_t c, color;
};

static const struct glyph terrain_glyphs[] = {
    [T_STONE] = {' ', COLOR_GRAY},     [T_FLOOR] = {'.', COLOR_GRAY},
    [T_CORRIDOR] = {'#', COLOR_GRAY},  [T_DOOR] = {'+', COLOR_BROWN},
    [T_VAULT_DOOR] = {'X', COLOR_RED}, [T_HWALL] = {'-', COLOR_GRAY},
    [T_VWALL] = {'|', COLOR_GRAY},     [T_BLOCK] = {'.', COLOR_GRAY},
};
static const struct glyph object_glyphs[] = {
    [OBJ_STAIRS] = {'>', COLOR_WHITE},         [OBJ_KEY] = {'(', COLOR_GRAY},
    [OBJ_CHEST] = {'&', COLOR_YELLOW},         [OBJ_GOLD] = {'$', COLOR_YELLOW},
    [OBJ_FOOD] = {'%', COLOR_BROWN},           [OBJ_INSCRIPTION] = {'~', COLOR_GREEN},
    [OBJ_TRAP] = {'^', COLOR_MAGENTA},         [OBJ_STATUE] = {'\'', COLOR_WHITE},
    [OBJ_FOUNTAIN] = {'{', COLOR_BRIGHT_BLUE}, [OBJ_ORACLE] = {'@', COLOR_BRIGHT_BLUE},
};
static const uint8_t metal_colors[METALS] = {COLOR_CYAN,   COLOR_BROWN,  COLOR_WHITE,
                                             COLOR_YELLOW, COLOR_ORANGE, COLOR_BLUE};
static const uint8_t adjective_colors[ADJECTIVES] = {
    COLOR_RED,   COLOR_GRAY, COLOR_BROWN, COLOR_MAGENTA,
    COLOR_WHITE, COLOR_CYAN, COLOR_BLUE,  COLOR_GREEN};

void draw_level(struct crypt *g)
{
    memset(g->obs.chars[MAP_TOP], ' ', (size_t)MAP_ROWS * ENV_COLS);
    memset(g->obs.colors[MAP_TOP], COLOR_GRAY, (size_t)MAP_ROWS * ENV_COLS);
}

void draw_cell(struct crypt *g, int row, int col)
{
    const struct level *l = &g->level;
    int number = l->object_at[row][col];
    struct glyph glyph = terrain_glyphs[l->terrain[row][col]];

    if (number != 0) {
        int kind = l->objects[number - 1].kind;
        glyph = object_glyphs[kind];
        if (kind == OBJ_KEY) {
            glyph.color = metal_colors[l->metal];
        }
    }
    screen_put(&g->obs, row + MAP_TOP, col, glyph.c, glyph.color);
}

void draw_lift(struct crypt *g)
{
    draw_cell(g, g->row, g->col);
    for (int i = 0; i < g->level.n_monsters; i++) {
        const struct monster *m = &g->level.monsters[i];
        if (m->in_view) {
            draw_cell(g, m->row, m->col);
        }
    }
}

void draw_place(struct crypt *g)
{
    for (int i = 0; i < g->level.n_monsters; i++) {
        const struct monster *m = &g->level.monsters[i];
        if (m->in_view) {
            screen_put(&g->obs, m->row + MAP_TOP, m->col, (uint8_t)('a' + m->kind),
                       adjective_colors[m->adjective]);
        }
    }
    screen_put(&g->obs, g->row + MAP_TOP, g->col, '@', COLOR_WHITE);
    g->obs.hero_row = (int16_t)(g->row + MAP_TOP);
    g->obs.hero_col = (int16_t)g->col;
}

/* As NetHack counts: 1 not hungry, 2 hungry, 3 weak. */
static int hunger_state(const struct crypt *g)
{
    if (!g->task.c.hunger || g->nutrition >= HUNGRY_BELOW) {
        return 1;
    }
    return g->nutrition > 0 ? 2 : 3;
}

static void fill_stats(struct crypt *g)
{
    int32_t *s = g->obs.stats;

    s[STAT_X] = g->col;
    s[STAT_Y] = g->row;
    s[STAT_SCORE] = (int32_t)g->summary.score;
    s[STAT_HP] = g->hp > 0 ? g->hp : 0;
    s[STAT_HPMAX] = g->task.c.hp;
    s[STAT_DEPTH] = s[STAT_DLEVEL] = g->depth;
    s[STAT_GOLD] = g->gold;
    s[STAT_XL] = 1;
    s[STAT_EXP] = g->exp;
    s[STAT_TIME] = g->turn;
    s[STAT_HUNGER] = hunger_state(g);
    // Bit 31, the sign: consumers read single bits.
    s[STAT_CONDITION] = g->carries_key ? INT32_MIN : 0;
}

static void put_turn(struct crypt *g, int col)
{
    char digits[12];
    int n = 0;

    for (int t = g->turn; t > 0; t /= 10) {
        digits[n++] = (char)('0' + t % 10);
    }
    while (n > 0 && col < ENV_COLS) {
        g->obs.chars[STATUS_ROW][col++] = (uint8_t)digits[--n];
    }
}

void draw_status(struct crypt *g)
{
    static const char *const hungers[4] = {"", "", " Hungry", " Weak"};
    uint8_t *row = g->obs.chars[STATUS_ROW];
    int hunger = hunger_state(g);

    g->status_stale = g->status_stale || g->obs.stats[STAT_HUNGER] != hunger;
    fill_stats(g);
    if (g->status_stale) {
        char line[ENV_COLS + 1];
        int len = snprintf(line, sizeof(line),
                           "Dlvl:%d $:%d HP:%d(%d) Xp:1/%d%s%s T:", g->depth, g->gold,
                           g->obs.stats[STAT_HP], (int)g->task.c.hp, g->exp,
                           hungers[hunger], g->carries_key ? " Key" : "");
        g->status_len = len < ENV_COLS ? len : ENV_COLS;
        memset(row, ' ', ENV_COLS);
        memcpy(row, line, (size_t)g->status_len);
        g->status_stale = false;
    }
    put_turn(g, g->status_len);
}
