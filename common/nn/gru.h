#ifndef COMMON_NN_GRU_H
#define COMMON_NN_GRU_H
/* A gated recurrent unit with torch's gates in torch's order (r, z, n) and its two
 * biases (Cho et al. 2014; the reset gate applied after the product):
 *   r = s(Wr x + br + Ur h + cr)      n  = tanh(Wn x + bn + r (Un h + cn))
 *   z = s(Wz x + bz + Uz h + cz)      h' = (1 - z) n + z h
 * wx (3H,IN)  bx (1,3H)  wh (3H,H)  bh (1,3H): blocks of H rows r, z, n.
 * Rows are time-major: row = t * B + b. Kernels: outputs, inputs, sizes. NaN in, NaN
 * out, but not across a start. One owner thread. */

#include <stdint.h>

#include "common/base/rng.h"
#include "common/nn/panels.h"
#include "common/nn/param.h"

struct gru {
    const struct param *wx, *bx, *wh, *bh;
    int IN, H;
    /* Of all rows, kept for backward: the products (rows,3H), r z n and Un h + cn
     * (rows,4H), and the state before each step, zeroed at starts (rows,H). */
    float *px, *gates, *before;
    float *ph;                      // (B,3H): U h + c of one step
    float *dph, *carry;             // (rows,3H), (B,H); NULL unless training
    struct panels x_nt, h_nt, h_nn; // wx, wh, and wh for the way back
};

/* Declares gru.wx, gru.bx, gru.wh, gru.bh in p. */
void gru_declare(struct gru *g, struct params *p, int IN, int H);
void gru_alloc(struct gru *g, int max_rows, int max_sequences, bool train);
void gru_release(struct gru *g);
/* After the weights changed, before the next forward. */
void gru_changed(struct gru *g);
/* torch's: everything uniform in +-1/sqrt(H), biases too. */
void gru_init(struct gru *g, struct rng *rng);

/* h (T*B,H) from x (T*B,IN) and state0 (B,H); starts (T*B) or NULL = none: where 1, the
 * state is zeroed before that row. h may be state0 when T = 1. */
void gru_forward(struct gru *g, float *h, const float *x, const float *state0,
                 const uint8_t *starts, int T, int B);
/* After gru_forward with the same x, starts, T, B. Overwrites dx (T*B,IN); adds into
 * the parameters' gradients. No gradient flows into state0 or across a start. */
void gru_backward(struct gru *g, float *dx, const float *dh, const float *x,
                  const uint8_t *starts, int T, int B);

#endif
