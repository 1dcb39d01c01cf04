/* A judge that breaks one rule of schemas/README.md, which its argument names, and keeps
 * all others; "none" keeps all, and so does "restless", which says hello again when it is
 * asked and reads one frame at a time. It dials MINOS_ENDPOINT. For the tests of judge-check.
 *
 *   twice     every verdict on what was asked once is sent two times
 *   forgets   an answer that was sent is forgotten, acknowledged or not
 *   hoards    acknowledged answers are kept and sent again
 *   cached    says of every answer that it is from its cache
 *   trusts    any frame with the right length is taken for a question: it dies
 *   greedy    wants 64 questions and cannot hold more than 16
 *   late      says that it answers within 0.2 s and takes longer
 *   mute      sends no beats
 *   deaf      does not stop
 *   loyal     brings the answers of an old run to a new one
 *   modern    takes a welcome of any protocol
 *   rude      ends with 1, not 2, when it is refused for good
 *   claims    says that it orders, and refuses to
 *   wild      rates with 5 */

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/base/text.h"
#include "common/wire/bus.h"
#include "common/wire/codec.h"

enum { KEPT_MAX = 4096, HELLO_MS = 1000, SILENCE_MS = 3000, HOARD_MS = 700 };
enum { GREEDY_MOST = 16, LATE_MS = 1500 };

struct kept {
    struct msg_verdict verdict;
    uint64_t due_ms, sent_ms; // 0: not sent since the last welcome
    bool acknowledged;
    int asked; // times
};

static struct {
    const char *fault;
    struct bus_socket *socket;
    struct codec *codec;
    struct bus_frame frame;
    struct frame_header me; // as the welcome says
    bool joined, stop;
    uint64_t heard_ms, said_ms, hello_ms;
    struct kept kept[KEPT_MAX];
    int count;
    int exit_code;
} j;

static bool is(const char *fault)
{
    return strcmp(j.fault, fault) == 0;
}

static uint64_t now_ms(void)
{
    return clock_ms(clock_system());
}

static struct frame_header header(enum frame_kind kind)
{
    struct frame_header h = j.me;

    h.kind = (uint8_t)kind;
    return h;
}

static void say(struct bytes frame)
{
    const enum status st = bus_send(j.socket, NULL, frame);

    (void)st;
    j.said_ms = now_ms();
}

static void say_bare(enum frame_kind kind)
{
    const struct frame_header h = header(kind);

    say(codec_encode_bare(j.codec, &h));
}

static void say_hello(void)
{
    const struct frame_header h = header(FRAME_JUDGE_HELLO);
    const struct msg_judge_hello m = {.name = bytes_text("broken"),
                                      .model = bytes_text(j.fault),
                                      .can_rate = true,
                                      .can_order = is("claims"),
                                      .order_most = is("claims") ? 2 : 0,
                                      .deadline_ms = is("late") ? 200 : 10000,
                                      .credits = 64,
                                      .host = bytes_text("here"),
                                      .pid = (uint64_t)getpid(),
                                      .nonce = (uint64_t)getpid()};

    say(codec_encode_judge_hello(j.codec, &h, &m));
    j.hello_ms = now_ms();
}

/* ---- what comes ---- */

static void take_welcome(const struct frame_header *h)
{
    struct msg_judge_welcome m;

    if (codec_decode_judge_welcome(j.codec, j.frame.bytes, &m) != ST_OK) {
        return;
    }
    if (h->run != j.me.run && !is("loyal")) {
        j.count = 0;
    }
    j.me = (struct frame_header){
        .run = h->run, .actor = h->actor, .incarnation = h->incarnation};
    j.joined = true;
    for (int i = 0; i < j.count; i++) {
        j.kept[i].sent_ms = 0;
    }
}

static void answer(const struct msg_question *q)
{
    int i = 0, held = 0;

    for (int k = 0; k < j.count; k++) {
        held += j.kept[k].sent_ms == 0;
    }
    while (i < j.count && j.kept[i].verdict.question != q->id) {
        i++;
    }
    if (i == KEPT_MAX) {
        return;
    }
    const int asked = i == j.count ? 1 : j.kept[i].asked + 1;
    j.count = i == j.count ? i + 1 : j.count;
    j.kept[i] =
        (struct kept){.due_ms = now_ms() + (is("late") ? LATE_MS : 0), .asked = asked};
    j.kept[i].verdict = (struct msg_verdict){.question = q->id,
                                             .kind = VERDICT_REFUSED,
                                             .captions = (uint8_t)q->captions,
                                             .confidence = NAN,
                                             .cached = is("cached"),
                                             .position = POSITION_UNKNOWN};
    if (is("greedy") && held >= GREEDY_MOST) {
        j.kept[i].verdict.kind = VERDICT_OVERLOAD;
    } else if (q->kind == QUESTION_RATE) {
        j.kept[i].verdict.kind = VERDICT_LABEL;
        j.kept[i].verdict.label = is("wild") ? 5 : (float)(q->caption[0].len % 2 == 0);
    }
}

static void take_questions(void)
{
    static struct msg_questions m;
    const enum status st = codec_decode_questions(j.codec, j.frame.bytes, &m);

    if (st != ST_OK && is("trusts")) {
        abort();
    }
    if (is("restless") && j.joined) {
        say_hello();
    }
    for (int i = 0; st == ST_OK && i < m.count; i++) {
        answer(&m.question[i]);
    }
}

static void take_acks(void)
{
    static struct msg_verdict_ack m;

    if (codec_decode_verdict_ack(j.codec, j.frame.bytes, &m) != ST_OK) {
        return;
    }
    for (int i = 0; i < m.count; i++) {
        for (int k = 0; k < j.count; k++) {
            if (j.kept[k].verdict.question == m.question[i]) {
                j.kept[k].acknowledged = true;
            }
        }
    }
}

static void take_refuse(void)
{
    struct msg_refuse m;

    if (codec_decode_refuse(j.codec, j.frame.bytes, &m) == ST_OK && m.final) {
        j.stop = true;
        j.exit_code = is("rude") ? EXIT_FAILED : EXIT_USAGE;
    }
}

static void take_frame(void)
{
    struct frame_header h;
    uint8_t *bytes = (uint8_t *)(uintptr_t)j.frame.bytes.data;

    if (is("modern") && j.frame.bytes.len > FRAME_HEADER) {
        bytes[4] = FRAME_PROTOCOL;
    }
    if (frame_read_header(j.frame.bytes, &h) != ST_OK ||
        (h.run != j.me.run && h.kind != FRAME_JUDGE_WELCOME && h.kind != FRAME_WHO &&
         h.kind != FRAME_REFUSE)) {
        return;
    }
    // What hoards sends makes the learner speak, also one that is silent by itself.
    if (!is("hoards") || h.kind != FRAME_VERDICT_ACK) {
        j.heard_ms = now_ms();
    }
    switch (h.kind) {
    case FRAME_JUDGE_WELCOME:
        take_welcome(&h);
        break;
    case FRAME_QUESTIONS:
        take_questions();
        break;
    case FRAME_VERDICT_ACK:
        take_acks();
        break;
    case FRAME_REFUSE:
        take_refuse();
        break;
    case FRAME_WHO:
        j.joined = false;
        j.hello_ms = 0;
        break;
    case FRAME_STOP:
        j.stop = !is("deaf");
        break;
    default:
        break;
    }
}

/* ---- what goes ---- */

static bool is_due(const struct kept *k, uint64_t now)
{
    return k->sent_ms == 0 && now >= k->due_ms && !k->acknowledged;
}

/* Not of a question that came three times: it is one too many then, which breaks another
 * rule, too. */
static bool is_hoarded(const struct kept *k, uint64_t now)
{
    return is("hoards") && k->acknowledged && k->asked < 3 &&
           now - k->sent_ms > HOARD_MS;
}

/* Forgets what is acknowledged, or what was sent at all. */
static void tidy(void)
{
    int left = 0;

    for (int i = 0; i < j.count; i++) {
        const bool keep = is("forgets") ? j.kept[i].sent_ms == 0
                                        : !j.kept[i].acknowledged || is("hoards");
        if (keep) {
            j.kept[left++] = j.kept[i];
        }
    }
    j.count = left;
}

static void say_answers(void)
{
    static struct msg_verdicts m, again;
    const struct frame_header h = header(FRAME_VERDICTS);
    const uint64_t now = now_ms();

    m.count = again.count = 0;
    for (int i = 0; i < j.count && m.count < QUESTIONS_PER_FRAME; i++) {
        if (is_due(&j.kept[i], now)) {
            m.verdict[m.count++] = j.kept[i].verdict;
            j.kept[i].sent_ms = now;
            if (is("twice") && j.kept[i].asked == 1) {
                again.verdict[again.count++] = j.kept[i].verdict;
            }
        }
    }
    // New answers do not wait for old ones.
    for (int i = j.count - 1; i >= 0 && m.count < QUESTIONS_PER_FRAME; i--) {
        if (is_hoarded(&j.kept[i], now)) {
            m.verdict[m.count++] = j.kept[i].verdict;
            j.kept[i].sent_ms = now;
        }
    }
    if (m.count > 0) {
        say(codec_encode_verdicts(j.codec, &h, &m));
    }
    if (again.count > 0) {
        say(codec_encode_verdicts(j.codec, &h, &again));
    }
    tidy();
}

static void step(void)
{
    bus_wait(&j.socket, 1, NULL, 0, NULL, 20);
    while (bus_receive(j.socket, &j.frame) == ST_OK) {
        take_frame();
        if (is("restless")) {
            break;
        }
    }
    const uint64_t now = now_ms(); // not earlier: what was heard is never later than it
    if (j.joined && now - j.heard_ms > SILENCE_MS) {
        j.joined = false;
    }
    if (j.joined) {
        say_answers();
        if (!is("mute") && now_ms() - j.said_ms >= HELLO_MS) {
            say_bare(FRAME_BEAT);
        }
    } else if (now - j.hello_ms >= HELLO_MS) {
        say_hello();
    }
}

int main(int argc, char **argv)
{
    const char *endpoint = getenv("MINOS_ENDPOINT");
    struct bus_peer self = {0};
    struct bus *bus = bus_new();

    j.fault = argc > 1 ? argv[1] : "none";
    text_format((char *)self.id, sizeof(self.id), "broken-%d", (int)getpid());
    self.len = (uint8_t)strlen((char *)self.id);
    j.codec = codec_new();
    if (endpoint == NULL ||
        bus_dial(bus, endpoint, &self, 1 << 20, &j.socket) != ST_OK) {
        return EXIT_USAGE;
    }
    while (!j.stop) {
        step();
    }
    say_bare(FRAME_GOODBYE);
    bus_frame_release(&j.frame);
    bus_close(j.socket);
    bus_free(bus);
    codec_free(j.codec);
    return j.exit_code;
}
