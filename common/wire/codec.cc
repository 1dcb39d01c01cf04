/* Structs to frames. */

#include "common/wire/codec_impl.hh"

extern "C" struct codec *codec_new(void)
{
    struct codec *c = new (mem_new(1, sizeof(struct codec))) codec();

    c->scratch_size = SCRATCH;
    c->scratch = static_cast<uint8_t *>(mem_new(SCRATCH, 1));
    return c;
}

extern "C" void codec_free(struct codec *c)
{
    if (c != nullptr) {
        mem_free(c->scratch);
        c->~codec();
        mem_free(c);
    }
}

extern "C" const char *codec_reason(const struct codec *c)
{
    return c->reason;
}

/* ---- writing ---- */

static fb::FlatBufferBuilder &begin(struct codec *c)
{
    c->builder.Clear();
    c->builder.Align(ALIGN); // the body then begins at a multiple of 8
    return c->builder;
}

/* The header goes in front of the finished body, so that both leave as one frame. */
template <class T>
static struct bytes finish(struct codec *c, const struct frame_header *h, uint8_t kind,
                           fb::Offset<T> root)
{
    struct frame_header own = *h;
    uint8_t header[FRAME_HEADER];

    own.kind = kind;
    frame_write_header(&own, header);
    c->builder.Finish(root);
    c->builder.PushFlatBuffer(header, sizeof(header));
    return {c->builder.GetBufferPointer(), c->builder.GetSize()};
}

static fb::Offset<fb::String> put_text(fb::FlatBufferBuilder &b, struct bytes s)
{
    return s.len == 0 ? 0 : b.CreateString(static_cast<const char *>(s.data), s.len);
}

template <class T>
static fb::Offset<fb::Vector<T>> put_array(fb::FlatBufferBuilder &b, const T *v,
                                           size_t n)
{
    return n == 0 ? 0 : b.CreateVector(v, n);
}

static fb::Offset<fb::Vector<uint8_t>> put_bytes(fb::FlatBufferBuilder &b,
                                                 struct bytes s)
{
    return put_array(b, static_cast<const uint8_t *>(s.data), s.len);
}

/* The first n of c->offsets as a list of tables. */
template <class T>
static fb::Offset<fb::Vector<fb::Offset<T>>> put_list(struct codec *c, int n)
{
    if (n == 0) {
        return 0;
    }
    c->builder.StartVector(static_cast<size_t>(n), sizeof(fb::uoffset_t));
    for (int i = n - 1; i >= 0; i--) { // buffers are built from their end
        c->builder.PushElement(fb::Offset<T>(c->offsets[i].o));
    }
    return c->builder.EndVector(static_cast<size_t>(n));
}

extern "C" struct bytes codec_encode_segment(struct codec *c,
                                             const struct segment_fill *s)
{
    CHECK(s->T >= 1 && s->T <= SEGMENT_STEPS_MAX && s->texts >= 1 &&
          s->texts <= TEXTS_MAX && s->episodes >= 0 && s->episodes <= s->T &&
          s->state_floats >= 0 && s->state_floats <= SEGMENT_STATE_MAX);
    const size_t T = static_cast<size_t>(s->T);
    fb::FlatBufferBuilder &b = begin(c);

    for (int i = 0; i < s->episodes; i++) {
        const struct segment_episode &e = s->episode[i];
        const auto cause = put_text(b, e.cause);
        c->offsets[i] =
            w::CreateEpisode(b, SCHEMA, e.row, e.next_caption, e.final_value,
                             e.episode_return, e.length, e.depth, e.gold, e.experience,
                             e.scout, e.achievements, e.score, e.seed, e.success, cause,
                             e.intrinsic_final_value)
                .Union();
    }
    const auto episodes = put_list<w::Episode>(c, s->episodes);
    for (int i = 0; i < s->texts; i++) {
        const struct segment_text &t = s->text[i];
        const auto text = put_bytes(b, t.text);
        c->offsets[i] =
            w::CreateText(b, SCHEMA, text, t.event, t.truth, t.strength).Union();
    }
    const auto texts = put_list<w::Text>(c, s->texts);
    const auto state = put_array(b, s->state, static_cast<size_t>(s->state_floats));
    const auto flags = b.CreateVector(s->flags, T);
    const auto intrinsic =
        put_array(b, s->intrinsic_value, s->intrinsic_value != nullptr ? T : 0);
    const auto reward = b.CreateVector(s->reward, T);
    const auto value = b.CreateVector(s->value, T);
    const auto logp = b.CreateVector(s->logp, T);
    const auto action = b.CreateVector(s->action, T);
    const auto count = b.CreateVector(s->count, T);
    const auto caption = b.CreateVector(s->caption, T);
    const auto stats = b.CreateVector(s->stats, T * SEGMENT_STATS);
    const auto colors = b.CreateVector(s->colors, T * SEGMENT_CELLS);
    const auto chars = b.CreateVector(s->chars, T * SEGMENT_CELLS);
    return finish(c, &s->header, FRAME_SEGMENT,
                  w::CreateSegment(
                      b, SCHEMA, s->env, s->version.start, s->version.update, s->seed,
                      static_cast<uint16_t>(s->T), chars, colors, stats, caption, count,
                      action, logp, value, reward, flags, state, s->first_caption,
                      s->first_action, s->first_starts, s->bootstrap, texts, episodes,
                      intrinsic, s->intrinsic_bootstrap));
}

extern "C" struct bytes codec_encode_hello(struct codec *c,
                                           const struct frame_header *h,
                                           const struct msg_hello *m)
{
    fb::FlatBufferBuilder &b = begin(c);
    const auto host = put_text(b, m->host), task = put_text(b, m->task);

    return finish(c, h, FRAME_HELLO,
                  w::CreateHello(b, SCHEMA, host, task, m->spec_digest, m->environments,
                                 m->actions, m->truth, m->wanted_id, m->pid, m->nonce,
                                 m->first_unacked, m->value_heads));
}

extern "C" struct bytes codec_encode_welcome(struct codec *c,
                                             const struct frame_header *h,
                                             const struct msg_welcome *m)
{
    fb::FlatBufferBuilder &b = begin(c);
    const auto endpoint = put_text(b, m->endpoint), net = put_text(b, m->net);

    return finish(
        c, h, FRAME_WELCOME,
        w::CreateWelcome(b, SCHEMA, endpoint, m->rank, m->segment_steps, net, m->seed,
                         m->window, m->next_seq, m->newest.start, m->newest.update,
                         static_cast<w::CountKey>(m->count_key), m->value_heads));
}

extern "C" struct bytes codec_encode_refuse(struct codec *c,
                                            const struct frame_header *h,
                                            const struct msg_refuse *m)
{
    fb::FlatBufferBuilder &b = begin(c);
    const auto reason = put_text(b, m->reason);

    return finish(c, h, FRAME_REFUSE, w::CreateRefuse(b, SCHEMA, reason, m->final));
}

extern "C" struct bytes codec_encode_ack(struct codec *c, const struct frame_header *h,
                                         const struct msg_ack *m)
{
    fb::FlatBufferBuilder &b = begin(c);

    return finish(c, h, FRAME_ACK,
                  w::CreateAck(b, SCHEMA, m->window, m->newest.start, m->newest.update,
                               static_cast<w::DropReason>(m->dropped), m->go_back));
}

extern "C" struct bytes codec_encode_weights(struct codec *c,
                                             const struct frame_header *h,
                                             const struct msg_weights *m)
{
    CHECK(m->floats < BODY_MAX / sizeof(float));
    fb::FlatBufferBuilder &b = begin(c);
    const auto weights = put_array(b, m->weights, m->floats);

    return finish(c, h, FRAME_WEIGHTS,
                  w::CreateWeights(b, SCHEMA, m->version.start, m->version.update,
                                   m->policy_digest, m->env_steps, m->mean, m->scale,
                                   weights, m->intrinsic_mean, m->intrinsic_scale));
}

extern "C" struct bytes codec_encode_judge_hello(struct codec *c,
                                                 const struct frame_header *h,
                                                 const struct msg_judge_hello *m)
{
    fb::FlatBufferBuilder &b = begin(c);
    const auto name = put_text(b, m->name), model = put_text(b, m->model),
               host = put_text(b, m->host);
    const w::Hash prompt(m->prompt_digest.lo, m->prompt_digest.hi);

    return finish(c, h, FRAME_JUDGE_HELLO,
                  w::CreateJudgeHello(b, SCHEMA, name, model, &prompt, m->can_rate,
                                      m->can_order, m->order_most, m->deadline_ms,
                                      m->credits, m->wants_truth, host, m->pid,
                                      m->nonce, static_cast<w::Pause>(m->pause)));
}

extern "C" struct bytes codec_encode_judge_welcome(struct codec *c,
                                                   const struct frame_header *h,
                                                   const struct msg_judge_welcome *m)
{
    fb::FlatBufferBuilder &b = begin(c);
    const auto goal = put_text(b, m->goal), env = put_text(b, m->environment);
    const auto text = put_bytes(b, m->goal_text);
    const w::Hash digest(m->goal_digest.lo, m->goal_digest.hi);

    return finish(
        c, h, FRAME_JUDGE_WELCOME,
        w::CreateJudgeWelcome(b, SCHEMA, goal, &digest, text, m->credits, env));
}

static fb::Offset<w::Question> put_question(struct codec *c,
                                            const struct msg_question *q)
{
    fb::FlatBufferBuilder &b = c->builder;
    fb::Offset<w::Caption> captions[ITEM_CAPTIONS_MAX];

    CHECK(q->captions >= 1 && q->captions <= ITEM_CAPTIONS_MAX);
    for (int i = 0; i < q->captions; i++) {
        const auto text = put_bytes(b, q->caption[i]);
        captions[i] = w::CreateCaption(b, SCHEMA, text, q->truth[i], q->strength[i]);
    }
    const auto list = b.CreateVector(captions, static_cast<size_t>(q->captions));
    return w::CreateQuestion(b, SCHEMA, q->id, static_cast<w::QuestionKind>(q->kind),
                             static_cast<w::Purpose>(q->purpose), q->lease_ms, list);
}

extern "C" struct bytes codec_encode_questions(struct codec *c,
                                               const struct frame_header *h,
                                               const struct msg_questions *m)
{
    CHECK(m->count >= 1 && m->count <= QUESTIONS_PER_FRAME);
    fb::FlatBufferBuilder &b = begin(c);

    for (int i = 0; i < m->count; i++) {
        c->offsets[i] = put_question(c, &m->question[i]).Union();
    }
    const auto list = put_list<w::Question>(c, m->count);
    return finish(c, h, FRAME_QUESTIONS, w::CreateQuestions(b, SCHEMA, list));
}

static fb::Offset<w::Verdict> put_verdict(fb::FlatBufferBuilder &b,
                                          const struct msg_verdict *v)
{
    CHECK(v->captions >= 1 && v->captions <= ITEM_CAPTIONS_MAX);
    const size_t most = RAW_MAX, len = v->raw.len < most ? v->raw.len : most;
    const auto raw = put_bytes(b, bytes_of(v->raw.data, len));
    const auto order = put_array(b, v->order, v->captions > 1 ? v->captions : 0u);
    const float confidence = v->confidence == v->confidence ? v->confidence : -1.0f;

    return w::CreateVerdict(
        b, SCHEMA, v->question, static_cast<w::VerdictKind>(v->kind), v->label,
        v->captions, order, confidence, v->tokens_in, v->tokens_out, v->latency_us,
        v->cached, raw, v->requests, v->cost_micro, v->estimated, v->position);
}

extern "C" struct bytes codec_encode_verdicts(struct codec *c,
                                              const struct frame_header *h,
                                              const struct msg_verdicts *m)
{
    CHECK(m->count >= 1 && m->count <= QUESTIONS_PER_FRAME);
    fb::FlatBufferBuilder &b = begin(c);

    for (int i = 0; i < m->count; i++) {
        c->offsets[i] = put_verdict(b, &m->verdict[i]).Union();
    }
    const auto list = put_list<w::Verdict>(c, m->count);
    return finish(c, h, FRAME_VERDICTS, w::CreateVerdicts(b, SCHEMA, list));
}

extern "C" struct bytes codec_encode_verdict_ack(struct codec *c,
                                                 const struct frame_header *h,
                                                 const struct msg_verdict_ack *m)
{
    CHECK(m->count >= 1 && m->count <= QUESTIONS_PER_FRAME);
    fb::FlatBufferBuilder &b = begin(c);
    const auto ids = put_array(b, m->question, static_cast<size_t>(m->count));

    return finish(c, h, FRAME_VERDICT_ACK, w::CreateVerdictAck(b, SCHEMA, ids));
}

extern "C" struct bytes codec_encode_bare(struct codec *c, const struct frame_header *h)
{
    fb::FlatBufferBuilder &b = begin(c);
    uint8_t header[FRAME_HEADER];

    frame_write_header(h, header);
    b.PushFlatBuffer(header, sizeof(header));
    return {b.GetBufferPointer(), b.GetSize()};
}
