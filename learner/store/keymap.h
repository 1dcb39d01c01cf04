#ifndef LEARNER_STORE_KEYMAP_H
#define LEARNER_STORE_KEYMAP_H
/* 128-bit keys, each with a number: open addressing, grows by doubling, never shrinks. For
 * tools and starts, not for loops. One thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/hash.h"

struct keymap;

struct keymap *keymap_new(void);
void keymap_free(struct keymap *m); // NULL is fine

/* The number of `key`, made with 0 when it is new (*fresh, which may be NULL). Good until
 * the next call. */
uint64_t *keymap_at(struct keymap *m, struct hash128 key, bool *fresh);
/* NULL: not there. */
const uint64_t *keymap_find(const struct keymap *m, struct hash128 key);

#endif
