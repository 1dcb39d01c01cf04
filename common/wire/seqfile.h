#ifndef COMMON_WIRE_SEQFILE_H
#define COMMON_WIRE_SEQFILE_H
/* How many segments an incarnation of an actor has produced, in a file of 64 bytes that
 * is written through a mapping and so survives kill -9: RUN/actors/A-I.seq. A segment
 * counts as produced once it is complete and handed to the link. The open file holds a
 * lock for as long as its process lives, which tells the audit and rank 0 who is alive.
 * Owner: the actor; readers: any process that sees the run directory. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/status.h"

struct seqfile;

struct seqfile_state {
    uint64_t run, produced; // produced = next sequence
    uint32_t actor, incarnation;
    bool alive; // its process holds the lock
    bool ended; // closed in order
};

/* Makes dir/A-I.seq (and dir). ST_IO (logged): the system refused, or another process
 * holds this pair. */
MUST_USE enum status seqfile_open(const char *dir, uint64_t run, uint32_t actor,
                                  uint32_t incarnation, struct seqfile **out);
void seqfile_set(struct seqfile *f, uint64_t produced); // a store into the mapping
void seqfile_close(struct seqfile *f);                  // NULL is fine

/* ST_NOTFOUND (not logged): there is none; ST_CORRUPT (not logged): not such a file. */
MUST_USE enum status seqfile_read(const char *path, struct seqfile_state *out);
MUST_USE enum status seqfile_find(const char *dir, uint32_t actor, uint32_t incarnation,
                                  struct seqfile_state *out);
/* Calls `each` for every readable one in dir, in no order. A missing dir holds none. */
void seqfile_each(const char *dir,
                  void (*each)(void *ctx, const struct seqfile_state *), void *ctx);

#endif
