#ifndef COMMON_NN_NN_BENCH_H
#define COMMON_NN_NN_BENCH_H
/* How fast the networks are on this machine, on made-up screens: forty glyphs, most
 * cells blank, one row in three with a caption. Adds its fields to a row that the caller
 * has begun: net, actions, params, rows, seconds, rows_per_s, us_per_row (CPU time of
 * this thread), gflops (products only; table sums count as nothing), blas_core. One BLAS
 * thread. ST_INVALID (logged): no such network. */

#include "common/base/metrics.h"
#include "common/base/status.h"

/* policy_act of N environments, new screens at each step. */
MUST_USE enum status nn_bench_infer(const char *net, int actions, int N, double seconds,
                                    struct metrics_row *out);
/* policy_weights_changed, forward_seq and backward_seq of B sequences of T steps; the
 * optimiser is not part of it. */
MUST_USE enum status nn_bench_update(const char *net, int actions, int T, int B,
                                     double seconds, struct metrics_row *out);

#endif
