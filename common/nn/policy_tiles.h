#ifndef COMMON_NN_POLICY_TILES_H
#define COMMON_NN_POLICY_TILES_H
/* The encoder of `tiles`, the reference's: what its GRU (512) reads.
 *   image    12x12 characters as 6x6 RGB tiles, 3x72x72 in 0..1
 *            -> conv 8x8 s4, 32 (17x17) -> conv 4x4 s2, 64 (7x7) -> conv 3x3 s2, 128 (3x3)
 *            -> dense 512
 *   stats    27 scaled -> dense 128 -> dense 128
 *   message  256 bytes / 255 -> dense 128 -> dense 128
 * all with ELU. x (N,795) = [image 512 | stats head 128 | scaled stats 27 | message 128].
 * The previous action is not looked at. Images lie channels last here, so the 1152 inputs
 * of the dense layer stand in another order than the reference's: they are learnt.
 * The first convolution is a table sum (tileconv.h). */

#include "common/base/rng.h"
#include "common/nn/param.h"
#include "common/nn/policy.h"

struct policy_tiles;

enum { TILES_WIDTH = 795 };

/* As in policy_cells.h. */
struct policy_tiles *policy_tiles_new(struct params *p);
void policy_tiles_alloc(struct policy_tiles *c, int max_rows, int max_captions,
                        bool train);
void policy_tiles_free(struct policy_tiles *c); // NULL is fine
void policy_tiles_init(struct policy_tiles *c, struct rng *rng);
void policy_tiles_changed(struct policy_tiles *c);
void policy_tiles_forward(struct policy_tiles *c, float *x,
                          const struct policy_input *in, int N);
void policy_tiles_backward(struct policy_tiles *c, const float *dx,
                           const struct policy_input *in, int N);

#endif
