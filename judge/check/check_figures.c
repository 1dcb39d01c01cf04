#include <math.h>
#include <stdlib.h>

#include "judge/check/checks.h"

enum { PAIRS = 12, FORMS = 8, TWICE = 8 };

/* ---- latency ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Of the answers that were worked out, not remembered, as seen from here. */
static void figure_latency(struct check *c)
{
    static double ms[STAGE_QUESTIONS];
    const struct stage *s = &c->stage;
    int n = 0;

    for (int i = 0; i < s->count; i++) {
        const struct asked *q = &s->asked[i];
        if (q->verdicts > 0 && !q->verdict.cached && check_is_answer(q)) {
            ms[n++] = (double)(q->answered_ns - q->asked_ns) * 1e-6;
        }
    }
    if (n == 0) {
        check_none(c, "latency", "nothing was answered");
        return;
    }
    qsort(ms, (size_t)n, sizeof(ms[0]), by_size);
    const double p50 = ms[(n - 1) / 2], p99 = ms[(n - 1) * 99 / 100];
    check_report_figure(&c->report, "latency-p50", p50, "%.3g ms over %d answers", p50,
                        n);
    check_report_figure(&c->report, "latency-p99", p99, "%.3g ms, the longest %.3g ms",
                        p99, ms[n - 1]);
}

/* ---- order bias ---- */

/* 1: caption 0 of the question won, -1: caption 1 did, 0: neither. */
static int winner(const struct asked *q)
{
    const uint8_t *order = q->verdict.order;

    return q->verdict.kind != VERDICT_LABEL
               ? 0
               : (order[0] < order[1]) - (order[0] > order[1]);
}

/* Pairs in both orders: how often the place won and not the caption. */
static void figure_order_bias(struct check *c)
{
    struct stage *s = &c->stage;
    int first = 0, second = 0, n = 0;

    if (!check_ready(c, "order-bias")) {
        return;
    }
    if (!s->hello.can_order) {
        check_none(c, "order-bias", "it does not order");
        return;
    }
    const int from = s->count;
    for (int i = 0; i < PAIRS; i++) {
        const char *text[2] = {check_line(i), check_line(i + 7)};
        const char *turned[2] = {text[1], text[0]};
        const bool helps[2] = {check_line_helps(i), check_line_helps(i + 7)};
        const bool turned_helps[2] = {helps[1], helps[0]};
        const int a = stage_book(s, QUESTION_ORDER, 2, text, helps),
                  b = stage_book(s, QUESTION_ORDER, 2, turned, turned_helps);
        stage_at(s, a)->question.purpose = PURPOSE_PROBE;
        stage_at(s, b)->question.purpose = PURPOSE_PROBE;
    }
    if (!stage_ask(s, from, from + 2 * PAIRS)) {
        check_none(c, "order-bias", "pairs got no verdict");
        return;
    }
    for (int i = 0; i < PAIRS; i++) {
        const struct asked *a = stage_at(s, from + 2 * i), *b = a + 1;
        const bool both = check_is_answer(a) && check_is_answer(b);
        n += both;
        first += both && winner(a) > 0 && winner(b) > 0;
        second += both && winner(a) < 0 && winner(b) < 0;
    }
    const double bias = n > 0 ? (double)(first - second) / n : NAN;
    check_report_figure(
        &c->report, "order-bias", bias,
        "%.3g: of %d pairs asked in both orders the first shown won both "
        "in %d, the second in %d",
        bias, n, first, second);
}

/* ---- format, consistency ---- */

static bool differ(const struct asked *a, const struct asked *b)
{
    return a->verdict.kind != b->verdict.kind ||
           fabs((double)(a->verdict.label - b->verdict.label)) >= 0.5;
}

static int book_form(struct check *c, int line, int form)
{
    char text[SEGMENT_TEXT_MAX + 1];
    const char *lent = text;
    const bool helps = check_line_helps(line);

    (void)text_format(text, sizeof(text), form == 1 ? "  %s  " : "%s",
                      check_line(line));
    for (char *p = text; form == 2 && *p != '\0'; p++) {
        *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
    }
    const int at = stage_book(&c->stage, QUESTION_RATE, 1, &lent, &helps);
    stage_at(&c->stage, at)->question.purpose = PURPOSE_PROBE;
    return at;
}

/* The same caption as it is, with blanks around it, and in capitals. */
static void figure_format(struct check *c)
{
    struct stage *s = &c->stage;
    int changed = 0;

    if (!check_ready(c, "format")) {
        return;
    }
    if (!s->hello.can_rate) {
        check_none(c, "format", "it does not rate");
        return;
    }
    const int from = s->count;
    for (int i = 0; i < FORMS; i++) {
        for (int form = 0; form < 3; form++) {
            (void)book_form(c, i, form);
        }
    }
    if (!stage_ask(s, from, from + 3 * FORMS)) {
        check_none(c, "format", "ratings got no verdict");
        return;
    }
    for (int i = 0; i < FORMS; i++) {
        const struct asked *plain = stage_at(s, from + 3 * i);
        changed += differ(plain, plain + 1) + differ(plain, plain + 2);
    }
    const double share = (double)changed / (2 * FORMS);
    check_report_figure(&c->report, "format", share,
                        "%d of %d answers change with blanks or capitals", changed,
                        2 * FORMS);
}

static void figure_consistency(struct check *c)
{
    struct stage *s = &c->stage;
    int same = 0;

    if (!check_ready(c, "consistency")) {
        return;
    }
    if (!s->hello.can_rate) {
        check_none(c, "consistency", "it does not rate");
        return;
    }
    const int from = s->count;
    for (int i = 0; i < 2 * TWICE; i++) {
        (void)check_book_rating(c, i / 2, PURPOSE_CONSISTENCY);
    }
    if (!stage_ask(s, from, from + 2 * TWICE)) {
        check_none(c, "consistency", "ratings got no verdict");
        return;
    }
    for (int i = 0; i < TWICE; i++) {
        const struct asked *q = stage_at(s, from + 2 * i);
        same += !differ(q, q + 1);
    }
    const double share = (double)same / TWICE;
    check_report_figure(&c->report, "consistency", share,
                        "%d of %d captions asked twice got the same answer", same,
                        TWICE);
}

void checks_of_figures(struct check *c)
{
    figure_latency(c);
    figure_order_bias(c);
    figure_format(c);
    figure_consistency(c);
}
