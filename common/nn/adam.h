#ifndef COMMON_NN_ADAM_H
#define COMMON_NN_ADAM_H
/* Adam (Kingma & Ba 2015) over one flat array, with the global norm of the gradient
 * clipped. Owner's thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"

struct adam {
    size_t floats;
    float *first, *second; // (floats) moments
    uint64_t steps;        // taken so far
    size_t rows, cols;     // of the table at the beginning; 0: none
    const bool *touched;   // (rows) borrowed, or NULL
    uint32_t *met;         // (rows) scratch: rows that have a gradient
};

void adam_init(struct adam *a, size_t floats);
void adam_release(struct adam *a);

/* Says that the arrays begin with a table (rows,cols) of which a batch uses few rows,
 * cols a multiple of 16. A row whose gradient is all zeros then stands still in a step,
 * moments included ("lazy Adam"): it is neither read nor moved on by what it met long
 * ago. touched (rows): NULL, or which rows may have a gradient at a step, borrowed: the
 * others are then not looked at, which changes no bit. */
void adam_set_table(struct adam *a, size_t rows, size_t cols, const bool *touched);

/* One step. grads (floats) are sums over the n samples of all ranks, so the gradient is
 * grads / n, clipped to the length most_norm (0 = never). *norm = before clipping.
 * ST_CORRUPT: the norm is not a number; nothing is changed. */
MUST_USE enum status adam_step(struct adam *a, float *weights, const float *grads,
                               double n, double lr, double most_norm, double *norm);

/* lr at `progress` in [0,1], falling in a straight line from first to last. */
double adam_lr(double first, double last, double progress);

#endif
