#ifndef COMMON_NN_SOFTMAX_H
#define COMMON_NN_SOFTMAX_H
/* A categorical distribution over A actions from unnormalised logits: the one place
 * where actor and learner turn logits into probabilities, so that both agree. Any
 * thread. NaN among the logits makes every log-probability NaN. */

/* logp (N,A) = log softmax of logits (N,A), row by row; logp may be logits. */
void softmax_log(float *logp, const float *logits, int N, int A);
/* -sum p log p of one row of log-probabilities, in nats. */
float softmax_entropy(const float *logp, int A);
/* The action at `uniform` in [0,1) of the cumulative distribution; never one whose
 * probability is 0 in f32. NaN: action A - 1. */
int softmax_sample(const float *logp, int A, float uniform);
/* The first largest; NaN never wins, all NaN: action 0. */
int softmax_argmax(const float *logits, int A);

#endif
