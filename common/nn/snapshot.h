#ifndef COMMON_NN_SNAPSHOT_H
#define COMMON_NN_SNAPSHOT_H
/* Named float arrays in one file with a digest each: checkpoints of weights and of
 * optimiser moments. Owner's thread. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/hash.h"
#include "common/base/status.h"
#include "common/nn/param.h"

/* Writes every parameter of p (and, when given, arrays of the same layout such as Adam's
 * moments: `extra_names[i]` prefixes the parameter's name) atomically, fsynced. */
MUST_USE enum status snapshot_write(const char *path, const struct params *p,
                                    const float *const *extra,
                                    const char *const *extra_names, int extras,
                                    struct hash128 *digest);
/* Reads by name into p and the extras. ST_NOTFOUND: no file. ST_CORRUPT (logged): a
 * digest or length is wrong; nothing is changed. ST_VERSION (logged): a name or shape
 * differs from p's; nothing is changed. */
MUST_USE enum status snapshot_read(const char *path, struct params *p,
                                   float *const *extra, const char *const *extra_names,
                                   int extras);
/* Digest of the weights in memory, as snapshot_write reports it without extras. */
struct hash128 snapshot_digest(const struct params *p);

#endif
