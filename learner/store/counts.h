#ifndef LEARNER_STORE_COUNTS_H
#define LEARNER_STORE_COUNTS_H
/* What training did with the segments of each incarnation, as of a checkpoint: one part
 * counts-R.bin per rank. The audit's terms "trained" and "dropped" come from it alone.
 * Every serial <= cursor is in `trained` or in `dropped` of its incarnation, and so is
 * every one in `skipped`; everything else is fresh. Training thread; tools. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/status.h"
#include "common/wire/messages.h"

struct counts_row {
    uint32_t actor, incarnation;
    uint64_t trained;
    uint64_t dropped[DROP_REASONS]; // by enum drop_reason
};

struct counts {
    uint64_t cursor;      // last fresh serial drawn in order
    uint64_t duplicates;  // stand beside the balance
    uint64_t rolled_back; // trained though from an earlier start's future
    int count, skipped_count;
    int row_cap, skipped_cap; // inside
    struct counts_row *rows;  // ascending by actor, incarnation
    uint64_t *skipped;        // serials > cursor that are counted already; ascending
};

/* Begin with {0}. */
void counts_release(struct counts *c);
/* The row of this pair, made when missing (grows: only when an incarnation is new). The
 * pointer holds until the next counts_row(). */
struct counts_row *counts_row(struct counts *c, uint32_t actor, uint32_t incarnation);
const struct counts_row *counts_find(const struct counts *c, uint32_t actor,
                                     uint32_t incarnation);
/* Marks a serial above the cursor as counted; counts_advance() moves the cursor and
 * forgets those at or below it. */
void counts_skip(struct counts *c, uint64_t serial);
bool counts_skipped(const struct counts *c, uint64_t serial);
void counts_advance(struct counts *c, uint64_t cursor);

/* "counts-0.bin" */
void counts_file_name(uint32_t rank, char out[32]);
/* The file's bytes; free *data with mem_free(). */
void counts_write(const struct counts *c, char **data, size_t *len);
/* ST_CORRUPT (logged): not such bytes. Free with counts_release(). */
MUST_USE enum status counts_read(struct bytes b, struct counts *out);

#endif
