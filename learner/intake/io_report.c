#include "learner/intake/io_report.h"

#include <stdatomic.h>
#include <stddef.h>

#include "common/base/check.h"
#include "common/base/mem.h"

/* Three buffers: the writer's, the reader's, and one in the middle that they exchange
 * by its index. FRESH is set while the middle one was put and not yet taken. */
enum { FRESH = 4, INDEX = 3 };

struct io_report {
    struct io_counters buffer[3];
    int write, read; // each its side's
    atomic_int middle;
};

struct io_report *io_report_new(void)
{
    struct io_report *r = mem_new(1, sizeof(*r));

    r->write = 0;
    r->read = 1;
    atomic_init(&r->middle, 2);
    return r;
}

void io_report_free(struct io_report *r)
{
    mem_free(r);
}

void io_report_put(struct io_report *r, const struct io_counters *c)
{
    r->buffer[r->write] = *c;
    r->write = atomic_exchange(&r->middle, r->write | FRESH) & INDEX;
}

void io_report_get(struct io_report *r, struct io_counters *out)
{
    if ((atomic_load(&r->middle) & FRESH) != 0) {
        r->read = atomic_exchange(&r->middle, r->read) & INDEX;
    }
    *out = r->buffer[r->read];
}

const char *io_bad_name(enum io_bad reason)
{
    static const char *const names[IO_BAD_REASONS] = {
        "header",   "protocol",  "kind", "body",  "run",
        "stranger", "multipart", "size", "empty",
    };

    CHECK((int)reason >= 0 && reason < IO_BAD_REASONS);
    return names[reason];
}

const char *io_asking_name(enum io_asking state)
{
    static const char *const names[IO_ASKING_STATES] = {
        "",
        "on",
        "no judge",
        "judges pause",
        "judges without a server",
        "judges' hourly budget spent",
        "judges' budget spent",
        "budget spent",
        "hourly budget spent",
    };

    CHECK((int)state >= 0 && state < IO_ASKING_STATES);
    return names[state];
}
