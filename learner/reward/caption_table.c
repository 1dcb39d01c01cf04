#include "learner/reward/caption_table.h"

#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

enum { FIRST_SLOTS = 1 << 15 };

void caption_table_init(struct caption_table *t)
{
    *t = (struct caption_table){.mask = FIRST_SLOTS - 1};
    t->slots = mem_new(FIRST_SLOTS, sizeof(*t->slots));
}

void caption_table_release(struct caption_table *t)
{
    mem_free(t->slots);
    *t = (struct caption_table){0};
}

/* The key's slot, or the empty one where it belongs. */
static struct caption_entry *slot_of(const struct caption_table *t, struct hash128 key)
{
    size_t at = (size_t)key.lo & t->mask;

    while (t->slots[at].used && !hash_equal(t->slots[at].key, key)) {
        at = (at + 1) & t->mask;
    }
    return &t->slots[at];
}

const struct caption_entry *caption_table_find(const struct caption_table *t,
                                               struct hash128 key)
{
    const struct caption_entry *e = slot_of(t, key);

    return e->used ? e : NULL;
}

static void grow(struct caption_table *t)
{
    struct caption_table twice = {
        .mask = 2 * t->mask + 1, .count = t->count, .labels = t->labels};

    twice.slots = mem_new(twice.mask + 1, sizeof(*twice.slots));
    for (size_t i = 0; i <= t->mask; i++) {
        if (t->slots[i].used) {
            *slot_of(&twice, t->slots[i].key) = t->slots[i];
        }
    }
    mem_free(t->slots);
    *t = twice;
}

struct caption_entry *caption_table_add(struct caption_table *t, struct hash128 key,
                                        uint64_t update)
{
    struct caption_entry *e = slot_of(t, key);

    if (e->used) {
        return e;
    }
    if (2 * (t->count + 1) > t->mask) {
        grow(t);
        e = slot_of(t, key);
    }
    t->count++;
    *e =
        (struct caption_entry){.key = key, .first_update = (uint32_t)update, .used = 1};
    return e;
}

void caption_table_label(struct caption_table *t, struct caption_entry *e, float p)
{
    t->labels += e->labelled ? 0 : 1;
    e->labelled = 1;
    e->p = p;
}

struct head {
    char magic[8];
    uint64_t entries;
};

struct stored {
    struct hash128 key;
    uint64_t visits;
    float p;
    uint32_t labelled;
};

static const char magic_text[8] = "minocap1";

static bool is_read(const struct caption_entry *e)
{
    return e->used && (e->labelled || e->visits > 0);
}

void caption_table_write(const struct caption_table *t, char **data, size_t *len)
{
    struct head h = {0};
    char *at;

    for (size_t i = 0; i <= t->mask; i++) {
        h.entries += is_read(&t->slots[i]) ? 1 : 0;
    }
    memcpy(h.magic, magic_text, sizeof(h.magic));
    *len = sizeof(h) + h.entries * sizeof(struct stored);
    *data = at = mem_new(*len, 1);
    memcpy(at, &h, sizeof(h));
    at += sizeof(h);
    for (size_t i = 0; i <= t->mask; i++) {
        const struct caption_entry *e = &t->slots[i];
        if (is_read(e)) {
            const struct stored s = {e->key, e->visits, e->p, e->labelled};
            memcpy(at, &s, sizeof(s));
            at += sizeof(s);
        }
    }
}

enum status caption_table_read(struct caption_table *t, struct bytes b)
{
    struct head h = {0};
    const char *at = b.data;

    caption_table_release(t);
    caption_table_init(t);
    if (b.len >= sizeof(h)) {
        memcpy(&h, at, sizeof(h));
    }
    if (memcmp(h.magic, magic_text, sizeof(h.magic)) != 0 ||
        (b.len - sizeof(h)) / sizeof(struct stored) != h.entries ||
        (b.len - sizeof(h)) % sizeof(struct stored) != 0) {
        LOG_ERROR("REWARD-TABLE", "%zu bytes are not a checkpoint's table of captions",
                  b.len);
        return ST_CORRUPT;
    }
    at += sizeof(h);
    for (uint64_t i = 0; i < h.entries; i++, at += sizeof(struct stored)) {
        struct stored s;
        memcpy(&s, at, sizeof(s));
        struct caption_entry *e = caption_table_add(t, s.key, 0);
        e->visits = s.visits;
        if (s.labelled != 0) {
            caption_table_label(t, e, s.p);
        }
    }
    return ST_OK;
}
