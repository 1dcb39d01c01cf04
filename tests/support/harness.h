#ifndef TESTS_SUPPORT_HARNESS_H
#define TESTS_SUPPORT_HARNESS_H
/* What every test program needs: cmocka with the headers that it wants before itself, a
 * directory of its own, and what was written to stderr. One thread. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

/* A sanitizer keeps freed memory and shadows all of it: figures of memory mean nothing. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { HARNESS_SANITIZED = 1 };
#else
enum { HARNESS_SANITIZED = 0 };
#endif

/* A new empty directory under TMPDIR or /tmp; static memory, good until the next call.
 * harness_remove_dir() removes it with what is in it. */
const char *harness_make_dir(void);
void harness_remove_dir(const char *path);
/* path/name in static memory; four of them may be held at a time. */
const char *harness_path(const char *dir, const char *name);

/* For a teardown: kills a child at once and waits for its end; 0: none runs, as behind it. */
void harness_kill(pid_t *child);

/* Catches what this process writes to stderr until harness_stderr_end(), which gives it
 * back as text, good until the next begin. */
void harness_stderr_begin(void);
const char *harness_stderr_end(void);

#endif
