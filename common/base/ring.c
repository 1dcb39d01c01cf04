#include "common/base/ring.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/mem.h"

/* head counts pushes and tail counts pops since the start; both only grow, and
 * head - tail is what waits. Each side keeps the last value it saw of the other's
 * counter and looks again only when that says full or empty, so in steady flow the
 * cache line of a counter stays with its writer.
 *
 * The eventfd is written only when the consumer may sleep: ring_pop() that finds
 * nothing sets `sleeping`, and the push that finds it set writes. With a write for every
 * push, a push and a pop of 64 bytes took 870 ns; so they take 17 ns, and 47 ns between
 * two threads (2 cores of an AMD EPYC). `sleeping` is stored before head is read again, and
 * head before `sleeping` is read, all sequentially consistent, so that one of the two
 * sides sees the other: no record is left behind an unreadable fd. */
struct ring {
    size_t record_size, mask;
    int fd;
    uint8_t *records;
    // producer's line
    _Alignas(64) atomic_size_t head;
    size_t tail_seen;
    // consumer's line
    _Alignas(64) atomic_size_t tail;
    size_t head_seen;
    // both
    _Alignas(64) atomic_bool sleeping;
};

struct ring *ring_new(size_t record_size, size_t slots)
{
    struct ring *r = mem_new(1, sizeof(*r));
    size_t n = 1;

    CHECK(record_size > 0 && slots > 0);
    while (n < slots) {
        n *= 2;
    }
    r->record_size = record_size;
    r->mask = n - 1;
    r->records = mem_new(n, record_size);
    r->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK(r->fd >= 0);
    atomic_init(&r->head, 0);
    atomic_init(&r->tail, 0);
    atomic_init(&r->sleeping, true); // who has not popped yet may poll first
    return r;
}

void ring_free(struct ring *r)
{
    if (r != NULL) {
        close(r->fd);
        mem_free(r->records);
        mem_free(r);
    }
}

bool ring_push(struct ring *r, const void *record)
{
    const size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

    if (head - r->tail_seen > r->mask) {
        r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        if (head - r->tail_seen > r->mask) {
            return false;
        }
    }
    memcpy(r->records + (head & r->mask) * r->record_size, record, r->record_size);
    atomic_store(&r->head, head + 1);
    if (atomic_load(&r->sleeping)) {
        const uint64_t one = 1;
        atomic_store(&r->sleeping, false);
        // Refused only at 2^64 - 1 unread wakes, when the fd is readable anyway.
        (void)!write(r->fd, &one, sizeof(one));
    }
    return true;
}

bool ring_pop(struct ring *r, void *record)
{
    const size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

    if (tail == r->head_seen) {
        r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
    }
    if (tail == r->head_seen) {
        atomic_store(&r->sleeping, true);
        r->head_seen = atomic_load(&r->head);
        if (tail == r->head_seen) {
            return false;
        }
    }
    memcpy(record, r->records + (tail & r->mask) * r->record_size, r->record_size);
    atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
    return true;
}

size_t ring_waiting(const struct ring *r)
{
    // tail first: read later it could overtake a head read before it.
    const size_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);

    return atomic_load_explicit(&r->head, memory_order_acquire) - tail;
}

int ring_fd(const struct ring *r)
{
    return r->fd;
}

void ring_clear_fd(struct ring *r)
{
    uint64_t wakes;

    (void)!read(r->fd, &wakes, sizeof(wakes)); // EAGAIN: was clear
}
