#include "tests/support/cryptplay.h"

#include <string.h>

#include "common/base/check.h"

struct env *cryptplay_open(const char *task, const char *overrides)
{
    const struct env_options options = {
        .task = task, .overrides = overrides, .scratch = ""};
    const struct rng_stream stream = {.seed = 7, .role = RNG_ENV};
    struct env *e = NULL;

    CHECK(env_crypt.open(&options, &e) == ST_OK);
    CHECK(env_crypt.reset(e, &stream) == ST_OK);
    return e;
}

struct crypt *cryptplay_inside(struct env *e)
{
    return (struct crypt *)e;
}

struct env_result cryptplay_step(struct env *e, int action)
{
    struct env_result r;

    env_crypt.send(e, action);
    env_crypt.receive(e, &r);
    return r;
}

const char *cryptplay_caption(struct env *e)
{
    return (const char *)env_crypt.obs(e)->caption;
}

static void grow(struct room *q, int row, int col)
{
    q->top = (uint8_t)(row < q->top ? row : q->top);
    q->left = (uint8_t)(col < q->left ? col : q->left);
    q->bottom = (uint8_t)(row > q->bottom ? row : q->bottom);
    q->right = (uint8_t)(col > q->right ? col : q->right);
}

static int terrain_of(char c)
{
    switch (c) {
    case ' ':
        return T_STONE;
    case '#':
    case 'a':
        return T_CORRIDOR;
    case '+':
        return T_DOOR;
    case 'X':
        return T_VAULT_DOOR;
    case '-':
        return T_HWALL;
    case '|':
        return T_VWALL;
    case '\'':
    case 'O':
        return T_BLOCK;
    default:
        return T_FLOOR;
    }
}

static void put(struct crypt *g, char c, int row, int col)
{
    static const char letters[] = ">(&$%~^'{O";
    struct level *l = &g->level;
    const char *kind = strchr(letters, c);

    l->terrain[row][col] = (uint8_t)terrain_of(c);
    if (l->terrain[row][col] == T_FLOOR || l->terrain[row][col] == T_BLOCK) {
        int number = c == 'V' || c == '&' ? 2 : 1;
        l->room_at[row][col] = (uint8_t)number;
        grow(&l->rooms[number - 1], row, col);
    }
    if (c == '@' || c == 'a') {
        g->row = row;
        g->col = col;
    } else if (c == 'm') {
        l->monsters[l->n_monsters++] = (struct monster){
            .row = (uint8_t)row, .col = (uint8_t)col, .kind = 17, .hp = 2};
    } else if (kind != NULL && c != '\0') {
        l->objects[l->n_objects++] = (struct object){.kind = (uint8_t)(kind - letters),
                                                     .row = (uint8_t)row,
                                                     .col = (uint8_t)col,
                                                     .amount = 17};
        l->object_at[row][col] = (uint8_t)l->n_objects;
    }
}

void cryptplay_draw(struct env *e, const char *const *rows, int count)
{
    struct crypt *g = cryptplay_inside(e);
    struct level *l = &g->level;

    memset(l, 0, sizeof(*l));
    l->vault = 1;
    l->n_rooms = 2;
    for (int i = 0; i < 2; i++) {
        l->rooms[i] = (struct room){
            .top = MAP_ROWS - 2, .left = MAP_COLS - 2, .bottom = 1, .right = 1};
    }
    for (int r = 0; r < count; r++) {
        for (int c = 0; rows[r][c] != '\0'; c++) {
            put(g, rows[r][c], r + 1, c + 1);
        }
    }
    vision_enter_level(g);
}
