#ifndef LEARNER_STORE_REPLAY_IMPL_H
#define LEARNER_STORE_REPLAY_IMPL_H
/* What replay.c (opening, writing) and replay_view.c (reading) share; nobody else. */

#include "learner/store/db.h"
#include "learner/store/replay.h"

enum replay_table {
    REPLAY_SEGMENTS,
    REPLAY_CAPTIONS,
    REPLAY_JOURNAL,
    REPLAY_META,
    REPLAY_MEMBERS,
    REPLAY_FORCED,
    REPLAY_TABLES
};

/* What one transaction moves together, so that a failed one can be taken back. */
struct replay_marks {
    uint64_t top, bottom; // highest and lowest serial; bottom = top + 1 when empty
    uint64_t live;        // bytes of the segments, in whole pages
    uint64_t journal_bottom, journal_live;
    uint64_t forced;
};

struct replay {
    struct db *db;
    struct db_txn txn;
    uint64_t max_bytes, cursor;
    struct replay_marks now, before;
};

uint64_t replay_key(struct bytes key); // a serial, an update
/* A stored segment is its length, the frame as it came, and zeros up to a multiple of 8.
 * With keys of 8 bytes every node of the table is then a multiple of 8 long and LMDB
 * fills pages from their end, so that a frame is 8-byte aligned wherever it lies. */
enum { REPLAY_PREFIX = 8 };
/* The frame of a stored segment. ST_CORRUPT (logged). */
MUST_USE enum status replay_unstore(uint64_t serial, struct bytes value,
                                    struct bytes *frame);

#endif
