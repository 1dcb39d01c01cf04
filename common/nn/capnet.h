#ifndef COMMON_NN_CAPNET_H
#define COMMON_NN_CAPNET_H
/* A network that reads a caption and says one thing about it: whether it is helpful
 * (CAPNET_RATE), or how good it is beside others (CAPNET_SCORE).
 *   ngram   the n-gram sum of 32 (ngram.h) -> dense 32, ReLU -> outputs
 *   cnn     the reference's convolutions over characters to 128 features, then
 *           RATE:  -> 512, ReLU -> 512, ReLU, dropout 0.1 -> 2    471,554 numbers
 *           SCORE: -> 256, ReLU -> 512, ReLU -> 1                 306,945 numbers
 * Its losses are in caploss.h. One owner thread; NaN in weights comes out as NaN. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/rng.h"
#include "common/nn/param.h"

enum capnet_text { CAPNET_NGRAM, CAPNET_CNN };
enum capnet_head {
    CAPNET_RATE, // 2 logits, no and yes: P(helpful) = softmax(logits)[1]
    CAPNET_SCORE // 1 score
};

struct capnet;

/* most: texts of one pass. train: gradients and backward. */
struct capnet *capnet_new(enum capnet_text text, enum capnet_head head, int most,
                          bool train);
void capnet_free(struct capnet *c); // NULL is fine

/* The flat arrays of weights and gradients, for Adam, sums over ranks, checkpoints. */
struct params *capnet_params(struct capnet *c);
/* How many rows of how many floats at their beginning are the n-gram table, of which a
 * batch uses few, and which of them (rows) may have a gradient that is not zeros: for
 * adam_set_table(). cnn: 0 rows. */
void capnet_table(const struct capnet *c, size_t *rows, size_t *cols,
                  const bool **touched);
/* As params_zero_grads() of capnet_params(), without the rows that nothing touched since. */
void capnet_zero_grads(struct capnet *c);
int capnet_outputs(const struct capnet *c);

/* First values; the same stream gives the same weights. */
void capnet_init_weights(struct capnet *c, struct rng *rng);
/* After every other change of the weights: what is derived from them is remade at the
 * next pass. */
void capnet_weights_changed(struct capnet *c);

/* The outputs (N, outputs) of N <= most texts, good until the next forward. The texts
 * are borrowed until the backward of this pass. With vectors of 512 bits (vec.h) a
 * text's outputs do not hang on its company, to the bit; else up to rounding.
 * drop: NULL, or the seed of the pass's dropout; what drops depends on the seed and the
 * text alone, so that a batch may be split over ranks in any way. Without dropout in the
 * network the seed is not read. */
const float *capnet_forward(struct capnet *c, const struct bytes *text, int N,
                            const uint64_t *drop);
/* Of the last forward: adds into the gradients. dout (N, outputs). */
void capnet_backward(struct capnet *c, const float *dout);

/* A batch that lies on several ranks. Its texts, of all ranks together, are numbered; each
 * rank passes its own back, then what a text's grams are told is summed over ranks: 32
 * floats for a text, not 32 for each of its grams. cnn: the whole gradient is summed.
 *   capnet_share_open(c, most)                once; most: texts of such a batch
 *   capnet_share_begin(c, texts)              gradients are zeros then
 *   capnet_forward(), capnet_share_backward() of this rank's, in passes
 *   capnet_share_part(c, &part)               to be summed in place
 *   capnet_share_end(c, text)                 the gradients are there, alike on all ranks
 */
void capnet_share_open(struct capnet *c, int most);
void capnet_share_begin(struct capnet *c, int texts);
/* As capnet_backward(); the pass's text n is number[n] of the batch. */
void capnet_share_backward(struct capnet *c, const float *dout, const int *number);
/* Returns how many floats. */
size_t capnet_share_part(struct capnet *c, float **part);
/* text (texts): all of the batch, by number. */
void capnet_share_end(struct capnet *c, const struct bytes *text);

#endif
