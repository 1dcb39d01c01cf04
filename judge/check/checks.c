#include "judge/check/checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/stop.h"

static const struct {
    const char *text;
    bool helps;
} lines[CHECK_LINES] = {
    {"You see a brass key.", true},
    {"You hit the small rat.", false},
    {"You now have a brass key.", true},
    {"You see some food.", false},
    {"You unlock the vault with your brass key.", true},
    {"You take 12 gold pieces.", false},
    {"You open the chest and find the treasure.", true},
    {"You are hungry.", false},
    {"There is an iron key at your feet.", true},
    {"You eat the ration.", false},
    {"You see a treasure chest.", true},
    {"You kill the large bat at last.", false},
    {"You pick up the iron key.", true},
    {"Your stomach growls.", false},
    {"The vault is locked.", true},
    {"You see a trap.", false},
    {"You put the silver key in your pocket.", true},
    {"You read: \"ad aerarium\".", false},
    {"You lift the lid, and the treasure is yours.", true},
    {"You step into a trap.", false},
    {"You see here a golden key.", true},
    {"You enter the crypt.", false},
    {"You stand on a bone key.", true},
    {"You miss the small rat.", false},
};

const char *check_line(int i)
{
    return lines[i % CHECK_LINES].text;
}

bool check_line_helps(int i)
{
    return lines[i % CHECK_LINES].helps;
}

/* ---- lines of the report ---- */

static void write_line(struct check *c, enum check_result result, const char *name,
                       const char *fmt, va_list args)
{
    char note[300];

    (void)vsnprintf(note, sizeof(note), fmt, args);
    check_report_line(&c->report, result, name, "%s", note);
}

void check_pass(struct check *c, const char *name, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    write_line(c, CHECK_PASS, name, fmt, args);
    va_end(args);
}

void check_none(struct check *c, const char *name, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    write_line(c, CHECK_NONE, name, fmt, args);
    va_end(args);
}

void check_fail(struct check *c, const char *name, const char *fmt, ...)
{
    struct stage *s = &c->stage;
    va_list args;

    if (stop_asked()) {
        check_report_line(&c->report, CHECK_NONE, name, "interrupted");
    } else if (s->child.command != NULL && !stage_alive(s)) {
        check_report_line(&c->report, CHECK_FAIL, name,
                          "the judge ended by itself, with exit code %d",
                          s->child.code);
    } else {
        char note[300];
        va_start(args, fmt);
        (void)vsnprintf(note, sizeof(note), fmt, args);
        va_end(args);
        // What came and could not be read looks like silence.
        const bool more = s->bad_frame[0] != '\0' && strstr(note, s->bad_frame) == NULL;
        check_report_line(&c->report, CHECK_FAIL, name, "%s%s%s",
                          more ? s->bad_frame : "", more ? "; so " : "", note);
    }
}

/* ---- a judge to ask ---- */

static bool wants_questions(const struct stage *s, uint64_t unused)
{
    (void)unused;
    return s->joined && s->hello.credits > 0;
}

bool check_ready(struct check *c, const char *name)
{
    struct stage *s = &c->stage;
    const bool ours = s->child.command != NULL;

    s->welcomes = s->acknowledges = s->beating = true;
    if (!stage_alive(s)) {
        s->joined = false;
        if (ours && !stop_asked() &&
            check_child_start(&s->child, s->endpoint) != ST_OK) {
            check_none(c, name, "%s cannot be started again", s->child.command[0]);
            return false;
        }
    }
    if (stage_wait(s, c->wait_ms, wants_questions, 0)) {
        return true;
    }
    check_none(c, name, "%s",
               stop_asked() ? "interrupted"
               : s->joined  ? "the judge wants no questions"
               : ours       ? "the judge does not come back"
                            : "there is no judge any more");
    return false;
}

int check_book_rating(struct check *c, int i, enum question_purpose purpose)
{
    const char *text = check_line(i);
    const bool helps = check_line_helps(i);
    const int at = stage_book(&c->stage, QUESTION_RATE, 1, &text, &helps);

    stage_at(&c->stage, at)->question.purpose = (uint8_t)purpose;
    return at;
}

int check_book_order(struct check *c, int from, int captions)
{
    const char *text[ITEM_CAPTIONS_MAX];
    bool helps[ITEM_CAPTIONS_MAX];

    for (int i = 0; i < captions; i++) {
        text[i] = check_line(from + i);
        helps[i] = check_line_helps(from + i);
    }
    return stage_book(&c->stage, QUESTION_ORDER, captions, text, helps);
}

int check_book_new(struct check *c)
{
    char text[64];
    const char *lent = text;
    const bool helps = c->stage.count % 3 == 0;

    (void)text_format(text, sizeof(text),
                      helps ? "You see key number %d." : "You take %d gold pieces.",
                      1000 + c->stage.count);
    return stage_book(&c->stage, QUESTION_RATE, 1, &lent, &helps);
}

struct asked *check_rate(struct check *c, int i, enum question_purpose purpose)
{
    const int at = check_book_rating(c, i, purpose);

    return stage_ask(&c->stage, at, at + 1) ? stage_at(&c->stage, at) : NULL;
}

bool check_is_answer(const struct asked *q)
{
    return q->verdict.kind == VERDICT_LABEL || q->verdict.kind == VERDICT_TIE;
}

bool check_works(struct check *c)
{
    const int at = c->stage.hello.can_rate ? check_book_rating(c, 1, PURPOSE_LABEL)
                                           : check_book_order(c, 0, 2);

    return stage_ask(&c->stage, at, at + 1);
}
