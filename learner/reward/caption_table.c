#include "learner/reward/caption_table.h"

#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

enum {
    FIRST_SLOTS = 1 << 15,
    FORGET_SHARE = 8, // of the bound, at a time: what is looked through pays off
    AGES = 1024
};
enum { VISIT_BITS = 34 };
static const uint64_t update_mask = ((uint64_t)1 << 30) - 1;
static const uint64_t visit_mask = ((uint64_t)1 << VISIT_BITS) - 1;

void caption_table_init(struct caption_table *t, size_t most)
{
    *t = (struct caption_table){.mask = FIRST_SLOTS - 1, .most = most};
    t->slots = mem_new(FIRST_SLOTS, sizeof(*t->slots));
}

void caption_table_release(struct caption_table *t)
{
    mem_free(t->slots);
    *t = (struct caption_table){0};
}

static size_t home_of(const struct caption_table *t, struct hash128 key)
{
    return (size_t)key.lo & t->mask;
}

/* The key's slot, or the empty one where it belongs. */
static struct caption_entry *slot_of(const struct caption_table *t, struct hash128 key)
{
    size_t at = home_of(t, key);

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
    struct caption_table twice = *t;

    twice.mask = 2 * t->mask + 1;
    twice.slots = mem_new(twice.mask + 1, sizeof(*twice.slots));
    for (size_t i = 0; i <= t->mask; i++) {
        if (t->slots[i].used) {
            *slot_of(&twice, t->slots[i].key) = t->slots[i];
        }
    }
    mem_free(t->slots);
    *t = twice;
}

/* ---- the bound ---- */

/* What may go: not labelled, came at most `visits` times, and not in this update, whose
 * batch is being paid. Whether it is there depends on what the table holds alone, never
 * on how it lies there, so that all ranks forget the same. */
static bool may_go(const struct caption_entry *e, uint64_t visits, uint64_t update)
{
    return e->used && !e->labelled && e->visits <= visits && e->first_update < update;
}

/* Those of `want` and more that were met first: all up to the update returned. */
static uint64_t oldest(const struct caption_table *t, uint64_t visits, uint64_t update,
                       size_t want)
{
    const uint64_t width = update / AGES + 1;
    size_t of_age[AGES] = {0}, sum = 0;

    for (size_t i = 0; i <= t->mask; i++) {
        if (may_go(&t->slots[i], visits, update)) {
            of_age[t->slots[i].first_update / width]++;
        }
    }
    for (uint64_t age = 0; age < AGES; age++) {
        sum += of_age[age];
        if (sum >= want) {
            return (age + 1) * width - 1;
        }
    }
    return update;
}

/* Empties slot `at`; what lies behind it and could not be found any more moves up. */
static void take_out(struct caption_table *t, size_t at)
{
    size_t next = at;

    for (;;) {
        next = (next + 1) & t->mask;
        if (!t->slots[next].used) {
            break;
        }
        const size_t home = home_of(t, t->slots[next].key);
        if (((next - home) & t->mask) >= ((next - at) & t->mask)) {
            t->slots[at] = t->slots[next];
            at = next;
        }
    }
    t->slots[at] = (struct caption_entry){0};
    t->count--;
    t->forgotten++;
}

static void forget(struct caption_table *t, uint64_t update)
{
    const size_t want = t->most / FORGET_SHARE + 1, before = t->count;

    for (uint64_t visits = 1; before - t->count < want && visits < UINT64_MAX / 2;
         visits *= 2) {
        const uint64_t last = oldest(t, visits, update, want - (before - t->count));
        for (size_t i = 0; i <= t->mask; i++) {
            while (may_go(&t->slots[i], visits, update) &&
                   t->slots[i].first_update <= last) {
                take_out(t, i);
            }
        }
    }
    if (before - t->count < want) {
        t->tried = update; // one batch fills the table: it goes over the bound
    }
}

struct caption_entry *caption_table_add(struct caption_table *t, struct hash128 key,
                                        uint64_t update)
{
    struct caption_entry *e = slot_of(t, key);

    if (e->used) {
        return e;
    }
    if (t->count - t->labels >= t->most && t->tried != update) {
        forget(t, update);
    }
    if (2 * (t->count + 1) > t->mask) {
        grow(t);
    }
    e = slot_of(t, key);
    t->count++;
    t->met++;
    *e = (struct caption_entry){
        .key = key, .first_update = (unsigned)update & 0x3fffffffU, .used = 1};
    return e;
}

void caption_table_label(struct caption_table *t, struct caption_entry *e, float p,
                         uint64_t update)
{
    t->labels += e->labelled ? 0 : 1;
    e->labelled = 1;
    e->p = p;
    e->label_update = update & update_mask;
}

/* ---- the checkpoint ---- */

struct head {
    char magic[8];
    uint64_t entries, met, forgotten;
};

struct stored {
    struct hash128 key;
    uint64_t visits; // and above VISIT_BITS the label's update
    float p;
    uint32_t first_update; // and the highest bit: labelled
};

static const char magic_text[8] = "minocap2";
static const uint32_t labelled_bit = 0x80000000U;

static uint64_t label_and_visits(const struct caption_entry *e)
{
    return (uint64_t)e->visits | (uint64_t)e->label_update << VISIT_BITS;
}

void caption_table_write(const struct caption_table *t, char **data, size_t *len)
{
    struct head h = {.entries = t->count, .met = t->met, .forgotten = t->forgotten};
    char *at;

    memcpy(h.magic, magic_text, sizeof(h.magic));
    *len = sizeof(h) + h.entries * sizeof(struct stored);
    *data = at = mem_new(*len, 1);
    memcpy(at, &h, sizeof(h));
    at += sizeof(h);
    for (size_t i = 0; i <= t->mask; i++) {
        const struct caption_entry *e = &t->slots[i];
        if (e->used) {
            const struct stored s = {e->key, label_and_visits(e), e->p,
                                     e->first_update |
                                         (e->labelled ? labelled_bit : 0)};
            memcpy(at, &s, sizeof(s));
            at += sizeof(s);
        }
    }
}

enum status caption_table_read(struct caption_table *t, struct bytes b)
{
    const size_t most = t->most;
    struct head h = {0};
    const char *at = b.data;

    caption_table_release(t);
    caption_table_init(t, most);
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
    t->most = SIZE_MAX; // the order in the file is not that of their age
    at += sizeof(h);
    for (uint64_t i = 0; i < h.entries; i++, at += sizeof(struct stored)) {
        struct stored s;
        memcpy(&s, at, sizeof(s));
        struct caption_entry *e =
            caption_table_add(t, s.key, s.first_update & ~labelled_bit);
        e->visits = s.visits & visit_mask;
        if ((s.first_update & labelled_bit) != 0) {
            caption_table_label(t, e, s.p, s.visits >> VISIT_BITS);
        }
    }
    t->most = most;
    t->met = h.met;
    t->forgotten = h.forgotten;
    return ST_OK;
}
