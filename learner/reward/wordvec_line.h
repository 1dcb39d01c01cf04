#ifndef LEARNER_REWARD_WORDVEC_LINE_H
#define LEARNER_REWARD_WORDVEC_LINE_H
/* One line of a .vec file; wordvec.c alone includes this. No state. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/bytes.h"

enum { WORDVEC_WHY_MAX = 160 };

/* The word before the first blank of `line`, which does not count its line end; len 0: none. */
struct bytes wordvec_line_word(struct bytes line);
/* Whether exactly `dim` decimal numbers follow, each below 1e38; else `why` says what is
 * wrong. */
bool wordvec_line_check(struct bytes line, int dim, char why[WORDVEC_WHY_MAX]);
/* The numbers of a line that was checked and has a 0 after it. */
void wordvec_line_numbers(struct bytes line, float *out, int dim);

#endif
