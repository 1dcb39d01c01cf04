#ifndef LEARNER_REWARD_CAPTION_TABLE_H
#define LEARNER_REWARD_CAPTION_TABLE_H
/* What training knows about captions of the run, by the hash of their bytes: the label,
 * how often it came, and when first. Equal on all ranks at the same update as far as
 * rewards read it. Training thread.
 *
 * Bounded: labelled captions stay, of the others at most `most` are known. When those are
 * too many, an eighth of them is forgotten: first those that came once at most, then twice,
 * four times, ...; of these the oldest first. What is forgotten and comes again is new.
 * A caption takes 64 to 128 bytes. Grows by doubling; nothing else allocates. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/status.h"

enum {
    /* Where rewards read labels alone, the others are known for the label's delay only:
     * more than wait to be asked at one time. */
    CAPTION_TABLE_DELAYS = 100000,
    /* Where they read visits: 128 MB. */
    CAPTION_TABLE_VISITS = 2000000
};

/* The first_update of a caption that is known by its label alone. */
enum { CAPTION_UNMET = (1 << 30) - 1 };

struct caption_entry {
    struct hash128 key;
    uint64_t visits : 34;       // emissions in the run; counted for `count` alone
    uint64_t label_update : 30; // at which the last label came, or order that has it
    float p;                    // P(helpful); 1/2 where orders alone have it
    unsigned first_update : 30; // of this rank's training that met it
    unsigned used : 1, labelled : 1;
};

struct caption_table {
    size_t mask, count, most; // most: of those that are not labelled
    uint64_t labels;          // entries that are labelled
    uint64_t met, forgotten;  // first sights over the run; entries made room for
    uint64_t tried;           // update at which there was too little to forget
    struct caption_entry *slots;
};

void caption_table_init(struct caption_table *t, size_t most);
void caption_table_release(struct caption_table *t);

/* NULL: not known, and never labelled. Holds until the next caption_table_add(). */
const struct caption_entry *caption_table_find(const struct caption_table *t,
                                               struct hash128 key);
/* Finds or makes; a new one has first_update = `update`, below 2^30. May forget others,
 * but none that was first met at `update`. */
struct caption_entry *caption_table_add(struct caption_table *t, struct hash128 key,
                                        uint64_t update);
/* The last label wins. */
void caption_table_label(struct caption_table *t, struct caption_entry *e, float p,
                         uint64_t update);

/* The whole, for the checkpoint. Free *data with mem_free(). ST_CORRUPT (logged): not
 * such bytes; the table is then empty. */
void caption_table_write(const struct caption_table *t, char **data, size_t *len);
MUST_USE enum status caption_table_read(struct caption_table *t, struct bytes b);

#endif
