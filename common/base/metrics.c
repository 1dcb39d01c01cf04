#include "common/base/metrics.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"

void metrics_begin(struct metrics_row *m)
{
    text_buf_clear(&m->buf);
    text_buf_add(&m->buf, "{");
}

static void add_key(struct metrics_row *m, const char *key)
{
    if (m->buf.len > 1) {
        text_buf_add(&m->buf, ", ");
    }
    text_buf_add_json(&m->buf, bytes_text(key));
    text_buf_add(&m->buf, ": ");
}

void metrics_int(struct metrics_row *m, const char *key, int64_t value)
{
    add_key(m, key);
    text_buf_add(&m->buf, "%lld", (long long)value);
}

void metrics_num(struct metrics_row *m, const char *key, double value)
{
    char text[TEXT_F64_MAX];

    add_key(m, key);
    if (isfinite(value)) {
        text_from_f64(value, text);
        text_buf_add(&m->buf, "%s", text);
    } else {
        text_buf_add(&m->buf, "null"); // JSON has no other word for it
    }
}

void metrics_text(struct metrics_row *m, const char *key, const char *value)
{
    add_key(m, key);
    text_buf_add_json(&m->buf, bytes_text(value));
}

void metrics_raw(struct metrics_row *m, const char *key, const char *json)
{
    add_key(m, key);
    text_buf_add(&m->buf, "%s", json);
}

const char *metrics_end(struct metrics_row *m)
{
    text_buf_add(&m->buf, "}");
    return m->buf.data;
}

void metrics_release(struct metrics_row *m)
{
    text_buf_release(&m->buf);
}

/* The length of f up to and including its last line break. */
static long whole_lines(FILE *f)
{
    char block[4096];
    long end;

    if (fseek(f, 0, SEEK_END) != 0 || (end = ftell(f)) < 0) {
        return -1;
    }
    while (end > 0) {
        const long start = end > (long)sizeof(block) ? end - (long)sizeof(block) : 0;
        const size_t n = (size_t)(end - start);
        if (fseek(f, start, SEEK_SET) != 0 || fread(block, 1, n, f) != n) {
            return -1;
        }
        const char *last = memrchr(block, '\n', n);
        if (last != NULL) {
            return start + (last - block) + 1;
        }
        end = start;
    }
    return 0;
}

enum status metrics_open(const char *path, FILE **out)
{
    FILE *f = fopen(path, "a+e");
    long whole;

    if (f == NULL || (whole = whole_lines(f)) < 0 || ftruncate(fileno(f), whole) != 0 ||
        fseek(f, 0, SEEK_END) != 0) {
        LOG_ERROR("METRICS-OPEN", "cannot open %s for appending: %s", path,
                  strerror(errno));
        if (f != NULL) {
            fclose(f);
        }
        return ST_IO;
    }
    *out = f;
    return ST_OK;
}

void metrics_append(FILE *f, const char *json)
{
    const bool failed_before = ferror(f) != 0;

    fprintf(f, "%s\n", json);
    fflush(f);
    if (ferror(f) && !failed_before) {
        LOG_WARN("METRICS-WRITE", "a metrics line cannot be written: %s",
                 strerror(errno));
    }
}
