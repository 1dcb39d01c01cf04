#ifndef COMMON_NN_TEXTCNN_H
#define COMMON_NN_TEXTCNN_H
/* The reference's convolutions over the bytes of a text, cut after 256 and filled up with
 * zeros, whose embedding is 0:
 *   embedding (256,32) -> conv 7, 64, max of 3, ReLU (256 -> 250 -> 83)
 *   -> conv 7, max of 3, ReLU (77 -> 25) -> 3 times conv 3, ReLU (23, 21, 19)
 *   -> conv 3, max of 3, ReLU (17 -> 5)                          x (N, 5 * 64)
 *
 * Only windows that touch the text are computed. All others of a layer see the same and
 * give the same: 64 constants a layer, made once per version of the weights; their
 * gradients are gathered and go down the layers once per batch. The first convolution is
 * a table sum: per byte in use seven rows of 64 hold what it adds to an output that sees
 * it at each kernel position. Both exact up to rounding. One owner thread. */

#include "common/base/bytes.h"
#include "common/base/rng.h"
#include "common/nn/param.h"

struct textcnn;

enum { TEXTCNN_BYTES = 256, TEXTCNN_WIDTH = 320 };

/* Declares its parameters in p. */
struct textcnn *textcnn_new(struct params *p);
/* After params_alloc(). A text of training takes 55 KB. */
void textcnn_alloc(struct textcnn *t, int most, bool train);
void textcnn_free(struct textcnn *t); // NULL is fine
/* torch's: embedding normal, but row 0 zero; convolutions uniform, +-1/sqrt(fan in). */
void textcnn_init(struct textcnn *t, struct rng *rng);
void textcnn_changed(struct textcnn *t);
/* x (N,320) of N <= most texts, borrowed until backward. */
void textcnn_forward(struct textcnn *t, float *x, const struct bytes *text, int N);
/* Of the last forward, whose x it was. Adds into the gradients. */
void textcnn_backward(struct textcnn *t, const float *dx, const float *x);

#endif
