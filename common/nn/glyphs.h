#ifndef COMMON_NN_GLYPHS_H
#define COMMON_NN_GLYPHS_H
/* Which pairs (char, colour) are in use, each with a small number (its slot): what a
 * first convolution makes of a cell depends on its glyph alone, so it is worked out
 * once per glyph and weights, and looked up after that. A screen knows about 100
 * glyphs, a game a few hundred. When the slots run out, the owner uses up what it has
 * and clears. One owner thread. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    GLYPHS_ALL = 256 * 32, // char and 5 bits of colour
    GLYPHS_SLOTS = 1024,
    GLYPHS_NONE = 0xffff
};

struct glyphs {
    uint16_t slot_of[GLYPHS_ALL];
    uint16_t glyph_of[GLYPHS_SLOTS];
    int used;
};

static inline void glyphs_clear(struct glyphs *g)
{
    memset(g->slot_of, 0xff, sizeof g->slot_of);
    g->used = 0;
}

/* The upper three bits of colour are not looked at. */
static inline uint16_t glyphs_key(uint8_t character, uint8_t color)
{
    return (uint16_t)((color & 31u) << 8 | character);
}

static inline bool glyphs_have_room(const struct glyphs *g, int glyphs)
{
    return g->used + glyphs <= GLYPHS_SLOTS;
}

/* The slot of a glyph; a new one gets slot number `used` as it was before. Ask
 * glyphs_have_room() first. */
static inline int glyphs_slot(struct glyphs *g, uint16_t key)
{
    if (g->slot_of[key] == GLYPHS_NONE) {
        g->slot_of[key] = (uint16_t)g->used;
        g->glyph_of[g->used++] = key;
    }
    return g->slot_of[key];
}

#endif
