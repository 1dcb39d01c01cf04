#ifndef COMMON_BASE_RING_H
#define COMMON_BASE_RING_H
/* A single-producer single-consumer ring of equal small records, with an eventfd that
 * is readable while something waits. One thread pushes, one pops; nothing else. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/status.h"

struct ring;

/* `slots` is rounded up to a power of two. */
struct ring *ring_new(size_t record_size, size_t slots);
void ring_free(struct ring *r); // NULL is fine
/* Producer. False when full: nothing was pushed. Never blocks. */
MUST_USE bool ring_push(struct ring *r, const void *record);
/* Consumer. False when empty. Never blocks. */
MUST_USE bool ring_pop(struct ring *r, void *record);
size_t ring_waiting(const struct ring *r); // an estimate, either side
int ring_fd(const struct ring *r);         // poll it for POLLIN; consumer only
/* Consumer: call when ring_fd was readable, then pop until ring_pop() says empty; only
 * that arms the fd again. */
void ring_clear_fd(struct ring *r);

#endif
