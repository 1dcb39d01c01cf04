#ifndef JUDGE_CHECK_CHECK_REPORT_H
#define JUDGE_CHECK_CHECK_REPORT_H
/* The lines of judge-check, as text or as JSON, each written as soon as it is known. Main
 * thread. */

#include <stdbool.h>

#include "common/base/metrics.h"

enum check_result { CHECK_PASS, CHECK_FAIL, CHECK_NONE, CHECK_FIGURE, CHECK_RESULTS };

struct check_report {
    bool json;
    int count[CHECK_RESULTS];
    struct metrics_row row;
};

void check_report_line(struct check_report *r, enum check_result result,
                       const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* A figure never fails. `value` stands in the JSON under "value". */
void check_report_figure(struct check_report *r, const char *name, double value,
                         const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void check_report_end(struct check_report *r);

#endif
