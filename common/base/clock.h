#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H
/* Time comes from here alone, so that a test can turn it by hand. Any thread. */

#include <stdint.h>

struct clock {
    uint64_t (*now_ns)(const struct clock *c); // monotonic
    uint64_t manual_ns;                        // used by a turned clock
};

/* The system's monotonic clock. Static; never freed. */
const struct clock *clock_system(void);
/* A clock that stands still until the test adds to manual_ns. */
void clock_init_manual(struct clock *c, uint64_t start_ns);
void clock_turn_ms(struct clock *c, uint64_t ms);

static inline uint64_t clock_ns(const struct clock *c)
{
    return c->now_ns(c);
}
static inline uint64_t clock_ms(const struct clock *c)
{
    return c->now_ns(c) / 1000000u;
}
static inline double clock_s(const struct clock *c)
{
    return (double)c->now_ns(c) * 1e-9;
}

/* Calendar time, for logs and the ledger only. */
uint64_t clock_wall_ms(void);
/* CPU time of the calling thread; of this process with its waited-for children. */
uint64_t clock_thread_cpu_ns(void);
uint64_t clock_process_cpu_ns(void);
/* Sleeps in real time; signals do not end it early. */
void clock_sleep_ms(uint64_t ms);

#endif
