#ifndef LEARNER_REWARD_REWARD_ROWS_H
#define LEARNER_REWARD_REWARD_ROWS_H
/* A batch as rewards see it: borrowed arrays alone. */

#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"

struct reward_rows {
    int rows, texts;
    const float *env_reward;      // (rows)
    const uint16_t *count;        // (rows) N_ep >= 1
    const uint32_t *paid_caption; // (rows) index into text
    const struct bytes *text;     // (texts) distinct
    const struct hash128 *key;    // (texts)
    const uint32_t *emissions;    // (texts) fresh rows that are paid for it
    // For kinds that score rows: T steps of B sequences, time-major, `piece` at a time.
    int T, B, piece;
    const uint8_t *chars, *colors; // (rows, SEGMENT_CELLS) what each step acted on
    const int32_t *stats;          // (rows, SEGMENT_STATS)
    /* (rows) not 0: of a segment that was trained before, which is paid but counts nowhere,
     * neither in sums nor in what a kind learns; NULL: all rows are fresh. */
    const uint8_t *replayed;
};

#endif
