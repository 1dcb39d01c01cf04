#include "learner/intake/allowance.h"

enum { MINUTE_MS = 60000 };

void allowance_init(struct allowance *a, uint64_t total, uint64_t hour)
{
    *a = (struct allowance){.total = total == 0 ? UINT64_MAX : total,
                            .hour = hour == 0 ? UINT64_MAX : hour};
}

/* Lets go of the minutes that are more than an hour old. */
static void turn_to(struct allowance *a, uint64_t minute)
{
    if (minute > a->minute + ALLOWANCE_MINUTES) {
        a->minute = minute - ALLOWANCE_MINUTES;
    }
    while (a->minute < minute) {
        uint32_t *oldest = &a->of_minute[++a->minute % ALLOWANCE_MINUTES];
        a->in_hour -= *oldest;
        *oldest = 0;
    }
}

void allowance_add(struct allowance *a, uint64_t now_ms, uint64_t ago_ms)
{
    const uint64_t now = now_ms / MINUTE_MS;

    turn_to(a, now);
    a->given++;
    if (ago_ms / MINUTE_MS < ALLOWANCE_MINUTES - 1) {
        // A clock that began later than the label was given has no minute for it: the
        // numbers only need to differ, and those before 0 are taken from the end.
        const uint64_t at = now + ALLOWANCE_MINUTES - ago_ms / MINUTE_MS;
        a->of_minute[at % ALLOWANCE_MINUTES]++;
        a->in_hour++;
    }
}

static uint64_t rest(uint64_t bound, uint64_t used)
{
    return bound > used ? bound - used : 0;
}

uint64_t allowance_left(struct allowance *a, uint64_t now_ms, uint64_t under_way)
{
    turn_to(a, now_ms / MINUTE_MS);
    const uint64_t all = rest(a->total, a->given + under_way);
    const uint64_t hour = rest(a->hour, a->in_hour + under_way);

    return all < hour ? all : hour;
}

bool allowance_is_spent(const struct allowance *a)
{
    return a->given >= a->total;
}

bool allowance_hour_is_spent(const struct allowance *a)
{
    return a->in_hour >= a->hour;
}
