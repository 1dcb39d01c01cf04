#ifndef COMMON_NN_NGRAM_H
#define COMMON_NN_NGRAM_H
/* A text as the sum of hashed n-gram rows over the root of their number (fastText:
 * Bojanowski et al. 2017, without its dictionary):
 *   y = 1/sqrt(n) sum_i w[row_i]         w (8192,32)   y (32)
 * The grams: every 3, 4 and 5 bytes in a row of " text " and every word. A-Z are folded
 * to a-z, since the same word stands first in one caption and inside another; all other
 * bytes stay. No grams (an empty text): y = 0. Texts are cut after NGRAM_TEXT_MAX
 * bytes. Any thread; NaN in, NaN out. */

#include <stdint.h>

#include "common/base/bytes.h"
#include "common/nn/param.h"

enum {
    NGRAM_ROWS = 8192,
    NGRAM_DIM = 32,
    NGRAM_TEXT_MAX = 255,
    NGRAM_MOST = 3 * (NGRAM_TEXT_MAX + 2) + (NGRAM_TEXT_MAX + 1) / 2
};

/* The rows of a text, repeats included, in order of the text; returns their number. */
int ngram_rows(uint16_t rows[NGRAM_MOST], struct bytes text);
void ngram_forward(float y[NGRAM_DIM], struct bytes text, const struct param *w);
/* Adds into w->g. */
void ngram_backward(const float dy[NGRAM_DIM], struct bytes text,
                    const struct param *w);
/* The same of a text whose n rows are known. */
void ngram_forward_rows(float y[NGRAM_DIM], const uint16_t *rows, int n,
                        const struct param *w);
void ngram_backward_rows(const float dy[NGRAM_DIM], const uint16_t *rows, int n,
                         const struct param *w);

#endif
