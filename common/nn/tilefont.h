#ifndef COMMON_NN_TILEFONT_H
#define COMMON_NN_TILEFONT_H
/* What a character looks like to `tiles`: a bitmap font drawn for minos, 5 by 7 dots in
 * a cell of 6 by 11, area-averaged down to 6 by 6 pixels, in the terminal's 16 colours.
 * The reference uses another font of the same cell size; shapes differ, sizes and
 * colours do not. Bytes 32..126 have letter forms; 0 and 32 are empty; every other byte
 * is a pattern of eight blocks, its bits. Any thread. */

#include <stdint.h>

enum { TILEFONT_PX = 6, TILEFONT_PIXELS = TILEFONT_PX * TILEFONT_PX };

/* How much of each pixel the character covers, 0..1, row by row. */
void tilefont_coverage(float out[TILEFONT_PIXELS], uint8_t character);
/* Red, green, blue of colours 0..15, 0..1 (0 is black: invisible on black). */
void tilefont_color(float out[3], uint8_t color);

#endif
