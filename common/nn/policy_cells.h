#ifndef COMMON_NN_POLICY_CELLS_H
#define COMMON_NN_POLICY_CELLS_H
/* The encoder of `cells`, made for CPUs: what the GRU and the heads read.
 *   screen   char and colour embeddings (16) summed per cell
 *            -> conv 3x3 stride 2, 32, ReLU (12 -> 5) -> conv 3x3, 32, ReLU (5 -> 3)
 *            -> dense 128, ReLU
 *   stats    27 scaled and 32 condition bits -> dense 32, ReLU
 *   caption  n-gram embedding 32
 *   action   embedding 16 of the previous one; row `actions` = none
 * x (N,208) = [screen 128 | stats 32 | caption 32 | action 16].
 *
 * The first convolution is a table sum, exact up to rounding: per glyph in use, nine rows
 * of 32 floats hold what it adds to an output that sees it at each kernel position.
 * Its gradient is gathered in a table of the same shape and contracted into weights and
 * embeddings once per batch. The last row and column of the crop are not seen. */

#include "common/base/rng.h"
#include "common/nn/param.h"
#include "common/nn/policy.h"

struct policy_cells;

enum { CELLS_WIDTH = 208 };

/* Declares the encoder's parameters in p. */
struct policy_cells *policy_cells_new(struct params *p, int actions);
/* After params_alloc(). */
void policy_cells_alloc(struct policy_cells *c, int max_rows, int max_captions,
                        bool train);
void policy_cells_free(struct policy_cells *c); // NULL is fine
void policy_cells_init(struct policy_cells *c, struct rng *rng);
void policy_cells_changed(struct policy_cells *c);
void policy_cells_forward(struct policy_cells *c, float *x,
                          const struct policy_input *in, int N);
/* Of the last forward, with the same input. Adds into the gradients. */
void policy_cells_backward(struct policy_cells *c, const float *dx,
                           const struct policy_input *in, int N);

#endif
