/* A batch out of two segments made by hand: every row where it belongs, every caption
 * once. */

#include "tests/support/harness.h"

#include <string.h>

#include "common/wire/codec.h"
#include "learner/train/batch.h"

enum { T = 4, B = 2, H = 3 };

/* Captions by index; the first one seen is not the first of the table. */
static const struct segment_text texts_a[] = {{.text = {"door", 4}},
                                              {.text = {"", 0}},
                                              {.text = {"hello", 5}},
                                              {.text = {"end", 3}}};
static const struct segment_text texts_b[] = {{.text = {"rock", 4}},
                                              {.text = {"door", 4}}};

static uint8_t chars[T * SEGMENT_CELLS], colors[T * SEGMENT_CELLS];
static int32_t stats[T * SEGMENT_STATS];
static const uint8_t action[T] = {3, 1, 4, 1};
static const uint16_t count[T] = {1, 2, 1, 1};
static const float logp[T] = {-1, -2, -3, -4}, value[T] = {1, 2, 3, 4};
static const float reward_of[T] = {0, 50, 0, 7}, state0[H] = {0.5F, 0, -0.5F};

static struct codec *codec[B];
static struct segment_view views[B];
static struct batch batch;

static void make(int i, const struct segment_fill *f)
{
    codec[i] = codec_new();
    const struct bytes frame = codec_encode_segment(codec[i], f);
    assert_int_equal(
        codec_decode_segment(codec[i], frame, &(struct codec_limits){0}, &views[i]),
        ST_OK);
}

static int open_all(void **state)
{
    static const uint16_t caused_a[T] = {0, 3, 1, 0}, caused_b[T] = {0, 0, 1, 1};
    static const uint8_t flags_a[T] = {0, SEGMENT_TERMINATED, 0, SEGMENT_TRUNCATED};
    static const uint8_t flags_b[T] = {0};
    static const struct segment_episode ends[2] = {
        {.row = 1, .next_caption = 2, .episode_return = 50, .length = 9, .success = 1},
        {.row = 3, .next_caption = 1, .final_value = 6.5F, .length = 2}};
    struct segment_fill f = {
        .header = {.kind = FRAME_SEGMENT, .run = 1, .actor = 1, .incarnation = 1},
        .version = {1, 2},
        .T = T,
        .state_floats = H,
        .texts = 4,
        .episodes = 2,
        .chars = chars,
        .colors = colors,
        .stats = stats,
        .caption = caused_a,
        .count = count,
        .action = action,
        .logp = logp,
        .value = value,
        .reward = reward_of,
        .flags = flags_a,
        .state = state0,
        .first_caption = 2,
        .first_action = 5,
        .bootstrap = 8.5F,
        .text = texts_a,
        .episode = ends,
    };
    const struct batch_shape shape = {
        .T = T, .sequences = 3, .piece = 3, .state_floats = H, .heads = 1};

    (void)state;
    for (int t = 0; t < T; t++) {
        chars[t * SEGMENT_CELLS] = (uint8_t)(10 + t);
        stats[t * SEGMENT_STATS + 3] = 100 + t;
    }
    make(0, &f);
    f.caption = caused_b;
    f.flags = flags_b;
    f.text = texts_b;
    f.texts = 2;
    f.episodes = 0;
    f.first_caption = 1;
    f.bootstrap = -1;
    make(1, &f);
    batch_init(&batch, &shape);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    batch_release(&batch);
    codec_free(codec[0]);
    codec_free(codec[1]);
    return 0;
}

static void text_is(struct bytes b, const char *want)
{
    assert_true(bytes_equal(b, bytes_text(want)));
}

/* Row of step t of sequence b; with one piece the batch is (T,B). */
static int at(int t, int b)
{
    return t * batch.B + b;
}

static void rows_are_time_major_and_whole(void **state)
{
    (void)state;
    batch_gather(&batch, views, B, 0);
    assert_int_equal(batch.rows, T * B);
    assert_int_equal(batch.pieces, 1);
    for (int t = 0; t < T; t++) {
        for (int b = 0; b < B; b++) {
            const int row = at(t, b);
            assert_int_equal(batch.chars[row * SEGMENT_CELLS], 10 + t);
            assert_int_equal(batch.stats[row * SEGMENT_STATS + 3], 100 + t);
            assert_int_equal(batch.action[row], action[t]);
            assert_int_equal(batch.count[row], count[t]);
            assert_float_equal(batch.behaviour[row], logp[t], 0);
            assert_float_equal(batch.stream[0].old_value[row], value[t], 0);
            assert_float_equal(batch.env_reward[row], reward_of[t], 0);
        }
    }
    assert_float_equal(batch.stream[0].last_value[0], 8.5, 0);
    assert_float_equal(batch.stream[0].last_value[1], -1, 0);
    assert_float_equal(batch.state[H + 2], -0.5, 0);
    assert_float_equal(batch.stream[0].final_value[at(3, 0)], 6.5, 0);
    assert_float_equal(batch.stream[0].final_value[at(1, 0)], 0, 0);
}

static void each_row_saw_what_came_before_it(void **state)
{
    static const char *const seen[B][T] = {{"hello", "door", "hello", ""},
                                           {"door", "rock", "rock", "door"}};
    static const char *const caused[B][T] = {{"door", "end", "", "door"},
                                             {"rock", "rock", "door", "door"}};
    static const uint8_t before[B][T] = {{5, 3, POLICY_NO_ACTION, 4}, {5, 3, 1, 4}};

    (void)state;
    batch_gather(&batch, views, B, 0);
    const struct policy_input in = batch_piece_input(&batch, 0);
    for (int b = 0; b < B; b++) {
        for (int t = 0; t < T; t++) {
            const int row = at(t, b);
            text_is(in.captions[in.caption[row]], seen[b][t]);
            text_is(batch.text[batch.paid_caption[row]], caused[b][t]);
            assert_int_equal(in.prev_action[row], before[b][t]);
            assert_int_equal(batch.starts[row], b == 0 && t == 2);
        }
    }
}

static void each_caption_stands_once_with_its_emissions(void **state)
{
    int all = 0;

    (void)state;
    batch_gather(&batch, views, B, 0);
    assert_int_equal(batch.texts, 5); // door, rock, end, hello and nothing
    for (int i = 0; i < batch.texts; i++) {
        for (int k = 0; k < i; k++) {
            assert_false(bytes_equal(batch.text[i], batch.text[k]));
        }
        if (bytes_equal(batch.text[i], bytes_text("door"))) {
            assert_int_equal(batch.emissions[i], 4);
        }
        assert_true(hash_equal(batch.key[i], hash_128(batch.text[i])));
        all += (int)batch.emissions[i];
    }
    assert_int_equal(all, T * B);
    assert_int_equal(batch_piece_input(&batch, 0).U, 4); // "end" was seen by no row
}

/* With --pay-caption=seen a row is paid for what it saw, counted as often as that had come:
 * what a segment cannot tell of the caption before it, it takes from when it comes again. */
static void rows_may_be_paid_for_what_they_saw(void **state)
{
    static const char *const seen[B][T] = {{"hello", "door", "hello", ""},
                                           {"door", "rock", "rock", "door"}};
    const struct batch_shape shape = {.T = T,
                                      .sequences = 3,
                                      .piece = 3,
                                      .state_floats = H,
                                      .heads = 1,
                                      .pay_seen = true};
    static const uint16_t often[T] = {1, 2, 4, 1};
    struct segment_view v[B];
    struct batch b;

    (void)state;
    for (int i = 0; i < B; i++) {
        v[i] = views[i];
        v[i].count = often;
    }
    batch_init(&b, &shape);
    batch_gather(&b, v, B, 0);
    for (int i = 0; i < B; i++) {
        for (int t = 0; t < T; t++) {
            text_is(b.text[b.paid_caption[t * B + i]], seen[i][t]);
        }
        for (int t = 1; t < T; t++) { // a reset stands before row 2 of the first
            assert_int_equal(b.count[t * B + i], i == 0 && t == 2 ? 1 : often[t - 1]);
        }
    }
    assert_int_equal(b.count[0], 1);            // "hello" does not come again
    assert_int_equal(b.count[1], often[2] - 1); // "door" does, at row 2
    for (int i = 0; i < b.texts; i++) {         // "end" was the last of its episode
        assert_false(bytes_equal(b.text[i], bytes_text("end")) && b.emissions[i] > 0);
        assert_true(!bytes_equal(b.text[i], bytes_text("hello")) ||
                    b.emissions[i] == 2);
    }
    batch_release(&b);
}

static void a_batch_forgets_the_one_before(void **state)
{
    (void)state;
    batch_gather(&batch, views, B, 0);
    batch_gather(&batch, views + 1, 1, 0);
    assert_int_equal(batch.rows, T);
    assert_int_equal(batch.texts, 2);
    text_is(batch.text[batch.paid_caption[0]], "rock");
    batch_gather(&batch, views, 0, 0);
    assert_int_equal(batch.rows, 0);
    assert_int_equal(batch.pieces, 0);
}

static void pieces_hold_whole_sequences_one_after_the_other(void **state)
{
    const struct batch_shape shape = {
        .T = T, .sequences = 3, .piece = 1, .state_floats = H, .heads = 1};
    struct batch cut;

    (void)state;
    batch_init(&cut, &shape);
    batch_gather(&cut, views, B, 0);
    assert_int_equal(cut.pieces, 2);
    for (int b = 0; b < B; b++) {
        const struct policy_input in = batch_piece_input(&cut, b);
        assert_int_equal(batch_piece_row(&cut, b), b * T);
        for (int t = 0; t < T; t++) {
            assert_int_equal(in.chars[t * SEGMENT_CELLS], 10 + t);
            assert_true(in.caption[t] < (uint32_t)in.U);
        }
    }
    text_is(batch_piece_input(&cut, 1).captions[cut.seen[T]], "door");
    batch_release(&cut);
}

static void replayed_rows_stand_behind_and_emit_nothing(void **state)
{
    const struct batch_shape shape = {.T = T,
                                      .sequences = 3,
                                      .replayed = 1,
                                      .burn_in = 2,
                                      .piece = 2,
                                      .state_floats = H,
                                      .heads = 1};
    struct batch b;

    (void)state;
    batch_init(&b, &shape);
    batch_gather(&b, views, 1, 1);
    assert_int_equal(b.B, 2);
    assert_int_equal(b.fresh, 1);
    for (int t = 0; t < T; t++) {
        assert_int_equal(batch_row(&b, 1, t), 2 * t + 1);
        assert_int_equal(b.part[batch_row(&b, 0, t)], LOSS_FRESH);
        assert_int_equal(b.part[batch_row(&b, 1, t)],
                         t < 2 ? LOSS_NONE : LOSS_REPLAYED);
        text_is(b.text[b.paid_caption[batch_row(&b, 1, t)]], t < 2 ? "rock" : "door");
    }
    for (int i = 0; i < b.texts; i++) {
        const bool door = bytes_equal(b.text[i], bytes_text("door"));
        const bool rock = bytes_equal(b.text[i], bytes_text("rock"));
        assert_true(!door || b.emissions[i] == 2); // those of the fresh one alone
        assert_true(!rock || b.emissions[i] == 0);
    }
    batch_gather(&b, views, 2, 0);
    assert_int_equal(b.part[batch_row(&b, 1, 0)], LOSS_FRESH);
    batch_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_time_major_and_whole),
        cmocka_unit_test(each_row_saw_what_came_before_it),
        cmocka_unit_test(each_caption_stands_once_with_its_emissions),
        cmocka_unit_test(rows_may_be_paid_for_what_they_saw),
        cmocka_unit_test(a_batch_forgets_the_one_before),
        cmocka_unit_test(pieces_hold_whole_sequences_one_after_the_other),
        cmocka_unit_test(replayed_rows_stand_behind_and_emit_nothing),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
