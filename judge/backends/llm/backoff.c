#include "judge/backends/llm/backoff.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/text.h"

enum { FIRST_MS = 500, MOST_MS = 30000 };

uint64_t backoff_ms(int attempt, struct rng *rng)
{
    uint64_t ms = FIRST_MS;

    for (int i = 1; i < attempt && ms < MOST_MS; i++) {
        ms *= 2;
    }
    ms = ms < MOST_MS ? ms : MOST_MS;
    return ms / 2 + rng_below(rng, (uint32_t)(ms / 2));
}

/* "1994", "Nov": the words of dates are English, whatever the locale is. */
static int month_of(const char *name)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; i < 12; i++) {
        if (strncmp(name, months + 3 * i, 3) == 0) {
            return i;
        }
    }
    return -1;
}

static bool seconds_of(const char *date, int64_t *out)
{
    struct tm t = {.tm_isdst = 0};
    char month[4] = "";
    int used = -1;

    // Sun, 06 Nov 1994 08:49:37 GMT
    if (sscanf(date, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &t.tm_mday,
               month, &t.tm_year, &t.tm_hour, &t.tm_min, &t.tm_sec, &used) == 6 &&
        used > 0) {
        t.tm_year -= 1900;
        // Sunday, 06-Nov-94 08:49:37 GMT
    } else if (sscanf(date, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n",
                      &t.tm_mday, month, &t.tm_year, &t.tm_hour, &t.tm_min, &t.tm_sec,
                      &used) == 6 &&
               used > 0) {
        t.tm_year += t.tm_year < 70 ? 100 : 0;
        // Sun Nov  6 08:49:37 1994
    } else if (sscanf(date, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", month,
                      &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec, &t.tm_year,
                      &used) == 6 &&
               used > 0) {
        t.tm_year -= 1900;
    } else {
        return false;
    }
    t.tm_mon = month_of(month);
    if (date[used] != '\0' || t.tm_mon < 0 || t.tm_mday < 1 || t.tm_mday > 31 ||
        t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 60) {
        return false;
    }
    *out = (int64_t)timegm(&t);
    return true;
}

bool backoff_retry_after(const char *value, int64_t now_s, uint64_t *ms)
{
    const int64_t most = RETRY_AFTER_MOST_MS / 1000;
    const size_t digits = strspn(value, "0123456789");
    int64_t seconds;

    if (digits > 0 && value[digits] == '\0') {
        // More digits than a number holds are a long time all the same.
        if (digits > 9 || !text_to_i64(value, 0, INT64_MAX, &seconds)) {
            seconds = most;
        }
    } else if (seconds_of(value, &seconds)) {
        seconds = seconds > now_s ? seconds - now_s : 0;
    } else {
        return false;
    }
    *ms = (uint64_t)(seconds < most ? seconds : most) * 1000;
    return true;
}
