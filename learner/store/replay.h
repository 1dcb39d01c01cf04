#ifndef LEARNER_STORE_REPLAY_H
#define LEARNER_STORE_REPLAY_H
/* The replay store of one learner rank: segments as received, captions, the journal and
 * the members' counts, in one LMDB environment on local disk (learner/store/db.c is the
 * only LMDB door).
 *
 * Threads: writes (replay_put_*, replay_commit) from the I/O thread only: LMDB allows one
 * writer; a struct replay_view from the thread that opened it (the training thread).
 * replay_sync from the helper thread. Serials start at 1 and have no holes when stored. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/status.h"

struct replay;
struct replay_view;

/* One incarnation of an actor, written in the same transaction as its segments. */
struct replay_member {
    uint32_t actor, incarnation;
    uint32_t rank; // which rank it belongs to (rank 0's list holds all)
    uint32_t environments;
    uint64_t next_seq;   // first sequence not taken = last taken + 1
    uint64_t stored;     // segments put into the store
    uint64_t dropped[8]; // by enum drop_reason, dropped on arrival (never stored)
    uint64_t goodbye;    // produced + 1 as told by goodbye; 0 = none was said
    uint64_t nonce;      // of the process that held it last
    char host[64];
};

/* Opens or makes the store in directory `path` for writing and takes its lock. ST_IO
 * (logged): not a directory, on a network file system, locked by another writer;
 * ST_VERSION (logged): another schema; ST_INVALID (logged): another run's store. */
MUST_USE enum status replay_open(const char *path, uint64_t run, uint64_t max_bytes,
                                 struct replay **out);
/* For tools, beside a running writer or after it. */
MUST_USE enum status replay_open_read(const char *path, struct replay **out);
void replay_close(struct replay *r); // NULL is fine

/* One transaction per poll: begin, puts, commit. A failed commit loses all of it and none
 * of it was acknowledged. */
MUST_USE enum status replay_begin(struct replay *r);
MUST_USE enum status replay_put_segment(struct replay *r, struct bytes frame,
                                        uint64_t *serial);
MUST_USE enum status replay_put_member(struct replay *r, const struct replay_member *m);
MUST_USE enum status replay_delete_member(struct replay *r, uint32_t actor,
                                          uint32_t incarnation);
MUST_USE enum status replay_put_journal(struct replay *r, uint64_t update,
                                        struct bytes row);
MUST_USE enum status replay_put_meta(struct replay *r, const char *key,
                                     struct bytes value);
MUST_USE enum status replay_put_caption(struct replay *r, struct hash128 key,
                                        struct bytes row);
MUST_USE enum status replay_delete_caption(struct replay *r, struct hash128 key);
MUST_USE enum status replay_commit(struct replay *r);

/* Inside a transaction. Eviction may take serials <= `serial` (trained, and before the
 * older checkpoint's cursor). What the size bound forces out beyond it keeps a row
 * (replay_view_forced) until the cursor has passed it. */
MUST_USE enum status replay_put_cursor(struct replay *r, uint64_t serial);
uint64_t replay_forced(const struct replay *r); // how many since this open
/* The next serial will be above `serial`: a store that was lost must not give numbers
 * that a checkpoint counts already. Before the first put. */
void replay_start_after(struct replay *r, uint64_t serial);
uint64_t replay_top(const struct replay *r);       // highest serial stored, 0 = none
uint64_t replay_bottom(const struct replay *r);    // lowest serial still there
uint64_t replay_max_bytes(const struct replay *r); // as opened
uint64_t replay_live_bytes(const struct replay *r);
double replay_file_ratio(const struct replay *r);   // file size / live bytes
MUST_USE enum status replay_sync(struct replay *r); // helper thread; mdb_env_sync,
                                                    // and dead readers are cleared

/* A consistent snapshot. Keep it for one batch, not longer. */
MUST_USE enum status replay_view_open(struct replay *r, struct replay_view **out);
/* Renews in place: cheaper than open + close. */
MUST_USE enum status replay_view_renew(struct replay_view *v);
void replay_view_reset(struct replay_view *v); // lets go of the snapshot
void replay_view_close(struct replay_view *v);
/* Borrows segment `serial`: into the map, 8-byte aligned, until reset or close.
 * ST_NOTFOUND: evicted. ST_CORRUPT (logged): it is damaged, others may not be. */
MUST_USE enum status replay_view_segment(struct replay_view *v, uint64_t serial,
                                         struct bytes *out);
/* ST_NOTFOUND from replay_view_segment above the older cursor: which incarnation the
 * bound took it from. Training counts it there as DROP_EVICTED_BEFORE_CHECKPOINT when it
 * comes by. ST_NOTFOUND: never forced out (lost with the store). */
MUST_USE enum status replay_view_forced(struct replay_view *v, uint64_t serial,
                                        uint32_t *actor, uint32_t *incarnation);
/* Calls `each` for every whole segment >= from that is stored, ascending; false stops. */
MUST_USE enum status replay_view_scan(struct replay_view *v, uint64_t from,
                                      bool (*each)(void *ctx, uint64_t serial,
                                                   struct bytes frame),
                                      void *ctx);
/* The same over the rows of what was forced out (see replay_view_forced). */
MUST_USE enum status replay_view_scan_forced(struct replay_view *v, uint64_t from,
                                             bool (*each)(void *ctx, uint64_t serial,
                                                          uint32_t actor,
                                                          uint32_t incarnation),
                                             void *ctx);
MUST_USE enum status replay_view_captions(struct replay_view *v,
                                          void (*each)(void *ctx, struct hash128 key,
                                                       struct bytes row),
                                          void *ctx);
MUST_USE enum status replay_view_journal(struct replay_view *v, uint64_t update,
                                         struct bytes *out);
/* Calls `each` for every row of an update >= from, ascending; false stops. */
MUST_USE enum status replay_view_scan_journal(struct replay_view *v, uint64_t from,
                                              bool (*each)(void *ctx, uint64_t update,
                                                           struct bytes row),
                                              void *ctx);
MUST_USE enum status replay_view_meta(struct replay_view *v, const char *key,
                                      struct bytes *out);
/* Calls `each` for every member, ascending by actor, incarnation. */
MUST_USE enum status
replay_view_members(struct replay_view *v,
                    void (*each)(void *ctx, const struct replay_member *m), void *ctx);

#endif
