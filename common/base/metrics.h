#ifndef COMMON_BASE_METRICS_H
#define COMMON_BASE_METRICS_H
/* JSON objects of numbers (and a few names), one per line, for plots. One writer per
 * file; the owner's thread. Also builds summary.json and the JSON of eval and bench. */

#include <stdint.h>
#include <stdio.h>

#include "common/base/status.h"
#include "common/base/text.h"

struct metrics_row {
    struct text_buf buf;
};

void metrics_begin(struct metrics_row *m); // "{"; keeps the buffer's memory
void metrics_int(struct metrics_row *m, const char *key, int64_t value);
/* NaN and infinities become null. */
void metrics_num(struct metrics_row *m, const char *key, double value);
void metrics_text(struct metrics_row *m, const char *key, const char *value);
/* A nested object or array that is already JSON. */
void metrics_raw(struct metrics_row *m, const char *key, const char *json);
const char *metrics_end(struct metrics_row *m); // "…}", valid until the next begin
void metrics_release(struct metrics_row *m);

/* Opens for appending; a torn last line of a killed writer is cut off first. */
MUST_USE enum status metrics_open(const char *path, FILE **out);
void metrics_append(FILE *f, const char *json); // line + flush

#endif
