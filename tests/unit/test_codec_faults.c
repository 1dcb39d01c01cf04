/* What the codec refuses, and what it says about it. */

#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "common/wire/codec.h"
#include "tests/support/wire_samples.h"

static struct codec *writer, *reader;
static const struct codec_limits limits = {SAMPLE_T, SAMPLE_STATE, SAMPLE_ACTIONS, 0};

static int open_codecs(void **state)
{
    (void)state;
    writer = codec_new();
    reader = codec_new();
    return 0;
}

static int close_codecs(void **state)
{
    (void)state;
    codec_free(writer);
    codec_free(reader);
    return 0;
}

static void expect_fault(enum status st, const char *fault)
{
    if (st != ST_CORRUPT || strcmp(codec_reason(reader), fault) != 0) {
        print_message("status %d, '%s' where '%s' is due\n", st, codec_reason(reader),
                      fault);
    }
    assert_int_equal(st, ST_CORRUPT);
    assert_string_equal(codec_reason(reader), fault);
}

/* Each line breaks one thing in a valid segment `s`, and names what must be said. */
#define SEGMENT_FAULTS(X)                                                              \
    X(s.colors[700] = 32, "colors: out of range")                                      \
    X(s.caption[3] = 4, "caption: index out of range")                                 \
    X(s.count[5] = 0, "count: is 0")                                                   \
    X(s.action[7] = SAMPLE_ACTIONS, "action: out of range")                            \
    X(s.logp[1] = 0.5f, "logp: above 0, or not a number")                              \
    X(s.logp[1] = NAN, "logp: above 0, or not a number")                               \
    X(s.logp[1] = -INFINITY, "logp: not finite")                                       \
    X(s.value[0] = NAN, "value: not finite")                                           \
    X(s.reward[7] = INFINITY, "reward: not finite")                                    \
    X(s.flags[2] = 4, "flags: out of range")                                           \
    X(s.flags[3] = 1, "episode: not one for each row with a flag")                     \
    X(s.fill.episodes = 1, "episode: not one for each row with a flag")                \
    X(s.fill.version.start = 0, "start: is 0")                                         \
    X(s.state[2] = NAN, "state: not finite")                                           \
    X(s.fill.first_starts = 1, "state: not zero where an episode begins")              \
    X(s.fill.first_starts = 2, "first_starts: out of range")                           \
    X(s.fill.first_caption = 4, "first_caption: index out of range")                   \
    X(s.fill.first_action = SAMPLE_ACTIONS, "first_action: out of range")              \
    X(s.fill.bootstrap = -INFINITY, "bootstrap: not finite")                           \
    X((sample_segment_two_heads(&s), s.intrinsic[3] = NAN),                            \
      "intrinsic_value: not finite")                                                   \
    X(s.fill.intrinsic_bootstrap = NAN, "intrinsic_bootstrap: not finite")             \
    X(s.episode[1].intrinsic_final_value = NAN, "intrinsic_final_value: not finite")   \
    X(s.text[1].text = long_text, "text: longer than 255 bytes")                       \
    X(s.text[1].event = -2, "event: out of range")                                     \
    X(s.text[2].truth = 2, "truth: out of range")                                      \
    X(s.text[2].truth = -2, "truth: out of range")                                     \
    X(s.text[3].strength = 4, "strength: out of range")                                \
    X(s.episode[1].row = 8, "row: out of range")                                       \
    X(s.episode[1].row = 2, "row: not ascending")                                      \
    X(s.episode[0].row = 1, "row: has no flag")                                        \
    X(s.episode[0].next_caption = 4, "next_caption: index out of range")               \
    X(s.episode[0].final_value = NAN, "final_value: not finite")                       \
    X(s.episode[1].episode_return = NAN, "episode_return: not finite")                 \
    X(s.episode[1].score = INFINITY, "score: not finite")                              \
    X(s.episode[1].length = 0, "length: below 1")                                      \
    X(s.episode[1].success = 2, "success: out of range")                               \
    X(s.episode[1].cause = long_text, "cause: longer than 23 bytes")                   \
    X(s.fill.state_floats = 5, "state: not this network's length")

static char long_content[(1 << 20) + 1];

static void every_planted_fault_of_a_segment_is_named(void **state)
{
    const struct bytes long_text = bytes_of(long_content, 256);
    struct sample_segment s;
    struct segment_view v;

    (void)state;
#define PLANT(change, fault)                                                           \
    sample_segment_init(&s);                                                           \
    change;                                                                            \
    expect_fault(codec_decode_segment(reader, codec_encode_segment(writer, &s.fill),   \
                                      &limits, &v),                                    \
                 fault);
    SEGMENT_FAULTS(PLANT)
#undef PLANT
}

/* A vector's length is the 4 bytes before its first element; a smaller one passes the
 * verifier. */
static void a_vector_whose_length_is_not_of_T_is_named(void **state)
{
    const struct codec_limits other_T = {.T = SAMPLE_T + 1};
    struct segment_view v;
    struct bytes frame = sample_frame(writer, FRAME_SEGMENT);

    (void)state;
    expect_fault(codec_decode_segment(reader, frame, &other_T, &v),
                 "steps: not this run's segment length");
    assert_int_equal(codec_decode_segment(reader, frame, NULL, &v), ST_OK);
    const struct {
        const void *data;
        const char *fault;
    } vectors[] = {
        {v.chars, "chars: length is not T * 144"},
        {v.colors, "colors: length is not T * 144"},
        {v.stats, "stats: length is not T * 27"},
        {v.caption, "caption: length is not T"},
        {v.count, "count: length is not T"},
        {v.action, "action: length is not T"},
        {v.logp, "logp: length is not T"},
        {v.value, "value: length is not T"},
        {v.reward, "reward: length is not T"},
        {v.flags, "flags: length is not T"},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint8_t *low = (uint8_t *)(uintptr_t)vectors[i].data - 4;
        (*low)--; // lengths here are not multiples of 256
        struct segment_view ignored;
        expect_fault(codec_decode_segment(reader, frame, NULL, &ignored),
                     vectors[i].fault);
        (*low)++;
    }
}

#define expect_encoded(name, m, fault)                                                 \
    do {                                                                               \
        struct msg_##name out_;                                                        \
        expect_fault(                                                                  \
            codec_decode_##name(reader, codec_encode_##name(writer, &h, &m), &out_),   \
            fault);                                                                    \
    } while (0)
#define PLANT(name, change, fault)                                                     \
    do {                                                                               \
        struct msg_##name m = sample_##name();                                         \
        change;                                                                        \
        expect_encoded(name, m, fault);                                                \
    } while (0)

static void every_planted_fault_of_control_is_named(void **state)
{
    const struct bytes none = {"", 0}, name = bytes_of(long_content, 256);
    const struct frame_header h = sample_header(0);
    float bad[1] = {NAN};

    (void)state;
    PLANT(hello, m.host = none, "host: not 1 to 255 bytes");
    PLANT(hello, m.task = name, "task: not 1 to 255 bytes");
    PLANT(hello, m.environments = 0, "environments: out of range");
    PLANT(hello, m.actions = 256, "actions: out of range");
    PLANT(hello, m.wanted_id = -2, "wanted_id: out of range");
    PLANT(hello, m.value_heads = 0, "value_heads: is 0");
    PLANT(welcome, m.endpoint = none, "endpoint: not 1 to 255 bytes");
    PLANT(welcome, m.segment_steps = 0, "segment_steps: out of range");
    PLANT(welcome, m.segment_steps = 513, "segment_steps: out of range");
    PLANT(welcome, m.net = name, "net: not 1 to 255 bytes");
    PLANT(welcome, m.count_key = 2, "count_key: out of range");
    PLANT(welcome, m.value_heads = 0, "value_heads: out of range");
    PLANT(welcome, m.value_heads = 3, "value_heads: out of range");
    PLANT(refuse, m.reason = bytes_of(long_content, 1025),
          "reason: longer than 1024 bytes");
    PLANT(ack, m.dropped = DROP_REASONS, "dropped: out of range");
    PLANT(weights, m.version.start = 0, "start: is 0");
    PLANT(weights, m.mean = NAN, "mean: not finite");
    PLANT(weights, m.scale = 0, "scale: not above 0");
    PLANT(weights, m.intrinsic_mean = NAN, "intrinsic_mean: not finite");
    PLANT(weights, m.intrinsic_scale = 0, "intrinsic_scale: not above 0");
    PLANT(weights, m.floats = 0, "weights: none");
    PLANT(weights, (m.weights = bad, m.floats = 1), "weights: not finite");
}

static void every_planted_fault_of_a_judges_joining_is_named(void **state)
{
    const struct bytes none = {"", 0}, name = bytes_of(long_content, 256);
    const struct frame_header h = sample_header(0);

    (void)state;
    PLANT(judge_hello, m.name = none, "name: not 1 to 255 bytes");
    PLANT(judge_hello, m.model = name, "model: longer than 255 bytes");
    PLANT(judge_hello, m.can_rate = m.can_order = false,
          "can_rate: neither this nor can_order");
    PLANT(judge_hello, m.order_most = 1, "order_most: not 2 to 8");
    PLANT(judge_hello, m.order_most = 9, "order_most: not 2 to 8");
    PLANT(judge_hello, m.deadline_ms = 0, "deadline_ms: out of range");
    PLANT(judge_hello, m.credits = 65537, "credits: out of range");
    PLANT(judge_hello, m.host = none, "host: not 1 to 255 bytes");
    PLANT(judge_welcome, m.goal = none, "goal: not 1 to 255 bytes");
    PLANT(judge_welcome, m.goal_text = bytes_of(long_content, sizeof(long_content)),
          "goal_text: longer than 1 MB");
    PLANT(judge_welcome, m.credits = 65537, "credits: out of range");
    PLANT(judge_welcome, m.environment = none, "environment: not 1 to 255 bytes");
}
#undef PLANT

static void every_planted_fault_of_a_question_is_named(void **state)
{
    const struct bytes text = bytes_of(long_content, 256);
    const struct frame_header h = sample_header(0);
    struct msg_questions m;

    (void)state;
#define PLANT(change, fault)                                                           \
    sample_questions(&m);                                                              \
    change;                                                                            \
    expect_encoded(questions, m, fault);
    PLANT(m.question[0].kind = 0, "kind: neither rate nor order");
    PLANT(m.question[0].kind = 3, "kind: neither rate nor order");
    PLANT(m.question[0].captions = 2, "caption: one to rate, two or more to order");
    PLANT(m.question[1].captions = 1, "caption: one to rate, two or more to order");
    PLANT(m.question[1].purpose = 4, "purpose: out of range");
    PLANT(m.question[1].lease_ms = 0, "lease_ms: is 0");
    PLANT(m.question[1].caption[2] = text, "caption: longer than 255 bytes");
    PLANT(m.question[1].truth[1] = 2, "truth: out of range");
    PLANT(m.question[1].strength[1] = 4, "strength: out of range");
#undef PLANT
}

static void every_planted_fault_of_a_verdict_is_named(void **state)
{
    const struct frame_header h = sample_header(0);
    struct msg_verdicts m;

    (void)state;
#define PLANT(change, fault)                                                           \
    sample_verdicts(&m);                                                               \
    change;                                                                            \
    expect_encoded(verdicts, m, fault);
    PLANT(m.verdict[0].kind = 0, "kind: out of range");
    PLANT(m.verdict[0].kind = VERDICT_KINDS, "kind: out of range");
    PLANT(m.verdict[0].kind = VERDICT_TIE, "kind: a tie of one caption");
    PLANT(m.verdict[0].label = 1.5f, "label: not 0 to 1");
    PLANT(m.verdict[0].label = -0.1f, "label: not 0 to 1");
    PLANT(m.verdict[0].label = NAN, "label: not 0 to 1");
    PLANT(m.verdict[7].order[2] = 3, "order: rank out of range");
    PLANT(m.verdict[1].order[1] = 1, "order: a tie with unequal ranks");
    PLANT(m.verdict[4].confidence = 1.5f, "confidence: not 0 to 1");
    PLANT(m.verdict[4].confidence = -0.5f, "confidence: not 0 to 1");
    PLANT(m.verdict[1].position = 2, "position: not -1, 0, 1 or -128");
    PLANT(m.verdict[1].position = -127, "position: not -1, 0, 1 or -128");
#undef PLANT
}

/* Sets the length of the one vector in `frame` that holds `content`. */
static void set_length(struct bytes frame, struct bytes content, uint32_t len)
{
    uint8_t *at = memmem(frame.data, frame.len, content.data, content.len);

    assert_non_null(at);
    memcpy(at - sizeof(len), &len, sizeof(len));
}

/* What the encoder never writes. */
static void an_order_cut_short_and_an_answer_too_long_are_named(void **state)
{
    const struct frame_header h = sample_header(0);
    const uint8_t order[] = {3, 0, 0, 0, 2, 0, 1};
    const struct bytes ranks = bytes_of(order + 4, 3);
    struct msg_verdicts m, x;

    (void)state;
    sample_verdicts(&m);
    struct bytes frame = codec_encode_verdicts(writer, &h, &m);
    uint8_t *at = memmem(frame.data, frame.len, order, sizeof(order));
    assert_non_null(at);
    set_length(bytes_of(at, sizeof(order)), ranks, 0);
    expect_fault(codec_decode_verdicts(reader, frame, &x), "order: missing");
    set_length(bytes_of(at, sizeof(order)), ranks, 2);
    expect_fault(codec_decode_verdicts(reader, frame, &x),
                 "order: length is not the number of captions");
    memset(long_content, 'x', 65536);
    m.verdict[5].raw = bytes_of(long_content, 65536); // more lies behind it
    frame = codec_encode_verdicts(writer, &h, &m);
    set_length(frame, bytes_of(long_content, 65536), 65537);
    expect_fault(codec_decode_verdicts(reader, frame, &x),
                 "raw: longer than 65536 bytes");
}

static void a_failure_of_a_judge_carries_no_label(void **state)
{
    const struct frame_header h = sample_header(0);
    struct msg_verdicts m, x;

    (void)state;
    sample_verdicts(&m);
    for (int i = 1; i < m.count; i++) {
        m.verdict[i].label = i % 2 == 0 ? 1.0f : NAN;
    }
    assert_int_equal(
        codec_decode_verdicts(reader, codec_encode_verdicts(writer, &h, &m), &x),
        ST_OK);
    assert_true(x.verdict[0].label == 0.75f);
    for (int i = 1; i < x.count; i++) {
        assert_true(x.verdict[i].label == 0);
    }
}

static void only_a_pair_has_a_position(void **state)
{
    const struct frame_header h = sample_header(0);
    struct msg_verdicts m, x;

    (void)state;
    sample_verdicts(&m);
    for (int i = 0; i < m.count; i++) {
        m.verdict[i].position = 1;
    }
    assert_int_equal(
        codec_decode_verdicts(reader, codec_encode_verdicts(writer, &h, &m), &x),
        ST_OK);
    for (int i = 0; i < x.count; i++) {
        assert_int_equal(x.verdict[i].position,
                         x.verdict[i].captions == 2 ? 1 : POSITION_UNKNOWN);
    }
}

static void a_judge_may_want_no_questions(void **state)
{
    const struct frame_header h = sample_header(0);
    struct msg_judge_hello m = sample_judge_hello(), x;
    struct msg_judge_welcome w = sample_judge_welcome(), y;

    (void)state;
    m.credits = w.credits = 0;
    m.pause = PAUSE_BUDGET;
    assert_int_equal(
        codec_decode_judge_hello(reader, codec_encode_judge_hello(writer, &h, &m), &x),
        ST_OK);
    assert_int_equal(x.credits, 0);
    assert_int_equal(x.pause, PAUSE_BUDGET);
    // What a later version means by a higher number we do not know.
    m.pause = PAUSES;
    assert_int_equal(
        codec_decode_judge_hello(reader, codec_encode_judge_hello(writer, &h, &m), &x),
        ST_OK);
    assert_int_equal(x.pause, PAUSE_UNSAID);
    assert_int_equal(codec_decode_judge_welcome(
                         reader, codec_encode_judge_welcome(writer, &h, &w), &y),
                     ST_OK);
    assert_int_equal(y.credits, 0);
}

static void an_answer_longer_than_64_KB_is_cut(void **state)
{
    const struct frame_header h = sample_header(0);
    struct msg_verdicts m, x;

    (void)state;
    sample_verdicts(&m);
    m.verdict[0].raw = bytes_of(long_content, sizeof(long_content));
    assert_int_equal(
        codec_decode_verdicts(reader, codec_encode_verdicts(writer, &h, &m), &x),
        ST_OK);
    assert_int_equal(x.verdict[0].raw.len, 65536);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_codecs, close_codecs)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_planted_fault_of_a_segment_is_named),
        TEST(a_vector_whose_length_is_not_of_T_is_named),
        TEST(every_planted_fault_of_control_is_named),
        TEST(every_planted_fault_of_a_judges_joining_is_named),
        TEST(every_planted_fault_of_a_question_is_named),
        TEST(every_planted_fault_of_a_verdict_is_named),
        TEST(an_order_cut_short_and_an_answer_too_long_are_named),
        TEST(a_failure_of_a_judge_carries_no_label),
        TEST(only_a_pair_has_a_position),
        TEST(a_judge_may_want_no_questions),
        TEST(an_answer_longer_than_64_KB_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
