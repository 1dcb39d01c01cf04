#include "judge/check/stage.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stop.h"

enum { FRAME_MOST = 16 << 20, BEAT_MS = 1000, TURN_MS = 20, QUIET_MS = 5000 };

static uint64_t now_ns(void)
{
    return clock_ns(clock_system());
}

static uint64_t now_ms(void)
{
    return clock_ms(clock_system());
}

static enum status listen_at(struct stage *s, int port)
{
    const char *colon;
    int64_t got;

    s->bus = bus_new();
    const enum status st = bus_listen(s->bus, s->plan.host, port, true, NULL,
                                      FRAME_MOST, &s->socket, s->endpoint);
    if (st != ST_OK) {
        bus_free(s->bus);
        s->bus = NULL;
        return st;
    }
    colon = strrchr(s->endpoint, ':');
    CHECK(colon != NULL && text_to_i64(colon + 1, 1, 65535, &got));
    s->port = (int)got;
    return ST_OK;
}

enum status stage_open(struct stage *s, const struct stage_plan *plan)
{
    *s = (struct stage){.plan = *plan, .start = 1, .next_id = 1000};
    TRY(listen_at(s, plan->port));
    s->codec = codec_new();
    s->asked = mem_new(STAGE_QUESTIONS, sizeof(*s->asked));
    s->text = mem_new(STAGE_QUESTIONS, sizeof(*s->text));
    s->run = now_ns() | 1; // like a run's: nobody else's
    s->acknowledges = s->beating = true;
    return ST_OK;
}

static void stop_listening(struct stage *s)
{
    bus_frame_release(&s->frame);
    bus_close(s->socket);
    bus_free(s->bus); // waits until the port is really free
    s->socket = NULL;
    s->bus = NULL;
}

void stage_close(struct stage *s)
{
    check_child_end(&s->child);
    if (s->bus != NULL) {
        stop_listening(s);
    }
    codec_free(s->codec);
    mem_free(s->asked);
    mem_free(s->text);
}

/* ---- sending ---- */

struct frame_header stage_header(const struct stage *s, enum frame_kind kind)
{
    return (struct frame_header){
        .kind = (uint8_t)kind, .run = s->run, .actor = 1, .incarnation = s->start};
}

void stage_put(struct stage *s, struct bytes frame)
{
    const enum status st = bus_send(s->socket, &s->peer, frame);

    (void)st; // a judge that is gone shows itself by what does not come
    s->sent_ms = now_ms();
}

void stage_put_bare(struct stage *s, enum frame_kind kind)
{
    const struct frame_header h = stage_header(s, kind);

    stage_put(s, codec_encode_bare(s->codec, &h));
}

void stage_welcome(struct stage *s)
{
    const struct frame_header h = stage_header(s, FRAME_JUDGE_WELCOME);
    const uint32_t wanted = s->hello.credits;
    const struct msg_judge_welcome w = {
        .goal = bytes_text(s->plan.goal),
        .goal_digest = hash_128(bytes_text(s->plan.goal_text)),
        .goal_text = bytes_text(s->plan.goal_text),
        .credits = wanted < STAGE_CREDITS_MOST ? wanted : STAGE_CREDITS_MOST,
        .environment = bytes_text(s->plan.task)};

    stage_put(s, codec_encode_judge_welcome(s->codec, &h, &w));
    s->joined = true;
    for (int i = 0; i < s->count; i++) {
        s->asked[i].welcomes += s->asked[i].times > s->asked[i].verdicts;
    }
}

void stage_refuse(struct stage *s, bool final)
{
    const struct frame_header h = stage_header(s, FRAME_REFUSE);
    const struct msg_refuse m = {
        .reason = bytes_text(final ? "this is the end of a check: refused for good"
                                   : "this is a check: refused once"),
        .final = final};

    stage_put(s, codec_encode_refuse(s->codec, &h, &m));
}

void stage_acknowledge(struct stage *s, const uint64_t *id, int count)
{
    const struct frame_header h = stage_header(s, FRAME_VERDICT_ACK);
    struct msg_verdict_ack m = {.count = count};

    memcpy(m.question, id, sizeof(*id) * (size_t)count);
    stage_put(s, codec_encode_verdict_ack(s->codec, &h, &m));
}

/* ---- what comes ---- */

/* Keeps the first sentence of its kind. */
static void note(char out[200], const char *sentence, const char *detail)
{
    if (out[0] == '\0') {
        (void)text_format(out, 200, "%s%s", sentence, detail);
    }
}

static void copy(char out[256], struct bytes text)
{
    (void)text_format(out, 256, "%.*s", (int)text.len, (const char *)text.data);
}

static void take_hello(struct stage *s, const struct frame_header *h)
{
    struct msg_judge_hello m;

    if (codec_decode_judge_hello(s->codec, s->frame.bytes, &m) != ST_OK) {
        note(s->bad_frame, "its hello: ", codec_reason(s->codec));
        return;
    }
    s->peer = s->frame.peer;
    s->hello = m;
    copy(s->name, m.name);
    copy(s->model, m.model);
    copy(s->host, m.host);
    s->hello.name = bytes_text(s->name);
    s->hello.model = bytes_text(s->model);
    s->hello.host = bytes_text(s->host);
    s->hello_header = *h;
    s->met = true;
    s->hellos++;
    if (s->welcomes) {
        stage_welcome(s);
    }
}

static struct asked *find(struct stage *s, uint64_t id)
{
    for (int i = s->count - 1; i >= 0; i--) {
        if (s->asked[i].question.id == id) {
            return &s->asked[i];
        }
    }
    return NULL;
}

static bool same_answer(const struct msg_verdict *a, const struct msg_verdict *b)
{
    return a->kind == b->kind && a->label == b->label &&
           memcmp(a->order, b->order, sizeof(a->order)) == 0;
}

/* Whether v is an answer to q at all. */
static void compare(struct stage *s, const struct asked *q, const struct msg_verdict *v)
{
    const bool answer = v->kind == VERDICT_LABEL || v->kind == VERDICT_TIE;

    if (answer && v->captions != q->question.captions) {
        char text[100];
        (void)text_format(text, sizeof(text),
                          "a verdict on %d captions to a question of %d", v->captions,
                          q->question.captions);
        note(s->misfit, text, "");
    }
}

static void take_verdicts(struct stage *s)
{
    uint64_t ack[QUESTIONS_PER_FRAME];
    char text[64];

    if (codec_decode_verdicts(s->codec, s->frame.bytes, &s->in) != ST_OK) {
        note(s->bad_frame, "its verdicts: ", codec_reason(s->codec));
        return;
    }
    for (int i = 0; i < s->in.count; i++) {
        const struct msg_verdict *v = &s->in.verdict[i];
        struct asked *q = find(s, v->question);
        ack[i] = v->question;
        if (q == NULL || q->times == 0) {
            (void)text_format(text, sizeof(text),
                              "question %llu, which was never asked",
                              (unsigned long long)v->question);
            note(s->stray, "it answered ", text);
            continue;
        }
        compare(s, q, v);
        if (q->verdicts++ == 0) {
            q->answered_ns = now_ns();
            q->verdict = *v;
            q->verdict.raw = (struct bytes){0};
            q->prompt = s->acknowledges;
        } else if (!same_answer(&q->verdict, v)) {
            q->changed = true;
        }
    }
    if (s->acknowledges) {
        stage_acknowledge(s, ack, s->in.count);
    }
}

/* A judge writes what the welcome told it; a hello in a new start still the old. */
static void check_header(struct stage *s, const struct frame_header *h)
{
    char text[120];

    if (s->joined && h->kind != FRAME_JUDGE_HELLO &&
        (h->run != s->run || h->actor != 1 || h->incarnation != s->start)) {
        (void)text_format(text, sizeof(text),
                          "run %llx, number %u, incarnation %u in a frame of kind %d",
                          (unsigned long long)h->run, h->actor, h->incarnation,
                          h->kind);
        note(s->bad_header, text, ", which the welcome told otherwise");
    }
}

static void take_frame(struct stage *s)
{
    struct frame_header h;
    char text[64];

    if (frame_read_header(s->frame.bytes, &h) != ST_OK) {
        note(s->bad_frame, "a frame with a wrong header", "");
        return;
    }
    s->heard_ms = now_ms();
    if (h.kind == FRAME_JUDGE_HELLO) {
        take_hello(s, &h);
        return;
    }
    if (!s->joined) {
        // A learner that has started anew knows nobody.
        if (s->met && h.kind != FRAME_GOODBYE) {
            s->peer = s->frame.peer;
            stage_put_bare(s, FRAME_WHO);
        }
        s->goodbyes += h.kind == FRAME_GOODBYE;
        return;
    }
    check_header(s, &h);
    switch (h.kind) {
    case FRAME_VERDICTS:
        take_verdicts(s);
        s->beats++; // who says anything need not say that it lives
        break;
    case FRAME_BEAT:
        s->beats++;
        break;
    case FRAME_GOODBYE:
        s->goodbyes++;
        break;
    default:
        (void)text_format(text, sizeof(text), "a frame of kind %d", h.kind);
        note(s->bad_frame, text, ", which is not for a learner");
    }
}

/* ---- waiting ---- */

bool stage_alive(struct stage *s)
{
    if (s->child.command != NULL) {
        return check_child_runs(&s->child);
    }
    return s->met && now_ms() - s->heard_ms < QUIET_MS;
}

bool stage_wait(struct stage *s, uint64_t ms, stage_done *done, uint64_t arg)
{
    const uint64_t end = now_ms() + ms;
    const int fd = stop_fd();

    for (;;) {
        while (bus_receive(s->socket, &s->frame) == ST_OK) {
            take_frame(s);
        }
        if (done != NULL && done(s, arg)) {
            return true;
        }
        stop_poll();
        if (stop_asked() || now_ms() >= end ||
            (s->child.command != NULL && !check_child_runs(&s->child) &&
             done != NULL)) {
            return false;
        }
        if (s->beating && s->joined && now_ms() - s->sent_ms >= BEAT_MS) {
            stage_put_bare(s, FRAME_BEAT);
        }
        bus_wait(&s->socket, 1, &fd, fd >= 0 ? 1 : 0, NULL, TURN_MS);
    }
}

bool stage_hellos_above(const struct stage *s, uint64_t n)
{
    return s->hellos > n;
}

bool stage_has_joined(const struct stage *s, uint64_t unused)
{
    (void)unused;
    return s->joined;
}

bool stage_all_answered(const struct stage *s, uint64_t from)
{
    for (int i = (int)from; i < s->count; i++) {
        if (s->asked[i].times > 0 && s->asked[i].verdicts == 0) {
            return false;
        }
    }
    return true;
}

/* arg: the question in the upper half, how many verdicts are not enough in the lower. */
static bool has_more_verdicts(const struct stage *s, uint64_t arg)
{
    return s->asked[arg >> 32].verdicts > (int)(uint32_t)arg;
}

bool stage_comes_again(struct stage *s, int at, int had, uint64_t ms)
{
    return stage_wait(s, ms, has_more_verdicts, (uint64_t)at << 32 | (uint32_t)had);
}

bool stage_beats_above(const struct stage *s, uint64_t n)
{
    return s->beats > n;
}

uint64_t stage_patience_ms(const struct stage *s)
{
    const uint64_t told = s->hello.deadline_ms + (uint64_t)STAGE_PATIENCE_MS;

    return told < s->plan.patience_ms ? told : s->plan.patience_ms;
}

/* ---- questions ---- */

int stage_book(struct stage *s, enum question_kind kind, int captions,
               const char *const *text, const bool *helpful)
{
    CHECK(s->count < STAGE_QUESTIONS && captions <= ITEM_CAPTIONS_MAX);
    struct asked *q = &s->asked[s->count];

    *q = (struct asked){.question = {.id = s->next_id++,
                                     .kind = (uint8_t)kind,
                                     .purpose = PURPOSE_LABEL,
                                     .captions = captions}};
    q->question.lease_ms = s->hello.deadline_ms + STAGE_EXTRA_MS;
    for (int i = 0; i < captions; i++) {
        q->question.caption[i] = bytes_text(text[i]);
        if (captions == 1) {
            (void)text_format(s->text[s->count], sizeof(s->text[0]), "%s", text[0]);
            q->question.caption[0] = bytes_text(s->text[s->count]);
        }
        q->question.truth[i] = -1;
        if (s->hello.wants_truth) {
            q->question.truth[i] = helpful[i];
            q->question.strength[i] = helpful[i] ? 2 : 0;
        }
    }
    return s->count++;
}

struct asked *stage_at(struct stage *s, int index)
{
    CHECK(index >= 0 && index < s->count);
    return &s->asked[index];
}

void stage_send(struct stage *s, int from, int to)
{
    const struct frame_header h = stage_header(s, FRAME_QUESTIONS);

    while (from < to) {
        s->out.count = 0;
        for (; from < to && s->out.count < QUESTIONS_PER_FRAME; from++) {
            struct asked *q = stage_at(s, from);
            s->out.question[s->out.count++] = q->question;
            q->asked_ns = q->times++ == 0 ? now_ns() : q->asked_ns;
        }
        stage_put(s, codec_encode_questions(s->codec, &h, &s->out));
    }
}

bool stage_ask(struct stage *s, int from, int to)
{
    stage_send(s, from, to);
    return stage_wait(s, stage_patience_ms(s), stage_all_answered, (uint64_t)from);
}

/* ---- the learner's own restart ---- */

enum status stage_restart(struct stage *s, bool other_run)
{
    const int port = s->port;

    stop_listening(s);
    s->joined = false;
    if (other_run) {
        s->run += 2;
        s->start = 1;
    } else {
        s->start++;
    }
    return listen_at(s, port);
}
