#ifndef LEARNER_STORE_DB_H
#define LEARNER_STORE_DB_H
/* The only door to LMDB: one environment with a few tables, keyed by u64 or by bytes.
 * Refuses network file systems, holds the directory's writer lock, takes a sparse map of
 * four times the bound, translates errors into statuses and logs them once.
 *
 * Threads: one writing transaction at a time, by its thread; a reading one from the
 * thread that uses it (MDB_NOTLS: it may be handed over). db_sync from any thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/status.h"

struct db;

enum { DB_TABLES_MAX = 8 };
enum db_key { DB_KEY_U64, DB_KEY_BYTES };

struct db_table {
    const char *name;
    enum db_key key;
};

struct db_plan {
    const char *path;   // a directory, made when missing
    uint64_t max_bytes; // the bound; the map is four times as large
    const struct db_table *tables;
    int table_count;
    bool read_only; // tools: no lock, nothing is made
    bool durable;   // commit = fsync; else db_sync now and then
};

/* ST_IO (logged): not a directory, locked by another writer, refused by LMDB; ST_INVALID
 * (logged): on a network file system; ST_NOTFOUND (not logged): read_only and there is
 * none. */
MUST_USE enum status db_open(const struct db_plan *plan, struct db **out);
void db_close(struct db *d); // NULL is fine

/* Embedded by value; {0} is none. */
struct db_txn {
    struct db *db;
    void *txn; // MDB_txn
    bool write;
};
MUST_USE enum status db_begin(struct db *d, bool write, struct db_txn *t);
MUST_USE enum status db_commit(struct db_txn *t); // t is none afterwards, come what may
void db_abort(struct db_txn *t);                  // none is fine
void db_reset(struct db_txn *t);                  // reading: lets go of the snapshot
MUST_USE enum status db_renew(struct db_txn *t);  // and takes the newest

/* table: index into plan->tables. Puts replace. append: the key is above all others.
 * ST_FULL (logged): the map is full. */
MUST_USE enum status db_put(struct db_txn *t, int table, struct bytes key,
                            struct bytes value, bool append);
/* Room of `len` bytes inside the page, to be filled before the next call. Values above
 * 2 KB lie 16-byte aligned, smaller ones anywhere. */
MUST_USE enum status db_reserve(struct db_txn *t, int table, struct bytes key,
                                size_t len, bool append, void **out);
/* ST_NOTFOUND is not logged. What is lent holds until the next write or the end. */
MUST_USE enum status db_get(struct db_txn *t, int table, struct bytes key,
                            struct bytes *out);
MUST_USE enum status db_delete(struct db_txn *t, int table, struct bytes key);

/* Walks a table from `from` on (len 0 = from the first), ascending, until `each` returns
 * false. Nothing may be written meanwhile. */
MUST_USE enum status
db_walk(struct db_txn *t, int table, struct bytes from,
        bool (*each)(void *ctx, struct bytes key, struct bytes value), void *ctx);
/* The lowest or highest key. ST_NOTFOUND: the table is empty. */
MUST_USE enum status db_end(struct db_txn *t, int table, bool highest,
                            struct bytes *key, struct bytes *value);

MUST_USE enum status db_sync(struct db *d); // mdb_env_sync, then dead readers cleared
uint64_t db_file_bytes(struct db *d);       // pages used so far × page size

static inline struct bytes db_u64(const uint64_t *key)
{
    return bytes_of(key, sizeof(*key));
}

#endif
