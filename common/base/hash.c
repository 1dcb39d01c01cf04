#include "common/base/hash.h"

#include <stdio.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/mem.h"

struct hash_state {
    XXH3_state_t *xxh;
};

uint64_t hash_64(struct bytes b)
{
    return XXH3_64bits(b.data, b.len);
}

struct hash128 hash_128(struct bytes b)
{
    const XXH128_hash_t h = XXH3_128bits(b.data, b.len);

    return (struct hash128){.lo = h.low64, .hi = h.high64};
}

/* High half first: xxhash's canonical order, as xxh128sum prints it. */
void hash_hex(struct hash128 h, char out[33])
{
    snprintf(out, 33, "%016lx%016lx", h.hi, h.lo);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hash_parse(const char *text, struct hash128 *out)
{
    uint64_t half[2] = {0, 0};

    for (int i = 0; i < 32; i++) {
        const int digit = hex_digit(text[i]); // stops at the 0 of a short text
        if (digit < 0) {
            return false;
        }
        half[i / 16] = half[i / 16] << 4 | (uint64_t)digit;
    }
    if (text[32] != '\0') {
        return false;
    }
    *out = (struct hash128){.hi = half[0], .lo = half[1]};
    return true;
}

struct hash_state *hash_begin(void)
{
    struct hash_state *s = mem_new(1, sizeof(*s));

    s->xxh = XXH3_createState();
    CHECK(s->xxh != NULL);
    CHECK(XXH3_128bits_reset(s->xxh) == XXH_OK);
    return s;
}

void hash_add(struct hash_state *s, struct bytes b)
{
    if (b.len > 0) {
        CHECK(XXH3_128bits_update(s->xxh, b.data, b.len) == XXH_OK);
    }
}

struct hash128 hash_end(struct hash_state *s)
{
    const XXH128_hash_t h = XXH3_128bits_digest(s->xxh);

    XXH3_freeState(s->xxh);
    mem_free(s);
    return (struct hash128){.lo = h.low64, .hi = h.high64};
}
