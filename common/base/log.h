#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H
/* The log is for people: `time role.index LEVEL ID sentence`, lower case, no `=`.
 * Written to stderr by one write(2) per line. Any thread. Every ID stands in
 * launch/README.md with what to do about it. */

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR_, LOG_WARN_, LOG_INFO_, LOG_DEBUG_ };

/* "error", "warn", "info", "debug"; anything else is info. */
enum log_level log_level_of(const char *name);
/* Call once at start. role is a static string ("actor"); index is shown as role.index,
 * -1 = none yet. */
void log_open(const char *role, int index, enum log_level most);
void log_set_index(int index);

void log_line(enum log_level level, const char *id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define LOG_ERROR(id, ...) log_line(LOG_ERROR_, id, __VA_ARGS__)
#define LOG_WARN(id, ...) log_line(LOG_WARN_, id, __VA_ARGS__)
#define LOG_INFO(id, ...) log_line(LOG_INFO_, id, __VA_ARGS__)
#define LOG_DEBUG(id, ...) log_line(LOG_DEBUG_, id, __VA_ARGS__)

/* At most one line a second per struct; says how many were kept back. */
struct log_limit {
    uint64_t last_ns, held;
};
/* True when a line may be written now; *held = lines kept back since the last one. */
bool log_limit_pass(struct log_limit *l, uint64_t now_ns, uint64_t *held);

#endif
