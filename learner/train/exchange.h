#ifndef LEARNER_TRAIN_EXCHANGE_H
#define LEARNER_TRAIN_EXCHANGE_H
/* What ranks tell each other besides sums: captions new to a rank go to rank 0, where the
 * judges are asked, and so do scores by which it is chosen what is compared; verdicts go from rank 0 to all, after the texts that they are about, so
 * that every rank holds the same labels at the same update; emissions go to everybody for
 * rewards that count them.
 * Collective, training thread; with one rank nothing is copied but verdicts are taken. */

#include "learner/reward/reward.h"
#include "learner/train/batch.h"
#include "learner/train/inbox.h"
#include "learner/train/ranks.h"
#include "learner/train/tallies.h"
#include "learner/train/windows.h"

struct exchange {
    struct ranks *ranks;
    struct inbox *inbox;
    struct ring *to_io;
    uint64_t ledger_serial; // verdicts up to it were taken
    uint8_t *mine, *all;    // scratch
    size_t room;            // of mine; all has room for every rank's
    size_t *lens;           // (ranks)
};

void exchange_init(struct exchange *x, struct ranks *ranks, struct inbox *inbox,
                   struct ring *to_io, int most_texts);
void exchange_release(struct exchange *x);

/* How many records wait here: for the small allreduce, after which all ranks know whether
 * the calls below are worth while. */
int exchange_captions(const struct exchange *x);
int exchange_verdicts(const struct exchange *x); // and texts

MUST_USE enum status exchange_send_captions(struct exchange *x);
/* First texts, then labels, which are in `taken` (room for INBOX_VERDICTS), *count of
 * them. */
MUST_USE enum status exchange_take_verdicts(struct exchange *x, struct reward *reward,
                                            struct windows *windows,
                                            struct tallies *tallies, uint64_t update,
                                            struct ring_verdict *taken, int *count);
/* What the reward's model has scored anew on any rank, to rank 0's I/O thread, for the
 * choice of what is compared; a caption that several ranks met comes as often. Never waits
 * for the ring: where it is full they are left out. */
MUST_USE enum status exchange_send_scores(struct exchange *x,
                                          const struct fitting_scored *scored,
                                          int count);
/* Adds every rank's emissions to the reward's table, in order of ranks. */
MUST_USE enum status exchange_add_visits(struct exchange *x, struct reward *reward,
                                         const struct batch *batch, uint64_t update);

#endif
