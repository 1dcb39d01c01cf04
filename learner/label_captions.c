#include "learner/label_captions.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/option.h"
#include "common/base/text.h"
#include "learner/intake/lexicon.h"
#include "learner/store/keymap.h"
#include "learner/store/replay.h"

enum { CHUNK = 1 << 20 };

struct seen {
    struct hash128 key;
    uint64_t visits;
    const uint8_t *text; // in a chunk
    uint8_t len, strength;
    int8_t truth;
    bool labelled;
    uint8_t compared; // orders it is part of
};

/* Texts, one after another; linked to the fuller chunk before it. */
struct chunk {
    struct chunk *before;
    size_t used;
    uint8_t bytes[CHUNK];
};

struct label_captions {
    struct seen *seen; // by visits, once all are read
    uint32_t count, cap, labels, compared, damaged;
    uint8_t want; // orders for each
    uint64_t orders;
    struct keymap *number; // key -> its place in `seen`
    struct chunk *chunk;
};

static const uint8_t *keep(struct label_captions *c, struct bytes text)
{
    if (c->chunk == NULL || c->chunk->used + text.len > CHUNK) {
        struct chunk *more = mem_new(1, sizeof(*more));
        more->before = c->chunk;
        c->chunk = more;
    }
    uint8_t *at = c->chunk->bytes + c->chunk->used;
    memcpy(at, text.data, text.len);
    c->chunk->used += text.len;
    return at;
}

static void take(void *ctx, struct hash128 key, struct bytes row)
{
    struct label_captions *c = ctx;
    struct lexicon_row r;
    bool fresh;

    if (!lexicon_read_row(row, &r) || !hash_equal(key, hash_128(r.text))) {
        c->damaged++;
        return;
    }
    uint64_t *number = keymap_at(c->number, key, &fresh);
    if (!fresh) { // another rank met it too
        c->seen[*number].visits += r.visits;
        return;
    }
    if (c->count == c->cap) {
        const uint32_t cap = c->cap == 0 ? 4096 : 2 * c->cap;
        c->seen = mem_grow(c->seen, c->cap, cap, sizeof(*c->seen));
        c->cap = cap;
    }
    *number = c->count;
    c->seen[c->count++] = (struct seen){.key = key,
                                        .visits = r.visits,
                                        .text = keep(c, r.text),
                                        .len = (uint8_t)r.text.len,
                                        .strength = (uint8_t)r.strength,
                                        .truth = (int8_t)r.truth};
}

static enum status read_store(struct label_captions *c, const char *path)
{
    struct replay *replay = NULL;
    struct replay_view *view = NULL;

    TRY(replay_open_read(path, &replay));
    enum status st = replay_view_open(replay, &view);
    if (st == ST_OK) {
        st = replay_view_captions(view, take, c);
    }
    replay_view_close(view);
    replay_close(replay);
    return st;
}

struct where {
    char store_dir[OPTION_TEXT_MAX];
};

static struct option where_table[] = {
    OPT(struct where, store_dir, "store-dir", OPT_TEXT, "", 0, 0, "see learner"),
    OPT_END,
};

/* A run's store may lie elsewhere; its config.ini knows. */
static enum status find_stores(const char *dir, char out[PATH_MAX_])
{
    char path[PATH_MAX_];
    struct where w;

    option_defaults(where_table, &w);
    if (text_format(path, sizeof(path), "%s/config.ini", dir) && file_exists(path)) {
        TRY(option_read_file(where_table, &w, path, true));
    }
    return text_format(out, PATH_MAX_, "%s/store",
                       w.store_dir[0] != '\0' ? w.store_dir : dir)
               ? ST_OK
               : ST_INVALID;
}

static int by_visits(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;

    // The order of the stores' keys decides among equals: the same each time.
    return x->visits != y->visits ? (x->visits < y->visits ? 1 : -1)
                                  : memcmp(&x->key, &y->key, sizeof(x->key));
}

static void sort(struct label_captions *c)
{
    if (c->count > 0) {
        qsort(c->seen, c->count, sizeof(*c->seen), by_visits);
    }
    for (uint32_t i = 0; i < c->count; i++) {
        *keymap_at(c->number, c->seen[i].key, NULL) = i;
    }
}

static enum status read_all(struct label_captions *c, const char *dir)
{
    char stores[PATH_MAX_], path[PATH_MAX_ + 32];
    enum status st = find_stores(dir, stores);
    int rank = 0;

    while (st == ST_OK) {
        (void)text_format(path, sizeof(path), "%s/rank-%d", stores, rank);
        st = read_store(c, path);
        rank += st == ST_OK;
    }
    if (st != ST_NOTFOUND) {
        return st;
    }
    if (rank == 0) {
        LOG_ERROR("LABEL-STORE",
                  "there is no store under %s: name a run directory or the --store-dir "
                  "of one",
                  dir);
        return ST_NOTFOUND;
    }
    if (c->damaged > 0) {
        LOG_WARN("LABEL-DAMAGED", "%u captions of %s are damaged and left out",
                 c->damaged, dir);
    }
    return ST_OK;
}

enum status label_captions_open(const char *dir, struct label_captions **out)
{
    struct label_captions *c = mem_new(1, sizeof(*c));

    c->number = keymap_new();
    const enum status st = read_all(c, dir);
    if (st != ST_OK) {
        label_captions_close(c);
        return st;
    }
    sort(c);
    *out = c;
    return ST_OK;
}

void label_captions_close(struct label_captions *c)
{
    if (c == NULL) {
        return;
    }
    while (c->chunk != NULL) {
        struct chunk *before = c->chunk->before;
        mem_free(c->chunk);
        c->chunk = before;
    }
    keymap_free(c->number);
    mem_free(c->seen);
    mem_free(c);
}

uint32_t label_captions_count(const struct label_captions *c)
{
    return c->count;
}

void label_captions_get(const struct label_captions *c, uint32_t number,
                        struct ring_caption *out)
{
    const struct seen *s = &c->seen[number];

    *out = (struct ring_caption){.key = s->key,
                                 .visits = s->visits < UINT32_MAX ? (uint32_t)s->visits
                                                                  : UINT32_MAX,
                                 .truth = s->truth,
                                 .strength = s->strength,
                                 .len = s->len};
    memcpy(out->text, s->text, s->len);
}

bool label_captions_label(struct label_captions *c, struct hash128 key)
{
    const uint64_t *number = keymap_find(c->number, key);

    if (number == NULL || c->seen[*number].labelled) {
        return false;
    }
    c->seen[*number].labelled = true;
    c->labels++;
    return true;
}

bool label_captions_labelled(const struct label_captions *c, uint32_t number)
{
    return c->seen[number].labelled;
}

uint32_t label_captions_labels(const struct label_captions *c)
{
    return c->labels;
}

void label_captions_want(struct label_captions *c, uint8_t compared)
{
    c->want = compared;
}

void label_captions_order(struct label_captions *c, const struct hash128 *key,
                          int captions)
{
    c->orders++;
    for (int i = 0; i < captions; i++) {
        const uint64_t *number = keymap_find(c->number, key[i]);
        if (number == NULL) {
            continue;
        }
        struct seen *s = &c->seen[*number];
        c->compared += s->compared == 0;
        s->compared = (uint8_t)(s->compared + (s->compared < UINT8_MAX));
        if (s->compared == c->want) {
            s->labelled = true;
            c->labels++;
        }
    }
}

uint32_t label_captions_compared(const struct label_captions *c)
{
    return c->compared;
}

uint64_t label_captions_orders(const struct label_captions *c)
{
    return c->orders;
}
