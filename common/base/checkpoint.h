#ifndef COMMON_BASE_CHECKPOINT_H
#define COMMON_BASE_CHECKPOINT_H
/* The only commit point of training: RUN/checkpoint-U/, one part per rank plus policy.bin
 * by rank 0, then manifest.json with digests, fsynced and renamed into place. A folder
 * without a valid manifest does not exist. Two are kept. Writers: the training thread of
 * each rank; readers: any program. A library of its own (target checkpoint), since base
 * needs no JSON. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/status.h"

enum { CHECKPOINT_RANKS_MAX = 256 };

struct checkpoint_manifest {
    uint64_t run, update, env_steps;
    uint32_t ranks, start;                 // start = learner start count that wrote it
    uint64_t cursor[CHECKPOINT_RANKS_MAX]; // per rank: last fresh serial drawn
    uint64_t ledger_serial;                // last one applied
    uint64_t policy_digest;                // of names and shapes
    char net[16], task[64];
    int actions, segment_steps;
    int value_heads; // 1 where an older manifest does not tell
    uint64_t spec_digest;
};

/* The newest valid one under run_dir, or the one before it when the newest is damaged
 * (logged with what is wrong, which one is used). ST_NOTFOUND: there is none at all;
 * ST_CORRUPT: none is valid. `dir` gets its path. `clean` (the one learner that holds the
 * run): also removes unfinished folders and renames damaged ones that it passes over to
 * NAME.damaged. */
MUST_USE enum status checkpoint_find(const char *run_dir, bool clean,
                                     struct checkpoint_manifest *out, char *dir,
                                     size_t dir_size);
/* Step 1, rank 0: makes RUN/checkpoint-U.tmp/ . Step 2, every rank: writes its files into
 * it with checkpoint_put. Step 3, rank 0 after a barrier: manifest, fsync, rename, and the
 * third-oldest is removed. `older` (may be NULL) gets the manifest of the older of the
 * two kept, which is `m` itself while there is only one. */
MUST_USE enum status checkpoint_begin(const char *run_dir, uint64_t update, char *dir,
                                      size_t dir_size);
MUST_USE enum status checkpoint_put(const char *dir, const char *name,
                                    struct bytes data);
MUST_USE enum status checkpoint_finish(const char *run_dir, const char *dir,
                                       const struct checkpoint_manifest *m,
                                       struct checkpoint_manifest *older);
/* Reads a file of a valid checkpoint whole, its digest checked; free with mem_free().
 * ST_CORRUPT (logged). */
MUST_USE enum status checkpoint_get(const char *dir, const char *name, char **data,
                                    size_t *len);

#endif
