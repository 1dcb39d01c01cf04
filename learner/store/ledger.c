#include "learner/store/ledger.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "learner/store/db.h"
#include "learner/store/ledger_row.h"

enum { VERDICTS, META, TABLES };

static const struct db_table tables[TABLES] = {{"verdicts", DB_KEY_U64},
                                               {"meta", DB_KEY_BYTES}};

/* Room for some 20 million verdicts with short answers; the map is sparse. */
static const uint64_t most_bytes = (uint64_t)8 << 30;

struct ledger {
    struct db *db;
    struct db_txn txn; // the open group
    struct ledger_row *row;
    uint64_t top, durable; // highest serial: committed or pending; committed
    int pending;
    uint64_t run;
    char environment[LEDGER_ENVIRONMENT_MAX];
    char path[1024];
};

static enum status check_meta(struct ledger *l, uint64_t run, bool write)
{
    uint64_t have[2] = {0, 0}; // schema, run
    struct bytes v;
    struct db_txn t;

    TRY(db_begin(l->db, write, &t));
    enum status st = db_get(&t, META, bytes_text("identity"), &v);
    if (st == ST_NOTFOUND && write) {
        have[0] = LEDGER_SCHEMA;
        have[1] = run;
        st = db_put(&t, META, bytes_text("identity"), bytes_of(have, sizeof(have)),
                    false);
        l->run = run;
        return st != ST_OK ? (db_abort(&t), st) : db_commit(&t);
    }
    if (st == ST_OK) {
        memcpy(have, v.data, v.len == sizeof(have) ? sizeof(have) : 0);
        if (have[0] != LEDGER_SCHEMA) {
            LOG_ERROR("LEDGER-SCHEMA",
                      "%s has schema %" PRIu64 ", this program reads %d", l->path,
                      have[0], LEDGER_SCHEMA);
            st = ST_VERSION;
        } else if (write && have[1] != run) {
            LOG_ERROR("LEDGER-RUN",
                      "%s belongs to run %016" PRIx64 ", not to run %016" PRIx64,
                      l->path, have[1], run);
            st = ST_INVALID;
        }
        l->run = have[1];
    }
    db_abort(&t);
    return st;
}

static enum status find_top(struct ledger *l)
{
    struct db_txn t;
    struct bytes key, value;

    TRY(db_begin(l->db, false, &t));
    const enum status st = db_end(&t, VERDICTS, true, &key, &value);
    if (st == ST_OK) {
        memcpy(&l->top, key.data, sizeof(l->top));
    }
    db_abort(&t);
    l->durable = l->top;
    return st == ST_NOTFOUND ? ST_OK : st;
}

static enum status read_environment(struct ledger *l)
{
    return ledger_get_note(l, "environment", l->environment, sizeof(l->environment));
}

static enum status open_as(const char *path, uint64_t run, bool read_only,
                           struct ledger **out)
{
    const struct db_plan plan = {.path = path,
                                 .max_bytes = most_bytes,
                                 .tables = tables,
                                 .table_count = TABLES,
                                 .read_only = read_only,
                                 .durable = true};
    struct ledger *l = mem_new(1, sizeof(*l));
    enum status st = db_open(&plan, &l->db);

    (void)text_format(l->path, sizeof(l->path), "%s", path);
    l->row = ledger_row_new();
    st = st != ST_OK ? st : check_meta(l, run, !read_only);
    st = st != ST_OK ? st : find_top(l);
    st = st != ST_OK ? st : read_environment(l);
    if (st != ST_OK) {
        ledger_close(l);
        return st;
    }
    *out = l;
    return ST_OK;
}

enum status ledger_open(const char *path, uint64_t run, struct ledger **out)
{
    return open_as(path, run, false, out);
}

enum status ledger_open_read(const char *path, struct ledger **out)
{
    return open_as(path, 0, true, out);
}

void ledger_close(struct ledger *l)
{
    if (l == NULL) {
        return;
    }
    if (l->db != NULL && ledger_commit(l) != ST_OK) {
        LOG_ERROR("LEDGER-LOST", "the last verdicts could not be written to %s",
                  l->path);
    }
    db_close(l->db);
    ledger_row_free(l->row);
    mem_free(l);
}

/* ---- meta ---- */

uint64_t ledger_run(const struct ledger *l)
{
    return l->run;
}

const char *ledger_path(const struct ledger *l)
{
    return l->path;
}

const char *ledger_environment(const struct ledger *l)
{
    return l->environment;
}

bool ledger_same_environment(const char *a, const char *b)
{
    const size_t len = strcspn(a, "-");

    return len == strcspn(b, "-") && strncmp(a, b, len) == 0;
}

static enum status begin_group(struct ledger *l)
{
    return l->txn.txn == NULL ? db_begin(l->db, true, &l->txn) : ST_OK;
}

enum status ledger_put_note(struct ledger *l, const char *name, const char *text)
{
    TRY(begin_group(l));
    return db_put(&l->txn, META, bytes_text(name), bytes_text(text), false);
}

enum status ledger_get_note(struct ledger *l, const char *name, char *out, size_t size)
{
    struct db_txn t;
    struct bytes v = {0};

    TRY(db_begin(l->db, false, &t));
    const enum status st = db_get(&t, META, bytes_text(name), &v);
    if (st == ST_OK) {
        (void)text_format(out, size, "%.*s", (int)v.len, (const char *)v.data);
    } else {
        out[0] = '\0';
    }
    db_abort(&t);
    return st == ST_NOTFOUND ? ST_OK : st;
}

enum status ledger_put_environment(struct ledger *l, const char *name)
{
    const bool known = l->environment[0] != '\0';

    if (known && !ledger_same_environment(l->environment, name)) {
        LOG_ERROR("LEDGER-ENVIRONMENT",
                  "the verdicts in %s are about %s, these would be about %s", l->path,
                  l->environment, name);
        return ST_INVALID;
    }
    if (known) {
        return ST_OK;
    }
    if (!text_format(l->environment, sizeof(l->environment), "%s", name)) {
        LOG_ERROR("LEDGER-ENVIRONMENT",
                  "an environment's name has at most %d bytes, not so %s",
                  LEDGER_ENVIRONMENT_MAX - 1, name);
        return ST_INVALID;
    }
    return ledger_put_note(l, "environment", l->environment);
}

/* ---- questions under way ---- */

/* Rows of META, so that a ledger without any is like an older one. */
static const char asked_mark[8] = "asked:\1";

struct asked_key {
    char mark[sizeof(asked_mark)];
    uint64_t question;
};

static struct asked_key asked_key(uint64_t question)
{
    struct asked_key k = {.question = question};

    memcpy(k.mark, asked_mark, sizeof(k.mark));
    return k;
}

enum status ledger_put_asked(struct ledger *l, uint64_t question,
                             const struct hash128 *caption, int captions)
{
    const struct asked_key k = asked_key(question);

    TRY(begin_group(l));
    return db_put(&l->txn, META, bytes_of(&k, sizeof(k)),
                  bytes_of(caption, (size_t)captions * sizeof(*caption)), false);
}

enum status ledger_drop_asked(struct ledger *l, uint64_t question)
{
    const struct asked_key k = asked_key(question);

    TRY(begin_group(l));
    const enum status st = db_delete(&l->txn, META, bytes_of(&k, sizeof(k)));
    return st == ST_NOTFOUND ? ST_OK : st;
}

struct asked_scan {
    void (*each)(void *ctx, uint64_t question, const struct hash128 *caption,
                 int captions);
    void *ctx;
};

static bool scan_asked(void *ctx, struct bytes key, struct bytes value)
{
    const struct asked_scan *s = ctx;
    struct hash128 caption[ITEM_CAPTIONS_MAX];
    const size_t captions = value.len / sizeof(caption[0]);
    struct asked_key k;

    if (key.len != sizeof(k) || memcmp(key.data, asked_mark, sizeof(asked_mark)) != 0) {
        return false; // behind them
    }
    memcpy(&k, key.data, sizeof(k));
    if (captions >= 2 && captions <= ITEM_CAPTIONS_MAX &&
        value.len == captions * sizeof(caption[0])) {
        memcpy(caption, value.data, value.len);
        s->each(s->ctx, k.question, caption, (int)captions);
    }
    return true;
}

enum status ledger_scan_asked(struct ledger *l,
                              void (*each)(void *ctx, uint64_t question,
                                           const struct hash128 *caption, int captions),
                              void *ctx)
{
    struct asked_scan s = {each, ctx};
    struct db_txn t;

    TRY(ledger_commit(l));
    TRY(db_begin(l->db, false, &t));
    const enum status st =
        db_walk(&t, META, bytes_of(asked_mark, sizeof(asked_mark)), scan_asked, &s);
    db_abort(&t);
    return st;
}

/* ---- entries ---- */

/* Into the open group under entry->serial, which is above the top. */
static enum status put(struct ledger *l, const struct ledger_entry *entry)
{
    TRY(begin_group(l));
    TRY(db_put(&l->txn, VERDICTS, db_u64(&entry->serial),
               ledger_row_pack(l->row, entry), true));
    l->top = entry->serial;
    l->pending++;
    return ST_OK;
}

enum status ledger_append(struct ledger *l, struct ledger_entry *entry)
{
    entry->serial = l->top + 1;
    return put(l, entry);
}

enum status ledger_put_serial(struct ledger *l, const struct ledger_entry *entry)
{
    CHECK(entry->serial > l->top);
    return put(l, entry);
}

enum status ledger_commit(struct ledger *l)
{
    if (l->txn.txn == NULL) {
        return ST_OK;
    }
    l->pending = 0;
    TRY(db_commit(&l->txn));
    l->durable = l->top;
    return ST_OK;
}

void ledger_abandon(struct ledger *l)
{
    db_abort(&l->txn);
    l->txn = (struct db_txn){0};
    l->pending = 0;
    l->top = l->durable;
    if (read_environment(l) != ST_OK) {
        l->environment[0] = '\0';
    }
}

int ledger_pending(const struct ledger *l)
{
    return l->pending;
}

uint64_t ledger_top(const struct ledger *l)
{
    return l->top;
}

struct scanning {
    struct ledger *l;
    uint64_t to;
    struct hash128 goal_digest;
    bool (*each)(void *ctx, const struct ledger_entry *e);
    bool (*each_label)(void *ctx, const struct ledger_label *v);
    void *ctx;
    enum status st;
};

static bool scan_row(void *ctx, struct bytes key, struct bytes value)
{
    struct scanning *s = ctx;
    struct ledger_entry e;
    struct ledger_label v;
    uint64_t serial;

    memcpy(&serial, key.data, sizeof(serial));
    if (s->to != 0 && serial > s->to) {
        return false;
    }
    if (s->each_label != NULL) {
        if (!ledger_row_label(value, s->goal_digest, &v)) {
            return true;
        }
        v.serial = serial;
        return s->each_label(s->ctx, &v);
    }
    s->st = ledger_row_unpack(s->l->row, value, &e);
    if (s->st != ST_OK) {
        LOG_ERROR("LEDGER-BAD", "entry %" PRIu64 " of %s is damaged", serial,
                  s->l->path);
        return false;
    }
    e.serial = serial;
    return s->each(s->ctx, &e);
}

static enum status scan(struct scanning *s, uint64_t from)
{
    struct db_txn t;

    TRY(ledger_commit(s->l)); // a scan sees what is durable, and that is all
    TRY(db_begin(s->l->db, false, &t));
    const enum status st = db_walk(&t, VERDICTS, db_u64(&from), scan_row, s);
    db_abort(&t);
    return st != ST_OK ? st : s->st;
}

enum status ledger_scan(struct ledger *l, uint64_t from, uint64_t to,
                        bool (*each)(void *ctx, const struct ledger_entry *e),
                        void *ctx)
{
    struct scanning s = {.l = l, .to = to, .each = each, .ctx = ctx};

    return scan(&s, from);
}

enum status ledger_labels(struct ledger *l, struct hash128 goal_digest, uint64_t from,
                          uint64_t to,
                          bool (*each)(void *ctx, const struct ledger_label *v),
                          void *ctx)
{
    struct scanning s = {
        .l = l, .to = to, .goal_digest = goal_digest, .each_label = each, .ctx = ctx};

    return scan(&s, from);
}
