#include "learner/intake/items.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"

enum { FIRST_CAP = 1024 };

struct items {
    struct item *item; // (cap)
    uint32_t *caption; // (cap, captions)
    uint32_t *slot;    // (2 * cap) number + 1, 0 = free; linear probing
    uint32_t count, cap;
    uint32_t captions;
};

struct items *items_new(int captions)
{
    struct items *s = mem_new(1, sizeof(*s));

    CHECK(captions >= 2 && captions <= ITEM_CAPTIONS_MAX);
    s->captions = (uint32_t)captions;
    s->cap = FIRST_CAP;
    s->item = mem_new(s->cap, sizeof(*s->item));
    s->caption = mem_new((size_t)s->cap * s->captions, sizeof(*s->caption));
    s->slot = mem_new(2 * (size_t)s->cap, sizeof(*s->slot));
    return s;
}

void items_free(struct items *s)
{
    if (s != NULL) {
        mem_free(s->item);
        mem_free(s->caption);
        mem_free(s->slot);
        mem_free(s);
    }
}

uint32_t items_count(const struct items *s)
{
    return s->count;
}

bool items_full(const struct items *s)
{
    return s->count >= ITEMS_MAX;
}

struct item *items_at(struct items *s, uint32_t number)
{
    CHECK(number < s->count);
    return &s->item[number];
}

const uint32_t *items_captions(const struct items *s, uint32_t number)
{
    CHECK(number < s->count);
    return s->caption + (size_t)number * s->captions;
}

/* Where the item with these 48 bits lies, or belongs. */
static uint32_t slot_of(const struct items *s, uint64_t lo)
{
    const uint32_t mask = 2 * s->cap - 1;
    uint32_t at = (uint32_t)(lo >> 16) & mask;

    while (s->slot[at] != 0 && s->item[s->slot[at] - 1].key.lo >> 16 != lo >> 16) {
        at = (at + 1) & mask;
    }
    return at;
}

int64_t items_find_question(const struct items *s, uint64_t question)
{
    return (int64_t)s->slot[slot_of(s, question)] - 1;
}

int64_t items_find(const struct items *s, struct hash128 key)
{
    const int64_t number = items_find_question(s, key.lo);

    return number >= 0 && hash_equal(s->item[number].key, key) ? number : -1;
}

static void grow(struct items *s)
{
    const uint32_t cap = 2 * s->cap;

    s->item = mem_grow(s->item, s->cap, cap, sizeof(*s->item));
    s->caption = mem_grow(s->caption, (size_t)s->cap * s->captions,
                          (size_t)cap * s->captions, sizeof(*s->caption));
    mem_free(s->slot);
    s->cap = cap;
    s->slot = mem_new(2 * (size_t)cap, sizeof(*s->slot));
    for (uint32_t i = 0; i < s->count; i++) {
        s->slot[slot_of(s, s->item[i].key.lo)] = i + 1;
    }
}

int64_t items_add(struct items *s, struct hash128 key, const uint32_t *caption)
{
    if (items_full(s) || items_find_question(s, key.lo) >= 0) {
        return -1;
    }
    if (s->count == s->cap) {
        grow(s);
    }
    s->slot[slot_of(s, key.lo)] = s->count + 1;
    s->item[s->count] = (struct item){.key = key};
    s->count++;
    if (caption != NULL) {
        items_set_captions(s, s->count - 1, caption);
    }
    return (int64_t)s->count - 1;
}

void items_set_captions(struct items *s, uint32_t number, const uint32_t *caption)
{
    CHECK(number < s->count);
    memcpy(s->caption + (size_t)number * s->captions, caption,
           s->captions * sizeof(*caption));
}
