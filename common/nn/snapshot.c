#include "common/nn/snapshot.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"

/* The file, little-endian as the machines it runs on:
 *   head     magic, version, arrays, digest of the weights, digest of head and table
 *   table    `arrays` entries: name, shape, offset from the start, digest of the floats
 *   floats   rows * cols of each array, no padding
 * Every byte lies under a digest, so a flipped one anywhere is found. */

enum { SNAPSHOT_VERSION = 1, NAME_MAX_ = 96, ARRAYS_MAX = PARAMS_MAX * 8 };
static const uint8_t MAGIC[8] = {'m', 'i', 'n', 'o', 's', 'n', 'n', '\n'};
static const size_t FILE_MOST = (size_t)4 << 30;

struct head {
    uint8_t magic[8];
    uint32_t version, arrays;
    struct hash128 weights; // snapshot_digest() of the parameters
    struct hash128 table;   // of the head with this field 0, and the table
};

struct entry {
    char name[NAME_MAX_]; // 0-padded
    int32_t rows, cols;
    uint64_t at;
    struct hash128 digest;
};

/* What is stored: parameter i % count of the weights, or of extra i / count - 1. */
struct layout {
    const struct params *p;
    const char *const *extra_names;
    int extras;
};

static int array_count(const struct layout *l)
{
    return l->p->count * (1 + l->extras);
}

static size_t array_bytes(const struct param *d)
{
    return (size_t)d->rows * (size_t)d->cols * sizeof(float);
}

/* Where in a flat array of the parameters' layout parameter d begins. */
static size_t array_offset(const struct params *p, const struct param *d)
{
    return (size_t)(d->w - p->weights);
}

static void array_name(char out[NAME_MAX_], const struct layout *l, int i)
{
    const struct param *d = &l->p->table[i % l->p->count];
    const char *prefix = i < l->p->count ? "" : l->extra_names[i / l->p->count - 1];
    memset(out, 0, NAME_MAX_);
    CHECK(text_format(out, NAME_MAX_, "%s%s%s", prefix, *prefix != 0 ? "." : "",
                      d->name));
}

struct hash128 snapshot_digest(const struct params *p)
{
    struct hash_state *s = hash_begin();
    for (int i = 0; i < p->count; i++) {
        const struct param *d = &p->table[i];
        const int32_t shape[2] = {d->rows, d->cols};
        hash_add(s, bytes_of(d->name, strlen(d->name) + 1));
        hash_add(s, bytes_of(shape, sizeof shape));
        hash_add(s, bytes_of(d->w, array_bytes(d)));
    }
    return hash_end(s);
}

static struct hash128 table_digest(const struct head *h, const struct entry *table)
{
    struct head blank = *h;
    blank.table = (struct hash128){0, 0};
    struct hash_state *s = hash_begin();
    hash_add(s, bytes_of(&blank, sizeof blank));
    hash_add(s, bytes_of(table, h->arrays * sizeof *table));
    return hash_end(s);
}

enum status snapshot_write(const char *path, const struct params *p,
                           const float *const *extra, const char *const *extra_names,
                           int extras, struct hash128 *digest)
{
    const struct layout l = {p, extra_names, extras};
    const int arrays = array_count(&l);
    CHECK(arrays > 0 && arrays <= ARRAYS_MAX);

    size_t size = sizeof(struct head) + (size_t)arrays * sizeof(struct entry);
    for (int i = 0; i < arrays; i++) {
        size += array_bytes(&p->table[i % p->count]);
    }
    uint8_t *file = mem_new(size, 1);
    struct head *h = (struct head *)file;
    struct entry *table = (struct entry *)(file + sizeof *h);
    memcpy(h->magic, MAGIC, sizeof MAGIC);
    h->version = SNAPSHOT_VERSION;
    h->arrays = (uint32_t)arrays;
    h->weights = snapshot_digest(p);

    size_t at = sizeof *h + (size_t)arrays * sizeof *table;
    for (int i = 0; i < arrays; i++) {
        const struct param *d = &p->table[i % p->count];
        const float *from = i < p->count ? p->weights : extra[i / p->count - 1];
        const size_t bytes = array_bytes(d);
        memcpy(file + at, from + array_offset(p, d), bytes);
        array_name(table[i].name, &l, i);
        table[i].rows = d->rows;
        table[i].cols = d->cols;
        table[i].at = at;
        table[i].digest = hash_128(bytes_of(file + at, bytes));
        at += bytes;
    }
    h->table = table_digest(h, table);
    if (digest != NULL) {
        *digest = h->weights;
    }
    const enum status st = file_write_atomic(path, bytes_of(file, size));
    mem_free(file);
    return st;
}

static enum status corrupt(const char *path, const char *what)
{
    LOG_ERROR("SNAPSHOT-CORRUPT", "%s is damaged: %s; nothing was read from it", path,
              what);
    return ST_CORRUPT;
}

/* Head, table, every digest: after it all offsets and names can be believed. */
static enum status verify(const char *path, const uint8_t *file, size_t len)
{
    const struct head *h = (const struct head *)file;
    const struct entry *table = (const struct entry *)(file + sizeof *h);

    if (len < sizeof *h || memcmp(h->magic, MAGIC, sizeof MAGIC) != 0) {
        return corrupt(path, "it does not begin as a snapshot does");
    }
    if (h->version != SNAPSHOT_VERSION) {
        LOG_ERROR("SNAPSHOT-VERSION", "%s has format %u, this program reads %d", path,
                  h->version, SNAPSHOT_VERSION);
        return ST_VERSION;
    }
    if (h->arrays == 0 || h->arrays > ARRAYS_MAX ||
        len < sizeof *h + h->arrays * sizeof *table) {
        return corrupt(path, "it is shorter than its table");
    }
    if (!hash_equal(h->table, table_digest(h, table))) {
        return corrupt(path, "the digest of its table is wrong");
    }
    size_t at = sizeof *h + h->arrays * sizeof *table;
    for (uint32_t i = 0; i < h->arrays; i++) {
        const struct entry *e = &table[i];
        const uint64_t floats = (uint64_t)e->rows * (uint64_t)e->cols;
        if (e->rows <= 0 || e->cols <= 0 || e->at != at ||
            floats > (len - at) / sizeof(float) || e->name[NAME_MAX_ - 1] != 0) {
            return corrupt(path, "its table does not fit its length");
        }
        const size_t bytes = (size_t)floats * sizeof(float);
        if (!hash_equal(e->digest, hash_128(bytes_of(file + at, bytes)))) {
            return corrupt(path, "the digest of an array is wrong");
        }
        at += bytes;
    }
    return at == len ? ST_OK : corrupt(path, "it goes on after its last array");
}

static const struct entry *find(const uint8_t *file, const char *name)
{
    const struct head *h = (const struct head *)file;
    const struct entry *table = (const struct entry *)(file + sizeof *h);
    for (uint32_t i = 0; i < h->arrays; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

/* Every array that is wanted is there in the right shape, and no other parameter. */
static enum status compare(const char *path, const uint8_t *file,
                           const struct layout *l)
{
    const struct head *h = (const struct head *)file;
    char name[NAME_MAX_];
    for (int i = 0; i < array_count(l); i++) {
        const struct param *d = &l->p->table[i % l->p->count];
        array_name(name, l, i);
        const struct entry *e = find(file, name);
        if (e == NULL) {
            LOG_ERROR("SNAPSHOT-SHAPE", "%s has no array %s: it is of another network",
                      path, name);
            return ST_VERSION;
        }
        if (e->rows != d->rows || e->cols != d->cols) {
            LOG_ERROR("SNAPSHOT-SHAPE",
                      "%s has %s as %d by %d, this network as %d by %d", path, name,
                      e->rows, e->cols, d->rows, d->cols);
            return ST_VERSION;
        }
    }
    // Without extras a file may hold the optimiser's arrays too; they come in whole
    // sets, so another number means parameters that this network does not have.
    if (h->arrays % (uint32_t)l->p->count != 0) {
        LOG_ERROR("SNAPSHOT-SHAPE", "%s has %u arrays, this network %d parameters",
                  path, h->arrays, l->p->count);
        return ST_VERSION;
    }
    return ST_OK;
}

enum status snapshot_read(const char *path, struct params *p, float *const *extra,
                          const char *const *extra_names, int extras)
{
    const struct layout l = {p, extra_names, extras};
    char *file = NULL, name[NAME_MAX_];
    size_t len;

    TRY(file_read(path, FILE_MOST, &file, &len));
    enum status st = verify(path, (uint8_t *)file, len);
    if (st == ST_OK) {
        st = compare(path, (uint8_t *)file, &l);
    }
    for (int i = 0; st == ST_OK && i < array_count(&l); i++) {
        const struct param *d = &p->table[i % p->count];
        float *to = i < p->count ? p->weights : extra[i / p->count - 1];
        array_name(name, &l, i);
        const struct entry *e = find((uint8_t *)file, name);
        memcpy(to + array_offset(p, d), file + e->at, array_bytes(d));
    }
    mem_free(file);
    return st;
}
