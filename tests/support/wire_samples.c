#include "tests/support/wire_samples.h"

#include <math.h>
#include <string.h>

const uint8_t sample_kinds[] = {
    FRAME_HELLO,         FRAME_SEGMENT,   FRAME_WELCOME,     FRAME_REFUSE,
    FRAME_ACK,           FRAME_WEIGHTS,   FRAME_JUDGE_HELLO, FRAME_VERDICTS,
    FRAME_JUDGE_WELCOME, FRAME_QUESTIONS, FRAME_VERDICT_ACK, 0};

struct frame_header sample_header(uint8_t kind)
{
    return (struct frame_header){.kind = kind,
                                 .run = 0xabcdef0123456789u,
                                 .actor = 3,
                                 .incarnation = 2,
                                 .seq = 41};
}

static void fill_rows(struct sample_segment *s)
{
    for (int i = 0; i < SAMPLE_T * SEGMENT_CELLS; i++) {
        s->chars[i] = (uint8_t)(32 + i % 95);
        s->colors[i] = (uint8_t)(i % 32);
    }
    for (int i = 0; i < SAMPLE_T * SEGMENT_STATS; i++) {
        s->stats[i] = i * 3 - 100;
    }
    for (int t = 0; t < SAMPLE_T; t++) {
        s->caption[t] = (uint16_t)(t % 4);
        s->count[t] = (uint16_t)(t + 1);
        s->action[t] = (uint8_t)(t * 5 % SAMPLE_ACTIONS);
        s->flags[t] = 0;
        s->logp[t] = -0.25f * (float)(t + 1);
        s->value[t] = (float)t - 3.5f;
        s->reward[t] = 0.125f * (float)t;
    }
    for (int i = 0; i < SAMPLE_STATE; i++) {
        s->state[i] = 0.5f * (float)i - 1;
    }
}

void sample_segment_init(struct sample_segment *s)
{
    memset(s, 0, sizeof(*s));
    fill_rows(s);
    s->flags[2] = SEGMENT_TERMINATED;
    s->flags[6] = SEGMENT_TRUNCATED;
    s->text[0] = (struct segment_text){bytes_text(""), -1, -1, 0};
    s->text[1] =
        (struct segment_text){bytes_text("You see here a gold piece."), 7, 1, 3};
    s->text[2] = (struct segment_text){bytes_text("It's a wall."), 300, 0, 1};
    s->text[3] = (struct segment_text){bytes_text("\xe9\xff\x01 odd bytes"), 0, 1, 2};
    s->episode[0] = (struct segment_episode){2,     1,
                                             0.75f, 12.5f,
                                             103,   4,
                                             55,    77,
                                             1234,  0xf0f0u,
                                             9.5f,  0x123456789abcdef0u,
                                             1,     bytes_text("killed by a newt"),
                                             0};
    s->episode[1] = (struct segment_episode){
        6, 3, -0.5f, -1.5f, 4, 1, 0, 1, 12, 1, 0.5f, 99, 0, bytes_text(""), 0};
    s->fill = (struct segment_fill){.header = sample_header(FRAME_SEGMENT),
                                    .env = 5,
                                    .version = {2, 1234567890123u},
                                    .seed = 777,
                                    .T = SAMPLE_T,
                                    .state_floats = SAMPLE_STATE,
                                    .texts = 4,
                                    .episodes = 2,
                                    .chars = s->chars,
                                    .colors = s->colors,
                                    .stats = s->stats,
                                    .caption = s->caption,
                                    .count = s->count,
                                    .action = s->action,
                                    .logp = s->logp,
                                    .value = s->value,
                                    .reward = s->reward,
                                    .flags = s->flags,
                                    .state = s->state,
                                    .first_caption = 2,
                                    .first_action = 11,
                                    .first_starts = 0,
                                    .bootstrap = 1.25f,
                                    .text = s->text,
                                    .episode = s->episode};
}

void sample_segment_two_heads(struct sample_segment *s)
{
    for (int t = 0; t < SAMPLE_T; t++) {
        s->intrinsic[t] = 7.25f - (float)t;
    }
    s->fill.intrinsic_value = s->intrinsic;
    s->fill.intrinsic_bootstrap = -2.5f;
    s->episode[0].intrinsic_final_value = 3.5f;
    s->episode[1].intrinsic_final_value = -0.125f;
}

struct msg_hello sample_hello(void)
{
    return (struct msg_hello){.host = bytes_text("host-a"),
                              .task = bytes_text("crypt-vault"),
                              .spec_digest = 0x0123456789abcdefu,
                              .environments = 32,
                              .actions = SAMPLE_ACTIONS,
                              .truth = true,
                              .wanted_id = 6,
                              .pid = 4242,
                              .nonce = 0xfeedfacecafebeefu,
                              .first_unacked = 17,
                              .value_heads = 2};
}

struct msg_welcome sample_welcome(void)
{
    return (struct msg_welcome){.endpoint = bytes_text("tcp://10.0.0.5:7341"),
                                .rank = 1,
                                .segment_steps = 32,
                                .net = bytes_text("cells"),
                                .seed = 5,
                                .window = 64,
                                .next_seq = 12,
                                .newest = {3, 900},
                                .count_key = 1,
                                .value_heads = 2};
}

struct msg_refuse sample_refuse(void)
{
    return (struct msg_refuse){bytes_text("this run is of another task"), true};
}

struct msg_ack sample_ack(void)
{
    return (struct msg_ack){
        .window = 99, .newest = {3, 901}, .dropped = DROP_LAG, .go_back = true};
}

struct msg_weights sample_weights(void)
{
    static const float weights[5] = {0.5f, -1.0f, 3.25f, 0.0f, 1e-6f};

    return (struct msg_weights){.version = {3, 902},
                                .policy_digest = 0x1111222233334444u,
                                .env_steps = 1000000,
                                .mean = 0.125,
                                .scale = 2.5,
                                .weights = weights,
                                .floats = 5,
                                .intrinsic_mean = -0.5,
                                .intrinsic_scale = 1.5};
}

struct msg_judge_hello sample_judge_hello(void)
{
    return (struct msg_judge_hello){.name = bytes_text("rule"),
                                    .model = bytes_text("v1"),
                                    .prompt_digest = {1, 2},
                                    .can_rate = true,
                                    .can_order = true,
                                    .order_most = 8,
                                    .deadline_ms = 2000,
                                    .credits = 256,
                                    .wants_truth = true,
                                    .host = bytes_text("host-b"),
                                    .pid = 31,
                                    .nonce = 32};
}

struct msg_judge_welcome sample_judge_welcome(void)
{
    return (struct msg_judge_welcome){.goal = bytes_text("treasure"),
                                      .goal_digest = {3, 4},
                                      .goal_text =
                                          bytes_text("find the treasure\n- a\n"),
                                      .credits = 128,
                                      .environment = bytes_text("crypt-vault")};
}

void sample_questions(struct msg_questions *out)
{
    memset(out, 0, sizeof(*out));
    out->count = 2;
    out->question[0] = (struct msg_question){.id = 1001,
                                             .kind = QUESTION_RATE,
                                             .purpose = PURPOSE_CANARY,
                                             .lease_ms = 7000,
                                             .captions = 1,
                                             .caption = {bytes_text("A vault opens.")},
                                             .truth = {1},
                                             .strength = {2}};
    out->question[1] = (struct msg_question){
        .id = 1002,
        .kind = QUESTION_ORDER,
        .purpose = PURPOSE_LABEL,
        .lease_ms = 7001,
        .captions = 3,
        .caption = {bytes_text("one"), bytes_text(""), bytes_text("three")},
        .truth = {-1, 0, 1},
        .strength = {0, 1, 3}};
}

void sample_verdicts(struct msg_verdicts *out)
{
    memset(out, 0, sizeof(*out));
    for (uint8_t kind = VERDICT_LABEL; kind < VERDICT_KINDS; kind++) {
        out->verdict[out->count++] =
            (struct msg_verdict){.question = 1000u + kind,
                                 .kind = kind,
                                 .captions = kind == VERDICT_TIE ? 2 : 1,
                                 .confidence = kind == VERDICT_ABSTAIN ? NAN : 0.5f,
                                 .latency_us = 100u * kind,
                                 .position = POSITION_UNKNOWN};
    }
    out->verdict[0].label = 0.75f;
    out->verdict[1].position = -1; // the tie: the only pair
    out->verdict[out->count++] = (struct msg_verdict){.question = 1100,
                                                      .kind = VERDICT_LABEL,
                                                      .captions = 3,
                                                      .order = {2, 0, 1},
                                                      .confidence = 1,
                                                      .tokens_in = 300,
                                                      .tokens_out = 12,
                                                      .latency_us = 1500000,
                                                      .cached = true,
                                                      .raw = bytes_text("B, C, A"),
                                                      .requests = 7,
                                                      .cost_micro = 4000000000u,
                                                      .estimated = true,
                                                      .position = POSITION_UNKNOWN};
}

struct msg_verdict_ack sample_verdict_ack(void)
{
    return (struct msg_verdict_ack){.count = 3, .question = {1001, 1002, UINT64_MAX}};
}

struct bytes sample_frame(struct codec *c, uint8_t kind)
{
    const struct frame_header h = sample_header(kind);

#define SAMPLE(kind_, name)                                                            \
    case kind_: {                                                                      \
        const struct msg_##name m = sample_##name();                                   \
        return codec_encode_##name(c, &h, &m);                                         \
    }
    switch (kind) {
        SAMPLE(FRAME_HELLO, hello)
        SAMPLE(FRAME_WELCOME, welcome)
        SAMPLE(FRAME_REFUSE, refuse)
        SAMPLE(FRAME_ACK, ack)
        SAMPLE(FRAME_WEIGHTS, weights)
        SAMPLE(FRAME_JUDGE_HELLO, judge_hello)
        SAMPLE(FRAME_JUDGE_WELCOME, judge_welcome)
        SAMPLE(FRAME_VERDICT_ACK, verdict_ack)
    case FRAME_QUESTIONS: {
        struct msg_questions m;
        sample_questions(&m);
        return codec_encode_questions(c, &h, &m);
    }
    case FRAME_VERDICTS: {
        struct msg_verdicts m;
        sample_verdicts(&m);
        return codec_encode_verdicts(c, &h, &m);
    }
    case FRAME_SEGMENT: {
        struct sample_segment s;
        sample_segment_init(&s);
        return codec_encode_segment(c, &s.fill);
    }
    default:
        return codec_encode_bare(c, &h);
    }
#undef SAMPLE
}

static uint64_t sum_of(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t sum = len;

    for (size_t i = 0; i < len; i++) {
        sum = sum * 31 + p[i];
    }
    return sum;
}

static uint64_t sum_bytes(struct bytes b)
{
    return sum_of(b.data, b.len);
}

static uint64_t sum_segment(const struct segment_view *v)
{
    const size_t T = (size_t)v->T;
    uint64_t sum = sum_of(v->chars, T * SEGMENT_CELLS);

    sum += sum_of(v->colors, T * SEGMENT_CELLS);
    sum += sum_of(v->stats, T * SEGMENT_STATS * sizeof(*v->stats));
    sum += sum_of(v->caption, T * sizeof(*v->caption));
    sum += sum_of(v->count, T * sizeof(*v->count));
    sum += sum_of(v->action, T);
    sum += sum_of(v->logp, T * sizeof(*v->logp));
    sum += v->intrinsic_value != NULL
               ? sum_of(v->intrinsic_value, T * sizeof(*v->intrinsic_value))
               : 0;
    sum += sum_of(v->value, T * sizeof(*v->value));
    sum += sum_of(v->reward, T * sizeof(*v->reward));
    sum += sum_of(v->flags, T);
    sum += sum_of(v->state, (size_t)v->state_floats * sizeof(float));
    for (int i = 0; i < v->texts; i++) {
        sum += sum_bytes(segment_view_text(v, i).text);
    }
    for (int i = 0; i < v->episodes; i++) {
        sum += sum_bytes(segment_view_episode(v, i).cause);
    }
    return sum;
}

static uint64_t sum_questions(const struct msg_questions *m)
{
    uint64_t sum = 0;

    for (int i = 0; i < m->count; i++) {
        for (int k = 0; k < m->question[i].captions; k++) {
            sum += sum_bytes(m->question[i].caption[k]);
        }
    }
    return sum;
}

static uint64_t sum_verdicts(const struct msg_verdicts *m)
{
    uint64_t sum = 0;

    for (int i = 0; i < m->count; i++) {
        sum += sum_bytes(m->verdict[i].raw);
    }
    return sum;
}

static enum status decode_control(struct codec *c, uint8_t kind, struct bytes frame,
                                  uint64_t *sum)
{
    union {
        struct msg_hello hello;
        struct msg_welcome welcome;
        struct msg_refuse refuse;
        struct msg_ack ack;
        struct msg_weights weights;
    } m;

    switch (kind) {
    case FRAME_HELLO:
        TRY(codec_decode_hello(c, frame, &m.hello));
        *sum = sum_bytes(m.hello.host) + sum_bytes(m.hello.task);
        return ST_OK;
    case FRAME_WELCOME:
        TRY(codec_decode_welcome(c, frame, &m.welcome));
        *sum = sum_bytes(m.welcome.endpoint) + sum_bytes(m.welcome.net);
        return ST_OK;
    case FRAME_REFUSE:
        TRY(codec_decode_refuse(c, frame, &m.refuse));
        *sum = sum_bytes(m.refuse.reason);
        return ST_OK;
    case FRAME_ACK:
        TRY(codec_decode_ack(c, frame, &m.ack));
        *sum = m.ack.window;
        return ST_OK;
    default:
        TRY(codec_decode_weights(c, frame, &m.weights));
        *sum = sum_of(m.weights.weights, m.weights.floats * sizeof(float));
        return ST_OK;
    }
}

enum status sample_decode_all(struct codec *c, uint8_t kind, struct bytes frame,
                              const struct codec_limits *limits, uint64_t *sum)
{
    union {
        struct segment_view segment;
        struct msg_judge_hello hello;
        struct msg_judge_welcome welcome;
        struct msg_questions questions;
        struct msg_verdicts verdicts;
        struct msg_verdict_ack ack;
    } m;

    switch (kind) {
    case FRAME_SEGMENT:
        TRY(codec_decode_segment(c, frame, limits, &m.segment));
        *sum = sum_segment(&m.segment);
        return ST_OK;
    case FRAME_JUDGE_HELLO:
        TRY(codec_decode_judge_hello(c, frame, &m.hello));
        *sum = sum_bytes(m.hello.name) + sum_bytes(m.hello.model) +
               sum_bytes(m.hello.host);
        return ST_OK;
    case FRAME_JUDGE_WELCOME:
        TRY(codec_decode_judge_welcome(c, frame, &m.welcome));
        *sum = sum_bytes(m.welcome.goal) + sum_bytes(m.welcome.goal_text) +
               sum_bytes(m.welcome.environment);
        return ST_OK;
    case FRAME_QUESTIONS:
        TRY(codec_decode_questions(c, frame, &m.questions));
        *sum = sum_questions(&m.questions);
        return ST_OK;
    case FRAME_VERDICTS:
        TRY(codec_decode_verdicts(c, frame, &m.verdicts));
        *sum = sum_verdicts(&m.verdicts);
        return ST_OK;
    case FRAME_VERDICT_ACK:
        TRY(codec_decode_verdict_ack(c, frame, &m.ack));
        *sum = sum_of(m.ack.question, (size_t)m.ack.count * sizeof(uint64_t));
        return ST_OK;
    default:
        return decode_control(c, kind, frame, sum);
    }
}
