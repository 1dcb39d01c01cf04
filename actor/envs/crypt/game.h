#ifndef ACTOR_ENVS_CRYPT_GAME_H
#define ACTOR_ENVS_CRYPT_GAME_H
/* The inside of one crypt game: what the folder's files share. A map row r is row r + 1
 * of the screen; rows and columns are map coordinates everywhere below. */

#include <stdbool.h>
#include <stdint.h>

#include "actor/env.h"
#include "actor/envs/crypt/captions.h"
#include "actor/envs/crypt/tasks.h"

enum {
    MAP_ROWS = 21,
    MAP_COLS = 80,
    WINDOW_ROWS = 19,
    ROOMS_MAX = 12,
    MONSTERS_MAX = 12,
    OBJECTS_MAX = 48,
    RUN_MAX = 40, // cells of one far move
    DIRECTIONS = 8
};

/* NetHack's keys and order: k l j h u n b y, far moves as capitals, then the rest. */
enum crypt_action {
    ACT_STEP = 0,
    ACT_FAR = 8,
    ACT_DOWN = 16,
    ACT_UP,
    ACT_PICKUP,
    ACT_SEARCH,
    CRYPT_ACTIONS
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

/* The most important thing that happened in this step, so far. */
struct said {
    int16_t event;
    uint8_t rank; // enum caption_rank
    uint8_t kind, adjective;
    int32_t number;
};

struct crypt {
    struct task task;
    struct env_spec spec;
    struct env_obs obs;
    struct rng game, text;
    struct level level;
    struct said said;
    struct env_summary summary;
    int row, col; // the hero
    int hp, nutrition, turn, exp, gold, kills, depth;
    int action;
    bool carries_key, over, success;
    int8_t killer_kind, killer_adjective; // of the last bite
    int16_t last_hurt;                    // EV_DEATH_*
    int32_t paid;                         // crypt-score: score already given as reward
    uint32_t inscription, inscriptions;   // first text of the episode, texts shown
    int status_len;                       // of row 23, up to the turn
    bool status_stale;
};

extern const int8_t step_row[DIRECTIONS], step_col[DIRECTIONS];

static inline bool map_holds(int row, int col)
{
    return row >= 0 && row < MAP_ROWS && col >= 0 && col < MAP_COLS;
}

/* level.c: draws level `depth` and puts the hero on it. Not yet drawn on the screen. */
void level_make(struct crypt *g, int depth);
/* Cells that can be walked from (row, col); vault doors count as walls. seen[] = 1. */
void level_flood(const struct level *l, int row, int col,
                 uint8_t seen[MAP_ROWS][MAP_COLS]);
struct object *level_object(struct level *l, int row, int col); // NULL = none
void level_take(struct level *l, struct object *o);

/* move.c: the hero's action, with what it says. */
void move_act(struct crypt *g);
/* True when a step from a cell in direction d is possible, monsters left out. */
bool move_possible(const struct level *l, int row, int col, int d);

/* monsters.c */
struct monster *monsters_at(struct level *l, int row, int col); // NULL = none alive
bool monsters_near(const struct level *l, int row, int col);
void monsters_act(struct crypt *g);

/* sight.c: what comes into view, drawn and said. */
void sight_enter_level(struct crypt *g);
void sight_reveal(struct crypt *g); // around the hero, or his room
void sight_objects(struct crypt *g);
void sight_monsters(struct crypt *g);

/* draw.c */
void draw_level(struct crypt *g); // blanks the map
void draw_cell(struct crypt *g, int row, int col);
void draw_lift(struct crypt *g); // takes hero and monsters off the screen
void draw_place(struct crypt *g);
void draw_status(struct crypt *g);

#endif
