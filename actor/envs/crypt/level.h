#ifndef ACTOR_ENVS_CRYPT_LEVEL_H
#define ACTOR_ENVS_CRYPT_LEVEL_H
/* One level: what it is made of, what lies on it and who lives there. Rows and columns are
 * map coordinates; map row r is row r + 1 of the screen. */

#include <stdbool.h>
#include <stdint.h>

#include "actor/envs/crypt/captions.h"

struct crypt;

enum {
    MAP_ROWS = 21,
    MAP_COLS = 80,
    WINDOW_ROWS = 19,
    ROOMS_MAX = 12,
    MONSTERS_MAX = 12,
    OBJECTS_MAX = 56, // 8 of each kind that lies about, the oracle's 9, and the goals
    RUN_MAX = 40,     // cells of one far move
    DIRECTIONS = 8
};

enum terrain {
    T_STONE,
    T_FLOOR,
    T_CORRIDOR,
    T_DOOR,
    T_VAULT_DOOR, // locked; an unlocked one is T_DOOR
    T_HWALL,
    T_VWALL,
    T_BLOCK // a floor cell that an object fills: statue, oracle
};

enum object_kind {
    OBJ_STAIRS,
    OBJ_KEY,
    OBJ_CHEST,
    OBJ_GOLD,
    OBJ_FOOD,
    OBJ_INSCRIPTION,
    OBJ_TRAP,
    OBJ_STATUE,
    OBJ_FOUNTAIN,
    OBJ_ORACLE
};

struct object {
    uint8_t kind, row, col;
    bool gone, in_view;
    int16_t amount; // gold pieces
};

struct monster {
    uint8_t row, col, kind, adjective;
    int8_t hp;
    bool in_view;
};

/* The interior, corners included; walls lie one further out. */
struct room {
    uint8_t top, left, bottom, right;
    bool drawn;
};

struct level {
    uint8_t terrain[MAP_ROWS][MAP_COLS];
    uint8_t room_at[MAP_ROWS][MAP_COLS];   // number + 1 on interiors, else 0
    uint8_t object_at[MAP_ROWS][MAP_COLS]; // number + 1, else 0
    uint8_t known[MAP_ROWS][MAP_COLS];
    struct room rooms[ROOMS_MAX];
    struct object objects[OBJECTS_MAX];
    struct monster monsters[MONSTERS_MAX];
    int n_rooms, n_objects, n_monsters;
    int vault;             // room number, -1 = none
    uint8_t metal;         // of the key
    uint8_t forms[EVENTS]; // the surface form of each event on this level
};

extern const int8_t step_row[DIRECTIONS], step_col[DIRECTIONS];

static inline bool map_holds(int row, int col)
{
    return row >= 0 && row < MAP_ROWS && col >= 0 && col < MAP_COLS;
}

/* Draws level `depth` and puts the hero on it. Not yet drawn on the screen. */
void level_make(struct crypt *g, int depth);
/* Cells that can be walked from (row, col); vault doors count as walls. seen[] = 1. */
void level_flood(const struct level *l, int row, int col,
                 uint8_t seen[MAP_ROWS][MAP_COLS]);
struct object *level_object(struct level *l, int row, int col); // NULL = none
void level_take(struct level *l, struct object *o);

#endif
