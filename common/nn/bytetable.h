#ifndef COMMON_NN_BYTETABLE_H
#define COMMON_NN_BYTETABLE_H
/* A convolution over embedded bytes as a sum of table rows, exact up to rounding:
 *   y_i = b + sum_{k < 7} w_k e[s_{i+k}]       e (256,32)  w (7 * 64,32)  b (1,64)
 * What a byte adds at place k is a row of 64, worked out when the byte is first seen
 * after the weights changed. Gradients are gathered in a table of the same shape and
 * contracted into w and e once per batch, in the order of the bytes' values, so that
 * they hang on the batch alone. Byte 0 and what lies behind the text add nothing; row 0
 * of e is neither read nor given a gradient. One owner thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/nn/param.h"

struct bytetable;

enum { BYTETABLE_EMBED = 32, BYTETABLE_K = 7, BYTETABLE_CH = 64 };

/* After params_alloc(); the parameters must outlive it. */
struct bytetable *bytetable_new(const struct param *e, const struct param *w,
                                const struct param *b, bool train);
void bytetable_free(struct bytetable *t); // NULL is fine
void bytetable_changed(struct bytetable *t);
/* y (C,64): the windows that begin at bytes 0 .. C - 1 of s (len), C <= len. */
void bytetable_forward(struct bytetable *t, float *y, const uint8_t *s, int len, int C);
/* Gathers; b->g is left to the caller, who may know more of it. */
void bytetable_backward(struct bytetable *t, const float *dy, const uint8_t *s, int len,
                        int C);
/* Adds what was gathered into w->g and e->g. */
void bytetable_contract(struct bytetable *t);

#endif
