#include "common/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"

enum { LINE_MAX_ = 2048 };

static const char *role_name = "minos";
static enum log_level most_level = LOG_INFO_;
static atomic_int role_index = -1;

enum log_level log_level_of(const char *name)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    for (int i = 0; i < 4; i++) {
        if (strcmp(name, names[i]) == 0) {
            return (enum log_level)i;
        }
    }
    return LOG_INFO_;
}

void log_open(const char *role, int index, enum log_level most)
{
    role_name = role;
    most_level = most;
    log_set_index(index);
}

void log_set_index(int index)
{
    atomic_store_explicit(&role_index, index, memory_order_relaxed);
}

/* "12:03:07.412 learner.1 WARN  REPLAY-DROP  ", the length of which is returned. */
static int write_head(char *line, int size, enum log_level level, const char *id)
{
    static const char *const level_names[] = {"ERROR", "WARN", "INFO", "DEBUG"};
    const int index = atomic_load_explicit(&role_index, memory_order_relaxed);
    const uint64_t ms = clock_wall_ms();
    const time_t now = (time_t)(ms / 1000u);
    struct tm t;
    char who[32];

    localtime_r(&now, &t);
    if (index >= 0) {
        snprintf(who, sizeof(who), "%s.%d", role_name, index);
    } else {
        snprintf(who, sizeof(who), "%s", role_name);
    }
    return snprintf(line, (size_t)size, "%02d:%02d:%02d.%03d %-9s %-5s %-12s ",
                    t.tm_hour, t.tm_min, t.tm_sec, (int)(ms % 1000u), who,
                    level_names[level], id);
}

void log_line(enum log_level level, const char *id, const char *fmt, ...)
{
    char line[LINE_MAX_];
    const int room = LINE_MAX_ - 1; // for the line break
    va_list args;

    if (level > most_level) {
        return;
    }
    const int head = write_head(line, room, level, id);
    va_start(args, fmt);
    int len = head + vsnprintf(line + head, (size_t)(room - head), fmt, args);
    va_end(args);
    len = len < head ? head : len;
    len = len > room - 1 ? room - 1 : len;
    // A name from outside must not forge a line or turn the terminal's colours.
    for (int i = head; i < len; i++) {
        const unsigned char c = (unsigned char)line[i];
        if (c < 0x20 || c == 0x7f) {
            line[i] = '?';
        }
    }
    line[len++] = '\n';
    // One write, so that lines of several processes do not mix. A log that cannot be
    // written has nowhere to say so.
    if (write(STDERR_FILENO, line, (size_t)len) < 0) {
        return;
    }
}

bool log_limit_pass(struct log_limit *l, uint64_t now_ns, uint64_t *held)
{
    if (l->last_ns != 0 && now_ns < l->last_ns + 1000000000u) {
        l->held++;
        return false;
    }
    l->last_ns = now_ns > 0 ? now_ns : 1;
    *held = l->held;
    l->held = 0;
    return true;
}
