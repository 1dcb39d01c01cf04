#ifndef COMMON_BASE_HASH_H
#define COMMON_BASE_HASH_H
/* XXH3 of bytes (libxxhash), and a hex form of a digest. Any thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"

struct hash128 {
    uint64_t lo, hi;
};

uint64_t hash_64(struct bytes b);
struct hash128 hash_128(struct bytes b);

static inline bool hash_equal(struct hash128 a, struct hash128 b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

/* Writes 32 lower-case hex digits and a 0 into out[33]. */
void hash_hex(struct hash128 h, char out[33]);
/* False when `text` is not 32 hex digits; *out is then untouched. */
bool hash_parse(const char *text, struct hash128 *out);

/* A digest over several pieces; the bytes, not their boundaries, count. */
struct hash_state;
struct hash_state *hash_begin(void);
void hash_add(struct hash_state *s, struct bytes b);
struct hash128 hash_end(struct hash_state *s); // frees s

#endif
