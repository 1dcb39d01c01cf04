#include "learner/intake/lexicon.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/wire/segment.h"

enum {
    BLOCK = 4096, // captions of one block; blocks never move
    BLOCKS_MAX = LEXICON_MAX / BLOCK,
    TEXT_CHUNK = 1 << 18,
    SLOTS_MIN = 8192
};

struct lexicon {
    struct caption *block[BLOCKS_MAX];
    uint32_t count, saved, next_save; // saved: numbers below it are in the store
    uint32_t *slot;                   // (slots) number + 1, 0 = free; linear probing
    uint32_t slots;
    uint8_t *chunk; // texts; the one being filled, linked to the fuller ones
    size_t chunk_used;
    uint64_t full;
    bool told_full;
};

/* As stored under its key; the text follows. */
struct stored {
    uint64_t visits, first, last;
    uint32_t yes, no;
    uint8_t strength, len, spare[6];
};

/* A chunk begins with a pointer to the one before it. */
enum { CHUNK_HEAD = sizeof(void *) };

uint32_t lexicon_count(const struct lexicon *c)
{
    return c->count;
}

struct caption *lexicon_at(struct lexicon *c, uint32_t number)
{
    CHECK(number < c->count);
    return &c->block[number / BLOCK][number % BLOCK];
}

static const struct caption *look(const struct lexicon *c, uint32_t number)
{
    return &c->block[number / BLOCK][number % BLOCK];
}

/* Keys with the same 48 upper bits of `lo` meet in one run of slots, so that a question's
 * id finds its caption. */
static uint32_t home(const struct lexicon *c, uint64_t lo)
{
    return (uint32_t)(lo >> 16) & (c->slots - 1);
}

static void put_slot(struct lexicon *c, uint32_t number)
{
    uint32_t at = home(c, look(c, number)->key.lo);

    while (c->slot[at] != 0) {
        at = (at + 1) & (c->slots - 1);
    }
    c->slot[at] = number + 1;
}

static void grow_slots(struct lexicon *c)
{
    mem_free(c->slot);
    c->slots *= 2;
    c->slot = mem_new(c->slots, sizeof(*c->slot));
    for (uint32_t i = 0; i < c->count; i++) {
        put_slot(c, i);
    }
}

int64_t lexicon_find(const struct lexicon *c, struct hash128 key)
{
    for (uint32_t at = home(c, key.lo); c->slot[at] != 0;
         at = (at + 1) & (c->slots - 1)) {
        if (hash_equal(look(c, c->slot[at] - 1)->key, key)) {
            return (int64_t)c->slot[at] - 1;
        }
    }
    return -1;
}

int64_t lexicon_find_prefix(const struct lexicon *c, uint64_t prefix)
{
    // Slots of one home are filled in the order of the numbers: the oldest comes first.
    for (uint32_t at = home(c, prefix); c->slot[at] != 0;
         at = (at + 1) & (c->slots - 1)) {
        if (look(c, c->slot[at] - 1)->key.lo >> 16 == prefix >> 16) {
            return (int64_t)c->slot[at] - 1;
        }
    }
    return -1;
}

static const uint8_t *keep_text(struct lexicon *c, struct bytes text)
{
    if (c->chunk == NULL || c->chunk_used + text.len > TEXT_CHUNK) {
        uint8_t *chunk = mem_new(1, TEXT_CHUNK);
        memcpy(chunk, &c->chunk, CHUNK_HEAD);
        c->chunk = chunk;
        c->chunk_used = CHUNK_HEAD;
    }
    uint8_t *at = c->chunk + c->chunk_used;
    memcpy(at, text.data, text.len);
    c->chunk_used += text.len;
    return at;
}

static struct caption *add(struct lexicon *c, struct hash128 key, struct bytes text)
{
    if (2 * (c->count + 1) > c->slots) {
        grow_slots(c);
    }
    if (c->count % BLOCK == 0) {
        c->block[c->count / BLOCK] = mem_new(BLOCK, sizeof(struct caption));
    }
    const uint32_t number = c->count++;
    struct caption *p = lexicon_at(c, number);
    p->key = key;
    p->text = keep_text(c, text);
    p->len = (uint8_t)text.len;
    put_slot(c, number);
    return p;
}

int64_t lexicon_meet(struct lexicon *c, struct bytes text, struct hash128 key,
                     uint64_t visits, int truth, int strength, uint64_t update)
{
    int64_t number = lexicon_find(c, key);
    struct caption *p;

    if (text.len == 0 || text.len > SEGMENT_TEXT_MAX) {
        return -1;
    }
    if (number < 0) {
        if (c->count == LEXICON_MAX) {
            c->full++;
            if (!c->told_full) {
                c->told_full = true;
                LOG_WARN("LEXICON-FULL",
                         "%d distinct captions are known, new ones are not asked",
                         LEXICON_MAX);
            }
            return -1;
        }
        p = add(c, key, text);
        p->first = update;
        number = (int64_t)c->count - 1;
    } else {
        p = lexicon_at(c, (uint32_t)number);
        if (!bytes_equal(bytes_of(p->text, p->len), text)) {
            return -1; // 128 bits met by chance or by a hostile actor
        }
    }
    p->visits += visits;
    p->last = update > p->last ? update : p->last;
    p->yes += truth == 1 ? 1 : 0;
    p->no += truth == 0 ? 1 : 0;
    p->strength = strength > p->strength ? (uint8_t)strength : p->strength;
    p->dirty = true;
    return number;
}

int lexicon_truth(const struct caption *c)
{
    return c->yes == 0 && c->no == 0 ? -1 : c->yes > c->no ? 1 : 0;
}

uint64_t lexicon_full(const struct lexicon *c)
{
    return c->full;
}

/* ---- the store ---- */

static void load(void *ctx, struct hash128 key, struct bytes row)
{
    struct lexicon *c = ctx;
    struct stored s;

    if (row.len < sizeof(s) || c->count == LEXICON_MAX) {
        return;
    }
    memcpy(&s, row.data, sizeof(s));
    if (s.len == 0 || row.len != sizeof(s) + s.len || lexicon_find(c, key) >= 0) {
        return;
    }
    struct caption *p =
        add(c, key, bytes_of((const char *)row.data + sizeof(s), s.len));
    p->visits = s.visits;
    p->first = s.first;
    p->last = s.last;
    p->yes = s.yes;
    p->no = s.no;
    p->strength = s.strength;
}

enum status lexicon_open(struct replay *r, struct lexicon **out)
{
    struct lexicon *c = mem_new(1, sizeof(*c));
    struct replay_view *view = NULL;
    enum status st;

    c->slots = SLOTS_MIN;
    c->slot = mem_new(c->slots, sizeof(*c->slot));
    st = replay_view_open(r, &view);
    if (st == ST_OK) {
        st = replay_view_captions(view, load, c);
        replay_view_close(view);
    }
    if (st != ST_OK) {
        lexicon_close(c);
        return st;
    }
    c->saved = c->count;
    *out = c;
    return ST_OK;
}

void lexicon_close(struct lexicon *c)
{
    if (c == NULL) {
        return;
    }
    for (uint32_t i = 0; i < BLOCKS_MAX && c->block[i] != NULL; i++) {
        mem_free(c->block[i]);
    }
    while (c->chunk != NULL) {
        uint8_t *before;
        memcpy(&before, c->chunk, CHUNK_HEAD);
        mem_free(c->chunk);
        c->chunk = before;
    }
    mem_free(c->slot);
    mem_free(c);
}

static enum status put(struct replay *r, struct caption *p)
{
    uint8_t row[sizeof(struct stored) + SEGMENT_TEXT_MAX];
    const struct stored s = {.visits = p->visits,
                             .first = p->first,
                             .last = p->last,
                             .yes = p->yes,
                             .no = p->no,
                             .strength = p->strength,
                             .len = p->len};

    memcpy(row, &s, sizeof(s));
    memcpy(row + sizeof(s), p->text, p->len);
    TRY(replay_put_caption(r, p->key, bytes_of(row, sizeof(s) + p->len)));
    p->dirty = false;
    return ST_OK;
}

bool lexicon_any_new(const struct lexicon *c)
{
    return c->saved < c->count;
}

enum status lexicon_put_new(struct lexicon *c, struct replay *r)
{
    for (; c->saved < c->count; c->saved++) {
        TRY(put(r, lexicon_at(c, c->saved)));
    }
    return ST_OK;
}

enum status lexicon_save(struct lexicon *c, struct replay *r, uint32_t most, bool *all)
{
    uint32_t looked = 0, written = 0;

    for (; looked < c->count && written < most; looked++) {
        struct caption *p = lexicon_at(c, c->next_save);
        c->next_save = c->next_save + 1 < c->count ? c->next_save + 1 : 0;
        if (p->dirty) {
            TRY(put(r, p));
            written++;
        }
    }
    *all = looked == c->count;
    return ST_OK;
}
