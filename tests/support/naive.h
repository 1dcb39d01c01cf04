#ifndef TESTS_SUPPORT_NAIVE_H
#define TESTS_SUPPORT_NAIVE_H
/* The layers and both networks again, in double precision and as their equations read,
 * with nothing shared with common/nn but the names and shapes of the parameters and the
 * tables of constants. Gradients come from these by central differences. One thread. */

#include "common/nn/policy.h"

/* A copy of a parameter set's weights, in double, in the same layout. */
struct naive {
    const struct params *p;
    double *w;
};
void naive_copy(struct naive *v, const struct params *p);
void naive_release(struct naive *v);
const double *naive_w(const struct naive *v, const char *name);

/* y (N,OUT) = x (N,IN) w' + b, w (OUT,IN) */
void naive_linear(double *y, const double *x, const double *w, const double *b, int N,
                  int OUT, int IN);
/* x (S,S,IN), w (OUT,K,K,IN), y (O,O,OUT): one image */
void naive_conv(double *y, const double *x, const double *w, const double *b, int S,
                int IN, int K, int STRIDE, int OUT);
/* h (T*B,H), x (T*B,IN); torch's cell */
void naive_gru(double *h, const double *x, const double *state0, const uint8_t *starts,
               const double *wx, const double *bx, const double *wh, const double *bh,
               int T, int B, int IN, int H);

/* sum(dlogits * logits) + sum(dvalues * values) of a sequence through the network that
 * `net` names; logits and values are also put out unless NULL. */
double naive_policy(const struct naive *v, const char *net, int actions,
                    const struct policy_input *in, int T, int B, const float *state0,
                    const uint8_t *starts, const float *dlogits, const float *dvalues,
                    double *logits, double *values);

#endif
