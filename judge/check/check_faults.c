#include <string.h>

#include "common/base/rng.h"
#include "judge/check/checks.h"

enum { EXTRA = 64, EXTRA_MS = 10000 }; // questions above its credits, time for them

/* ---- garbage ---- */

/* A frame of `kind` whose body is `len` bytes drawn by chance. */
static void send_noise(struct stage *s, enum frame_kind kind, size_t len)
{
    const struct frame_header h = stage_header(s, kind);
    uint8_t frame[FRAME_HEADER + 512];
    struct rng rng;

    rng_init(&rng, len + kind);
    frame_write_header(&h, frame);
    for (size_t i = 0; i < len; i++) {
        frame[FRAME_HEADER + i] = (uint8_t)rng_next(&rng);
    }
    stage_put(s, bytes_of(frame, FRAME_HEADER + len));
}

static void send_broken_headers(struct stage *s)
{
    const struct frame_header h = stage_header(s, FRAME_BEAT);
    uint8_t frame[FRAME_HEADER];

    stage_put(s, bytes_of("MINO", 4));
    stage_put(s, bytes_of("\0", 1));
    frame_write_header(&h, frame);
    stage_put(s, bytes_of(frame, FRAME_HEADER - 1));
    frame[0] = 'X';
    stage_put(s, bytes_of(frame, FRAME_HEADER));
    frame_write_header(&h, frame);
    frame[5] = 99; // an unknown kind
    stage_put(s, bytes_of(frame, FRAME_HEADER));
}

/* A question cut short, one whose bytes are flipped, and a whole one of another run. */
static void send_broken_questions(struct check *c, uint64_t *foreign)
{
    struct stage *s = &c->stage;
    struct frame_header h = stage_header(s, FRAME_QUESTIONS);
    const int at = check_book_rating(c, 3, PURPOSE_LABEL);
    struct msg_questions m = {.count = 1, .question = {stage_at(s, at)->question}};
    const struct bytes whole = codec_encode_questions(s->codec, &h, &m);
    uint8_t frame[1024];

    // Booked, but never asked: an answer to it is one to a question never asked.
    *foreign = stage_at(s, at)->question.id;
    if (whole.len <= sizeof(frame)) {
        memcpy(frame, whole.data, whole.len);
        stage_put(s, bytes_of(frame, whole.len / 2));
        for (size_t i = FRAME_HEADER; i < whole.len; i += 3) {
            frame[i] ^= 0x5a;
        }
        stage_put(s, bytes_of(frame, whole.len));
    }
    h.run = s->run + 1000;
    stage_put(s, codec_encode_questions(s->codec, &h, &m));
}

void checks_of_garbage(struct check *c)
{
    struct stage *s = &c->stage;
    uint64_t foreign;

    if (!check_ready(c, "garbage")) {
        return;
    }
    send_broken_headers(s);
    send_noise(s, FRAME_QUESTIONS, 0);
    send_noise(s, FRAME_QUESTIONS, 300);
    send_noise(s, FRAME_VERDICT_ACK, 300);
    send_noise(s, FRAME_REFUSE, 0);
    send_noise(s, FRAME_REFUSE, 100);
    send_noise(s, FRAME_JUDGE_WELCOME, 0);
    send_noise(s, FRAME_JUDGE_WELCOME, 300);
    send_noise(s, FRAME_SEGMENT, 500); // not for a judge
    send_broken_questions(c, &foreign);
    const uint64_t unknown[] = {1, UINT64_MAX};
    stage_acknowledge(s, unknown, 2);
    if (!check_works(c)) {
        check_fail(c, "garbage", "after frames of garbage it answers no question");
    } else if (s->stray[0] != '\0') {
        check_fail(c, "garbage", "%s: of another run, or broken", s->stray);
        s->stray[0] = '\0';
    } else {
        check_pass(c, "garbage",
                   "broken frames, another run's and unknown "
                   "acknowledgements are dropped");
    }
}

/* ---- late ---- */

void checks_of_late_questions(struct check *c)
{
    struct stage *s = &c->stage;

    if (!check_ready(c, "late")) {
        return;
    }
    const int at = check_book_new(c);
    stage_at(s, at)->question.lease_ms = 1;
    if (!stage_ask(s, at, at + 1)) {
        check_fail(c, "late", "a question with a lease of 1 ms got no verdict");
    } else {
        check_pass(c, "late", "a question with a lease of 1 ms got %s",
                   verdict_kind_name((enum verdict_kind)stage_at(s, at)->verdict.kind));
    }
}

/* ---- overload ---- */

/* All of them at once, of captions that it has seen: a judge with a cache pays nothing. */
void checks_of_overload(struct check *c)
{
    struct stage *s = &c->stage;
    int overload = 0, silent = 0;

    if (!check_ready(c, "overload")) {
        return;
    }
    const int n = (int)s->hello.credits + EXTRA, from = s->count;
    if (from + n > STAGE_QUESTIONS - 1024) {
        check_none(c, "overload", "it wants %u questions, more than is asked at once",
                   s->hello.credits);
        return;
    }
    for (int i = 0; i < n; i++) {
        if (s->hello.can_rate) {
            (void)check_book_rating(c, i % 4, PURPOSE_LABEL);
        } else {
            (void)check_book_order(c, 0, 2);
        }
    }
    stage_send(s, from, from + n);
    // They are above its credits: beyond its deadline is not too late.
    (void)stage_wait(s, stage_patience_ms(s) + EXTRA_MS, stage_all_answered,
                     (uint64_t)from);
    for (int i = from; i < from + n; i++) {
        const struct asked *q = stage_at(s, i);
        silent += q->verdicts == 0;
        overload += q->verdicts > 0 && q->verdict.kind == VERDICT_OVERLOAD;
    }
    if (silent > 0) {
        check_fail(c, "overload",
                   "of %d questions at once, %d above its credits, %d got no "
                   "verdict, not even overload",
                   n, EXTRA, silent);
    } else {
        check_pass(c, "overload",
                   "%d questions at once, %d above its credits: %d overload, "
                   "the rest answered",
                   n, EXTRA, overload);
    }
}
