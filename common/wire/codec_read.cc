/* Frames to structs: header, verifier, shape (lengths, counts, versions). What values
 * may be is asked of codec_check.c, on the plain structs. */

#include "common/wire/codec_impl.hh"

#include <cmath>

extern "C" {
#include "common/wire/codec_check.h"
}

static enum status refuse(struct codec *c, const char *why)
{
    c->reason = why;
    return ST_CORRUPT;
}

static struct bytes get_text(const fb::String *s)
{
    return s == nullptr ? bytes_of("", 0) : bytes_of(s->data(), s->size());
}

static struct bytes get_bytes(const fb::Vector<uint8_t> *v)
{
    return v == nullptr ? bytes_of("", 0) : bytes_of(v->data(), v->size());
}

static struct hash128 get_hash(const w::Hash *h)
{
    return h == nullptr ? hash128{0, 0} : hash128{h->lo(), h->hi()};
}

/* The verifier looks at offsets relative to the buffer, never at where it lies: an odd
 * base passes it. So the base is made even here. ZeroMQ hands out unaligned frames only
 * below 8 KB, thus the copy is small; a larger one is copied all the same. */
static const uint8_t *aligned_body(struct codec *c, struct bytes frame)
{
    const uint8_t *body = static_cast<const uint8_t *>(frame.data) + FRAME_HEADER;
    const size_t size = frame.len - FRAME_HEADER;

    if (reinterpret_cast<uintptr_t>(body) % ALIGN == 0) {
        return body;
    }
    if (size > c->scratch_size) {
        mem_free(c->scratch);
        c->scratch_size = size;
        c->scratch = static_cast<uint8_t *>(mem_new(size, 1));
    }
    return static_cast<uint8_t *>(memcpy(c->scratch, body, size));
}

/* Header, verifier, version of the root table. */
template <class Root>
static enum status open_frame(struct codec *c, struct bytes frame, uint8_t kind,
                              struct frame_header *header, const Root **out)
{
    c->reason = "";
    const enum status st = frame_read_header(frame, header);
    if (st != ST_OK) {
        c->reason =
            st == ST_VERSION ? "header: another protocol" : "header: not a frame";
        return st;
    }
    if (header->kind != kind) {
        return refuse(c, "header: another kind of message");
    }
    if (frame.len - FRAME_HEADER > BODY_MAX) {
        return refuse(c, "frame: too large");
    }
    const uint8_t *body = aligned_body(c, frame);
    fb::Verifier::Options bounds;
    bounds.max_depth = 4;
    bounds.max_tables = TABLES_MAX;
    fb::Verifier verifier(body, frame.len - FRAME_HEADER, bounds);
    if (!verifier.VerifyBuffer<Root>(nullptr)) {
        return refuse(c, "body: not a valid buffer of this kind");
    }
    *out = fb::GetRoot<Root>(body);
    if ((*out)->version() != SCHEMA) {
        c->reason = "version: of another schema";
        return ST_VERSION;
    }
    return ST_OK;
}

/* Meaning, once the plain struct is filled. */
static enum status checked(struct codec *c, const char *fault)
{
    return fault == nullptr ? ST_OK : refuse(c, fault);
}

template <class T> static int size_of(const fb::Vector<T> *v)
{
    return v == nullptr ? 0 : static_cast<int>(v->size());
}

template <class T> static const T *data_of(const fb::Vector<T> *v)
{
    return v == nullptr ? nullptr : v->data();
}

/* Nested tables of another version make the whole message another version. */
template <class T> static bool versions_known(const fb::Vector<fb::Offset<T>> *v)
{
    for (int i = 0; i < size_of(v); i++) {
        if (v->Get(static_cast<fb::uoffset_t>(i))->version() != SCHEMA) {
            return false;
        }
    }
    return true;
}

static enum status other_version(struct codec *c)
{
    c->reason = "version: of another schema";
    return ST_VERSION;
}

/* Lengths against T: what the pointers of a view rely on. NULL when all is well. */
static const char *segment_shape_fault(const w::Segment *s)
{
    const int T = s->steps();

    const struct {
        int have, need;
        const char *fault;
    } rows[] = {
        {size_of(s->chars()), T * SEGMENT_CELLS, "chars: length is not T * 144"},
        {size_of(s->colors()), T * SEGMENT_CELLS, "colors: length is not T * 144"},
        {size_of(s->stats()), T * SEGMENT_STATS, "stats: length is not T * 27"},
        {size_of(s->caption()), T, "caption: length is not T"},
        {size_of(s->count()), T, "count: length is not T"},
        {size_of(s->action()), T, "action: length is not T"},
        {size_of(s->logp()), T, "logp: length is not T"},
        {size_of(s->value()), T, "value: length is not T"},
        {size_of(s->reward()), T, "reward: length is not T"},
        {size_of(s->flags()), T, "flags: length is not T"},
    };

    if (T < 1 || T > SEGMENT_STEPS_MAX) {
        return "steps: out of range";
    }
    for (const auto &row : rows) {
        if (row.have != row.need) {
            return row.fault;
        }
    }
    if (s->intrinsic_value() != nullptr && size_of(s->intrinsic_value()) != T) {
        return "intrinsic_value: length is not T";
    }
    if (size_of(s->state()) > SEGMENT_STATE_MAX) {
        return "state: too long";
    }
    if (size_of(s->text()) < 1 || size_of(s->text()) > 2 * T + 1) {
        return "text: none, or more than 2 T + 1";
    }
    return size_of(s->episode()) > T ? "episode: more than T" : nullptr;
}

static void fill_view(const w::Segment *s, struct segment_view *v)
{
    v->env = s->env();
    v->version = {s->start(), s->update()};
    v->seed = s->seed();
    v->T = s->steps();
    v->state_floats = size_of(s->state());
    v->texts = size_of(s->text());
    v->episodes = size_of(s->episode());
    v->chars = data_of(s->chars());
    v->colors = data_of(s->colors());
    v->stats = data_of(s->stats());
    v->caption = data_of(s->caption());
    v->count = data_of(s->count());
    v->action = data_of(s->action());
    v->logp = data_of(s->logp());
    v->value = data_of(s->value());
    v->reward = data_of(s->reward());
    v->flags = data_of(s->flags());
    v->state = data_of(s->state());
    v->first_caption = s->first_caption();
    v->first_action = s->first_action();
    v->first_starts = s->first_starts();
    v->bootstrap = s->bootstrap();
    v->intrinsic_value = data_of(s->intrinsic_value());
    v->intrinsic_bootstrap = s->intrinsic_bootstrap();
    v->impl = s;
}

extern "C" enum status codec_decode_segment(struct codec *c, struct bytes frame,
                                            const struct codec_limits *limits,
                                            struct segment_view *out)
{
    const w::Segment *s;
    struct segment_view v = {};

    TRY(open_frame(c, frame, FRAME_SEGMENT, &v.header, &s));
    TRY(checked(c, segment_shape_fault(s)));
    if (!versions_known(s->text()) || !versions_known(s->episode())) {
        return other_version(c);
    }
    fill_view(s, &v);
    TRY(checked(c, codec_check_segment(&v, limits)));
    *out = v;
    return ST_OK;
}

extern "C" struct segment_text segment_view_text(const struct segment_view *v, int i)
{
    CHECK(i >= 0 && i < v->texts);
    const w::Text *t = static_cast<const w::Segment *>(v->impl)->text()->Get(
        static_cast<fb::uoffset_t>(i));

    return {get_bytes(t->text()), t->event(), t->truth(), t->strength()};
}

extern "C" struct segment_episode segment_view_episode(const struct segment_view *v,
                                                       int i)
{
    CHECK(i >= 0 && i < v->episodes);
    const w::Episode *e = static_cast<const w::Segment *>(v->impl)->episode()->Get(
        static_cast<fb::uoffset_t>(i));

    return {e->row(),
            e->next_caption(),
            e->final_value(),
            e->episode_return(),
            e->length(),
            e->depth(),
            e->gold(),
            e->experience(),
            e->scout(),
            e->achievements(),
            e->score(),
            e->seed(),
            e->success(),
            get_text(e->cause()),
            e->intrinsic_final_value()};
}

extern "C" enum status codec_decode_hello(struct codec *c, struct bytes frame,
                                          struct msg_hello *out)
{
    const w::Hello *m;
    struct frame_header h;

    TRY(open_frame(c, frame, FRAME_HELLO, &h, &m));
    const struct msg_hello x = {
        get_text(m->host()), get_text(m->task()), m->spec_digest(), m->environments(),
        m->actions(),        m->truth(),          m->wanted_id(),   m->pid(),
        m->nonce(),          m->first_unacked(),  m->value_heads()};
    TRY(checked(c, codec_check_hello(&x)));
    *out = x;
    return ST_OK;
}

extern "C" enum status codec_decode_welcome(struct codec *c, struct bytes frame,
                                            struct msg_welcome *out)
{
    const w::Welcome *m;
    struct frame_header h;

    TRY(open_frame(c, frame, FRAME_WELCOME, &h, &m));
    const struct msg_welcome x = {get_text(m->endpoint()),
                                  m->rank(),
                                  m->segment_steps(),
                                  get_text(m->net()),
                                  m->seed(),
                                  m->window(),
                                  m->next_seq(),
                                  {m->start(), m->update()},
                                  static_cast<uint8_t>(m->count_key()),
                                  m->value_heads()};
    TRY(checked(c, codec_check_welcome(&x)));
    *out = x;
    return ST_OK;
}

extern "C" enum status codec_decode_refuse(struct codec *c, struct bytes frame,
                                           struct msg_refuse *out)
{
    const w::Refuse *m;
    struct frame_header h;

    TRY(open_frame(c, frame, FRAME_REFUSE, &h, &m));
    const struct msg_refuse x = {get_text(m->reason()), m->final()};
    TRY(checked(c, codec_check_refuse(&x)));
    *out = x;
    return ST_OK;
}

extern "C" enum status codec_decode_ack(struct codec *c, struct bytes frame,
                                        struct msg_ack *out)
{
    const w::Ack *m;
    struct frame_header h;

    TRY(open_frame(c, frame, FRAME_ACK, &h, &m));
    const struct msg_ack x = {m->window(),
                              {m->start(), m->update()},
                              static_cast<uint8_t>(m->dropped()),
                              m->go_back()};
    TRY(checked(c, codec_check_ack(&x)));
    *out = x;
    return ST_OK;
}

extern "C" enum status codec_decode_weights(struct codec *c, struct bytes frame,
                                            struct msg_weights *out)
{
    const w::Weights *m;
    struct frame_header h;

    TRY(open_frame(c, frame, FRAME_WEIGHTS, &h, &m));
    const struct msg_weights x = {{m->start(), m->update()},
                                  m->policy_digest(),
                                  m->env_steps(),
                                  m->mean(),
                                  m->scale(),
                                  data_of(m->weights()),
                                  static_cast<uint64_t>(size_of(m->weights())),
                                  m->intrinsic_mean(),
                                  m->intrinsic_scale()};
    TRY(checked(c, codec_check_weights(&x)));
    *out = x;
    return ST_OK;
}

/* A reason of a later version is none that we know; it says no more than its credits. */
static uint8_t get_pause(const w::JudgeHello *m)
{
    const uint8_t pause = static_cast<uint8_t>(m->pause());

    return m->credits() == 0 && pause < PAUSES ? pause : uint8_t{PAUSE_UNSAID};
}

extern "C" enum status codec_decode_judge_hello(struct codec *c, struct bytes frame,
                                                struct msg_judge_hello *out)
{
    const w::JudgeHello *m;
    struct frame_header h;

    TRY(open_frame(c, frame, FRAME_JUDGE_HELLO, &h, &m));
    const struct msg_judge_hello x = {get_text(m->name()),
                                      get_text(m->model()),
                                      get_hash(m->prompt_digest()),
                                      m->can_rate(),
                                      m->can_order(),
                                      m->order_most(),
                                      m->deadline_ms(),
                                      m->credits(),
                                      m->wants_truth(),
                                      get_text(m->host()),
                                      m->pid(),
                                      m->nonce(),
                                      get_pause(m)};
    TRY(checked(c, codec_check_judge_hello(&x)));
    *out = x;
    return ST_OK;
}

extern "C" enum status codec_decode_judge_welcome(struct codec *c, struct bytes frame,
                                                  struct msg_judge_welcome *out)
{
    const w::JudgeWelcome *m;
    struct frame_header h;

    TRY(open_frame(c, frame, FRAME_JUDGE_WELCOME, &h, &m));
    const struct msg_judge_welcome x = {get_text(m->goal()), get_hash(m->goal_digest()),
                                        get_bytes(m->goal_text()), m->credits(),
                                        get_text(m->environment())};
    TRY(checked(c, codec_check_judge_welcome(&x)));
    *out = x;
    return ST_OK;
}

static enum status get_question(struct codec *c, const w::Question *q,
                                struct msg_question *out)
{
    const int n = size_of(q->caption());

    if (n < 1 || n > ITEM_CAPTIONS_MAX) {
        return refuse(c, "question: not 1 to 8 captions");
    }
    if (q->version() != SCHEMA || !versions_known(q->caption())) {
        return other_version(c);
    }
    *out = {};
    out->id = q->id();
    out->kind = static_cast<uint8_t>(q->kind());
    out->purpose = static_cast<uint8_t>(q->purpose());
    out->lease_ms = q->lease_ms();
    out->captions = n;
    for (int i = 0; i < n; i++) {
        const w::Caption *t = q->caption()->Get(static_cast<fb::uoffset_t>(i));
        out->caption[i] = get_bytes(t->text());
        out->truth[i] = t->truth();
        out->strength[i] = t->strength();
    }
    return checked(c, codec_check_question(out));
}

extern "C" enum status codec_decode_questions(struct codec *c, struct bytes frame,
                                              struct msg_questions *out)
{
    const w::Questions *m;
    struct frame_header h;

    TRY(open_frame(c, frame, FRAME_QUESTIONS, &h, &m));
    const int n = size_of(m->question());
    if (n < 1 || n > QUESTIONS_PER_FRAME) {
        return refuse(c, "question: not 1 to 64 in a frame");
    }
    out->count = 0; // a list is filled in place; it stays empty unless all is well
    for (int i = 0; i < n; i++) {
        TRY(get_question(c, m->question()->Get(static_cast<fb::uoffset_t>(i)),
                         &out->question[i]));
    }
    out->count = n;
    return ST_OK;
}

static enum status get_verdict(struct codec *c, const w::Verdict *v,
                               struct msg_verdict *out)
{
    const int n = v->captions(), ranks = size_of(v->order());

    if (v->version() != SCHEMA) {
        return other_version(c);
    }
    if (n < 1 || n > ITEM_CAPTIONS_MAX) {
        return refuse(c, "captions: not 1 to 8");
    }
    if (ranks != 0 && ranks != n) {
        return refuse(c, "order: length is not the number of captions");
    }
    *out = {};
    out->question = v->question();
    out->kind = static_cast<uint8_t>(v->kind());
    out->label = v->label();
    out->captions = static_cast<uint8_t>(n);
    for (int i = 0; i < ranks; i++) {
        out->order[i] = v->order()->Get(static_cast<fb::uoffset_t>(i));
    }
    out->confidence = v->confidence() == -1.0f ? NAN : v->confidence();
    out->tokens_in = v->tokens_in();
    out->tokens_out = v->tokens_out();
    out->latency_us = v->latency_us();
    out->cached = v->cached();
    out->raw = get_bytes(v->raw());
    out->requests = v->requests();
    out->cost_micro = v->cost_micro();
    out->estimated = v->estimated();
    out->position = v->position();
    TRY(checked(c, codec_check_verdict(out, ranks)));
    // What is no answer to a rating must not look like one.
    if (out->kind != VERDICT_LABEL || n > 1) {
        out->label = 0;
    }
    if (n != 2) {
        out->position = POSITION_UNKNOWN;
    }
    return ST_OK;
}

extern "C" enum status codec_decode_verdicts(struct codec *c, struct bytes frame,
                                             struct msg_verdicts *out)
{
    const w::Verdicts *m;
    struct frame_header h;

    TRY(open_frame(c, frame, FRAME_VERDICTS, &h, &m));
    const int n = size_of(m->verdict());
    if (n < 1 || n > QUESTIONS_PER_FRAME) {
        return refuse(c, "verdict: not 1 to 64 in a frame");
    }
    out->count = 0;
    for (int i = 0; i < n; i++) {
        TRY(get_verdict(c, m->verdict()->Get(static_cast<fb::uoffset_t>(i)),
                        &out->verdict[i]));
    }
    out->count = n;
    return ST_OK;
}

extern "C" enum status codec_decode_verdict_ack(struct codec *c, struct bytes frame,
                                                struct msg_verdict_ack *out)
{
    const w::VerdictAck *m;
    struct frame_header h;

    TRY(open_frame(c, frame, FRAME_VERDICT_ACK, &h, &m));
    const int n = size_of(m->question());
    if (n < 1 || n > QUESTIONS_PER_FRAME) {
        return refuse(c, "question: not 1 to 64 in a frame");
    }
    out->count = n;
    memcpy(out->question, m->question()->data(), sizeof(uint64_t) * (size_t)n);
    return ST_OK;
}
