/* The reading side of the store: a view is one snapshot. */
#include "learner/store/replay_impl.h"

#include <string.h>

#include "common/base/mem.h"

struct replay_view {
    struct replay *r;
    struct db_txn txn;
};

enum status replay_view_open(struct replay *r, struct replay_view **out)
{
    struct replay_view *v = mem_new(1, sizeof(*v));
    const enum status st = db_begin(r->db, false, &v->txn);

    if (st != ST_OK) {
        mem_free(v);
        return st;
    }
    v->r = r;
    *out = v;
    return ST_OK;
}

enum status replay_view_renew(struct replay_view *v)
{
    db_reset(&v->txn);
    return db_renew(&v->txn);
}

void replay_view_reset(struct replay_view *v)
{
    db_reset(&v->txn);
}

void replay_view_close(struct replay_view *v)
{
    if (v != NULL) {
        db_abort(&v->txn);
        mem_free(v);
    }
}

enum status replay_view_segment(struct replay_view *v, uint64_t serial,
                                struct bytes *out)
{
    struct bytes value;

    TRY(db_get(&v->txn, REPLAY_SEGMENTS, db_u64(&serial), &value));
    return replay_unstore(serial, value, out);
}

enum status replay_view_forced(struct replay_view *v, uint64_t serial, uint32_t *actor,
                               uint32_t *incarnation)
{
    struct bytes value;
    uint32_t who[2] = {0, 0};

    TRY(db_get(&v->txn, REPLAY_FORCED, db_u64(&serial), &value));
    memcpy(who, value.data, value.len == sizeof(who) ? sizeof(who) : 0);
    *actor = who[0];
    *incarnation = who[1];
    return ST_OK;
}

struct scanning {
    bool (*each)(void *ctx, uint64_t serial, struct bytes frame);
    bool (*each_forced)(void *ctx, uint64_t serial, uint32_t actor,
                        uint32_t incarnation);
    void (*each_caption)(void *ctx, struct hash128 key, struct bytes row);
    void (*each_member)(void *ctx, const struct replay_member *m);
    void *ctx;
};

static bool scan_segment(void *ctx, struct bytes key, struct bytes value)
{
    const struct scanning *s = ctx;
    struct bytes frame;

    // A damaged one is passed over; that it is missing, the audit will say.
    return replay_unstore(replay_key(key), value, &frame) != ST_OK ||
           s->each(s->ctx, replay_key(key), frame);
}

enum status replay_view_scan(struct replay_view *v, uint64_t from,
                             bool (*each)(void *ctx, uint64_t serial,
                                          struct bytes frame),
                             void *ctx)
{
    struct scanning s = {.each = each, .ctx = ctx};

    return db_walk(&v->txn, REPLAY_SEGMENTS, db_u64(&from), scan_segment, &s);
}

static bool scan_forced(void *ctx, struct bytes key, struct bytes value)
{
    const struct scanning *s = ctx;
    uint32_t who[2] = {0, 0};

    memcpy(who, value.data, value.len == sizeof(who) ? sizeof(who) : 0);
    return s->each_forced(s->ctx, replay_key(key), who[0], who[1]);
}

enum status replay_view_scan_forced(struct replay_view *v, uint64_t from,
                                    bool (*each)(void *ctx, uint64_t serial,
                                                 uint32_t actor, uint32_t incarnation),
                                    void *ctx)
{
    struct scanning s = {.each_forced = each, .ctx = ctx};

    return db_walk(&v->txn, REPLAY_FORCED, db_u64(&from), scan_forced, &s);
}

static bool scan_caption(void *ctx, struct bytes key, struct bytes value)
{
    const struct scanning *s = ctx;
    struct hash128 h = {0, 0};

    memcpy(&h, key.data, key.len == sizeof(h) ? sizeof(h) : 0);
    s->each_caption(s->ctx, h, value);
    return true;
}

enum status replay_view_captions(struct replay_view *v,
                                 void (*each)(void *ctx, struct hash128 key,
                                              struct bytes row),
                                 void *ctx)
{
    struct scanning s = {.each_caption = each, .ctx = ctx};

    return db_walk(&v->txn, REPLAY_CAPTIONS, bytes_of(NULL, 0), scan_caption, &s);
}

enum status replay_view_journal(struct replay_view *v, uint64_t update,
                                struct bytes *out)
{
    return db_get(&v->txn, REPLAY_JOURNAL, db_u64(&update), out);
}

static bool scan_row(void *ctx, struct bytes key, struct bytes value)
{
    const struct scanning *s = ctx;

    return s->each(s->ctx, replay_key(key), value);
}

enum status replay_view_scan_journal(struct replay_view *v, uint64_t from,
                                     bool (*each)(void *ctx, uint64_t update,
                                                  struct bytes row),
                                     void *ctx)
{
    struct scanning s = {.each = each, .ctx = ctx};

    return db_walk(&v->txn, REPLAY_JOURNAL, db_u64(&from), scan_row, &s);
}

enum status replay_view_meta(struct replay_view *v, const char *key, struct bytes *out)
{
    return db_get(&v->txn, REPLAY_META, bytes_text(key), out);
}

static bool scan_member(void *ctx, struct bytes key, struct bytes value)
{
    const struct scanning *s = ctx;
    struct replay_member m;

    (void)key;
    if (value.len == sizeof(m)) {
        memcpy(&m, value.data, sizeof(m));
        s->each_member(s->ctx, &m);
    }
    return true;
}

enum status replay_view_members(struct replay_view *v,
                                void (*each)(void *ctx, const struct replay_member *m),
                                void *ctx)
{
    struct scanning s = {.each_member = each, .ctx = ctx};

    return db_walk(&v->txn, REPLAY_MEMBERS, bytes_of(NULL, 0), scan_member, &s);
}
