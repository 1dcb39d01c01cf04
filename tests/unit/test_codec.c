/* Structs to frames and back: every field, any address, any damage. */

#include "tests/support/harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
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

#define assert_bytes_equal(a, b) assert_true(bytes_equal((a), (b)))
#define assert_same(a, b, field) assert_true((a).field == (b).field)

static void assert_texts_equal(const struct segment_view *v,
                               const struct sample_segment *s)
{
    for (int i = 0; i < v->texts; i++) {
        const struct segment_text got = segment_view_text(v, i);
        assert_bytes_equal(got.text, s->text[i].text);
        assert_same(got, s->text[i], event);
        assert_same(got, s->text[i], truth);
        assert_same(got, s->text[i], strength);
    }
}

static void assert_episodes_equal(const struct segment_view *v,
                                  const struct sample_segment *s)
{
    for (int i = 0; i < v->episodes; i++) {
        const struct segment_episode got = segment_view_episode(v, i);
        const struct segment_episode *want = &s->episode[i];
        assert_same(got, *want, row);
        assert_same(got, *want, next_caption);
        assert_same(got, *want, final_value);
        assert_same(got, *want, intrinsic_final_value);
        assert_same(got, *want, episode_return);
        assert_same(got, *want, length);
        assert_same(got, *want, depth);
        assert_same(got, *want, gold);
        assert_same(got, *want, experience);
        assert_same(got, *want, scout);
        assert_same(got, *want, achievements);
        assert_same(got, *want, score);
        assert_same(got, *want, seed);
        assert_same(got, *want, success);
        assert_bytes_equal(got.cause, want->cause);
    }
}

static void assert_segment_equal(const struct segment_view *v,
                                 const struct sample_segment *s)
{
    const struct segment_fill *f = &s->fill;

    assert_same(v->header, f->header, kind);
    assert_same(v->header, f->header, run);
    assert_same(v->header, f->header, actor);
    assert_same(v->header, f->header, incarnation);
    assert_same(v->header, f->header, seq);
    assert_same(*v, *f, env);
    assert_same(*v, *f, version.start);
    assert_same(*v, *f, version.update);
    assert_same(*v, *f, seed);
    assert_same(*v, *f, T);
    assert_same(*v, *f, state_floats);
    assert_same(*v, *f, texts);
    assert_same(*v, *f, episodes);
    assert_same(*v, *f, first_caption);
    assert_same(*v, *f, first_action);
    assert_same(*v, *f, first_starts);
    assert_same(*v, *f, bootstrap);
    assert_same(*v, *f, intrinsic_bootstrap);
    assert_int_equal(v->intrinsic_value != NULL, f->intrinsic_value != NULL);
    if (v->intrinsic_value != NULL) {
        assert_memory_equal(v->intrinsic_value, s->intrinsic, sizeof(s->intrinsic));
    }
    assert_memory_equal(v->chars, s->chars, sizeof(s->chars));
    assert_memory_equal(v->colors, s->colors, sizeof(s->colors));
    assert_memory_equal(v->stats, s->stats, sizeof(s->stats));
    assert_memory_equal(v->caption, s->caption, sizeof(s->caption));
    assert_memory_equal(v->count, s->count, sizeof(s->count));
    assert_memory_equal(v->action, s->action, sizeof(s->action));
    assert_memory_equal(v->logp, s->logp, sizeof(s->logp));
    assert_memory_equal(v->value, s->value, sizeof(s->value));
    assert_memory_equal(v->reward, s->reward, sizeof(s->reward));
    assert_memory_equal(v->flags, s->flags, sizeof(s->flags));
    assert_memory_equal(v->state, s->state, sizeof(s->state));
    assert_texts_equal(v, s);
    assert_episodes_equal(v, s);
}

static void every_field_of_a_segment_survives(void **state)
{
    struct sample_segment s;
    struct segment_view v;

    (void)state;
    sample_segment_init(&s);
    const struct bytes frame = codec_encode_segment(writer, &s.fill);
    assert_int_equal((uintptr_t)frame.data % 8, 0);
    assert_int_equal(codec_decode_segment(reader, frame, &limits, &v), ST_OK);
    assert_segment_equal(&v, &s);
}

/* A run with one head reads what older builds wrote, and one with two refuses it. */
static void a_second_head_is_absent_or_whole(void **state)
{
    const struct codec_limits one = {.value_heads = 1}, two = {.value_heads = 2};
    struct sample_segment s;
    struct segment_view v;

    (void)state;
    sample_segment_init(&s);
    struct bytes frame = codec_encode_segment(writer, &s.fill);
    const size_t len = frame.len;
    assert_int_equal(codec_decode_segment(reader, frame, &one, &v), ST_OK);
    assert_null(v.intrinsic_value);
    assert_int_equal(codec_decode_segment(reader, frame, &two, &v), ST_CORRUPT);
    assert_string_equal(codec_reason(reader),
                        "intrinsic_value: not this run's number of value heads");
    sample_segment_two_heads(&s);
    frame = codec_encode_segment(writer, &s.fill);
    assert_true(frame.len >= len + sizeof(s.intrinsic));
    assert_int_equal(codec_decode_segment(reader, frame, &two, &v), ST_OK);
    assert_segment_equal(&v, &s);
    assert_int_equal(codec_decode_segment(reader, frame, &one, &v), ST_CORRUPT);
}

static void every_field_of_hello_and_welcome_survives(void **state)
{
    const struct msg_hello a = sample_hello();
    const struct msg_welcome b = sample_welcome();
    struct msg_hello x;
    struct msg_welcome y;

    (void)state;
    assert_int_equal(codec_decode_hello(reader, sample_frame(writer, FRAME_HELLO), &x),
                     ST_OK);
    assert_bytes_equal(x.host, a.host);
    assert_bytes_equal(x.task, a.task);
    assert_same(x, a, spec_digest);
    assert_same(x, a, environments);
    assert_same(x, a, actions);
    assert_same(x, a, truth);
    assert_same(x, a, wanted_id);
    assert_same(x, a, pid);
    assert_same(x, a, nonce);
    assert_same(x, a, first_unacked);
    assert_same(x, a, value_heads);
    assert_int_equal(
        codec_decode_welcome(reader, sample_frame(writer, FRAME_WELCOME), &y), ST_OK);
    assert_bytes_equal(y.endpoint, b.endpoint);
    assert_same(y, b, rank);
    assert_same(y, b, segment_steps);
    assert_bytes_equal(y.net, b.net);
    assert_same(y, b, seed);
    assert_same(y, b, window);
    assert_same(y, b, next_seq);
    assert_same(y, b, newest.start);
    assert_same(y, b, newest.update);
    assert_same(y, b, count_key);
    assert_same(y, b, value_heads);
}

static void every_field_of_refuse_ack_and_weights_survives(void **state)
{
    const struct msg_refuse a = sample_refuse();
    const struct msg_ack b = sample_ack();
    const struct msg_weights c = sample_weights();
    struct msg_refuse x;
    struct msg_ack y;
    struct msg_weights z;

    (void)state;
    assert_int_equal(
        codec_decode_refuse(reader, sample_frame(writer, FRAME_REFUSE), &x), ST_OK);
    assert_bytes_equal(x.reason, a.reason);
    assert_same(x, a, final);
    assert_int_equal(codec_decode_ack(reader, sample_frame(writer, FRAME_ACK), &y),
                     ST_OK);
    assert_same(y, b, window);
    assert_same(y, b, newest.start);
    assert_same(y, b, newest.update);
    assert_same(y, b, dropped);
    assert_same(y, b, go_back);
    assert_int_equal(
        codec_decode_weights(reader, sample_frame(writer, FRAME_WEIGHTS), &z), ST_OK);
    assert_same(z, c, version.start);
    assert_same(z, c, version.update);
    assert_same(z, c, policy_digest);
    assert_same(z, c, env_steps);
    assert_same(z, c, mean);
    assert_same(z, c, scale);
    assert_same(z, c, intrinsic_mean);
    assert_same(z, c, intrinsic_scale);
    assert_same(z, c, floats);
    assert_memory_equal(z.weights, c.weights, sizeof(float) * c.floats);
}

static void every_field_of_a_judges_joining_survives(void **state)
{
    const struct msg_judge_hello a = sample_judge_hello();
    const struct msg_judge_welcome b = sample_judge_welcome();
    struct msg_judge_hello x;
    struct msg_judge_welcome y;

    (void)state;
    assert_int_equal(
        codec_decode_judge_hello(reader, sample_frame(writer, FRAME_JUDGE_HELLO), &x),
        ST_OK);
    assert_bytes_equal(x.name, a.name);
    assert_bytes_equal(x.model, a.model);
    assert_true(hash_equal(x.prompt_digest, a.prompt_digest));
    assert_same(x, a, can_rate);
    assert_same(x, a, can_order);
    assert_same(x, a, order_most);
    assert_same(x, a, deadline_ms);
    assert_same(x, a, credits);
    assert_same(x, a, wants_truth);
    assert_bytes_equal(x.host, a.host);
    assert_same(x, a, pid);
    assert_same(x, a, nonce);
    assert_int_equal(codec_decode_judge_welcome(
                         reader, sample_frame(writer, FRAME_JUDGE_WELCOME), &y),
                     ST_OK);
    assert_bytes_equal(y.goal, b.goal);
    assert_true(hash_equal(y.goal_digest, b.goal_digest));
    assert_bytes_equal(y.goal_text, b.goal_text);
    assert_same(y, b, credits);
    assert_bytes_equal(y.environment, b.environment);
}

static void every_field_of_questions_survives(void **state)
{
    struct msg_questions a, x;

    (void)state;
    sample_questions(&a);
    assert_int_equal(
        codec_decode_questions(reader, sample_frame(writer, FRAME_QUESTIONS), &x),
        ST_OK);
    assert_int_equal(x.count, a.count);
    for (int i = 0; i < a.count; i++) {
        assert_same(x.question[i], a.question[i], id);
        assert_same(x.question[i], a.question[i], kind);
        assert_same(x.question[i], a.question[i], purpose);
        assert_same(x.question[i], a.question[i], lease_ms);
        assert_same(x.question[i], a.question[i], captions);
        for (int k = 0; k < a.question[i].captions; k++) {
            assert_bytes_equal(x.question[i].caption[k], a.question[i].caption[k]);
            assert_same(x.question[i], a.question[i], truth[k]);
            assert_same(x.question[i], a.question[i], strength[k]);
        }
    }
}

static void every_field_of_verdicts_survives(void **state)
{
    const struct msg_verdict_ack c = sample_verdict_ack();
    struct msg_verdicts a, x;
    struct msg_verdict_ack y;

    (void)state;
    sample_verdicts(&a);
    assert_int_equal(
        codec_decode_verdicts(reader, sample_frame(writer, FRAME_VERDICTS), &x), ST_OK);
    assert_int_equal(x.count, a.count);
    for (int i = 0; i < a.count; i++) {
        const struct msg_verdict *got = &x.verdict[i], *want = &a.verdict[i];
        assert_same(*got, *want, question);
        assert_same(*got, *want, kind);
        assert_same(*got, *want, label);
        assert_same(*got, *want, captions);
        assert_memory_equal(got->order, want->order, want->captions);
        assert_true(isnan(want->confidence) ? isnan(got->confidence)
                                            : got->confidence == want->confidence);
        assert_same(*got, *want, tokens_in);
        assert_same(*got, *want, tokens_out);
        assert_same(*got, *want, latency_us);
        assert_same(*got, *want, cached);
        assert_bytes_equal(got->raw, want->raw);
        assert_same(*got, *want, requests);
        assert_same(*got, *want, cost_micro);
        assert_same(*got, *want, estimated);
        assert_same(*got, *want, position);
    }
    assert_int_equal(
        codec_decode_verdict_ack(reader, sample_frame(writer, FRAME_VERDICT_ACK), &y),
        ST_OK);
    assert_int_equal(y.count, c.count);
    assert_memory_equal(y.question, c.question, sizeof(uint64_t) * 3);
}

static void a_bare_frame_is_its_header(void **state)
{
    const struct frame_header h = sample_header(FRAME_GOODBYE);
    const struct bytes frame = codec_encode_bare(writer, &h);
    struct frame_header got;

    (void)state;
    assert_int_equal(frame.len, FRAME_HEADER);
    assert_int_equal(frame_read_header(frame, &got), ST_OK);
    assert_int_equal(got.kind, FRAME_GOODBYE);
    assert_true(got.seq == h.seq);
}

static void a_frame_of_another_kind_is_refused(void **state)
{
    uint64_t sum;

    (void)state;
    for (const uint8_t *a = sample_kinds; *a != 0; a++) {
        for (const uint8_t *b = sample_kinds; *b != 0; b++) {
            if (*a != *b) {
                assert_int_equal(
                    sample_decode_all(reader, *a, sample_frame(writer, *b), NULL, &sum),
                    ST_CORRUPT);
                assert_string_equal(codec_reason(reader),
                                    "header: another kind of message");
            }
        }
    }
}

static void a_table_of_another_version_is_another_version(void **state)
{
    // Root offset, vtable of one field, table with version 2 in it.
    static const uint8_t body[] = {12, 0, 0, 0, 6, 0, 6, 0, 4, 0,
                                   0,  0, 8, 0, 0, 0, 2, 0, 0, 0};
    _Alignas(8) uint8_t frame[FRAME_HEADER + sizeof(body)];
    uint64_t sum;

    (void)state;
    memcpy(frame + FRAME_HEADER, body, sizeof(body));
    // The vtable is at 4, the table at 12: the soffset is 8, the field at 12 + 4.
    for (const uint8_t *kind = sample_kinds; *kind != 0; kind++) {
        const struct frame_header h = sample_header(*kind);
        frame_write_header(&h, frame);
        assert_int_equal(sample_decode_all(reader, *kind,
                                           bytes_of(frame, sizeof(frame)), NULL, &sum),
                         ST_VERSION);
        assert_string_equal(codec_reason(reader), "version: of another schema");
    }
}

static void a_frame_may_lie_at_any_address(void **state)
{
    uint8_t *room = mem_new(1, 1 << 16);

    (void)state;
    for (const uint8_t *kind = sample_kinds; *kind != 0; kind++) {
        const struct bytes frame = sample_frame(writer, *kind);
        uint64_t expected, sum;
        assert_int_equal(sample_decode_all(reader, *kind, frame, &limits, &expected),
                         ST_OK);
        for (size_t shift = 0; shift < 16; shift++) {
            memcpy(room + shift, frame.data, frame.len);
            assert_int_equal(sample_decode_all(reader, *kind,
                                               bytes_of(room + shift, frame.len),
                                               &limits, &sum),
                             ST_OK);
            assert_true(sum == expected);
        }
    }
    mem_free(room);
}

static void every_shorter_frame_is_refused(void **state)
{
    (void)state;
    for (const uint8_t *kind = sample_kinds; *kind != 0; kind++) {
        const struct bytes frame = sample_frame(writer, *kind);
        int passed = 0;
        for (size_t len = 0; len < frame.len; len++) {
            uint8_t *exact =
                malloc(len > 0 ? len : 1); // so that asan sees one byte over
            uint64_t sum;
            memcpy(exact, frame.data, len);
            passed += sample_decode_all(reader, *kind, bytes_of(exact, len), &limits,
                                        &sum) == ST_OK;
            free(exact);
        }
        // The last bytes may be padding that no field reaches.
        assert_in_range(passed, 0, 8);
    }
}

static void any_byte_may_be_wrong(void **state)
{
    (void)state;
    for (const uint8_t *kind = sample_kinds; *kind != 0; kind++) {
        const struct bytes frame = sample_frame(writer, *kind);
        uint8_t *copy = malloc(frame.len);
        memcpy(copy, frame.data, frame.len);
        for (size_t i = 0; i<frame.len; i += frame.len> 2000 ? 3 : 1) {
            uint64_t sum;
            for (int bit = 0; bit < 8; bit++) {
                copy[i] ^= (uint8_t)(1 << bit);
                const enum status st = sample_decode_all(
                    reader, *kind, bytes_of(copy, frame.len), &limits, &sum);
                assert_true(st == ST_OK || st == ST_CORRUPT || st == ST_VERSION);
                copy[i] ^= (uint8_t)(1 << bit);
            }
        }
        free(copy);
    }
}

static void a_reused_codec_allocates_nothing(void **state)
{
    uint64_t before = 0, sum;

    (void)state;
    for (int i = 0; i < 100; i++) {
        before = i == 2 ? mem_allocations() : before;
        for (const uint8_t *kind = sample_kinds; *kind != 0; kind++) {
            assert_int_equal(sample_decode_all(reader, *kind,
                                               sample_frame(writer, *kind), NULL, &sum),
                             ST_OK);
        }
    }
    assert_int_equal(mem_allocations(), before);
}

static void every_verdict_kind_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(verdict_kind_name(VERDICT_LABEL), "label");
    assert_string_equal(verdict_kind_name(VERDICT_OVERLOAD), "overload");
    assert_string_equal(verdict_kind_name((enum verdict_kind)200), "unknown");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_codecs, close_codecs)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_field_of_a_segment_survives),
        TEST(a_second_head_is_absent_or_whole),
        TEST(every_field_of_hello_and_welcome_survives),
        TEST(every_field_of_refuse_ack_and_weights_survives),
        TEST(every_field_of_a_judges_joining_survives),
        TEST(every_field_of_questions_survives),
        TEST(every_field_of_verdicts_survives),
        TEST(a_bare_frame_is_its_header),
        TEST(a_frame_of_another_kind_is_refused),
        TEST(a_table_of_another_version_is_another_version),
        TEST(a_frame_may_lie_at_any_address),
        TEST(every_shorter_frame_is_refused),
        TEST(any_byte_may_be_wrong),
        TEST(a_reused_codec_allocates_nothing),
        TEST(every_verdict_kind_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
