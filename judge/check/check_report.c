#include "judge/check/check_report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const words[] = {"pass", "fail", "n/a", "figure"};

static void write_line(struct check_report *r, enum check_result result,
                       const char *name, double value, const char *note)
{
    r->count[result]++;
    if (!r->json) {
        printf("%-7s %-12s %s\n", words[result], name, note);
        fflush(stdout);
        return;
    }
    metrics_begin(&r->row);
    metrics_text(&r->row, "check", name);
    metrics_text(&r->row, "result", words[result]);
    if (result == CHECK_FIGURE) {
        metrics_num(&r->row, "value", value);
    }
    metrics_text(&r->row, "note", note);
    puts(metrics_end(&r->row));
    fflush(stdout);
}

void check_report_line(struct check_report *r, enum check_result result,
                       const char *name, const char *fmt, ...)
{
    char note[400];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(note, sizeof(note), fmt, args);
    va_end(args);
    write_line(r, result, name, NAN, note);
}

void check_report_figure(struct check_report *r, const char *name, double value,
                         const char *fmt, ...)
{
    char note[400];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(note, sizeof(note), fmt, args);
    va_end(args);
    write_line(r, CHECK_FIGURE, name, value, note);
}

void check_report_end(struct check_report *r)
{
    if (!r->json) {
        printf("%d passed, %d failed, %d not applicable\n", r->count[CHECK_PASS],
               r->count[CHECK_FAIL], r->count[CHECK_NONE]);
    }
    metrics_release(&r->row);
}
