#include <string.h>

#include "common/base/clock.h"
#include "judge/check/checks.h"

enum {
    END_MS = 15000, // 2 s by the rules; the machine may be slow
    LAST_MS = 500   // for what was sent before the end
};

/* ---- coming ---- */

/* Starts COMMAND, where there is one; a first hello, which is not answered. */
static bool await_hello(struct check *c, const char *line)
{
    struct stage *s = &c->stage;

    s->welcomes = s->joined = false;
    if (s->child.command != NULL &&
        check_child_start(&s->child, s->endpoint) != ST_OK) {
        s->child.code = 127;
        check_fail(c, line, "it cannot be started");
        return false;
    }
    if (!stage_wait(s, c->wait_ms, stage_hellos_above, s->hellos)) {
        check_fail(c, line, "%s",
                   s->bad_frame[0] != '\0' ? s->bad_frame
                                           : "no judge said hello in time");
        return false;
    }
    return true;
}

/* What a judge must not take for a welcome: one in another protocol, and a table of
 * another version: 20 bytes of FlatBuffer that hold `version`, 2, and nothing else. */
static void send_other_versions(struct stage *s)
{
    static const uint8_t version_2[20] = {12, 0, 0, 0, 6, 0, 6, 0, 4, 0,
                                          0,  0, 8, 0, 0, 0, 2, 0, 0, 0};
    const struct frame_header h = stage_header(s, FRAME_JUDGE_WELCOME);
    const struct msg_judge_welcome w = {.goal = bytes_text(s->plan.goal),
                                        .goal_text = bytes_text(s->plan.goal_text),
                                        .credits = 1,
                                        .environment = bytes_text(s->plan.task)};
    uint8_t frame[4096];
    struct bytes whole = codec_encode_judge_welcome(s->codec, &h, &w);

    if (whole.len <= sizeof(frame)) {
        memcpy(frame, whole.data, whole.len);
        frame[4] = FRAME_PROTOCOL + 1;
        stage_put(s, bytes_of(frame, whole.len));
    }
    frame_write_header(&h, frame);
    memcpy(frame + FRAME_HEADER, version_2, sizeof(version_2));
    stage_put(s, bytes_of(frame, FRAME_HEADER + sizeof(version_2)));
}

static void line_hello(struct check *c, bool again)
{
    const struct msg_judge_hello *m = &c->stage.hello;
    char kinds[64], wants[64];

    if (!again) {
        check_fail(c, "hello",
                   "it said hello once only; until it is answered it should "
                   "say so each second");
        return;
    }
    (void)text_format(kinds, sizeof(kinds), m->can_order ? "%sorders up to %u" : "%s",
                      m->can_rate ? m->can_order ? "rates and " : "rates" : "",
                      m->order_most);
    (void)text_format(wants, sizeof(wants),
                      m->credits > 0 ? "holds %u questions" : "wants no questions yet",
                      m->credits);
    check_pass(c, "hello", "%s%s%s: %s, %s, answers within %g s", c->stage.name,
               m->model.len > 0 ? ", " : "", c->stage.model, kinds, wants,
               m->deadline_ms / 1000.0);
}

bool checks_of_joining(struct check *c)
{
    struct stage *s = &c->stage;

    if (!await_hello(c, "hello")) {
        return false;
    }
    const struct frame_header h = s->hello_header;
    if (h.run != 0 || h.actor != 0 || h.incarnation != 0) {
        check_fail(c, "hello",
                   "its first one has run %llx, number %u, incarnation %u in "
                   "the header; a fresh judge has 0",
                   (unsigned long long)h.run, h.actor, h.incarnation);
    }
    send_other_versions(s);
    const bool again = stage_wait(s, STAGE_HELLO_MS, stage_hellos_above, s->hellos);
    bool took = s->hello_header.run != 0;
    stage_refuse(s, false);
    const bool after = stage_wait(s, STAGE_HELLO_MS, stage_hellos_above, s->hellos);
    // A hello may have been on its way when those welcomes went: the second one tells, too.
    took = took || s->hello_header.run != 0;
    if (h.run == 0) {
        line_hello(c, again);
    }
    if (!again) {
        check_none(c, "version", "it said hello once only");
    } else if (took) {
        check_fail(c, "version", "it took a welcome of another protocol or version");
    } else {
        check_pass(c, "version",
                   "welcomes of another protocol and version are dropped");
    }
    if (after) {
        check_pass(c, "refusal", "it asks again after a refusal that is not final");
    } else {
        check_fail(c, "refusal",
                   "it did not ask again after a refusal that is not final");
    }
    if (stage_alive(s)) {
        stage_welcome(s); // of the hello just heard
    }
    return true;
}

/* ---- going ---- */

static bool has_left(const struct stage *s, uint64_t unused)
{
    (void)unused;
    return s->child.command == NULL && s->goodbyes > 0;
}

/* Until the process ends; for one that is not ours, until its goodbye. */
static bool leaves(struct stage *s)
{
    const uint64_t end = clock_ms(clock_system()) + END_MS;

    s->welcomes = s->beating = false;
    while (clock_ms(clock_system()) < end) {
        if (stage_wait(s, 100, has_left, 0) ||
            (s->child.command != NULL && !check_child_runs(&s->child))) {
            (void)stage_wait(s, LAST_MS, NULL, 0);
            return true;
        }
    }
    return false;
}

static void line_stop(struct check *c)
{
    struct stage *s = &c->stage;
    const bool ours = s->child.command != NULL;

    if (!check_ready(c, "stop")) {
        return;
    }
    const uint64_t goodbyes = s->goodbyes = 0;
    stage_put_bare(s, FRAME_STOP);
    const bool left = leaves(s);
    if (!left && ours) {
        check_fail(c, "stop", "it still runs 15 s after stop");
        check_child_end(&s->child);
    } else if (s->goodbyes == goodbyes) {
        check_report_line(&c->report, CHECK_FAIL, "stop",
                          "it said no goodbye after stop");
    } else if (ours && s->child.code != EXIT_DONE) {
        check_report_line(&c->report, CHECK_FAIL, "stop",
                          "it ended with exit code %d after stop, not 0",
                          s->child.code);
    } else {
        check_pass(c, "stop", "goodbye%s", ours ? " and exit code 0" : "");
    }
}

static void line_refused_for_good(struct check *c)
{
    struct stage *s = &c->stage;

    if (s->child.command == NULL) {
        check_none(c, "final", "needs COMMAND, to see its exit code");
        return;
    }
    if (!await_hello(c, "final")) {
        return;
    }
    stage_refuse(s, true);
    if (!leaves(s)) {
        check_fail(c, "final", "it still runs 15 s after a final refusal");
    } else if (s->child.code != EXIT_USAGE) {
        check_report_line(&c->report, CHECK_FAIL, "final",
                          "it ended with exit code %d after a final refusal, not 2",
                          s->child.code);
    } else {
        check_pass(c, "final", "a final refusal ends it with exit code 2");
    }
    check_child_end(&s->child);
}

void checks_of_leaving(struct check *c)
{
    line_stop(c);
    line_refused_for_good(c);
}
