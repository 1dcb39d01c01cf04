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
    SLOTS_MIN = 8192,
    TEXT_STEP = 16, // a text's room: a multiple, so that it serves again
    TEXT_SIZES = (SEGMENT_TEXT_MAX + TEXT_STEP) / TEXT_STEP,
    FORGET_SHARE = 64,
    AGES = 1024,
    PATIENCE = 65536 // captions turned away between two tries to forget some
};

struct lexicon {
    struct caption *block[BLOCKS_MAX];
    uint32_t count, known, most, next_save;
    uint32_t fresh, free; // lists, number + 1
    uint32_t *slot;       // (slots) number + 1, 0 = free; linear probing
    uint32_t slots;
    uint8_t *chunk; // texts; the one being filled, linked to the fuller ones
    size_t chunk_used;
    uint8_t *room[TEXT_SIZES]; // of texts forgotten, linked by their first bytes
    struct hash128 *gone;      // (gone_cap) forgotten, not yet deleted from the store
    uint32_t gone_count, gone_cap;
    void (*forget)(void *ctx, uint32_t number);
    void *forget_ctx;
    uint64_t full, patience;
    bool told_full, told_forgets;
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

uint32_t lexicon_known(const struct lexicon *c)
{
    return c->known;
}

void lexicon_on_forget(struct lexicon *c, void (*forget)(void *ctx, uint32_t number),
                       void *ctx)
{
    c->forget = forget;
    c->forget_ctx = ctx;
}

void lexicon_set_most(struct lexicon *c, uint32_t most)
{
    c->most = most < LEXICON_MAX ? most : LEXICON_MAX;
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
        if (look(c, i)->len > 0) {
            put_slot(c, i);
        }
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
    // Slots of one home are filled in the order of the numbers: the one met first comes
    // first, unless it has a number that served before.
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
    const size_t size = (text.len - 1) / TEXT_STEP, bytes = (size + 1) * TEXT_STEP;
    uint8_t *at = c->room[size];

    if (at != NULL) {
        memcpy(&c->room[size], at, sizeof(at));
    } else {
        if (c->chunk == NULL || c->chunk_used + bytes > TEXT_CHUNK) {
            uint8_t *chunk = mem_new(1, TEXT_CHUNK);
            memcpy(chunk, &c->chunk, CHUNK_HEAD);
            c->chunk = chunk;
            c->chunk_used = CHUNK_HEAD;
        }
        at = c->chunk + c->chunk_used;
        c->chunk_used += bytes;
    }
    memcpy(at, text.data, text.len);
    return at;
}

static uint32_t take_number(struct lexicon *c)
{
    if (c->free != 0) {
        const uint32_t number = c->free - 1;
        c->free = lexicon_at(c, number)->next;
        return number;
    }
    if (c->count % BLOCK == 0) {
        c->block[c->count / BLOCK] = mem_new(BLOCK, sizeof(struct caption));
    }
    return c->count++;
}

static uint32_t add(struct lexicon *c, struct hash128 key, struct bytes text)
{
    if (2 * (c->known + 1) > c->slots) {
        grow_slots(c);
    }
    const uint32_t number = take_number(c);
    struct caption *p = lexicon_at(c, number);
    *p = (struct caption){
        .key = key, .text = keep_text(c, text), .len = (uint8_t)text.len};
    c->known++;
    put_slot(c, number);
    return number;
}

/* ---- the bound ---- */

static bool may_go(const struct caption *p, uint64_t visits)
{
    return p->len > 0 && !p->fresh && !p->judged && p->lease == 0 &&
           p->under_way == 0 && p->visits <= visits &&
           (p->state == CAPTION_NEW || p->state == CAPTION_QUEUED);
}

/* Empties the caption's slot; what could not be found any more then moves up. */
static void take_slot(struct lexicon *c, uint32_t number)
{
    const uint32_t mask = c->slots - 1;
    uint32_t at = home(c, look(c, number)->key.lo);

    while (c->slot[at] != number + 1) {
        at = (at + 1) & mask;
    }
    for (uint32_t next = (at + 1) & mask; c->slot[next] != 0;
         next = (next + 1) & mask) {
        const uint32_t from = home(c, look(c, c->slot[next] - 1)->key.lo);
        if (((next - from) & mask) >= ((next - at) & mask)) {
            c->slot[at] = c->slot[next];
            at = next;
        }
    }
    c->slot[at] = 0;
}

static void forget_one(struct lexicon *c, uint32_t number)
{
    struct caption *p = lexicon_at(c, number);
    const size_t size = (p->len - 1u) / TEXT_STEP;
    uint8_t *text = (uint8_t *)(uintptr_t)p->text; // ours, lent as const

    if (c->forget != NULL) {
        c->forget(c->forget_ctx, number);
    }
    take_slot(c, number);
    memcpy(text, &c->room[size], sizeof(text));
    c->room[size] = text;
    if (c->gone_count == c->gone_cap) {
        const uint32_t cap = c->gone_cap == 0 ? 1024 : 2 * c->gone_cap;
        c->gone = mem_grow(c->gone, c->gone_cap, cap, sizeof(*c->gone));
        c->gone_cap = cap;
    }
    c->gone[c->gone_count++] = p->key;
    *p = (struct caption){.next = c->free};
    c->free = number + 1;
    c->known--;
}

/* Of those that came at most `visits` times: the update up to which `want` of them, or as
 * many as there are, were met last. */
static uint64_t longest_ago(struct lexicon *c, uint64_t visits, uint32_t want)
{
    uint32_t of_age[AGES] = {0}, sum = 0;
    uint64_t newest = 0;

    for (uint32_t i = 0; i < c->count; i++) {
        newest = look(c, i)->last > newest ? look(c, i)->last : newest;
    }
    const uint64_t width = newest / AGES + 1;
    for (uint32_t i = 0; i < c->count; i++) {
        if (may_go(look(c, i), visits)) {
            of_age[look(c, i)->last / width]++;
        }
    }
    for (uint64_t age = 0; age < AGES; age++) {
        sum += of_age[age];
        if (sum >= want) {
            return (age + 1) * width - 1;
        }
    }
    return newest;
}

/* The most visits of those that may go, at least 1; 0: none may. */
static uint64_t most_visits(struct lexicon *c)
{
    uint64_t most = 0;

    for (uint32_t i = 0; i < c->count; i++) {
        const struct caption *p = look(c, i);
        if (p->visits + (most == 0) > most && may_go(p, UINT64_MAX)) {
            most = p->visits > 0 ? p->visits : 1;
        }
    }
    return most;
}

/* Makes room for new captions. Stops at `want` even where many were met at once. Each
 * round looks at all of them, which takes a while where they are two million. */
static void forget_some(struct lexicon *c)
{
    const uint32_t want = c->most / FORGET_SHARE + 1, before = c->known;
    const uint64_t most = most_visits(c);

    for (uint64_t visits = 1; before - c->known < want && visits / 2 < most;
         visits *= 2) {
        const uint64_t last = longest_ago(c, visits, want - (before - c->known));
        for (uint32_t i = 0; i < c->count && before - c->known < want; i++) {
            if (may_go(look(c, i), visits) && look(c, i)->last <= last) {
                forget_one(c, i);
            }
        }
    }
    if (!c->told_forgets && c->known < before) {
        c->told_forgets = true;
        LOG_INFO(
            "LEXICON-FORGETS",
            "%u distinct captions are known: those without a label that came least "
            "and longest ago make room from now on",
            before);
    }
}

/* False: full of captions that must stay. */
static bool make_room(struct lexicon *c)
{
    if (c->known < c->most) {
        return true;
    }
    if (c->patience == 0) {
        forget_some(c);
        c->patience = c->known < c->most ? 0 : PATIENCE;
    }
    if (c->known < c->most) {
        return true;
    }
    c->patience--;
    c->full++;
    if (!c->told_full) {
        c->told_full = true;
        LOG_WARN("LEXICON-FULL",
                 "%u distinct captions have been asked about, new ones are not asked",
                 c->most);
    }
    return false;
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
        if (!make_room(c)) {
            return -1;
        }
        number = add(c, key, text);
        p = lexicon_at(c, (uint32_t)number);
        p->first = update;
        p->fresh = true;
        p->next = c->fresh;
        c->fresh = (uint32_t)number + 1;
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

static bool read_stored(struct bytes row, struct stored *s, struct bytes *text)
{
    if (row.len < sizeof(*s)) {
        return false;
    }
    memcpy(s, row.data, sizeof(*s));
    *text = bytes_of((const char *)row.data + sizeof(*s), s->len);
    return s->len > 0 && row.len == sizeof(*s) + s->len;
}

bool lexicon_read_row(struct bytes row, struct lexicon_row *out)
{
    struct stored s;
    struct bytes text;

    if (!read_stored(row, &s, &text)) {
        return false;
    }
    *out = (struct lexicon_row){.text = text,
                                .visits = s.visits,
                                .truth = s.yes == 0 && s.no == 0 ? -1 : s.yes > s.no,
                                .strength = s.strength};
    return true;
}

static void load(void *ctx, struct hash128 key, struct bytes row)
{
    struct lexicon *c = ctx;
    struct stored s;
    struct bytes text;

    if (c->known == c->most || !read_stored(row, &s, &text) ||
        lexicon_find(c, key) >= 0) {
        return;
    }
    struct caption *p = lexicon_at(c, add(c, key, text));
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

    // Rows take 100 to 400 bytes of a store that is as large as its segments may be.
    const uint64_t room = replay_max_bytes(r) / LEXICON_STORE_BYTES;
    c->most = room < LEXICON_MAX ? (uint32_t)room : LEXICON_MAX;
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
    mem_free(c->gone);
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
    return c->fresh != 0 || c->gone_count > 0;
}

enum status lexicon_put_new(struct lexicon *c, struct replay *r)
{
    for (; c->gone_count > 0; c->gone_count--) { // first: one may be back by now
        TRY(replay_delete_caption(r, c->gone[c->gone_count - 1]));
    }
    while (c->fresh != 0) {
        struct caption *p = lexicon_at(c, c->fresh - 1);
        TRY(put(r, p));
        c->fresh = p->next;
        p->fresh = false;
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
