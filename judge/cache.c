#include "judge/cache.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"

enum { NONE = -1 };

struct entry {
    struct hash128 key;
    int next; // in its bucket
    float label, confidence;
    uint8_t kind;
    uint8_t order[ITEM_CAPTIONS_MAX];
};

/* Chained buckets over a ring of entries; the ring's head is also the oldest. */
struct cache {
    struct entry *entries;
    int *buckets;
    int size, bucket_count, count, head;
};

static int *bucket_of(const struct cache *c, struct hash128 key)
{
    return &c->buckets[key.lo & (uint64_t)(c->bucket_count - 1)];
}

struct cache *cache_new(int entries)
{
    struct cache *c = mem_new(1, sizeof(*c));

    CHECK(entries >= 1);
    c->size = entries;
    c->bucket_count = 1;
    while (c->bucket_count < entries) {
        c->bucket_count *= 2;
    }
    c->entries = mem_new((size_t)entries, sizeof(*c->entries));
    c->buckets = mem_new((size_t)c->bucket_count, sizeof(*c->buckets));
    cache_clear(c);
    return c;
}

void cache_free(struct cache *c)
{
    if (c != NULL) {
        mem_free(c->entries);
        mem_free(c->buckets);
        mem_free(c);
    }
}

void cache_clear(struct cache *c)
{
    c->count = c->head = 0;
    for (int i = 0; i < c->bucket_count; i++) {
        c->buckets[i] = NONE;
    }
}

struct hash128 cache_key(const struct judge_question *q)
{
    // Lengths stand before the texts: "ab","c" is not "a","bc".
    uint8_t item[1 + ITEM_CAPTIONS_MAX * (1 + SEGMENT_TEXT_MAX)];
    size_t len = 0;

    item[len++] = (uint8_t)q->kind;
    for (int i = 0; i < q->captions; i++) {
        item[len++] = q->caption[i].len;
        memcpy(item + len, q->caption[i].text, q->caption[i].len);
        len += q->caption[i].len;
    }
    return hash_128(bytes_of(item, len));
}

static struct entry *find(const struct cache *c, struct hash128 key)
{
    for (int i = *bucket_of(c, key); i != NONE; i = c->entries[i].next) {
        if (hash_equal(c->entries[i].key, key)) {
            return &c->entries[i];
        }
    }
    return NULL;
}

bool cache_get(const struct cache *c, struct hash128 key, struct judge_verdict *v)
{
    const struct entry *e = find(c, key);

    if (e == NULL) {
        return false;
    }
    v->kind = (enum verdict_kind)e->kind;
    v->label = e->label;
    v->confidence = e->confidence;
    memcpy(v->order, e->order, sizeof(e->order));
    v->tokens_in = v->tokens_out = 0;
    v->cost_micro = v->requests = 0;
    v->estimated = false;
    v->position = POSITION_UNKNOWN;
    v->raw_len = 0;
    return true;
}

static void unlink_entry(struct cache *c, int index)
{
    int *link = bucket_of(c, c->entries[index].key);

    while (*link != index) {
        link = &c->entries[*link].next;
    }
    *link = c->entries[index].next;
}

void cache_put(struct cache *c, struct hash128 key, const struct judge_verdict *v)
{
    if (v->kind != VERDICT_LABEL && v->kind != VERDICT_TIE &&
        v->kind != VERDICT_ABSTAIN) {
        return;
    }
    struct entry *e = find(c, key);
    if (e == NULL) {
        if (c->count == c->size) {
            unlink_entry(c, c->head);
        } else {
            c->count++;
        }
        e = &c->entries[c->head];
        e->key = key;
        e->next = *bucket_of(c, key);
        *bucket_of(c, key) = c->head;
        c->head = (c->head + 1) % c->size;
    }
    e->kind = (uint8_t)v->kind;
    e->label = v->label;
    e->confidence = v->confidence;
    memcpy(e->order, v->order, sizeof(e->order));
}

int cache_count(const struct cache *c)
{
    return c->count;
}
