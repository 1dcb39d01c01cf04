#ifndef LEARNER_TRAIN_REPLAYING_H
#define LEARNER_TRAIN_REPLAYING_H
/* Replay of trained segments beside the fresh ones, in one gradient: which (windows.h), how
 * many, and which of them have aged too far. A replayed segment keeps what it acted with,
 * is paid by the reward of today, and counts neither as fresh steps nor as trained once
 * more. V(o_T) after its last row stays what its actor said.
 *
 * Of T steps the first REPLAYING_BURN_IN carry no loss (batch.h), and none does where the
 * effective sample size of the others, (sum rho)^2 / (n sum rho^2) with rho = min(pi/mu, 1),
 * is below REPLAYING_LEAST_ESS: a few rows would then speak for all.
 *
 * Training thread; all memory is taken in replaying_init(). */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/status.h"
#include "learner/options.h"
#include "learner/train/batch.h"
#include "learner/train/sampler.h"
#include "learner/train/windows.h"

enum { REPLAYING_BURN_IN = 8 };
#define REPLAYING_LEAST_ESS 0.3

struct replaying {
    bool on;
    double ratio;  // replayed segments for each fresh one
    double credit; // what of it has not been drawn yet, below 1
    int most;      // in one batch of this rank
    uint64_t seed;
    uint32_t rank;
    struct windows windows;
    // of the batch at hand
    int drawn;
    double rows;       // that carry loss
    uint64_t *serials; // (most)
    float *prox;       // (rows of the batch) log pi - log mu of the first pass
    struct window_segment *picked; // (most) scratch
};

/* ST_INVALID (logged): settings that do not go together with replay. labelled: the reward
 * is one that judges' labels move. */
MUST_USE enum status replaying_check(const struct learner_options *o, bool labelled);
/* Replayed segments of a batch with `want` fresh ones, at most; 0: there is no replay. */
int replaying_most(const struct learner_options *o, int want);
/* want: fresh segments of a full batch of this rank, of which there are `ranks`. */
void replaying_init(struct replaying *r, const struct learner_options *o, int want,
                    int rank);
void replaying_release(struct replaying *r);

/* After sampler_draw: what is replayed beside what was drawn, which is remembered. */
MUST_USE enum status replaying_draw(struct replaying *r, struct sampler *s,
                                    uint64_t update, struct tallies *t);
/* In the first pass of a batch: cuts the segments that have aged too far, and counts the
 * rows that carry loss. log_ratio (rows) = log pi - log mu. */
void replaying_cut(struct replaying *r, struct batch *b, const float *log_ratio,
                   struct tallies *t);

/* This rank's part of the checkpoint. A checkpoint without it, made with --replay-ratio=0,
 * begins with nothing to replay. */
void replaying_file_name(int rank, char name[32]);
void replaying_write(const struct replaying *r, char **data, size_t *len);
MUST_USE enum status replaying_read(struct replaying *r, struct bytes b);

#endif
