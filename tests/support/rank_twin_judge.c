/* Scripted judges of rank_twin.h. */
#include "tests/support/rank_twin.h"

#include <stdio.h>
#include <string.h>

void judge_init(struct twin_judge *j, struct twin *t, uint64_t nonce)
{
    memset(j, 0, sizeof(*j));
    j->t = t;
    j->nonce = nonce;
    j->deadline_ms = 1000;
    j->credits = 64;
    j->name = "rule";
    j->codec = codec_new();
    j->socket = twin_dial(t, t->endpoints[0], 'j', nonce);
}

void judge_release(struct twin_judge *j)
{
    bus_close(j->socket);
    codec_free(j->codec);
}

void judge_hello(struct twin_judge *j)
{
    const struct frame_header h = {
        .kind = FRAME_JUDGE_HELLO, .run = TWIN_RUN, .actor = j->number};
    const uint32_t most = j->order_most == 0 && j->only_orders ? 2 : j->order_most;
    const struct msg_judge_hello m = {.name = bytes_text(j->name),
                                      .prompt_digest = {5, 6},
                                      .can_rate = !j->only_orders,
                                      .can_order = most > 0,
                                      .order_most = most,
                                      .deadline_ms = j->deadline_ms,
                                      .credits = j->credits,
                                      .wants_truth = j->wants_truth,
                                      .host = bytes_text("host0"),
                                      .pid = 1,
                                      .nonce = j->nonce,
                                      .pause = (uint8_t)j->pause};

    assert_int_equal(
        bus_send(j->socket, NULL, codec_encode_judge_hello(j->codec, &h, &m)), ST_OK);
}

static void on_questions(struct twin_judge *j, struct bytes frame)
{
    static struct msg_questions m;

    assert_int_equal(codec_decode_questions(j->codec, frame, &m), ST_OK);
    for (int i = 0; i < m.count; i++) {
        assert_true(j->questions < TWIN_LABELS);
        const int at = j->questions++;
        j->id[at] = m.question[i].id;
        j->truth[at] = m.question[i].truth[0];
        j->purpose[at] = m.question[i].purpose;
        j->captions[at] = m.question[i].captions;
        for (int k = 0; k < m.question[i].captions; k++) {
            j->key[at][k] = hash_128(m.question[i].caption[k]);
        }
        assert_true(m.question[i].lease_ms > j->deadline_ms);
        snprintf(j->text[at], sizeof(j->text[at]), "%.*s",
                 (int)m.question[i].caption[0].len,
                 (const char *)m.question[i].caption[0].data);
    }
}

void judge_poll(struct twin_judge *j)
{
    struct bus_frame f = {0};
    struct frame_header h;
    struct msg_verdict_ack ack;
    struct msg_refuse refuse;

    while (bus_receive(j->socket, &f) == ST_OK) {
        assert_int_equal(frame_read_header(f.bytes, &h), ST_OK);
        switch (h.kind) {
        case FRAME_JUDGE_WELCOME:
            j->welcomes++;
            j->number = h.actor;
            break;
        case FRAME_QUESTIONS:
            on_questions(j, f.bytes);
            break;
        case FRAME_VERDICT_ACK:
            assert_int_equal(codec_decode_verdict_ack(j->codec, f.bytes, &ack), ST_OK);
            j->acks += ack.count;
            break;
        case FRAME_REFUSE:
            assert_int_equal(codec_decode_refuse(j->codec, f.bytes, &refuse), ST_OK);
            j->refusals++;
            j->final = refuse.final;
            snprintf(j->reason, sizeof(j->reason), "%.*s", (int)refuse.reason.len,
                     (const char *)refuse.reason.data);
            break;
        default:
            j->whos += h.kind == FRAME_WHO;
            j->stops += h.kind == FRAME_STOP;
            break;
        }
        bus_frame_release(&f);
    }
}

static void answer(struct twin_judge *j, const struct msg_verdict *v)
{
    static struct msg_verdicts m;
    const struct frame_header h = {
        .kind = FRAME_VERDICTS, .run = TWIN_RUN, .actor = j->number};

    memset(&m, 0, sizeof(m));
    m.count = 1;
    m.verdict[0] = *v;
    m.verdict[0].confidence = 1;
    m.verdict[0].position = POSITION_UNKNOWN;
    m.verdict[0].raw = bytes_text("because");
    assert_int_equal(bus_send(j->socket, NULL, codec_encode_verdicts(j->codec, &h, &m)),
                     ST_OK);
}

void judge_answer(struct twin_judge *j, uint64_t id, enum verdict_kind kind, float p)
{
    const struct msg_verdict v = {
        .question = id, .kind = (uint8_t)kind, .label = p, .captions = 1};

    answer(j, &v);
}

void judge_order_them(struct twin_judge *j, uint64_t id, enum verdict_kind kind,
                      const uint8_t *place, int captions)
{
    struct msg_verdict v = {
        .question = id, .kind = (uint8_t)kind, .captions = (uint8_t)captions};

    if (place != NULL) {
        memcpy(v.order, place, (size_t)captions);
    }
    answer(j, &v);
}

void judge_bare(struct twin_judge *j, enum frame_kind kind)
{
    const struct frame_header h = {
        .kind = (uint8_t)kind, .run = TWIN_RUN, .actor = j->number};

    assert_int_equal(bus_send(j->socket, NULL, codec_encode_bare(j->codec, &h)), ST_OK);
}
