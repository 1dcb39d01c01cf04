#ifndef TESTS_SUPPORT_NAIVE_TEXTCNN_H
#define TESTS_SUPPORT_NAIVE_TEXTCNN_H
/* The convolutions over a text as their equations read, in double: all 256 bytes, every
 * window of them, with nothing shared with common/nn/textcnn but names and layouts of
 * the parameters. One thread. */

#include "tests/support/naive.h"

enum { NAIVE_TEXT_WIDTH = 320 };

/* x (320) of one text. */
void naive_textcnn(double *x, const struct naive *v, struct bytes text);
/* Adds d sum(dx * x) / d weights into grads, which is laid out as v->w. */
void naive_textcnn_backward(double *grads, const double *dx, const struct naive *v,
                            struct bytes text);

#endif
