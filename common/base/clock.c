#include "common/base/clock.h"

#include <errno.h>
#include <sys/resource.h>
#include <time.h>

#include "common/base/check.h"

static uint64_t read_ns(clockid_t id)
{
    struct timespec t;

    CHECK(clock_gettime(id, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t system_ns(const struct clock *c)
{
    (void)c;
    return read_ns(CLOCK_MONOTONIC);
}

static uint64_t manual_ns(const struct clock *c)
{
    return c->manual_ns;
}

const struct clock *clock_system(void)
{
    static const struct clock system = {.now_ns = system_ns};

    return &system;
}

void clock_init_manual(struct clock *c, uint64_t start_ns)
{
    *c = (struct clock){.now_ns = manual_ns, .manual_ns = start_ns};
}

void clock_turn_ms(struct clock *c, uint64_t ms)
{
    c->manual_ns += ms * 1000000u;
}

uint64_t clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000u;
}

uint64_t clock_thread_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t timeval_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

uint64_t clock_process_cpu_ns(void)
{
    struct rusage children;

    CHECK(getrusage(RUSAGE_CHILDREN, &children) == 0);
    return read_ns(CLOCK_PROCESS_CPUTIME_ID) + timeval_ns(children.ru_utime) +
           timeval_ns(children.ru_stime);
}

void clock_sleep_ms(uint64_t ms)
{
    // An absolute end, so that many signals do not stretch the sleep by rounding.
    const uint64_t end = read_ns(CLOCK_MONOTONIC) + ms * 1000000u;
    const struct timespec until = {.tv_sec = (time_t)(end / 1000000000u),
                                   .tv_nsec = (long)(end % 1000000000u)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}
