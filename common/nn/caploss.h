#ifndef COMMON_NN_CAPLOSS_H
#define COMMON_NN_CAPLOSS_H
/* What a caption network is fitted to: losses and their gradients with respect to its
 * outputs. Both return the SUM over what they are given and overwrite the gradient of
 * that sum; who averages divides by the items of all ranks. In double inside. Any
 * thread; NaN in, NaN out. */

#include <stdint.h>

/* Cross-entropy with soft labels: with q = softmax(out_n),
 *   L = sum_n -(1 - p_n) log q_0 - p_n log q_1
 * out, dout (N,2)   p (N) = P(helpful) of the label */
double caploss_rate(float *dout, const float *out, const float *p, int N);

/* Orders of captions, as Plackett and Luce see them: the best is drawn from all with
 * chances e^score, the next from the rest, and so on (two captions: Bradley-Terry). Item
 * i is rows first[i] .. first[i + 1] of score and place; place 0 is best, equal places
 * are a tie. Every caption has a place: the wire takes no order that leaves one out. Of a
 * tie of 2 or 3 the mean over its orders is taken, so that a tie of two is 1/2, 1/2. An
 * item with a larger tie is taken in pairs, each as an item of two, with 2 / K of their
 * sum, so that it weighs like the K - 1 draws of an order. An item with fewer than 2
 * captions is 0.
 *   dscore, score, place (first[items]) */
double caploss_order(float *dscore, const float *score, const uint8_t *place,
                     const int *first, int items);

#endif
