#include "learner/store/db.h"

#include <errno.h>
#include <inttypes.h>
#include <lmdb.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"

enum { MAP_FACTOR = 4, MAP_LEAST = 64 << 20, READERS_MAX = 126, FULL_BYTES = 1 << 20 };

struct db {
    MDB_env *env;
    MDB_dbi dbi[DB_TABLES_MAX];
    int tables;
    int lock_fd; // -1: none
    char path[PATH_MAX_];
};

static enum status failed(const struct db *d, const char *what, int rc)
{
    // A disk that fills up cuts a write short, which LMDB calls EIO.
    const bool full = rc == EIO && file_free_bytes(d->path) < FULL_BYTES;

    LOG_ERROR("STORE-FAILED", "cannot %s %s: %s", what, d->path,
              mdb_strerror(full ? ENOSPC : rc));
    switch (rc) {
    case MDB_MAP_FULL:
        return ST_FULL;
    case MDB_CORRUPTED:
    case MDB_INVALID:
        return ST_CORRUPT;
    case MDB_VERSION_MISMATCH:
        return ST_VERSION;
    default:
        return ST_IO;
    }
}

/* The directory, its file system and its writer's lock. */
static enum status take_directory(struct db *d, const struct db_plan *plan)
{
    char path[PATH_MAX_ + 16];
    const char *kind = NULL;

    if (file_on_network(plan->path, &kind)) {
        LOG_ERROR("STORE-NETWORK",
                  "%s is on a network file system (%s), where the store would be "
                  "damaged; name a local directory with --store-dir",
                  plan->path, kind);
        return ST_INVALID;
    }
    if (plan->read_only) {
        (void)text_format(path, sizeof(path), "%s/data.mdb", plan->path);
        return file_exists(path) ? ST_OK : ST_NOTFOUND;
    }
    TRY(file_make_dirs(plan->path));
    (void)text_format(path, sizeof(path), "%s/writer.lock", plan->path);
    const enum status st = file_lock(path, &d->lock_fd);
    if (st == ST_AGAIN) {
        LOG_ERROR("STORE-LOCKED", "%s is in use by another learner", plan->path);
    }
    return st == ST_OK ? ST_OK : ST_IO;
}

static enum status open_tables(struct db *d, const struct db_plan *plan)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(d->env, NULL, plan->read_only ? MDB_RDONLY : 0, &txn);

    for (int i = 0; rc == 0 && i < plan->table_count; i++) {
        unsigned flags = plan->read_only ? 0 : MDB_CREATE;
        flags |= plan->tables[i].key == DB_KEY_U64 ? MDB_INTEGERKEY : 0;
        rc = mdb_dbi_open(txn, plan->tables[i].name, flags, &d->dbi[i]);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc == MDB_NOTFOUND ? ST_NOTFOUND : failed(d, "open the tables of", rc);
    }
    rc = mdb_txn_commit(txn);
    d->tables = plan->table_count;
    return rc == 0 ? ST_OK : failed(d, "open the tables of", rc);
}

/* LMDB maps what its meta page promises: to read past the end of a file that was cut off
 * would be a SIGBUS. */
static enum status check_whole(const struct db *d, const struct db_plan *plan)
{
    char path[PATH_MAX_ + 16];
    struct stat file;
    MDB_envinfo info;
    MDB_stat pages;

    (void)text_format(path, sizeof(path), "%s/data.mdb", plan->path);
    if (stat(path, &file) != 0 || mdb_env_info(d->env, &info) != 0 ||
        mdb_env_stat(d->env, &pages) != 0) {
        return ST_OK; // opening has said what is wrong, if anything is
    }
    const uint64_t have = (uint64_t)file.st_size / pages.ms_psize;
    if (have <= info.me_last_pgno) {
        LOG_ERROR("STORE-SHORT",
                  "%s was cut off: it has %" PRIu64 " of its %zu pages; put a copy "
                  "back, or remove %s to go on without what it held",
                  path, have, info.me_last_pgno + 1, plan->path);
        return ST_CORRUPT;
    }
    return ST_OK;
}

static enum status open_env(struct db *d, const struct db_plan *plan)
{
    const size_t wanted = (size_t)plan->max_bytes * MAP_FACTOR;
    const size_t map = wanted > MAP_LEAST ? wanted : MAP_LEAST; // sparse: costs nothing
    // NOMEMINIT: pages are filled right after they are taken.
    unsigned flags = MDB_NOTLS | MDB_NOMEMINIT;
    int rc = mdb_env_create(&d->env);

    flags |= plan->read_only ? MDB_RDONLY : 0;
    flags |= plan->durable ? 0 : MDB_NOSYNC;
    rc = rc != 0 ? rc : mdb_env_set_maxdbs(d->env, DB_TABLES_MAX);
    rc = rc != 0 ? rc : mdb_env_set_maxreaders(d->env, READERS_MAX);
    if (rc == 0 && !plan->read_only) {
        rc = mdb_env_set_mapsize(d->env, map);
    }
    rc = rc != 0 ? rc : mdb_env_open(d->env, plan->path, flags, 0644);
    if (rc != 0) {
        return failed(d, "open the store", rc);
    }
    TRY(check_whole(d, plan));
    int dead = 0;
    (void)mdb_reader_check(d->env, &dead);
    return open_tables(d, plan);
}

enum status db_open(const struct db_plan *plan, struct db **out)
{
    struct db *d = mem_new(1, sizeof(*d));
    enum status st = ST_INVALID;

    CHECK(plan->table_count <= DB_TABLES_MAX);
    d->lock_fd = -1;
    if (text_format(d->path, sizeof(d->path), "%s", plan->path)) {
        st = take_directory(d, plan);
    }
    if (st == ST_OK) {
        st = open_env(d, plan);
    }
    if (st != ST_OK) {
        db_close(d);
        return st;
    }
    *out = d;
    return ST_OK;
}

void db_close(struct db *d)
{
    if (d == NULL) {
        return;
    }
    if (d->env != NULL) {
        mdb_env_close(d->env);
    }
    if (d->lock_fd >= 0) {
        close(d->lock_fd);
    }
    mem_free(d);
}

enum status db_begin(struct db *d, bool write, struct db_txn *t)
{
    MDB_txn *txn = NULL;
    const int rc = mdb_txn_begin(d->env, NULL, write ? 0 : MDB_RDONLY, &txn);

    if (rc != 0) {
        return failed(d, write ? "begin a write in" : "begin to read", rc);
    }
    *t = (struct db_txn){.db = d, .txn = txn, .write = write};
    return ST_OK;
}

enum status db_commit(struct db_txn *t)
{
    struct db *d = t->db;
    const int rc = mdb_txn_commit(t->txn); // frees it, whatever it returns

    *t = (struct db_txn){0};
    return rc == 0 ? ST_OK : failed(d, "commit to", rc);
}

void db_abort(struct db_txn *t)
{
    if (t->txn != NULL) {
        mdb_txn_abort(t->txn);
    }
    *t = (struct db_txn){0};
}

void db_reset(struct db_txn *t)
{
    mdb_txn_reset(t->txn);
}

enum status db_renew(struct db_txn *t)
{
    const int rc = mdb_txn_renew(t->txn);

    return rc == 0 ? ST_OK : failed(t->db, "read again from", rc);
}

static MDB_val val_of(struct bytes b)
{
    return (MDB_val){b.len, (void *)(uintptr_t)b.data}; // LMDB does not write to it
}

enum status db_put(struct db_txn *t, int table, struct bytes key, struct bytes value,
                   bool append)
{
    MDB_val k = val_of(key), v = val_of(value);
    const int rc = mdb_put(t->txn, t->db->dbi[table], &k, &v, append ? MDB_APPEND : 0);

    return rc == 0 ? ST_OK : failed(t->db, "put into", rc);
}

enum status db_reserve(struct db_txn *t, int table, struct bytes key, size_t len,
                       bool append, void **out)
{
    MDB_val k = val_of(key), v = {len, NULL};
    const int rc = mdb_put(t->txn, t->db->dbi[table], &k, &v,
                           MDB_RESERVE | (append ? MDB_APPEND : 0u));

    if (rc != 0) {
        return failed(t->db, "put into", rc);
    }
    *out = v.mv_data;
    return ST_OK;
}

enum status db_get(struct db_txn *t, int table, struct bytes key, struct bytes *out)
{
    MDB_val k = val_of(key), v;
    const int rc = mdb_get(t->txn, t->db->dbi[table], &k, &v);

    if (rc == MDB_NOTFOUND) {
        return ST_NOTFOUND;
    }
    if (rc != 0) {
        return failed(t->db, "read from", rc);
    }
    *out = bytes_of(v.mv_data, v.mv_size);
    return ST_OK;
}

enum status db_delete(struct db_txn *t, int table, struct bytes key)
{
    MDB_val k = val_of(key);
    const int rc = mdb_del(t->txn, t->db->dbi[table], &k, NULL);

    if (rc == MDB_NOTFOUND) {
        return ST_NOTFOUND;
    }
    return rc == 0 ? ST_OK : failed(t->db, "delete from", rc);
}

enum status db_walk(struct db_txn *t, int table, struct bytes from,
                    bool (*each)(void *ctx, struct bytes key, struct bytes value),
                    void *ctx)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = val_of(from), v;
    int rc = mdb_cursor_open(t->txn, t->db->dbi[table], &cursor);

    rc = rc != 0
             ? rc
             : mdb_cursor_get(cursor, &k, &v, from.len > 0 ? MDB_SET_RANGE : MDB_FIRST);
    while (rc == 0 &&
           each(ctx, bytes_of(k.mv_data, k.mv_size), bytes_of(v.mv_data, v.mv_size))) {
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return rc == 0 || rc == MDB_NOTFOUND ? ST_OK : failed(t->db, "walk through", rc);
}

enum status db_end(struct db_txn *t, int table, bool highest, struct bytes *key,
                   struct bytes *value)
{
    MDB_cursor *cursor = NULL;
    MDB_val k, v;
    int rc = mdb_cursor_open(t->txn, t->db->dbi[table], &cursor);

    rc = rc != 0 ? rc : mdb_cursor_get(cursor, &k, &v, highest ? MDB_LAST : MDB_FIRST);
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    if (rc == MDB_NOTFOUND) {
        return ST_NOTFOUND;
    }
    if (rc != 0) {
        return failed(t->db, "read from", rc);
    }
    *key = bytes_of(k.mv_data, k.mv_size);
    *value = bytes_of(v.mv_data, v.mv_size);
    return ST_OK;
}

enum status db_sync(struct db *d)
{
    int dead = 0;
    const int rc = mdb_env_sync(d->env, 1);

    if (rc != 0) {
        return failed(d, "sync", rc);
    }
    if (mdb_reader_check(d->env, &dead) == 0 && dead > 0) {
        LOG_WARN("STORE-READER", "cleared %d dead readers of %s", dead, d->path);
    }
    return ST_OK;
}

uint64_t db_file_bytes(struct db *d)
{
    MDB_envinfo info;
    MDB_stat stat;

    if (mdb_env_info(d->env, &info) != 0 || mdb_env_stat(d->env, &stat) != 0) {
        return 0;
    }
    return ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
}
