#ifndef LEARNER_INTAKE_ITEMS_H
#define LEARNER_INTAKE_ITEMS_H
/* The sets of captions that judges were asked to put in order: each by its key
 * (ledger_set_key()), which does not depend on who stood first. Kept for the run, so that
 * none is asked twice. I/O thread of rank 0.
 *
 * A question about an item is numbered by the upper 48 low bits of the item's key and an
 * attempt, as one about a caption is (asking.h): of two items with these bits in common the
 * second is never made. Grows by doubling, 50 to 100 bytes for each pair, up to ITEMS_MAX
 * of them. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/hash.h"
#include "common/wire/messages.h"

enum { ITEMS_MAX = 1 << 21 };

struct item {
    struct hash128 key;
    uint16_t attempt, answered; // of the question asked, and answered, last; 0 = none
    uint16_t lease;             // of asking_impl.h, + 1; 0 = none
    uint8_t first;              // which of its captions was to be asked about
    bool done;                  // its verdict trains, or it will have none
};

struct items;

struct items *items_new(int captions); // of each item
void items_free(struct items *s);      // NULL is fine
uint32_t items_count(const struct items *s);
bool items_full(const struct items *s);
/* Good until the next items_add(). */
struct item *items_at(struct items *s, uint32_t number);
/* Numbers in the lexicon of its captions, as they are shown (captions); it may have
 * forgotten them since. */
const uint32_t *items_captions(const struct items *s, uint32_t number);
/* -1: not known. */
int64_t items_find(const struct items *s, struct hash128 key);
/* By the id of a question; -1: not known. */
int64_t items_find_question(const struct items *s, uint64_t question);
/* It must not be known yet. caption NULL: they are not asked about in this start. -1: full,
 * or another one has the same 48 bits. */
int64_t items_add(struct items *s, struct hash128 key, const uint32_t *caption);
/* Others are asked about now, in this order: those of an earlier start. */
void items_set_captions(struct items *s, uint32_t number, const uint32_t *caption);

#endif
