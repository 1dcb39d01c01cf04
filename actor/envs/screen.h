#ifndef ACTOR_ENVS_SCREEN_H
#define ACTOR_ENVS_SCREEN_H
/* Writing on the screen that a player sees. Used by the kinds that draw for themselves. */

#include <stddef.h>

#include "actor/env.h"

/* Terminal colours, as NetHack numbers them. */
enum screen_color {
    COLOR_BLACK = 0,
    COLOR_RED = 1,
    COLOR_GREEN = 2,
    COLOR_BROWN = 3,
    COLOR_BLUE = 4,
    COLOR_MAGENTA = 5,
    COLOR_CYAN = 6,
    COLOR_GRAY = 7,
    COLOR_ORANGE = 9,
    COLOR_BRIGHT_GREEN = 10,
    COLOR_YELLOW = 11,
    COLOR_BRIGHT_BLUE = 12,
    COLOR_BRIGHT_MAGENTA = 13,
    COLOR_BRIGHT_CYAN = 14,
    COLOR_WHITE = 15
};

/* Blanks in gray everywhere, no caption, all stats 0. */
void screen_clear(struct env_obs *o);
static inline void screen_put(struct env_obs *o, int row, int col, uint8_t c,
                              uint8_t color)
{
    o->chars[row][col] = c;
    o->colors[row][col] = color;
}
/* Writes text from a cell on; what does not fit the row is cut. */
void screen_text(struct env_obs *o, int row, int col, const char *text, uint8_t color);
/* The caption and its copy in row 0 (cut there at 80). len <= ENV_CAPTION_MAX. */
void screen_caption(struct env_obs *o, const char *text, size_t len, int16_t event);

#endif
