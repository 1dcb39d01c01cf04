#ifndef COMMON_BASE_FILE_H
#define COMMON_BASE_FILE_H
/* Files and directories. Failures are logged here, once, with path and cause. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/status.h"

enum { PATH_MAX_ = 1024 };

/* mkdir -p. */
MUST_USE enum status file_make_dirs(const char *path);
bool file_exists(const char *path);
/* The whole file plus a 0 after it, which *len does not count; free with mem_free().
 * ST_NOTFOUND (not logged): there is none; ST_FULL: larger than `most`. */
MUST_USE enum status file_read(const char *path, size_t most, char **data, size_t *len);
/* Writes path.tmp, fsyncs, renames, fsyncs the directory: the file is whole or as it
 * was before, whatever happens. */
MUST_USE enum status file_write_atomic(const char *path, struct bytes content);
/* rm -r below and including path; not following links. Missing is fine. */
MUST_USE enum status file_remove_tree(const char *path);
/* fsync of a directory, so that a rename in it is durable. */
MUST_USE enum status file_sync_dir(const char *path);
/* NFS, CIFS, Lustre, GPFS, FUSE, ... : not for LMDB. */
bool file_on_network(const char *path, const char **kind);
/* Takes an exclusive flock on path (made if missing). ST_AGAIN: another holds it.
 * Close *fd to let go. */
MUST_USE enum status file_lock(const char *path, int *fd);
/* Whether somebody holds it now. Who looks is in the way of one who takes it for
 * microseconds, which file_lock() sits out, and of nobody else who looks. */
bool file_is_locked(const char *path);
/* For the end of a main(): what was printed got there, else says so on stderr and turns
 * `code` 0 into 1. */
int file_end_stdout(int code);
uint64_t file_free_bytes(const char *path); // of its file system

#endif
