#include "common/base/clock.h"
#include "judge/check/checks.h"

enum {
    BEATS_MS = 20000,
    AGAIN_MS = 5000, // after a welcome, what was not acknowledged
    REST_MS = 3000
};

/* ---- silence ---- */

static void line_beat(struct check *c)
{
    struct stage *s = &c->stage;
    const uint64_t begin = clock_ms(clock_system());

    // Twice, and with room for a machine that has other things to do.
    if (!stage_wait(s, BEATS_MS, stage_beats_above, s->beats + 1)) {
        check_fail(c, "beat",
                   "not two beats in %d s while nothing is asked; one each "
                   "second is due",
                   BEATS_MS / 1000);
    } else {
        check_pass(c, "beat", "two beats in %.1f s",
                   (double)(clock_ms(clock_system()) - begin) / 1000);
    }
}

static void line_silence(struct check *c)
{
    struct stage *s = &c->stage;
    const uint64_t begin = s->sent_ms, had = s->hellos;

    s->beating = false;
    const bool again = stage_wait(s, STAGE_HELLO_MS, stage_hellos_above, had);
    s->beating = true;
    if (!again) {
        check_fail(c, "silence",
                   "it said no hello to a learner that was silent for 12 s");
    } else if (s->hello_header.run != s->run || s->hello_header.actor != 1) {
        check_fail(c, "silence",
                   "its hello after a silence has run %llx and number %u in "
                   "the header, not those of the welcome",
                   (unsigned long long)s->hello_header.run, s->hello_header.actor);
    } else {
        check_pass(c, "silence", "it said hello again after %.1f s of silence",
                   (double)(clock_ms(clock_system()) - begin) / 1000);
    }
}

void checks_of_life(struct check *c)
{
    if (check_ready(c, "beat")) {
        line_beat(c);
    }
    if (check_ready(c, "silence")) {
        line_silence(c);
    }
}

/* ---- restarts of the learner ---- */

/* An answer that the learner's end leaves without acknowledgement; then the new start, or
 * the new run, until the judge has joined it. *had: how many verdicts came before. -1:
 * the line is written. */
static int lose_an_answer(struct check *c, const char *line, bool other_run, int *had)
{
    struct stage *s = &c->stage;

    if (!check_ready(c, line)) {
        return -1;
    }
    s->acknowledges = false;
    const int at = s->hello.can_rate ? check_book_new(c) : check_book_order(c, 0, 2);
    if (!stage_ask(s, at, at + 1)) {
        check_fail(c, line, "a question got no verdict");
        return -1;
    }
    (void)stage_wait(s, REST_MS / 10, NULL, 0); // one that is said twice
    *had = stage_at(s, at)->verdicts;
    if (stage_restart(s, other_run) != ST_OK) {
        check_none(c, line, "cannot listen again");
        return -1;
    }
    if (!stage_wait(s, STAGE_HELLO_MS + STAGE_EXTRA_MS, stage_has_joined, 0)) {
        check_fail(c, line, "it did not say hello to the learner that came back");
        return -1;
    }
    return at;
}

static void line_restart(struct check *c)
{
    struct stage *s = &c->stage;
    int had;
    const int at = lose_an_answer(c, "restart", false, &had);

    if (at < 0) {
        return;
    }
    const uint64_t id = stage_at(s, at)->question.id;
    const bool again = stage_comes_again(s, at, had, AGAIN_MS);
    s->acknowledges = true;
    // At the latest before it answers anything else: what comes is in order.
    const bool works = check_works(c);
    stage_acknowledge(s, &id, 1);
    if (!again && stage_at(s, at)->verdicts == had) {
        check_fail(c, "restart",
                   "an answer that was not acknowledged did not come again "
                   "after the welcome of a learner started anew");
    } else if (stage_at(s, at)->changed) {
        check_fail(c, "restart", "the answer that came again differs");
    } else if (!works) {
        check_fail(c, "restart",
                   "it answers no question of the learner that came back");
    } else {
        check_pass(c, "restart",
                   "it joins again, and brings what was not acknowledged");
    }
}

static void line_new_run(struct check *c)
{
    struct stage *s = &c->stage;
    int had;
    const int at = lose_an_answer(c, "new-run", true, &had);

    if (at < 0) {
        return;
    }
    (void)stage_comes_again(s, at, had, REST_MS);
    s->acknowledges = true;
    const bool works = check_works(c);
    if (stage_at(s, at)->verdicts > had) {
        check_fail(c, "new-run", "it sent an answer of the old run to a new run");
    } else if (!works) {
        check_fail(c, "new-run", "it answers no question of a new run");
    } else {
        check_pass(c, "new-run",
                   "it joins a new run and forgets the old one's questions");
    }
}

void checks_of_restarts(struct check *c)
{
    line_restart(c);
    line_new_run(c);
}

/* ---- all the time ---- */

static void line_frames(struct check *c)
{
    const struct stage *s = &c->stage;
    const char *const faults[] = {s->bad_frame, s->bad_header, s->stray, s->misfit};

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (faults[i][0] != '\0') {
            check_report_line(&c->report, CHECK_FAIL, "frames", "%s", faults[i]);
            return;
        }
    }
    check_pass(c, "frames",
               "every frame was whole, and of the run and number welcomed");
}

/* Asked once and acknowledged at once: nothing may come twice. */
static void line_once(struct check *c)
{
    const struct stage *s = &c->stage;
    int verdicts = 0;

    for (int i = 0; i < s->count; i++) {
        const struct asked *q = &s->asked[i];
        verdicts += q->verdicts;
        if (q->times == 1 && q->prompt && q->verdicts > 1 + q->welcomes) {
            check_report_line(&c->report, CHECK_FAIL, "once",
                              "question %llu, asked once and acknowledged at once, was "
                              "answered %d times",
                              (unsigned long long)q->question.id, q->verdicts);
            return;
        }
    }
    check_pass(c, "once", "%d verdicts on %d questions, none twice unasked", verdicts,
               s->count);
}

static void line_deadline(struct check *c)
{
    const struct stage *s = &c->stage;
    double longest = 0;

    for (int i = 0; i < s->count; i++) {
        const struct asked *q = &s->asked[i];
        const double took = (double)(q->answered_ns - q->asked_ns) * 1e-9;
        longest = q->verdicts > 0 && took > longest ? took : longest;
    }
    const double told = s->hello.deadline_ms / 1000.0;
    if (longest > told + 1) {
        check_report_line(&c->report, CHECK_FAIL, "deadline",
                          "it says that it answers within %g s, but took %.3g s", told,
                          longest);
    } else {
        check_pass(c, "deadline", "the slowest answer took %.3g s of %g s", longest,
                   told);
    }
}

void checks_of_all_time(struct check *c)
{
    line_frames(c);
    line_once(c);
    line_deadline(c);
}
