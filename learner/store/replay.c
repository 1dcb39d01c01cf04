#include "learner/store/replay.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/wire/frame.h"
#include "learner/store/replay_impl.h"

enum { SCHEMA = 1, PAGE = 4096, JOURNAL_SHARE = 8, READ_MAP = 1 << 20 };

static const struct db_table tables[REPLAY_TABLES] = {
    {"segments", DB_KEY_U64}, {"captions", DB_KEY_BYTES}, {"journal", DB_KEY_U64},
    {"meta", DB_KEY_BYTES},   {"members", DB_KEY_U64},    {"forced", DB_KEY_U64},
};

static size_t stored_len(size_t frame)
{
    return REPLAY_PREFIX + ((frame + 7) & ~(size_t)7);
}

static uint64_t in_pages(size_t stored)
{
    return (stored + 16 + PAGE - 1) / PAGE * PAGE;
}

enum status replay_unstore(uint64_t serial, struct bytes value, struct bytes *frame)
{
    uint64_t len = 0;

    if (value.len >= REPLAY_PREFIX) {
        memcpy(&len, value.data, REPLAY_PREFIX);
    }
    if (len < FRAME_HEADER || len > value.len - REPLAY_PREFIX) {
        LOG_ERROR("REPLAY-BAD", "segment %" PRIu64 " of the store is damaged", serial);
        return ST_CORRUPT;
    }
    *frame = bytes_of((const char *)value.data + REPLAY_PREFIX, (size_t)len);
    return ST_OK;
}

uint64_t replay_key(struct bytes key)
{
    uint64_t v = 0;

    memcpy(&v, key.data, sizeof(v)); // keys in a page are aligned to 2 only
    return v;
}

/* ---- opening ---- */

static enum status check_meta(struct replay *r, const char *path, uint64_t run,
                              bool write)
{
    uint64_t schema = 0, owner = 0;
    struct bytes v;
    struct db_txn t;
    enum status st;

    TRY(db_begin(r->db, write, &t));
    st = db_get(&t, REPLAY_META, bytes_text("schema"), &v);
    if (st == ST_OK && v.len == sizeof(schema)) {
        memcpy(&schema, v.data, sizeof(schema));
        st = db_get(&t, REPLAY_META, bytes_text("run"), &v);
        memcpy(&owner, v.data, st == ST_OK && v.len == sizeof(owner) ? v.len : 0);
        if (schema != SCHEMA) {
            LOG_ERROR("REPLAY-SCHEMA",
                      "%s has schema %" PRIu64 ", this program reads %d", path, schema,
                      SCHEMA);
            st = ST_VERSION;
        } else if (write && owner != run) {
            LOG_ERROR("REPLAY-RUN",
                      "%s belongs to run %016" PRIx64 ", not to run %016" PRIx64, path,
                      owner, run);
            st = ST_INVALID;
        }
    } else if (st == ST_NOTFOUND && write) {
        schema = SCHEMA;
        st = db_put(&t, REPLAY_META, bytes_text("schema"), db_u64(&schema), false);
        st = st != ST_OK
                 ? st
                 : db_put(&t, REPLAY_META, bytes_text("run"), db_u64(&run), false);
        return st != ST_OK ? (db_abort(&t), st) : db_commit(&t);
    }
    db_abort(&t);
    return st;
}

static bool add_segment(void *ctx, struct bytes key, struct bytes value)
{
    struct replay_marks *m = ctx;
    const uint64_t serial = replay_key(key);

    m->bottom = m->bottom == 0 ? serial : m->bottom;
    m->top = serial;
    m->live += in_pages(value.len);
    return true;
}

static bool add_journal(void *ctx, struct bytes key, struct bytes value)
{
    struct replay_marks *m = ctx;

    m->journal_bottom = m->journal_bottom == 0 ? replay_key(key) : m->journal_bottom;
    m->journal_live += value.len;
    return true;
}

/* Lengths stand beside the keys: the segments' own pages are not touched. */
static enum status measure(struct replay *r)
{
    struct db_txn t;

    TRY(db_begin(r->db, false, &t));
    enum status st =
        db_walk(&t, REPLAY_SEGMENTS, bytes_of(NULL, 0), add_segment, &r->now);
    if (st == ST_OK) {
        st = db_walk(&t, REPLAY_JOURNAL, bytes_of(NULL, 0), add_journal, &r->now);
    }
    if (r->now.bottom == 0) {
        r->now.bottom = 1;
    }
    struct bytes v;
    if (st == ST_OK && db_get(&t, REPLAY_META, bytes_text("cursor"), &v) == ST_OK &&
        v.len == sizeof(r->cursor)) {
        memcpy(&r->cursor, v.data, sizeof(r->cursor));
    }
    db_abort(&t);
    return st;
}

static enum status open_as(const struct db_plan *plan, uint64_t run,
                           struct replay **out)
{
    struct replay *r = mem_new(1, sizeof(*r));
    enum status st = db_open(plan, &r->db);

    r->max_bytes = plan->max_bytes;
    st = st != ST_OK ? st : check_meta(r, plan->path, run, !plan->read_only);
    st = st != ST_OK ? st : measure(r);
    if (st != ST_OK) {
        replay_close(r);
        return st;
    }
    *out = r;
    return ST_OK;
}

/* Said at the start, not when the disk is full after a day. */
static void warn_of_small_disk(const char *path, uint64_t max_bytes)
{
    char file[PATH_MAX_ + 16];
    struct stat held;

    (void)text_format(file, sizeof(file), "%s/data.mdb", path);
    const uint64_t own = stat(file, &held) == 0 ? (uint64_t)held.st_size : 0;
    const uint64_t room = file_free_bytes(path) + own;
    if (room < max_bytes) {
        LOG_WARN("STORE-ROOM",
                 "the disk of %s has room for %" PRIu64
                 " MB, --store-mb allows %" PRIu64 ": the run will end when it is full",
                 path, room >> 20, max_bytes >> 20);
    }
}

enum status replay_open(const char *path, uint64_t run, uint64_t max_bytes,
                        struct replay **out)
{
    const struct db_plan plan = {.path = path,
                                 .max_bytes = max_bytes,
                                 .tables = tables,
                                 .table_count = REPLAY_TABLES};

    TRY(open_as(&plan, run, out));
    warn_of_small_disk(path, max_bytes);
    return ST_OK;
}

enum status replay_open_read(const char *path, struct replay **out)
{
    const struct db_plan plan = {.path = path,
                                 .max_bytes = READ_MAP,
                                 .tables = tables,
                                 .table_count = REPLAY_TABLES,
                                 .read_only = true};

    return open_as(&plan, 0, out);
}

void replay_close(struct replay *r)
{
    if (r != NULL) {
        db_abort(&r->txn);
        db_close(r->db);
        mem_free(r);
    }
}

/* ---- writing ---- */

enum status replay_begin(struct replay *r)
{
    CHECK(r->txn.txn == NULL);
    r->before = r->now;
    return db_begin(r->db, true, &r->txn);
}

enum status replay_commit(struct replay *r)
{
    const enum status st = db_commit(&r->txn);

    if (st != ST_OK) {
        r->now = r->before;
    }
    return st;
}

/* A row for the audit and for training: which incarnation lost it. Of a damaged one
 * nobody knows, and the audit will miss it. */
static enum status note_forced(struct replay *r, uint64_t serial, struct bytes value)
{
    struct frame_header h;
    struct bytes frame;

    if (replay_unstore(serial, value, &frame) != ST_OK ||
        frame_read_header(frame, &h) != ST_OK) {
        return ST_OK;
    }
    const uint32_t who[2] = {h.actor, h.incarnation};
    if (r->now.forced++ == 0) {
        LOG_WARN("REPLAY-FORCED",
                 "the store's bound forces out segments that no checkpoint holds yet; "
                 "raise --store-mb or lower --checkpoint-seconds");
    }
    return db_put(&r->txn, REPLAY_FORCED, db_u64(&serial), bytes_of(who, sizeof(who)),
                  true);
}

static enum status evict_bottom(struct replay *r)
{
    const uint64_t serial = r->now.bottom;
    struct bytes value;
    const enum status st = db_get(&r->txn, REPLAY_SEGMENTS, db_u64(&serial), &value);

    if (st == ST_OK) {
        const uint64_t size = in_pages(value.len);
        if (serial > r->cursor) {
            TRY(note_forced(r, serial, value));
        }
        TRY(db_delete(&r->txn, REPLAY_SEGMENTS, db_u64(&serial)));
        r->now.live -= size;
    } else if (st != ST_NOTFOUND) { // a gap left by replay_start_after
        return st;
    }
    r->now.bottom++;
    return ST_OK;
}

enum status replay_put_segment(struct replay *r, struct bytes frame, uint64_t *serial)
{
    const size_t len = stored_len(frame.len);
    const uint64_t next = r->now.top + 1, frame_len = frame.len;
    void *at;

    CHECK(r->txn.txn != NULL && frame.len >= FRAME_HEADER);
    // The newest stays whatever its size: its key is where numbering goes on.
    while (r->now.live + in_pages(len) > r->max_bytes && r->now.bottom <= r->now.top) {
        TRY(evict_bottom(r));
    }
    // The page itself is lent to be written into: one copy, socket to disk.
    TRY(db_reserve(&r->txn, REPLAY_SEGMENTS, db_u64(&next), len, true, &at));
    memcpy(at, &frame_len, REPLAY_PREFIX);
    memcpy((char *)at + REPLAY_PREFIX, frame.data, frame.len);
    memset((char *)at + REPLAY_PREFIX + frame.len, 0, len - REPLAY_PREFIX - frame.len);
    r->now.live += in_pages(len);
    r->now.top = next;
    *serial = next;
    return ST_OK;
}

enum status replay_put_member(struct replay *r, const struct replay_member *m)
{
    const uint64_t key = (uint64_t)m->actor << 32 | m->incarnation;

    return db_put(&r->txn, REPLAY_MEMBERS, db_u64(&key), bytes_of(m, sizeof(*m)),
                  false);
}

enum status replay_delete_member(struct replay *r, uint32_t actor, uint32_t incarnation)
{
    const uint64_t key = (uint64_t)actor << 32 | incarnation;
    const enum status st = db_delete(&r->txn, REPLAY_MEMBERS, db_u64(&key));

    return st == ST_NOTFOUND ? ST_OK : st;
}

enum status replay_put_journal(struct replay *r, uint64_t update, struct bytes row)
{
    struct bytes old;

    if (db_get(&r->txn, REPLAY_JOURNAL, db_u64(&update), &old) == ST_OK) {
        r->now.journal_live -= old.len; // the update is run again after a crash
    }
    while (r->now.journal_live + row.len > r->max_bytes / JOURNAL_SHARE &&
           r->now.journal_bottom != 0 && r->now.journal_bottom < update) {
        const uint64_t at = r->now.journal_bottom++;
        if (db_get(&r->txn, REPLAY_JOURNAL, db_u64(&at), &old) == ST_OK) {
            r->now.journal_live -= old.len;
            TRY(db_delete(&r->txn, REPLAY_JOURNAL, db_u64(&at)));
        }
    }
    if (r->now.journal_bottom == 0 || update < r->now.journal_bottom) {
        r->now.journal_bottom = update;
    }
    r->now.journal_live += row.len;
    return db_put(&r->txn, REPLAY_JOURNAL, db_u64(&update), row, false);
}

enum status replay_put_meta(struct replay *r, const char *key, struct bytes value)
{
    return db_put(&r->txn, REPLAY_META, bytes_text(key), value, false);
}

enum status replay_put_caption(struct replay *r, struct hash128 key, struct bytes row)
{
    return db_put(&r->txn, REPLAY_CAPTIONS, bytes_of(&key, sizeof(key)), row, false);
}

enum status replay_delete_caption(struct replay *r, struct hash128 key)
{
    const enum status st =
        db_delete(&r->txn, REPLAY_CAPTIONS, bytes_of(&key, sizeof(key)));

    return st == ST_NOTFOUND ? ST_OK : st;
}

struct pruning {
    uint64_t below, found[256];
    int count;
};

static bool note_prunable(void *ctx, struct bytes key, struct bytes value)
{
    struct pruning *p = ctx;
    const uint64_t serial = replay_key(key);

    (void)value;
    if (serial > p->below || p->count == 256) {
        return false;
    }
    p->found[p->count++] = serial;
    return true;
}

enum status replay_put_cursor(struct replay *r, uint64_t serial)
{
    struct pruning p = {.below = serial};

    CHECK(r->txn.txn != NULL);
    r->cursor = serial > r->cursor ? serial : r->cursor;
    TRY(db_put(&r->txn, REPLAY_META, bytes_text("cursor"), db_u64(&r->cursor), false));
    do {
        p.count = 0;
        TRY(db_walk(&r->txn, REPLAY_FORCED, bytes_of(NULL, 0), note_prunable, &p));
        for (int i = 0; i < p.count; i++) {
            TRY(db_delete(&r->txn, REPLAY_FORCED, db_u64(&p.found[i])));
        }
    } while (p.count == 256);
    return ST_OK;
}

void replay_start_after(struct replay *r, uint64_t serial)
{
    if (serial > r->now.top) {
        // A store without segments begins there; one with some has a gap.
        r->now.bottom = r->now.bottom > r->now.top ? serial + 1 : r->now.bottom;
        r->now.top = serial;
    }
}

uint64_t replay_forced(const struct replay *r)
{
    return r->now.forced;
}

uint64_t replay_top(const struct replay *r)
{
    return r->now.top;
}

uint64_t replay_bottom(const struct replay *r)
{
    return r->now.bottom;
}

uint64_t replay_max_bytes(const struct replay *r)
{
    return r->max_bytes;
}

uint64_t replay_live_bytes(const struct replay *r)
{
    return r->now.live;
}

double replay_file_ratio(const struct replay *r)
{
    return r->now.live == 0 ? 0 : (double)db_file_bytes(r->db) / (double)r->now.live;
}

enum status replay_sync(struct replay *r)
{
    return db_sync(r->db);
}
