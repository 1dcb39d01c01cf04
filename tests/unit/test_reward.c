/* What a step pays, worked by hand. */

#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "learner/reward/reward.h"

enum { ROWS = 6, TEXTS = 4 };

/* texts: "", "door", "gold", "rock" */
static struct bytes text[TEXTS];
static struct hash128 key[TEXTS];
static const uint32_t emissions[TEXTS] = {1, 2, 2, 1};
static const float env_reward[ROWS] = {0, 50, 0, -1000, 0, 0};
static const uint16_t count[ROWS] = {1, 1, 2, 1, 70, 4};
static const uint32_t caused[ROWS] = {0, 1, 1, 2, 2, 3};
static const struct reward_rows rows = {ROWS,   TEXTS, env_reward, count,
                                        caused, text,  key,        emissions};

static float paid[ROWS];
static struct reward_sums sums;
static struct reward reward;

static struct reward_options options_of(const char *kind)
{
    return (struct reward_options){
        .kind = kind, .a_ext = 1, .a_int = 1, .scale = 0.04, .clip = 10, .beta = 3};
}

static void open_kind(const char *kind)
{
    static const char *const words[TEXTS] = {"", "door", "gold", "rock"};
    const struct reward_options o = options_of(kind);

    for (int i = 0; i < TEXTS; i++) {
        text[i] = bytes_text(words[i]);
        key[i] = hash_128(text[i]);
    }
    assert_int_equal(reward_init(&reward, &o, TEXTS), ST_OK);
}

static void expect(const double want[ROWS])
{
    reward_apply(&reward, paid, &sums, &rows, 7);
    for (int i = 0; i < ROWS; i++) {
        assert_float_equal(paid[i], want[i], 1e-6);
    }
}

static void none_pays_the_game_alone_scaled_and_clipped(void **state)
{
    (void)state;
    open_kind("none");
    reward_take_label(&reward, key[1], 1, 0);
    expect((const double[ROWS]){0, 2, 0, -10, 0, 0});
    assert_float_equal(sums.in, 0, 0);
    assert_float_equal(sums.ext, -8, 1e-5);
    assert_float_equal(sums.ext_size, 12, 1e-5);
    reward_release(&reward);
}

static void retrieval_pays_labels_by_their_count_in_the_episode(void **state)
{
    (void)state;
    open_kind("retrieval");
    expect((const double[ROWS]){0, 2, 0, -10, 0, 0}); // no label, no pay
    reward_take_label(&reward, key[0], 1, 0);         // empty never pays
    reward_take_label(&reward, key[1], 1, 0);
    reward_take_label(&reward, key[2], 0.75F, 0); // 2p - 1 = 1/2
    reward_take_label(&reward, key[3], 0.3F, 0);  // below even: nothing
    expect(
        (const double[ROWS]){0, 2 + 1, 1.0 / 8, -10 + 0.5, 0.5 / (70.0 * 70 * 70), 0});
    assert_float_equal(sums.captions, 5, 0);
    assert_float_equal(sums.labelled, 5, 0);
    assert_float_equal(sums.helpful, 4, 0);
    reward_release(&reward);
}

static void count_pays_one_over_the_root_of_visits(void **state)
{
    (void)state;
    open_kind("count");
    for (int i = 1; i < TEXTS; i++) {
        reward_add_visits(&reward, key[i], emissions[i], 7);
    }
    reward_add_visits(&reward, key[2], 7, 7); // another rank's: 9 in all
    expect((const double[ROWS]){0, 2 + 1 / sqrt(2), 1 / sqrt(2) / 8, -10 + 1.0 / 3,
                                1.0 / 3 / (70.0 * 70 * 70), 1.0 / 64});
    reward_release(&reward);
}

static void the_last_label_wins_and_tells_how_long_it_took(void **state)
{
    (void)state;
    open_kind("retrieval");
    assert_int_equal(reward_take_label(&reward, key[3], 1, 3), -1); // never met
    reward_apply(&reward, paid, &sums, &rows, 7);
    assert_int_equal(reward_take_label(&reward, key[1], 1, 12), 5);
    assert_int_equal(reward_take_label(&reward, key[1], 0, 13), 6);
    expect((const double[ROWS]){0, 2, 0, -10, 0, 1.0 / 64});
    assert_int_equal(reward.table.labels, 2);
    reward_release(&reward);
}

static void an_unknown_kind_is_refused_with_the_nearest(void **state)
{
    const struct reward_options o = options_of("retreival");

    (void)state;
    harness_stderr_begin();
    assert_int_equal(reward_init(&reward, &o, TEXTS), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "did you mean retrieval"));
}

static void the_table_grows_and_survives_a_checkpoint(void **state)
{
    struct caption_table t, back;
    char *data;
    size_t len;

    (void)state;
    caption_table_init(&t);
    for (uint64_t i = 0; i < 100000; i++) {
        const struct hash128 k = hash_128(bytes_of(&i, sizeof(i)));
        struct caption_entry *e = caption_table_add(&t, k, i);
        e->visits = i % 3;
        if (i % 7 == 0) {
            caption_table_label(&t, e, (float)i / 1e5F);
        }
    }
    assert_int_equal(t.count, 100000);
    caption_table_write(&t, &data, &len);
    caption_table_init(&back);
    assert_int_equal(caption_table_read(&back, bytes_of(data, len)), ST_OK);
    assert_int_equal(back.labels, t.labels);
    for (uint64_t i = 0; i < 100000; i++) {
        const struct hash128 k = hash_128(bytes_of(&i, sizeof(i)));
        const struct caption_entry *e = caption_table_find(&back, k);
        if (i % 3 == 0 && i % 7 != 0) {
            assert_null(e); // nothing that a reward would read
            continue;
        }
        assert_non_null(e);
        assert_int_equal(e->visits, i % 3);
        assert_int_equal(e->labelled, i % 7 == 0);
    }
    harness_stderr_begin();
    assert_int_equal(caption_table_read(&back, bytes_of(data, len - 1)), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "REWARD-TABLE"));
    mem_free(data);
    caption_table_release(&t);
    caption_table_release(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_pays_the_game_alone_scaled_and_clipped),
        cmocka_unit_test(retrieval_pays_labels_by_their_count_in_the_episode),
        cmocka_unit_test(count_pays_one_over_the_root_of_visits),
        cmocka_unit_test(the_last_label_wins_and_tells_how_long_it_took),
        cmocka_unit_test(an_unknown_kind_is_refused_with_the_nearest),
        cmocka_unit_test(the_table_grows_and_survives_a_checkpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
