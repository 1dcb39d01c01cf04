#ifndef LEARNER_TRAIN_TRAIN_H
#define LEARNER_TRAIN_TRAIN_H
/* The training thread: one update, top to bottom, in train_step(). Every rank runs it the
 * same number of times. What one step needs is taken in train_init(); a step allocates the
 * frame of weights that it publishes, and room for more captions and labels. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/checkpoint.h"
#include "common/nn/adam.h"
#include "common/nn/policy.h"
#include "common/wire/codec.h"
#include "learner/options.h"
#include "learner/reward/reward.h"
#include "learner/train/batch.h"
#include "learner/train/exchange.h"
#include "learner/train/heads.h"
#include "learner/train/inbox.h"
#include "learner/train/loss.h"
#include "learner/train/ranks.h"
#include "learner/train/replaying.h"
#include "learner/train/sampler.h"
#include "learner/train/stages.h"
#include "learner/train/tallies.h"

struct train_plan {
    const struct learner_options *options;
    struct ranks *ranks;
    struct rings rings;
    struct replay *replay;
    const struct clock *clock;
    struct policy_shape shape;
    struct bytes goal; // the goal file's text
    const char *goal_name;
    uint64_t run, spec_digest;
    uint32_t start;        // learner start count, 1..
    double seconds_before; // used by earlier starts, rank 0
    /* The I/O thread's figures as this rank adds them to those of the others, at most
     * TALLIES_OUTSIDE of them, and its own; NULL: none. */
    void (*outside)(void *ctx, int rank, double *v, struct rank_gauges *own);
    void *outside_ctx;
};

/* Sums over all ranks of one round: all doubles. */
struct agreed {
    double n, advantage, advantage2;
    struct heads_sums heads[HEADS_MAX];
    double replayed; // rows of replayed segments that carry loss; n: fresh ones
    double captions, verdicts, scores; // records that wait
    double stop, checkpoint;           // somebody wants it
    double seconds;                    // rank 0's used seconds
    struct tallies tallies;            // since the last round
    struct gauges gauges;
    struct rank_gauges of_rank[RANKS_MAX]; // a sum too: each fills in its own alone
};

/* Of the last update, for the report. */
struct train_last {
    double lr, grad_norm, sigma, explained[HEADS_MAX];
};

struct train {
    struct train_plan plan;
    struct learner_options options;
    struct ranks *ranks;
    struct inbox inbox;
    struct sampler sampler;
    struct replaying replaying;
    struct batch batch;
    struct reward reward;
    struct fitting_figures
        paid_by;          // what the reward's model was when the batch was paid
    uint64_t paid_ledger; // verdicts up to it had been taken then
    struct exchange exchange;
    struct policy *policy;
    struct adam adam;
    struct heads heads;
    struct loss_options loss;
    struct codec *codec;
    // per row of the batch
    float *logp, *dlogits; // (rows, actions)
    float *log_ratio, *advantage;
    struct ring_verdict *labels; // (label_room) taken since the last update
    int label_count, label_room;
    uint8_t *journal; // room for one row
    size_t journal_room;

    uint64_t update, env_steps, samples; // over all ranks and restarts; fresh alone
    int pass;                            // of the batch at hand; 0 = draw anew
    struct agreed agreed;
    struct tallies mine;           // not yet told to the others
    struct tallies totals, recent; // of all ranks: of the run; since the last report
    struct tallies_window window;
    struct gauges gauges;
    struct train_last last;
    bool stopping, checkpoint_due;
    uint64_t checkpoint_ns, checkpoint_update; // when the last one was written
    uint64_t checkpoint_bytes;                 // drawn by then
    double cpu_scoring, cpu_fitting;           // seconds of CPU, since this start
    double memory_s, anon_mb; // when memory was looked at, and how much
    double began_s;           // clock at the first segment; < 0 = none yet
    double ended_s;           // clock at the stop; 0 = it goes on
    double stage_s[STAGES], stage_mark;
};

/* Settings that cannot go together, before anything is made; without a number of ranks
 * as far as it does not matter. ST_INVALID (logged). */
MUST_USE enum status train_check_options(const struct learner_options *o);
MUST_USE enum status train_check(const struct learner_options *o, int ranks);
/* Fresh weights from the seed. ST_INVALID (logged): a setting is wrong. */
MUST_USE enum status train_init(struct train *t, const struct train_plan *plan);
void train_release(struct train *t);
void train_new_journal(struct train *t); // room for a row of label_room labels
/* Goes on from a checkpoint; between train_init and the first step. */
MUST_USE enum status train_load(struct train *t, const struct checkpoint_manifest *m,
                                const char *dir);
/* Sends the weights out for the first time. */
void train_publish(struct train *t);
/* One round: an update, or nothing where no rank has a sample. */
MUST_USE enum status train_step(struct train *t);
/* The I/O thread's figures of all ranks once more, after the last step. Collective. */
MUST_USE enum status train_settle(struct train *t);
/* Lets go of the store, so that it can be closed; only the figures may be read after. */
void train_leave_store(struct train *t);
bool train_done(const struct train *t); // a stop is due, all passes of the batch done
/* Whether a step would not wait for segments; for tests on one thread. */
bool train_ready(struct train *t);
/* Collective: writes checkpoint-U. */
MUST_USE enum status train_checkpoint(struct train *t);

/* The stop: what comes now is no training, and its seconds do not count. */
void train_end(struct train *t);
/* Seconds from the first segment to the stop, restarts included (rank 0; exact there
 * only). */
double train_seconds(const struct train *t);
/* Digest of the weights; equal on all ranks. */
uint64_t train_digest(const struct train *t);

#endif
