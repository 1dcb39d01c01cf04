#ifndef ACTOR_ENVS_NETHACK_KEYS_H
#define ACTOR_ENVS_NETHACK_KEYS_H
/* The keys that are pressed without the agent's doing after each of its actions (pages
 * are turned, menus closed, questions it may not answer refused), and the caption: all
 * that the game said meanwhile. Runs inside the game's process, so that one action is
 * one hand-over whatever the game asks. Holds no pointers. */

#include <stdbool.h>
#include <stdint.h>

#include "actor/envs/nethack/demand.h"
#include "actor/envs/nethack/terminal.h"

enum {
    KEYS_STOP = -1, // the agent's turn
    KEYS_CAPTION_MAX = 255,
    KEYS_AUTOMATIC_MAX = 512 // per action; then the agent has the prompt
};

struct keys {
    uint8_t action;     // the agent's key, until the first page after it was seen
    bool enhance;       // a skill can be advanced: M-e is due
    bool enhancing;     // M-e was sent, its menu wants 'a'
    bool kept;          // a question was left to the agent
    uint16_t automatic; // keys since the action
    uint64_t pressed;   // all keys of the episode
    uint64_t overflows; // actions that reached KEYS_AUTOMATIC_MAX
    uint16_t page_at;   // where the last page begins in the caption
    uint16_t page_len;
    uint16_t caption_len;
    uint8_t caption[KEYS_CAPTION_MAX + 1];
};

void keys_init(struct keys *k);
/* The agent acts: the caption starts anew. Returns the key. */
int keys_begin(struct keys *k, uint8_t action);
/* The game wants a key: the next automatic one, or KEYS_STOP. */
int keys_next(struct keys *k, const struct terminal *t, enum demand *p);

#endif
