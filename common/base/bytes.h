#ifndef COMMON_BASE_BYTES_H
#define COMMON_BASE_BYTES_H
/* Borrowed bytes. Who lends them says until when they hold. */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct bytes {
    const void *data;
    size_t len;
};

static inline struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){data, len};
}

static inline struct bytes bytes_text(const char *text)
{
    return (struct bytes){text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

#endif
