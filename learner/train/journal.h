#ifndef LEARNER_TRAIN_JOURNAL_H
#define LEARNER_TRAIN_JOURNAL_H
/* One row per update and rank in the store's `journal`: what replaying, resuming and
 * explaining read. All numbers little-endian, one after the other:
 *
 *   u32 JOURNAL_FORMAT, u32 pass (0 = freshly drawn, 1.. = the same batch again)
 *   u64 update, u64 env_steps    after the update, over all ranks
 *   f64 samples                  of all ranks, what the gradient was divided by
 *   f64 lr, f64 mean, f64 scale  mean and scale of values before they moved
 *   f64 mean, f64 scale          the same of a second value head; 0 and 1 without
 *   u64 weights                  XXH3 of the weights after the update
 *   u32 n, then n u64            serials that this rank drew (pass 0), ascending
 *   u32 n, then n u64            trained ones that it replayed beside them, as drawn
 *   u64 ledger_serial            verdicts up to it were taken by the end of the update
 *   u64 reward_version           labels taken so far
 *   u32 n, then n labels taken since the row before, in the order taken:
 *     u64 serial, u64 lo, u64 hi   the ledger's; key of the item
 *     f32 p, u8 kind, u8 K         captions: 1 is a rating, more are an order, which has
 *     K x (u64 lo, u64 hi, u8)     its captions' keys and places
 *   u64 version, f64 ramp        of the reward's model, and its share, that paid this row's
 *   f64 mean, f64 sigma          batch; of scores, where they are normalised
 *   u64 steps, u64 chance        gradient steps so far, and the stream that draws labels,
 *   u64 model                    after this update; XXH3 of the weights being fitted
 *   u32 n, then n (u64 lo, u64 hi, f32)   captions of this rank's batch scored anew: what
 *     the model said; of count, bow and motif what the caption is worth
 *   u32 start, u32 flags         of the learner; --soft=raw, --hard, --rank-pay=raw,
 *                              --pay-caption=seen: JOURNAL_RAW and the three below it
 *   u64 ledger_serial            verdicts up to it paid this row's batch
 *   f64 a_ext, a_int, scale, clip, beta, eta    what else it was paid by (reward.h)
 *
 * Training thread. */

#include "common/base/status.h"
#include "learner/reward/fitting.h"
#include "learner/rings.h"
#include "learner/store/pack.h"

enum {
    JOURNAL_FORMAT = 6,
    JOURNAL_RAW = 1,
    JOURNAL_HARD = 2,
    JOURNAL_RANK_RAW = 4,
    JOURNAL_PAY_SEEN = 8,
    JOURNAL_LABEL_BYTES = 8 + 16 + 4 + 2, // of a rating
    JOURNAL_PLACE_BYTES = 16 + 1,         // of each caption of an order
    JOURNAL_SCORED_BYTES = 16 + 4,
    JOURNAL_LABEL_MOST = JOURNAL_LABEL_BYTES + JOURNAL_PLACE_BYTES * ITEM_CAPTIONS_MAX
};

struct journal_row {
    uint32_t pass;
    uint64_t update, env_steps;
    double samples, lr, mean, scale, intrinsic_mean, intrinsic_scale;
    uint64_t weights;
    uint32_t drawn, replayed;
    const uint64_t *serials, *replayed_serials;
    uint64_t ledger_serial, reward_version;
    uint32_t labels;
    const struct ring_verdict *label; // (labels) to be written
    struct bytes label_bytes;         // as read
    uint64_t model_version, model_steps, model_chance, model;
    double ramp, score_mean, score_sigma;
    uint32_t scored_count;
    const struct fitting_scored *scored; // (scored_count) to be written
    struct bytes scored_bytes;           // as read: JOURNAL_SCORED_BYTES each
    uint32_t start, pays;                // pays: the flags
    uint64_t ledger_paid;
    double a_ext, a_int, reward_scale, clip, beta, eta;
};

/* Writes into p, which has the room that journal_size() says. */
void journal_write(struct pack *p, const struct journal_row *row);
/* serials: drawn and replayed; of rows with so many at most, whatever the labels are. */
size_t journal_size(uint32_t serials, uint32_t labels, uint32_t scored);
/* Borrows from b, whose serials must be copied out with journal_serial (unaligned), the
 * labels with journal_next_label. ST_CORRUPT, ST_VERSION: not logged. */
MUST_USE enum status journal_read(struct bytes b, struct journal_row *out);
uint64_t journal_serial(const struct journal_row *row, uint32_t i);
uint64_t journal_replayed(const struct journal_row *row, uint32_t i);
/* The first label of *left, which then begins behind it. False: there is none. */
bool journal_next_label(struct bytes *left, struct ring_verdict *out);
/* Caption i that was scored anew, i < scored_count. */
struct fitting_scored journal_scored(const struct journal_row *row, uint32_t i);
/* Sends a row to the I/O thread in pieces. */
void journal_tell(struct ring *to_io, uint64_t update, struct bytes row);

#endif
