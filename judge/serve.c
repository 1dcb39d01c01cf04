#include "judge/serve.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/wire/codec.h"
#include "common/wire/runid.h"
#include "judge/answer.h"
#include "judge/desk.h"
#include "judge/endpoint.h"
#include "judge/options.h"

enum {
    FRAME_MOST = 4 << 20, // a goal is at most 1 MB
    FRAMES_A_STEP = 64,
    BEAT_MS = 1000,
    SILENCE_MS = 3000,    // after it: hello again
    HELLO_MS = 1000,      // first pause between two hellos without an answer
    HELLO_MOST_MS = 8000, // doubled up to this
    STOP_MS = 2000,       // to get the last answers away
    STOP_BEGUN_MS = 5000, // before that for answers to what was begun
    WAIT_MS = 200,
    WAIT_UNDERWAY_MS = 10, // a backend is at work and says nothing by itself
    TELL_MS = 30000,       // one line about a learner that does not answer
    REPORT_MS = 60000
};

/* What the last hello said of what may change. */
struct told {
    struct hash128 prompt;
    bool rate, order;
    uint32_t order_most, credits; // credits 0: no questions are wanted
    enum judge_pause pause;
};

struct serve {
    const struct judge_options *options;
    const struct judge_backend *backend;
    const struct clock *clock;
    struct bus *bus;
    struct bus_socket *socket;
    char endpoint[BUS_ENDPOINT_MAX];
    struct bus_peer self;
    struct bus_frame frame;
    struct codec *codec;
    struct msg_questions questions;
    struct msg_verdicts verdicts;
    struct msg_verdict_ack acks;

    uint64_t run, nonce;
    uint32_t number, incarnation; // from the welcome
    char host[256];

    bool linked;              // welcomed, and heard within SILENCE_MS
    bool stopping, finishing; // finishing: what was begun
    uint64_t heard_ms, sent_ms, hello_ms, hello_wait_ms, told_ms, lost_ms, stop_ms,
        finished_ms;
    uint64_t reported_ms;

    struct told told;
    struct answer answer;
    struct desk desk;
    struct log_limit bad_frames, overload;
    struct serve_counters counters;
    struct answer_counters reported;
};

static void name_self(struct serve *s)
{
    struct {
        uint64_t wall_ms, ns, pid, host;
    } seed = {clock_wall_ms(), clock_ns(clock_system()), (uint64_t)getpid(), 0};

    if (gethostname(s->host, sizeof(s->host) - 1) != 0 || s->host[0] == '\0') {
        text_format(s->host, sizeof(s->host), "unknown");
    }
    seed.host = hash_64(bytes_text(s->host));
    s->nonce = hash_64(bytes_of(&seed, sizeof(seed)));
    text_format((char *)s->self.id, sizeof(s->self.id), "J%.20s.%d.%016llx", s->host,
                (int)getpid(), (unsigned long long)s->nonce);
    s->self.len = (uint8_t)strlen((char *)s->self.id);
}

struct serve *serve_new(const struct judge_options *options,
                        const struct judge_backend *backend, struct bus *bus,
                        const struct clock *clock)
{
    struct serve *s = mem_new(1, sizeof(*s));

    s->options = options;
    s->backend = backend;
    s->bus = bus;
    s->clock = clock;
    s->codec = codec_new();
    answer_init(&s->answer, options, backend, clock);
    // Twice the credit: the learner may ask anew once it has an answer, before the
    // answer is in its ledger.
    desk_init(&s->desk, 2 * (int)options->credits + QUESTIONS_PER_FRAME);
    s->hello_wait_ms = HELLO_MS;
    s->lost_ms = s->told_ms = s->reported_ms = clock_ms(clock);
    name_self(s);
    return s;
}

void serve_free(struct serve *s)
{
    if (s == NULL) {
        return;
    }
    answer_release(&s->answer);
    bus_frame_release(&s->frame);
    bus_close(s->socket);
    desk_release(&s->desk);
    codec_free(s->codec);
    mem_free(s);
}

const struct serve_counters *serve_counters(const struct serve *s)
{
    return &s->counters;
}

const struct answer_counters *serve_answers(const struct serve *s)
{
    return &s->answer.counters;
}

/* ---- sending ---- */

static struct frame_header header_of(const struct serve *s, enum frame_kind kind)
{
    return (struct frame_header){.kind = (uint8_t)kind,
                                 .run = s->run,
                                 .actor = s->number,
                                 .incarnation = s->incarnation};
}

/* A full queue or a lost peer needs no word: the desk keeps what matters. */
static enum status send_frame(struct serve *s, struct bytes frame)
{
    const enum status st = bus_send(s->socket, NULL, frame);

    if (st == ST_OK) {
        s->sent_ms = clock_ms(s->clock);
    }
    return st;
}

static void send_bare(struct serve *s, enum frame_kind kind)
{
    const struct frame_header h = header_of(s, kind);
    const enum status st = send_frame(s, codec_encode_bare(s->codec, &h));

    (void)st; // the next beat says it again
}

static struct told told_now(const struct serve *s)
{
    struct told t = {.prompt = answer_prompt(&s->answer),
                     .credits = s->stopping ? 0 : answer_credits(&s->answer)};

    t.pause = t.credits == 0 && !s->stopping ? answer_pause(&s->answer) : PAUSE_UNSAID;
    answer_kinds(&s->answer, &t.rate, &t.order, &t.order_most);
    return t;
}

static void send_hello(struct serve *s)
{
    const struct told t = told_now(s);
    const struct frame_header h = header_of(s, FRAME_JUDGE_HELLO);
    const struct msg_judge_hello hello = {
        .name = bytes_text(s->backend->name),
        .model = bytes_text(answer_model(&s->answer)),
        .prompt_digest = t.prompt,
        .can_rate = t.rate,
        .can_order = t.order,
        .order_most = t.order_most,
        .deadline_ms = (uint32_t)(s->answer.deadline_ns / 1000000),
        .credits = t.credits,
        .wants_truth = s->backend->wants_truth,
        .host = bytes_text(s->host),
        .pid = (uint64_t)getpid(),
        .nonce = s->nonce,
        .pause = (uint8_t)t.pause};
    const enum status st =
        send_frame(s, codec_encode_judge_hello(s->codec, &h, &hello));

    (void)st; // said again after the pause
    s->told = t;
    s->counters.hellos++;
}

/* What shapes the answers and what can be done is known only with the goal; a backend
 * may also want no questions for a while. */
static void tell_changes(struct serve *s)
{
    const struct told now = told_now(s), *old = &s->told;

    if (!hash_equal(now.prompt, old->prompt) || now.rate != old->rate ||
        now.order != old->order || now.order_most != old->order_most ||
        now.pause != old->pause || now.credits > 2 * old->credits ||
        now.credits + old->credits / 8 < old->credits) {
        send_hello(s);
    }
}

/* Everything answered and not sent, 64 to a frame. */
static void send_answers(struct serve *s)
{
    struct desk_slot *slots[QUESTIONS_PER_FRAME];

    while (s->desk.answered > 0) {
        struct desk_slot *slot = NULL;
        s->verdicts.count = 0;
        while (s->verdicts.count < QUESTIONS_PER_FRAME &&
               (slot = desk_unsent(&s->desk, slot)) != NULL) {
            slots[s->verdicts.count] = slot;
            s->verdicts.verdict[s->verdicts.count++] = desk_verdict(slot);
        }
        const struct frame_header h = header_of(s, FRAME_VERDICTS);
        if (send_frame(s, codec_encode_verdicts(s->codec, &h, &s->verdicts)) != ST_OK) {
            return;
        }
        for (int i = 0; i < s->verdicts.count; i++) {
            desk_mark_sent(&s->desk, slots[i]);
        }
    }
}

/* ---- receiving ---- */

/* False when --run-dir names a run and this is not its id: somebody else's learner may
 * have got the port while ours was down. */
static bool is_our_run(const struct serve *s, uint64_t run)
{
    uint64_t ours;

    return !runid_read(s->options->run_dir, &ours) || ours == run;
}

static enum status take_welcome(struct serve *s, const struct frame_header *h)
{
    struct msg_judge_welcome w;

    TRY(codec_decode_judge_welcome(s->codec, s->frame.bytes, &w));
    if (!is_our_run(s, h->run)) {
        LOG_WARN("JUDGE-RUN", "run %016llx answers at %s, not ours; waiting for ours",
                 (unsigned long long)h->run, s->endpoint);
        s->linked = false;
        return ST_OK;
    }
    if (s->run != h->run) {
        if (s->run != 0) {
            LOG_WARN("JUDGE-RUN",
                     "another run answers at %s, old questions are dropped",
                     s->endpoint);
        }
        answer_drop_all(&s->answer, &s->desk);
        desk_clear(&s->desk); // ids are of one run
    }
    const bool was_linked = s->linked;
    s->run = h->run;
    s->number = h->actor;
    s->incarnation = h->incarnation;
    s->linked = true;
    s->hello_wait_ms = HELLO_MS;
    s->counters.welcomes++;
    const enum status st = answer_open(&s->answer, &w);
    if (st != ST_OK) {
        // Not ST_CORRUPT, which would be counted as a bad frame.
        return st == ST_CORRUPT ? ST_INVALID : st;
    }
    if (!was_linked) {
        LOG_INFO("JUDGE-WELCOME", "judges goal %s in %s for %s", s->answer.goal.name,
                 s->answer.goal.task, s->endpoint);
        desk_send_again(&s->desk);
    }
    return ST_OK;
}

static void answer_overload(struct serve *s, const struct msg_question *q)
{
    const struct frame_header h = header_of(s, FRAME_VERDICTS);
    uint64_t held;

    s->counters.overloads++;
    s->verdicts.count = 1;
    s->verdicts.verdict[0] = (struct msg_verdict){.question = q->id,
                                                  .kind = VERDICT_OVERLOAD,
                                                  .captions = (uint8_t)q->captions,
                                                  .confidence = NAN,
                                                  .position = POSITION_UNKNOWN};
    const enum status st =
        send_frame(s, codec_encode_verdicts(s->codec, &h, &s->verdicts));
    (void)st; // its lease runs out
    if (log_limit_pass(&s->overload, clock_ns(s->clock), &held)) {
        LOG_WARN("JUDGE-OVERLOAD", "holds %d questions already, refused %llu more",
                 s->desk.size, (unsigned long long)held + 1);
    }
}

static enum status take_questions(struct serve *s)
{
    TRY(codec_decode_questions(s->codec, s->frame.bytes, &s->questions));
    if (!s->answer.open) {
        return ST_OK; // of an earlier link; its leases run out
    }
    for (int i = 0; i < s->questions.count; i++) {
        const struct msg_question *q = &s->questions.question[i];
        struct desk_slot *held = desk_find(&s->desk, q->id);
        s->counters.questions++;
        if (held == NULL && s->stopping) {
            continue; // goodbye gives it back
        }
        if (held == NULL) {
            if (desk_take(&s->desk, q, clock_ns(s->clock)) == NULL) {
                answer_overload(s, q);
            }
        } else if (held->state == DESK_SENT) {
            desk_mark_unsent(&s->desk, held); // asked again: it did not arrive
        }
    }
    return ST_OK;
}

static enum status take_acks(struct serve *s)
{
    TRY(codec_decode_verdict_ack(s->codec, s->frame.bytes, &s->acks));
    for (int i = 0; i < s->acks.count; i++) {
        desk_forget(&s->desk, s->acks.question[i]);
        s->counters.acknowledged++;
    }
    return ST_OK;
}

static enum status take_refuse(struct serve *s)
{
    struct msg_refuse m;

    TRY(codec_decode_refuse(s->codec, s->frame.bytes, &m));
    s->linked = false;
    if (m.final) {
        LOG_ERROR("JUDGE-REFUSED", "the learner refused this judge: %.*s",
                  (int)m.reason.len, (const char *)m.reason.data);
        return ST_INVALID;
    }
    LOG_WARN("JUDGE-REFUSED", "the learner cannot take this judge now: %.*s",
             (int)m.reason.len, (const char *)m.reason.data);
    return ST_OK;
}

/* ST_CORRUPT and ST_VERSION: a bad frame; the rest as serve_step(). */
static enum status take_frame(struct serve *s)
{
    struct frame_header h;

    TRY(frame_read_header(s->frame.bytes, &h));
    // These come from a learner that does not know us, or we not it.
    const bool any_run =
        h.kind == FRAME_JUDGE_WELCOME || h.kind == FRAME_WHO || h.kind == FRAME_REFUSE;
    if (!any_run && h.run != s->run) {
        return ST_OK; // queued by a run that is gone
    }
    s->heard_ms = clock_ms(s->clock);
    switch (h.kind) {
    case FRAME_JUDGE_WELCOME:
        return take_welcome(s, &h);
    case FRAME_QUESTIONS:
        return take_questions(s);
    case FRAME_VERDICT_ACK:
        return take_acks(s);
    case FRAME_REFUSE:
        return take_refuse(s);
    case FRAME_WHO:
        s->linked = false;
        s->hello_ms = 0; // now
        return ST_OK;
    case FRAME_STOP:
        if (!s->stopping) {
            LOG_INFO("JUDGE-STOP", "the learner ends the run");
            serve_stop(s);
        }
        return ST_OK;
    case FRAME_BEAT:
        return ST_OK;
    default:
        return ST_CORRUPT; // not for a judge
    }
}

static enum status receive_all(struct serve *s, bool *some)
{
    uint64_t held;

    for (int i = 0; i < FRAMES_A_STEP; i++) {
        const enum status got = bus_receive(s->socket, &s->frame);
        if (got == ST_AGAIN) {
            break;
        }
        TRY(got);
        *some = true;
        const enum status st = take_frame(s);
        if (st == ST_CORRUPT || st == ST_VERSION) {
            s->counters.frames_refused++;
            if (log_limit_pass(&s->bad_frames, clock_ns(s->clock), &held)) {
                LOG_WARN("JUDGE-FRAME", "dropped %llu frames from %s, the last one %s",
                         (unsigned long long)held + 1, s->endpoint, status_name(st));
            }
        } else if (st != ST_OK) {
            bus_frame_release(&s->frame);
            return st;
        }
    }
    bus_frame_release(&s->frame);
    return ST_OK;
}

/* ---- the link ---- */

static enum status dial(struct serve *s)
{
    char endpoint[BUS_ENDPOINT_MAX];

    if (!endpoint_read(s->options, endpoint)) {
        return ST_AGAIN;
    }
    if (s->socket != NULL && strcmp(endpoint, s->endpoint) == 0) {
        return ST_OK;
    }
    bus_close(s->socket);
    s->socket = NULL;
    TRY(bus_dial(s->bus, endpoint, &s->self, FRAME_MOST, &s->socket));
    memcpy(s->endpoint, endpoint, sizeof(endpoint));
    return ST_OK;
}

static void tell_unanswered(struct serve *s, uint64_t now)
{
    if (now - s->told_ms < TELL_MS) {
        return;
    }
    s->told_ms = now;
    if (s->endpoint[0] == '\0') {
        LOG_WARN("JUDGE-ADDRESS", "no address in %s/address for %llu s, still waiting",
                 s->options->run_dir, (unsigned long long)((now - s->lost_ms) / 1000));
    } else {
        LOG_WARN("JUDGE-HELLO",
                 "no answer from %s for %llu s, trying again: no learner is there, "
                 "or one that no actor has told yet what it plays",
                 s->endpoint, (unsigned long long)((now - s->lost_ms) / 1000));
    }
}

static enum status keep_link(struct serve *s)
{
    const uint64_t now = clock_ms(s->clock);

    if (s->linked && now - s->heard_ms > SILENCE_MS) {
        LOG_WARN("JUDGE-SILENCE",
                 "heard nothing from %s for %llu s, saying hello again", s->endpoint,
                 (unsigned long long)((now - s->heard_ms) / 1000));
        s->linked = false;
        s->lost_ms = s->told_ms = now;
    }
    if (s->linked) {
        if (now - s->sent_ms >= BEAT_MS) {
            send_bare(s, FRAME_BEAT);
        }
        return ST_OK;
    }
    if (now < s->hello_ms) {
        return ST_OK;
    }
    const enum status st = dial(s);
    if (st == ST_OK) {
        send_hello(s);
        s->hello_ms = now + s->hello_wait_ms;
        s->hello_wait_ms =
            s->hello_wait_ms * 2 < HELLO_MOST_MS ? s->hello_wait_ms * 2 : HELLO_MOST_MS;
    } else if (st == ST_AGAIN) {
        s->hello_ms = now + WAIT_MS; // a look at a file costs nothing
    } else {
        return st;
    }
    tell_unanswered(s, now);
    return ST_OK;
}

static void report(struct serve *s)
{
    const uint64_t now = clock_ms(s->clock);
    const struct answer_counters *c = &s->answer.counters, *r = &s->reported;

    if (now - s->reported_ms < REPORT_MS || c->answers == r->answers) {
        return;
    }
    LOG_INFO("JUDGE-ASKED", "answered %llu questions in %llu s, %llu from the cache",
             (unsigned long long)(c->answers - r->answers),
             (unsigned long long)((now - s->reported_ms) / 1000),
             (unsigned long long)(c->from_cache - r->from_cache));
    s->reported = s->answer.counters;
    s->reported_ms = now;
}

void serve_stop(struct serve *s)
{
    if (!s->stopping) {
        s->stopping = true;
        s->stop_ms = s->finished_ms = clock_ms(s->clock);
        s->finishing = answer_stop(&s->answer);
    }
}

/* Answers that are paid for are waited for while somebody is there to take them. */
static enum status finish(struct serve *s, bool *some)
{
    const uint64_t now = clock_ms(s->clock);

    if (!s->finishing) {
        return ST_OK;
    }
    TRY(answer_turn(&s->answer));
    *some = answer_waiting(&s->answer, &s->desk) || *some;
    s->finishing =
        s->linked && answer_stop(&s->answer) && now - s->stop_ms < STOP_BEGUN_MS;
    s->finished_ms = now;
    return ST_OK;
}

static bool stopped(struct serve *s)
{
    const uint64_t spent = clock_ms(s->clock) - s->finished_ms;

    if (s->linked &&
        (s->finishing || (spent < STOP_MS && s->desk.answered + s->desk.sent > 0))) {
        return false;
    }
    if (s->linked) {
        send_bare(s, FRAME_GOODBYE);
    }
    return true;
}

enum status serve_step(struct serve *s)
{
    bool some = false;

    if (s->socket != NULL) {
        TRY(receive_all(s, &some));
    }
    if (s->answer.open && !s->stopping) {
        TRY(answer_turn(&s->answer));
        some = answer_waiting(&s->answer, &s->desk) || some;
    }
    if (s->stopping) {
        TRY(finish(s, &some));
    }
    if (s->linked) {
        tell_changes(s);
        send_answers(s);
    }
    if (s->stopping && stopped(s)) {
        return ST_CLOSED;
    }
    if (!s->stopping || s->linked) { // a link is kept to the end, and none begun
        TRY(keep_link(s));
    }
    report(s);
    return some ? ST_OK : ST_AGAIN;
}

void serve_wait(struct serve *s, int fd)
{
    const bool at_work = s->answer.underway || s->answer.turning;
    const int pause = s->backend->pause_ms;
    const int ms = !at_work ? WAIT_MS : pause > 0 ? pause : WAIT_UNDERWAY_MS;

    bus_wait(&s->socket, s->socket != NULL ? 1 : 0, &fd, fd >= 0 ? 1 : 0, NULL, ms);
}
