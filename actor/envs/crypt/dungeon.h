#ifndef ACTOR_ENVS_CRYPT_DUNGEON_H
#define ACTOR_ENVS_CRYPT_DUNGEON_H
/* The inside of one crypt game: what the folder's files share. A map row r is row r + 1
 * of the screen; rows and columns are map coordinates everywhere below. */

#include <stdbool.h>
#include <stdint.h>

#include "actor/env.h"
#include "actor/envs/crypt/captions.h"
#include "actor/envs/crypt/level.h"
#include "actor/envs/crypt/tasks.h"

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

/* move.c: the hero's action, with what it says. */
void move_act(struct crypt *g);
/* True when a step from a cell in direction d is possible, monsters left out. */
bool move_possible(const struct level *l, int row, int col, int d);

/* monsters.c */
struct monster *monsters_at(struct level *l, int row, int col); // NULL = none alive
bool monsters_near(const struct level *l, int row, int col);
void monsters_act(struct crypt *g);

/* vision.c: what comes into view, drawn and said. */
void vision_enter_level(struct crypt *g);
void vision_reveal(struct crypt *g); // around the hero, or his room
void vision_objects(struct crypt *g);
void vision_monsters(struct crypt *g);

/* draw.c */
void draw_level(struct crypt *g); // blanks the map
void draw_cell(struct crypt *g, int row, int col);
void draw_lift(struct crypt *g); // takes hero and monsters off the screen
void draw_place(struct crypt *g);
void draw_status(struct crypt *g);

#endif
