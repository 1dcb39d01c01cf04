#ifndef JUDGE_CHECK_CHECKS_H
#define JUDGE_CHECK_CHECKS_H
/* The checks of judge-check, in the order in which they are made; each writes one line or
 * a few. The judge may die in any of them: the next one starts it anew where it is ours,
 * else waits for it a while. Main thread. */

#include "judge/check/check_report.h"
#include "judge/check/stage.h"

struct check {
    struct stage stage;
    struct check_report report;
    uint64_t wait_ms; // for a judge to dial in
    int questions;    // captions to spend on the check of credits
};

/* check_joining.c: how it comes and goes. False: no judge came, nothing else can be
 * checked. */
bool checks_of_joining(struct check *c);
void checks_of_leaving(struct check *c);
/* check_answers.c: what it answers, once, again, and from its cache. */
void checks_of_kinds(struct check *c);
void checks_of_credit(struct check *c);
void checks_of_repeats(struct check *c);
void checks_of_cache(struct check *c);
/* check_faults.c: what else may come to it. */
void checks_of_garbage(struct check *c);
void checks_of_late_questions(struct check *c);
void checks_of_overload(struct check *c);
/* check_life.c: silence, restarts of the learner, and what held all the time. */
void checks_of_life(struct check *c);
void checks_of_restarts(struct check *c);
void checks_of_all_time(struct check *c);
/* check_figures.c */
void checks_of_figures(struct check *c);

/* ---- shared between them ---- */

/* Joined and ready for questions; starts or awaits the judge where it is gone. False: line
 * `name` has been written: n/a. */
bool check_ready(struct check *c, const char *name);
void check_pass(struct check *c, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Where the judge has died, that is the reason. */
void check_fail(struct check *c, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void check_none(struct check *c, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Captions as the crypt has them, and whether they are progress towards its treasure. */
enum { CHECK_LINES = 24 };
const char *check_line(int i);
bool check_line_helps(int i);
/* Books one rating of line i, or one order of lines from.. on; the index. */
int check_book_rating(struct check *c, int i, enum question_purpose purpose);
int check_book_order(struct check *c, int from, int captions);
/* Books and asks one rating; NULL: no verdict came. */
struct asked *check_rate(struct check *c, int i, enum question_purpose purpose);
/* Books a rating of a caption that no other question has. */
int check_book_new(struct check *c);
bool check_is_answer(const struct asked *q); // a label or a tie
/* A question that it can answer, in any way; for "does it still work". */
bool check_works(struct check *c);

#endif
