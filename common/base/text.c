#include "common/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"

enum { NAME_MAX_ = 63 }; // longer names are compared by their first 63 letters

bool text_format(char *dst, size_t size, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    const int len = vsnprintf(dst, size, fmt, args);
    va_end(args);
    return len >= 0 && (size_t)len < size;
}

bool text_to_i64(const char *text, int64_t least, int64_t most, int64_t *out)
{
    char *end;

    if (!isdigit((unsigned char)text[0]) && text[0] != '-') {
        return false; // strtoll would skip white space and take a plus
    }
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
        return false;
    }
    *out = value;
    return true;
}

bool text_to_f64(const char *text, double least, double most, double *out)
{
    char *end;

    if (isspace((unsigned char)text[0])) {
        return false;
    }
    errno = 0;
    const double value = strtod(text, &end);
    // ERANGE also comes with a value too small for a double, which may pass as 0.
    if (end == text || *end != '\0' || !(value >= least && value <= most)) {
        return false;
    }
    *out = value;
    return true;
}

void text_from_f64(double value, char out[TEXT_F64_MAX])
{
    // The shortest of the forms that come back to the same double.
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(out, TEXT_F64_MAX, "%.*g", digits, value);
        if (strtod(out, NULL) == value) {
            return;
        }
    }
}

char *text_trim(char *text)
{
    char *start = text;

    while (isspace((unsigned char)*start)) {
        start++;
    }
    char *end = start + strlen(start);
    while (end > start && isspace((unsigned char)end[-1])) {
        end--;
    }
    *end = '\0';
    return start;
}

/* Levenshtein distance, one row at a time. */
static int distance(const char *a, const char *b)
{
    const int la = (int)strnlen(a, NAME_MAX_), lb = (int)strnlen(b, NAME_MAX_);
    int row[NAME_MAX_ + 1];

    for (int j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (int i = 1; i <= la; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= lb; j++) {
            const int swap = diagonal + (a[i - 1] != b[j - 1]);
            const int shorter = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = swap < shorter ? swap : shorter;
        }
    }
    return row[lb];
}

const char *text_nearest(const char *name, const char *const *names, int count)
{
    const int third = (int)(strnlen(name, NAME_MAX_) / 3);
    int best = (third < 2 ? 2 : third) + 1;
    const char *nearest = NULL;

    for (int i = 0; i < count; i++) {
        const int d = distance(name, names[i]);
        if (d < best) {
            best = d;
            nearest = names[i];
        }
    }
    return nearest;
}

void text_buf_release(struct text_buf *b)
{
    mem_free(b->data);
    *b = (struct text_buf){0};
}

void text_buf_clear(struct text_buf *b)
{
    b->len = 0;
    if (b->data != NULL) {
        b->data[0] = '\0';
    }
}

/* Makes room for `more` bytes and a 0. */
static void make_room(struct text_buf *b, size_t more)
{
    const size_t need = b->len + more + 1;

    if (need > b->cap) {
        size_t cap = b->cap < 128 ? 256 : b->cap * 2;
        cap = cap < need ? need : cap;
        b->data = mem_grow(b->data, b->cap, cap, 1);
        b->cap = cap;
    }
}

void text_buf_add(struct text_buf *b, const char *fmt, ...)
{
    va_list args, again;

    va_start(args, fmt);
    va_copy(again, args);
    make_room(b, 0);
    const int len = vsnprintf(b->data + b->len, b->cap - b->len, fmt, args);
    CHECK(len >= 0);
    if ((size_t)len >= b->cap - b->len) {
        make_room(b, (size_t)len);
        vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
    }
    b->len += (size_t)len;
    va_end(again);
    va_end(args);
}

void text_buf_add_json(struct text_buf *b, struct bytes s)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *in = s.data;

    make_room(b, 6 * s.len + 2); // \u00XX is the longest form
    char *out = b->data + b->len;
    *out++ = '"';
    for (size_t i = 0; i < s.len; i++) {
        const unsigned char c = in[i];
        if (c == '"' || c == '\\') {
            *out++ = '\\';
            *out++ = (char)c;
        } else if (c < 0x20 || c == 0x7f) {
            memcpy(out, "\\u00", 4);
            out[4] = hex[c >> 4];
            out[5] = hex[c & 15];
            out += 6;
        } else if (c < 0x80) {
            *out++ = (char)c;
        } else {
            *out++ = (char)(0xc0 | c >> 6);
            *out++ = (char)(0x80 | (c & 0x3f));
        }
    }
    *out++ = '"';
    *out = '\0';
    b->len = (size_t)(out - b->data);
}
