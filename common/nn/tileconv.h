#ifndef COMMON_NN_TILECONV_H
#define COMMON_NN_TILECONV_H
/* The first convolution of `tiles`, 8x8 stride 4 over 72x72 RGB pixels (0..1) made of
 * 6x6 tiles, as a table sum: a window of 8 pixels that starts at a multiple of 4 touches
 * exactly two tiles each way, and starts at pixel 0, 4 or 2 of the first. So
 *   y[oy,ox] = b + sum over 4 corners of table[glyph][phase y][corner y][phase x][corner x]
 * where a table row (32 floats) is the part of the kernel that lies on that tile, times
 * the tile. The gradient goes the other way: dy is scattered into a table of the same
 * shape, and that is contracted with the tiles into dW once per batch.
 *   chars, colors (N,144)   y (N,17*17,32)   w (32, 8*8*3)   b (1,32)
 * Colours 16..31 are 0..15 in reverse video. Exact up to the order of sums. NaN in the
 * weights, NaN out. One owner thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/nn/param.h"

enum { TILECONV_OUT = 17, TILECONV_CH = 32, TILECONV_K = 8 };

struct tileconv;

struct tileconv *tileconv_new(const struct param *w, const struct param *b, bool train);
void tileconv_free(struct tileconv *c); // NULL is fine
/* The weights changed: forget the table. */
void tileconv_changed(struct tileconv *c);
void tileconv_forward(struct tileconv *c, float *y, const uint8_t *chars,
                      const uint8_t *colors, int N);
/* Scatters dy; call it for every piece of a batch, then tileconv_contract() once, which
 * adds into the gradients of w and b. */
void tileconv_backward(struct tileconv *c, const float *dy, const uint8_t *chars,
                       const uint8_t *colors, int N);
void tileconv_contract(struct tileconv *c);

#endif
