#ifndef LEARNER_TRAIN_RANKS_H
#define LEARNER_TRAIN_RANKS_H
/* The only collectives. Every rank calls them the same number of times in the same order,
 * from the training thread. A rank that has nothing contributes zeros; one that fails
 * calls ranks_abort(), which ends all.
 *
 * Ranks come at different times. Who is early sleeps (MPI_Ibarrier, polled with growing
 * pauses) instead of spinning on a core that an actor needs; who is late is named in the
 * log; when nobody comes for hang_seconds, or a collective stands still that long, the
 * process ends with EXIT_TRY_AGAIN.
 *
 * Started without mpirun, a process is rank 0 of 1 and no MPI is touched. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/status.h"

enum {
    RANKS_MAX = 256,
    RANKS_AGREE_MAX = 2048 // doubles; a round's sums of so many ranks have room in it
};

struct ranks;

struct ranks_options {
    double hang_seconds;
    bool job; // --mpi: the communicator comes from mpijob, which was opened before
};

/* ST_IO (logged): MPI refused, or more than RANKS_MAX. */
MUST_USE enum status ranks_open(const struct ranks_options *o, struct ranks **out);
/* All ranks together; not after a failure. NULL is fine. */
void ranks_close(struct ranks *r);
_Noreturn void ranks_abort(struct ranks *r, int exit_code);

int ranks_index(const struct ranks *r);
int ranks_count(const struct ranks *r);
/* Seconds that this rank has waited for others, since the start. */
double ranks_waited(const struct ranks *r);

/* v[i] := sum over all ranks of v[i]; in double, so that R ranks agree with one. n is at
 * most RANKS_AGREE_MAX. */
MUST_USE enum status ranks_agree(struct ranks *r, double *v, int n);
MUST_USE enum status ranks_sum(struct ranks *r, float *v, size_t n);
/* Rank 0's bytes to all: data (room for `most`) and *len are overwritten elsewhere. */
MUST_USE enum status ranks_share(struct ranks *r, void *data, size_t *len, size_t most);
/* Everybody's bytes to everybody, one after the other in order of ranks: out has room for
 * count * most; lens (count) gets the lengths. mine.len <= most. */
MUST_USE enum status ranks_collect(struct ranks *r, struct bytes mine, size_t most,
                                   uint8_t *out, size_t *lens);

#endif
