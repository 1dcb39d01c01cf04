#ifndef COMMON_BASE_TEXT_H
#define COMMON_BASE_TEXT_H
/* Bounded text. Nothing here allocates but text_buf. Any thread. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"

/* snprintf into dst of `size`, always terminated. False when it was cut. */
bool text_format(char *dst, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Whole-string parses; false (out untouched) on anything but a value in range. */
bool text_to_i64(const char *text, int64_t least, int64_t most, int64_t *out);
bool text_to_f64(const char *text, double least, double most, double *out);

enum { TEXT_F64_MAX = 32 };
/* The shortest decimal form that text_to_f64() turns back into the same double. */
void text_from_f64(double value, char out[TEXT_F64_MAX]);

/* In place: cuts white space at both ends; returns the new start. */
char *text_trim(char *text);

/* The entry of names[0..count) nearest to `name` by edit distance, or NULL when none
 * is within a third of its length (at least 2). */
const char *text_nearest(const char *name, const char *const *names, int count);

/* A growing buffer for files and reports, not for loops. */
struct text_buf {
    char *data; // always terminated once something was added
    size_t len, cap;
};
void text_buf_release(struct text_buf *b);
void text_buf_clear(struct text_buf *b);
void text_buf_add(struct text_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Adds bytes as a quoted JSON string: Latin-1 turned to UTF-8, control bytes escaped,
 * so that all 256 byte values survive a round trip. */
void text_buf_add_json(struct text_buf *b, struct bytes s);

#endif
