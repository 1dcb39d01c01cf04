#ifndef LEARNER_JUDGE_BENCH_H
#define LEARNER_JUDGE_BENCH_H
/* minos bench judge: how many verdicts a second go the whole way. Rank 0's own I/O side in
 * this process, judge processes of their own over tcp, full records with raw answers, each
 * acknowledged once its group is on disk, into a ledger that holds many already; segments
 * come in beside it, and the longest that one of them waited is measured. */

#include <stdint.h>

#include "common/base/metrics.h"
#include "common/base/status.h"

struct judge_bench_plan {
    const char *work; // directory on the disk that is measured; keeps the first ledger
    double seconds;   // measured, after two of warming up
    int64_t verdicts; // in the ledger before
    int64_t judges, credits, raw; // processes; questions each holds; bytes of an answer
    int64_t segments;             // a second, beside it
};

/* ST_IO (logged): a judge cannot be started, or the disk failed. ST_TIMEOUT (logged): no
 * judge attached, or the verdicts did not come. */
MUST_USE enum status judge_bench(const struct judge_bench_plan *plan,
                                 struct metrics_row *out);

#endif
