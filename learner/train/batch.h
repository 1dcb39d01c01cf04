#ifndef LEARNER_TRAIN_BATCH_H
#define LEARNER_TRAIN_BATCH_H
/* One batch of this rank: B segments of T steps, copied out of the store's pages, which are
 * let go at once. Rows lie in pieces of at most `piece` sequences, each piece time-major,
 * so that a piece is what policy_forward_seq() takes; with one piece that is simply
 * (T,B). Training thread; all memory is taken in batch_init(). */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/nn/policy.h"
#include "common/wire/segment.h"
#include "learner/train/loss.h"

struct batch_shape {
    int T;
    int sequences; // most, fresh and replayed together
    int replayed;  // of these at most; 0: there is no replay
    int burn_in;   // first steps of a replayed one, which carry no loss
    int piece;     // sequences in one forward pass, 1..sequences
    int state_floats;
    int heads;     // value heads, 1 or 2
    bool pay_seen; // rows are paid for the caption before the action, not the one after
};

/* What a value head learns from; reward units. */
struct batch_stream {
    float *reward;                  // (rows) filled by reward.h
    float *old_value, *final_value; // (rows) V when it acted; of what an end showed
    float *last_value;              // (B) V(o_T)
};

struct batch {
    struct batch_shape shape;
    int B, rows; // of this batch: sequences, T * B; may be 0
    int fresh;   // sequences; those behind them are replayed
    int pieces;
    // (rows)
    uint8_t *chars, *colors; // (rows, SEGMENT_CELLS)
    int32_t *stats;          // (rows, SEGMENT_STATS)
    uint8_t *prev_action;    // POLICY_NO_ACTION where an episode begins
    uint8_t *action, *flags, *starts;
    uint16_t *count; // N_ep of the caption that is paid
    uint32_t *seen;  // caption before the action, index into the piece's
    uint32_t
        *paid_caption; // the one after it, or with pay_seen before; index into text
    float *behaviour;  // log mu(action)
    float *env_reward;
    uint8_t *part; // (rows) enum loss_part; NULL: there is no replay
    float *state;  // (B, state_floats)
    /* One for each value head: with one, of all that is paid; with two, of the game's
     * reward and of what is paid beside it. */
    struct batch_stream stream[POLICY_HEADS_MAX];
    // distinct captions of the batch
    int texts;
    struct bytes *text;  // (texts)
    struct hash128 *key; // (texts) of the bytes
    uint32_t *emissions; // (texts) fresh rows that are paid for it
    // for the policy: distinct captions seen, per piece
    struct bytes *piece_text;  // pieces one after the other
    int *piece_begin;          // (pieces + 1) into piece_text
    struct batch_index *index; // inside
};

void batch_init(struct batch *b, const struct batch_shape *shape);
void batch_release(struct batch *b);

/* Copies `fresh` segments and the `replayed` ones behind them, which must have the shape's
 * T, state_floats and heads. The views may be let go afterwards. */
void batch_gather(struct batch *b, const struct segment_view *views, int fresh,
                  int replayed);
/* What step t of a segment is paid for: an index into its texts, and N_ep of it. */
void batch_paid_caption(const struct segment_view *v, int t, bool pay_seen,
                        uint16_t *text, uint16_t *count);
/* Row of step t of sequence i. */
size_t batch_row(const struct batch *b, int i, int t);

/* Piece p: its first row, its sequences, and the policy's input. */
size_t batch_piece_row(const struct batch *b, int p);
int batch_piece_sequences(const struct batch *b, int p);
struct policy_input batch_piece_input(const struct batch *b, int p);

#endif
