#ifndef LEARNER_STORE_STORE_BENCH_H
#define LEARNER_STORE_STORE_BENCH_H
/* What the store costs: `minos bench store`. Runs for about 2 * `seconds` in a directory of
 * its own under `dir`, which it removes, and adds its figures to a row that the caller
 * began: segments put per second in groups of 32 as the I/O thread does it (eviction at
 * the bound included), segments viewed per second, verdicts made durable per second in
 * groups of `QUESTIONS_PER_FRAME`. */

#include "common/base/metrics.h"
#include "common/base/status.h"

MUST_USE enum status store_bench(const char *dir, double seconds,
                                 struct metrics_row *out);

#endif
