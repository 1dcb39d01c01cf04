#ifndef LEARNER_STORE_PACK_H
#define LEARNER_STORE_PACK_H
/* Numbers one after the other in a block of memory, little-endian as they lie: the journal,
 * a checkpoint's parts and what ranks tell each other. A writer that runs out of room, or
 * a reader that runs out of bytes, sets `bad` and does nothing more. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"

struct pack {
    uint8_t *data;
    size_t at, size;
    bool bad;
};

static inline void pack_put(struct pack *p, const void *v, size_t bytes)
{
    if (p->bad || bytes > p->size - p->at) {
        p->bad = true;
        return;
    }
    if (bytes > 0) { // v may be NULL then
        memcpy(p->data + p->at, v, bytes);
    }
    p->at += bytes;
}

static inline void pack_u64(struct pack *p, uint64_t v)
{
    pack_put(p, &v, sizeof(v));
}

static inline void pack_u32(struct pack *p, uint32_t v)
{
    pack_put(p, &v, sizeof(v));
}

static inline void pack_f64(struct pack *p, double v)
{
    pack_put(p, &v, sizeof(v));
}

struct unpack {
    const uint8_t *data;
    size_t at, size;
    bool bad;
};

static inline struct unpack unpack_of(struct bytes b)
{
    return (struct unpack){.data = b.data, .size = b.len};
}

/* Zeros when there is nothing left. */
static inline void unpack_get(struct unpack *u, void *v, size_t bytes)
{
    memset(v, 0, bytes);
    if (u->bad || bytes > u->size - u->at) {
        u->bad = true;
        return;
    }
    memcpy(v, u->data + u->at, bytes);
    u->at += bytes;
}

static inline uint64_t unpack_u64(struct unpack *u)
{
    uint64_t v;
    unpack_get(u, &v, sizeof(v));
    return v;
}

static inline uint32_t unpack_u32(struct unpack *u)
{
    uint32_t v;
    unpack_get(u, &v, sizeof(v));
    return v;
}

static inline double unpack_f64(struct unpack *u)
{
    double v;
    unpack_get(u, &v, sizeof(v));
    return v;
}

#endif
