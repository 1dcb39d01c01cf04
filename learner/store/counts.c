#include "learner/store/counts.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"

struct head {
    char magic[8];
    uint64_t cursor, duplicates, rolled_back;
    uint32_t rows, skipped;
};

static const char magic_text[8] = "minocnt1";

void counts_release(struct counts *c)
{
    mem_free(c->rows);
    mem_free(c->skipped);
    *c = (struct counts){0};
}

/* Where the pair is, or where it belongs. */
static int row_at(const struct counts *c, uint32_t actor, uint32_t incarnation)
{
    const uint64_t key = (uint64_t)actor << 32 | incarnation;
    int low = 0, high = c->count;

    while (low < high) {
        const int mid = (low + high) / 2;
        const struct counts_row *r = &c->rows[mid];
        if (((uint64_t)r->actor << 32 | r->incarnation) < key) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

const struct counts_row *counts_find(const struct counts *c, uint32_t actor,
                                     uint32_t incarnation)
{
    const int at = row_at(c, actor, incarnation);

    if (at == c->count || c->rows[at].actor != actor ||
        c->rows[at].incarnation != incarnation) {
        return NULL;
    }
    return &c->rows[at];
}

struct counts_row *counts_row(struct counts *c, uint32_t actor, uint32_t incarnation)
{
    const int at = row_at(c, actor, incarnation);

    if (counts_find(c, actor, incarnation) == NULL) {
        if (c->count == c->row_cap) {
            const int cap = c->row_cap == 0 ? 64 : 2 * c->row_cap;
            c->rows =
                mem_grow(c->rows, (size_t)c->row_cap, (size_t)cap, sizeof(*c->rows));
            c->row_cap = cap;
        }
        memmove(c->rows + at + 1, c->rows + at,
                (size_t)(c->count - at) * sizeof(*c->rows));
        c->rows[at] = (struct counts_row){.actor = actor, .incarnation = incarnation};
        c->count++;
    }
    return &c->rows[at];
}

static int skip_at(const struct counts *c, uint64_t serial)
{
    int low = 0, high = c->skipped_count;

    while (low < high) {
        const int mid = (low + high) / 2;
        if (c->skipped[mid] < serial) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

bool counts_skipped(const struct counts *c, uint64_t serial)
{
    const int at = skip_at(c, serial);

    return at < c->skipped_count && c->skipped[at] == serial;
}

void counts_skip(struct counts *c, uint64_t serial)
{
    const int at = skip_at(c, serial);

    CHECK(serial > c->cursor);
    if (counts_skipped(c, serial)) {
        return;
    }
    if (c->skipped_count == c->skipped_cap) {
        const int cap = c->skipped_cap == 0 ? 256 : 2 * c->skipped_cap;
        c->skipped = mem_grow(c->skipped, (size_t)c->skipped_cap, (size_t)cap,
                              sizeof(*c->skipped));
        c->skipped_cap = cap;
    }
    memmove(c->skipped + at + 1, c->skipped + at,
            (size_t)(c->skipped_count - at) * sizeof(*c->skipped));
    c->skipped[at] = serial;
    c->skipped_count++;
}

void counts_advance(struct counts *c, uint64_t cursor)
{
    const int gone = skip_at(c, cursor + 1);

    c->cursor = cursor;
    if (gone > 0) {
        c->skipped_count -= gone;
        memmove(c->skipped, c->skipped + gone,
                (size_t)c->skipped_count * sizeof(*c->skipped));
    }
}

void counts_file_name(uint32_t rank, char out[32])
{
    CHECK(text_format(out, 32, "counts-%u.bin", rank));
}

void counts_write(const struct counts *c, char **data, size_t *len)
{
    struct head h = {.cursor = c->cursor,
                     .duplicates = c->duplicates,
                     .rolled_back = c->rolled_back,
                     .rows = (uint32_t)c->count,
                     .skipped = (uint32_t)c->skipped_count};
    const size_t rows = (size_t)c->count * sizeof(*c->rows);
    const size_t skipped = (size_t)c->skipped_count * sizeof(*c->skipped);
    char *at = mem_new(sizeof(h) + rows + skipped, 1);

    memcpy(h.magic, magic_text, sizeof(h.magic));
    *data = at;
    *len = sizeof(h) + rows + skipped;
    memcpy(at, &h, sizeof(h));
    if (rows > 0) {
        memcpy(at + sizeof(h), c->rows, rows);
    }
    if (skipped > 0) {
        memcpy(at + sizeof(h) + rows, c->skipped, skipped);
    }
}

enum status counts_read(struct bytes b, struct counts *out)
{
    struct head h = {0};
    const char *at = b.data;

    if (b.len >= sizeof(h)) {
        memcpy(&h, at, sizeof(h));
    }
    const size_t rows = h.rows * sizeof(*out->rows);
    const size_t skipped = h.skipped * sizeof(*out->skipped);
    if (memcmp(h.magic, magic_text, sizeof(h.magic)) != 0 ||
        b.len != sizeof(h) + rows + skipped) {
        LOG_ERROR("COUNTS-BAD", "%zu bytes are not a checkpoint's counts of segments",
                  b.len);
        return ST_CORRUPT;
    }
    *out = (struct counts){.cursor = h.cursor,
                           .duplicates = h.duplicates,
                           .rolled_back = h.rolled_back,
                           .count = (int)h.rows,
                           .row_cap = (int)h.rows,
                           .skipped_count = (int)h.skipped,
                           .skipped_cap = (int)h.skipped,
                           .rows = mem_new(h.rows, sizeof(*out->rows)),
                           .skipped = mem_new(h.skipped, sizeof(*out->skipped))};
    memcpy(out->rows, at + sizeof(h), rows);
    memcpy(out->skipped, at + sizeof(h) + rows, skipped);
    return ST_OK;
}
