#ifndef ACTOR_ENVS_NETHACK_DEMAND_H
#define ACTOR_ENVS_NETHACK_DEMAND_H
/* What a waiting game asks for, read off its screen, and the text of its message rows.
 * Pure functions of the screen. */

#include <stddef.h>

#include "actor/envs/nethack/terminal.h"

enum demand {
    DEMAND_COMMAND, // the cursor stands on the hero
    DEMAND_MORE,    // --More--
    DEMAND_MENU,    // (end) or (2 of 3)
    DEMAND_CHOICE,  // one key: yes or no, an object's letter, a direction
    DEMAND_TEXT,    // a line of text
    DEMAND_POSITION // a place on the map, chosen by moving the cursor
};

enum { DEMAND_TEXT_MAX = 512 };

enum demand demand_read(const struct terminal *t);
/* The message on the screen, without --More--, rows joined by one space: row 0 (to the
 * row of the cursor where the message wrapped), or the lines of a window that opened
 * over the map. Menus and full-screen texts say nothing: "". Returns the length. */
size_t demand_message(const struct terminal *t, enum demand p,
                      char out[DEMAND_TEXT_MAX]);

#endif
