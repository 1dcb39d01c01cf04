#ifndef COMMON_NN_CELLCONV_H
#define COMMON_NN_CELLCONV_H
/* The first convolution of `cells`, 3x3 stride 2 over the sum of a char's and a colour's
 * embedding, as a table sum: with e = E[char] + C[colour],
 *   y[oy,ox] = b + sum_k W_k e(2 oy + ky, 2 ox + kx) = b + sum_k table[glyph][k]
 * since W_k e depends on the glyph alone. The gradient of the table is a scatter of dy;
 * from it dW_k = sum_glyph dtable[glyph][k] e' and de = sum_k W_k' dtable[glyph][k].
 *   chars, colors (N,144)   y (N,25,32)   w (32,9*16)   chars' (256,16)  colours' (32,16)
 * Exact up to the order of sums. NaN in the weights, NaN out. One owner thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/nn/param.h"

enum { CELLCONV_OUT = 5, CELLCONV_CH = 32, CELLCONV_EMBED = 16 };

struct cellconv;

struct cellconv_params {
    const struct param *chars, *colors, *w, *b;
};

struct cellconv *cellconv_new(const struct cellconv_params *p, bool train);
void cellconv_free(struct cellconv *c); // NULL is fine
/* The weights changed: forget the table. */
void cellconv_changed(struct cellconv *c);
void cellconv_forward(struct cellconv *c, float *y, const uint8_t *chars,
                      const uint8_t *colors, int N);
/* Scatters dy; call it for every piece of a batch, then cellconv_contract() once, which
 * adds into the gradients of all four parameters. */
void cellconv_backward(struct cellconv *c, const float *dy, const uint8_t *chars,
                       const uint8_t *colors, int N);
void cellconv_contract(struct cellconv *c);

#endif
