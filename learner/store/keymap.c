#include "learner/store/keymap.h"

#include <stddef.h>

#include "common/base/mem.h"

struct slot {
    struct hash128 key;
    uint64_t number;
    bool used;
};

struct keymap {
    struct slot *slot; // (slots), a power of two, at most half full
    size_t slots, count;
};

enum { SLOTS_MIN = 1024 };

struct keymap *keymap_new(void)
{
    struct keymap *m = mem_new(1, sizeof(*m));

    m->slots = SLOTS_MIN;
    m->slot = mem_new(m->slots, sizeof(*m->slot));
    return m;
}

void keymap_free(struct keymap *m)
{
    if (m != NULL) {
        mem_free(m->slot);
        mem_free(m);
    }
}

static struct slot *place(const struct keymap *m, struct hash128 key)
{
    size_t at = (size_t)key.lo & (m->slots - 1);

    while (m->slot[at].used && !hash_equal(m->slot[at].key, key)) {
        at = (at + 1) & (m->slots - 1);
    }
    return &m->slot[at];
}

static void grow(struct keymap *m)
{
    struct slot *old = m->slot;
    const size_t count = m->slots;

    m->slots *= 2;
    m->slot = mem_new(m->slots, sizeof(*m->slot));
    for (size_t i = 0; i < count; i++) {
        if (old[i].used) {
            *place(m, old[i].key) = old[i];
        }
    }
    mem_free(old);
}

uint64_t *keymap_at(struct keymap *m, struct hash128 key, bool *fresh)
{
    if (2 * (m->count + 1) > m->slots) {
        grow(m);
    }
    struct slot *s = place(m, key);
    if (fresh != NULL) {
        *fresh = !s->used;
    }
    if (!s->used) {
        *s = (struct slot){.key = key, .used = true};
        m->count++;
    }
    return &s->number;
}

const uint64_t *keymap_find(const struct keymap *m, struct hash128 key)
{
    const struct slot *s = place(m, key);

    return s->used ? &s->number : NULL;
}
