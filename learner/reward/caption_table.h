#ifndef LEARNER_REWARD_CAPTION_TABLE_H
#define LEARNER_REWARD_CAPTION_TABLE_H
/* What training knows about each caption of the run, by the hash of its bytes: its label
 * and how often it came. Equal on all ranks at the same update as far as rewards read it.
 * Training thread. Grows by doubling; nothing else allocates. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/status.h"

struct caption_entry {
    struct hash128 key;
    uint64_t visits;       // emissions in the run; counted for the reward `count` alone
    uint32_t first_update; // of this rank's training that met it
    float p;               // P(helpful)
    uint8_t used, labelled;
};

struct caption_table {
    size_t mask, count;
    uint64_t labels; // entries that are labelled
    struct caption_entry *slots;
};

void caption_table_init(struct caption_table *t);
void caption_table_release(struct caption_table *t);

/* NULL: never met and never labelled. Holds until the next caption_table_add(). */
const struct caption_entry *caption_table_find(const struct caption_table *t,
                                               struct hash128 key);
/* Finds or makes; a new one has first_update = `update`. */
struct caption_entry *caption_table_add(struct caption_table *t, struct hash128 key,
                                        uint64_t update);
/* The last label wins. */
void caption_table_label(struct caption_table *t, struct caption_entry *e, float p);

/* The entries that rewards read (labelled or counted), for the checkpoint. Free *data with
 * mem_free(). ST_CORRUPT (logged): not such bytes; the table is then empty. */
void caption_table_write(const struct caption_table *t, char **data, size_t *len);
MUST_USE enum status caption_table_read(struct caption_table *t, struct bytes b);

#endif
