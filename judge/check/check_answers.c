#include "judge/check/checks.h"

enum {
    AGAIN_MS = 4000, // an answer that is not acknowledged comes again after 2 s or so
    REST_MS = 3000   // one that is, does not
};

/* ---- kinds ---- */

static void line_rate(struct check *c)
{
    enum { ASKED = 4 };
    struct stage *s = &c->stage;
    int answers = 0, from = s->count;

    for (int i = 0; i < ASKED; i++) {
        (void)check_book_rating(c, i, PURPOSE_LABEL);
    }
    if (!stage_ask(s, from, from + ASKED)) {
        check_fail(c, "rate", "a rating was not answered within %llu s",
                   (unsigned long long)stage_patience_ms(s) / 1000);
        return;
    }
    for (int i = from; i < from + ASKED; i++) {
        answers += check_is_answer(stage_at(s, i));
    }
    if (answers == 0) {
        check_fail(
            c, "rate",
            "it says that it rates, but of %d ratings none was a label: "
            "%s",
            ASKED,
            verdict_kind_name((enum verdict_kind)stage_at(s, from)->verdict.kind));
    } else {
        check_pass(c, "rate", "%d of %d ratings are labels", answers, ASKED);
    }
}

static void line_order(struct check *c)
{
    struct stage *s = &c->stage;
    const int most = (int)s->hello.order_most, from = s->count;

    (void)check_book_order(c, 0, 2);
    (void)check_book_order(c, 0, most);
    if (!stage_ask(s, from, from + 2)) {
        check_fail(c, "order", "an order was not answered within %llu s",
                   (unsigned long long)stage_patience_ms(s) / 1000);
    } else if (!check_is_answer(stage_at(s, from)) &&
               !check_is_answer(stage_at(s, from + 1))) {
        check_fail(
            c, "order",
            "it says that it orders, but neither 2 nor %d captions were "
            "ordered: %s",
            most,
            verdict_kind_name((enum verdict_kind)stage_at(s, from)->verdict.kind));
    } else {
        check_pass(c, "order", "2 and %d captions are ordered", most);
    }
}

/* What it does not say that it can do, it refuses: by no means it says nothing. */
static void line_refuses(struct check *c)
{
    struct stage *s = &c->stage;
    const struct msg_judge_hello *m = &s->hello;
    const int from = s->count;

    if (!m->can_rate) {
        (void)check_book_rating(c, 0, PURPOSE_LABEL);
    } else if (!m->can_order) {
        (void)check_book_order(c, 0, 2);
    } else if (m->order_most < ITEM_CAPTIONS_MAX) {
        (void)check_book_order(c, 0, ITEM_CAPTIONS_MAX);
    } else {
        check_none(c, "refuses", "it can do everything");
        return;
    }
    if (!stage_ask(s, from, from + 1)) {
        check_fail(c, "refuses", "a question that it cannot do got no verdict");
    } else if (stage_at(s, from)->verdict.kind != VERDICT_REFUSED) {
        check_fail(
            c, "refuses", "a question that it cannot do got %s, not refused",
            verdict_kind_name((enum verdict_kind)stage_at(s, from)->verdict.kind));
    } else {
        check_pass(c, "refuses", "what it cannot do is refused");
    }
}

void checks_of_kinds(struct check *c)
{
    if (check_ready(c, "rate")) {
        if (c->stage.hello.can_rate) {
            line_rate(c);
        } else {
            check_none(c, "rate", "it does not rate");
        }
    }
    if (check_ready(c, "order")) {
        if (c->stage.hello.can_order) {
            line_order(c);
        } else {
            check_none(c, "order", "it does not order");
        }
    }
    if (check_ready(c, "refuses")) {
        line_refuses(c);
    }
}

/* ---- credit ---- */

void checks_of_credit(struct check *c)
{
    struct stage *s = &c->stage;
    const int from = s->count;
    int overload = 0, silent = 0;

    if (!check_ready(c, "credit")) {
        return;
    }
    const int n =
        (int)s->hello.credits < c->questions ? (int)s->hello.credits : c->questions;
    for (int i = 0; i < n; i++) {
        (void)check_book_new(c);
    }
    (void)stage_ask(s, from, from + n);
    for (int i = from; i < from + n; i++) {
        const struct asked *q = stage_at(s, i);
        silent += q->verdicts == 0;
        overload += q->verdicts > 0 && q->verdict.kind == VERDICT_OVERLOAD;
    }
    if (silent > 0) {
        check_fail(c, "credit",
                   "of %d questions at once, with %u credits, %d got no verdict", n,
                   s->hello.credits, silent);
    } else if (overload > 0) {
        check_fail(c, "credit",
                   "it wants %u questions, but %d at once were an overload %d "
                   "times",
                   s->hello.credits, n, overload);
    } else {
        check_pass(c, "credit", "%d questions at once, with %u credits, are answered",
                   n, s->hello.credits);
    }
}

/* ---- again ---- */

static void line_ack(struct check *c)
{
    struct stage *s = &c->stage;

    s->acknowledges = false;
    const int at = check_book_new(c);
    if (!stage_ask(s, at, at + 1)) {
        check_fail(c, "re-asked", "a question got no verdict");
        return;
    }
    struct asked *q = stage_at(s, at);
    const bool by_itself = stage_comes_again(s, at, 1, AGAIN_MS);
    const int had = q->verdicts;
    stage_send(s, at, at + 1);
    const bool when_asked = stage_comes_again(s, at, had, stage_patience_ms(s));
    if (!when_asked) {
        check_fail(c, "re-asked",
                   "a question asked again, whose answer was not "
                   "acknowledged, was not answered again");
    } else if (q->changed) {
        check_fail(c, "re-asked", "a question asked again was answered otherwise");
    } else {
        check_pass(c, "re-asked", "answered again alike%s",
                   by_itself ? ", and before that by itself" : "");
    }
    stage_acknowledge(s, &q->question.id, 1);
    // What is sent comes in order, both ways: who answers the next question has read that,
    // and whatever it had sent before is here.
    s->acknowledges = true;
    (void)check_works(c);
    const int before = q->verdicts;
    (void)stage_comes_again(s, at, before, REST_MS);
    (void)check_works(c);
    if (q->verdicts > before) {
        check_fail(c, "ack", "an answer came again after it had been acknowledged");
    } else {
        check_pass(c, "ack", "an acknowledged answer does not come again");
    }
}

static void line_duplicate(struct check *c)
{
    struct stage *s = &c->stage;
    const struct frame_header h = stage_header(s, FRAME_QUESTIONS);
    const int at = check_book_new(c);
    struct asked *q = stage_at(s, at);
    const struct msg_questions twice = {.count = 2,
                                        .question = {q->question, q->question}};

    stage_send(s, at, at + 1);
    stage_put(s, codec_encode_questions(s->codec, &h, &twice));
    q->times = 3;
    if (!stage_wait(s, stage_patience_ms(s), stage_all_answered, (uint64_t)at)) {
        check_fail(c, "duplicate", "a question that came three times got no verdict");
        return;
    }
    (void)stage_wait(s, 1000, NULL, 0);
    if (q->verdicts > 3 + q->welcomes || q->changed) {
        check_fail(c, "duplicate", "a question that came three times got %d verdicts%s",
                   q->verdicts, q->changed ? ", which differ" : "");
    } else {
        check_pass(c, "duplicate", "a question that came three times got %d verdict%s",
                   q->verdicts, q->verdicts == 1 ? "" : "s, all alike");
    }
}

void checks_of_repeats(struct check *c)
{
    if (check_ready(c, "re-asked")) {
        line_ack(c);
    }
    if (check_ready(c, "duplicate")) {
        line_duplicate(c);
    }
}

/* ---- cache ---- */

void checks_of_cache(struct check *c)
{
    if (!check_ready(c, "cache")) {
        return;
    }
    if (!c->stage.hello.can_rate) {
        check_none(c, "cache", "it does not rate");
        check_none(c, "purpose", "it does not rate");
        return;
    }
    const struct asked *first = check_rate(c, 0, PURPOSE_LABEL);
    const struct asked *again = first != NULL ? check_rate(c, 0, PURPOSE_LABEL) : NULL;
    if (again == NULL) {
        check_fail(c, "cache", "a caption asked twice got no verdict");
        return;
    }
    if (again->verdict.cached && check_is_answer(first) &&
        again->verdict.label != first->verdict.label) {
        check_fail(c, "cache",
                   "it says that an answer is from its cache, but it is "
                   "another one");
    } else if (again->verdict.cached) {
        check_pass(c, "cache", "the same caption is answered from its cache");
    } else {
        check_none(c, "cache", "it has none: the same caption was judged anew");
    }
    for (int p = PURPOSE_CONSISTENCY; p <= PURPOSE_PROBE; p++) {
        const struct asked *q = check_rate(c, 0, (enum question_purpose)p);
        if (q == NULL || q->verdict.cached) {
            check_fail(c, "purpose",
                       q == NULL ? "a question with purpose %d got no verdict"
                                 : "a question with purpose %d, which measures the "
                                   "judge, was answered from its cache",
                       p);
            return;
        }
    }
    check_pass(c, "purpose", "questions that measure the judge are answered anew");
}
