/* What a step pays, worked by hand. */

#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "learner/reward/model.h"
#include "learner/reward/reward.h"

enum { ROWS = 6, TEXTS = 4 };

static int64_t take(struct reward *r, struct hash128 key, float p, uint64_t update)
{
    const struct reward_label label = {
        .key = key, .kind = VERDICT_LABEL, .captions = 1, .p = p};

    return reward_take_label(r, &label, update);
}

/* texts: "", "door", "gold", "rock" */
static struct bytes text[TEXTS];
static struct hash128 key[TEXTS];
static const uint32_t emissions[TEXTS] = {1, 2, 2, 1};
static const float env_reward[ROWS] = {0, 50, 0, -1000, 0, 0};
static const uint16_t count[ROWS] = {1, 1, 2, 1, 70, 4};
static const uint32_t caused[ROWS] = {0, 1, 1, 2, 2, 3};
static const struct reward_rows rows = {.rows = ROWS,
                                        .texts = TEXTS,
                                        .env_reward = env_reward,
                                        .count = count,
                                        .paid_caption = caused,
                                        .text = text,
                                        .key = key,
                                        .emissions = emissions};

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
    assert_int_equal(
        reward_init(&reward, &o, &(struct reward_peers){.count = 1}, TEXTS), ST_OK);
}

static void expect(const double want[ROWS])
{
    reward_apply(&reward, paid, &sums, &rows, 7);
    for (int i = 0; i < ROWS; i++) {
        assert_float_equal(paid[i], want[i], 1e-6);
    }
}

static void replayed_rows_are_paid_but_counted_nowhere(void **state)
{
    static const uint8_t replayed[ROWS] = {0, 0, 1, 1, 2, 2};
    struct reward_rows mixed = rows;
    const double want[ROWS] = {0, 3, 1.0 / 8, -10, 0, 0};

    (void)state;
    open_kind("retrieval");
    take(&reward, key[1], 1, 0);
    mixed.replayed = replayed;
    reward_apply(&reward, paid, &sums, &mixed, 7);
    for (int i = 0; i < ROWS; i++) {
        assert_float_equal(paid[i], want[i], 1e-6);
    }
    assert_float_equal(sums.rows, 2, 0);
    assert_float_equal(sums.ext, 2, 1e-6);
    assert_float_equal(sums.in, 1, 1e-6);
    reward_release(&reward);
}

static void none_pays_the_game_alone_scaled_and_clipped(void **state)
{
    (void)state;
    open_kind("none");
    take(&reward, key[1], 1, 0);
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
    take(&reward, key[0], 1, 0);                      // empty never pays
    take(&reward, key[1], 1, 0);
    take(&reward, key[2], 0.75F, 0); // 2p - 1 = 1/2
    take(&reward, key[3], 0.3F, 0);  // below even: nothing
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

/* ---- a fitted one ---- */

static void teach(const char *word, float p)
{
    const struct reward_label label = {.key = hash_128(bytes_text(word)),
                                       .kind = VERDICT_LABEL,
                                       .captions = 1,
                                       .p = p};

    reward_take_text(&reward, label.key, bytes_text(word));
    reward_take_label(&reward, &label, 0);
}

static void open_classify(bool raw, bool hard)
{
    struct reward_options o = options_of("classify");

    open_kind("none");
    reward_release(&reward);
    o.a_int = 0.5;
    o.raw = raw;
    o.hard = hard;
    o.eta = 0.9;
    o.fitting = (struct fitting_options){.text_net = "ngram",
                                         .lr = 0.003,
                                         .steps = 1,
                                         .batch = 16,
                                         .version_updates = 1,
                                         .gate_labels = 20,
                                         .gate_class = 1,
                                         .gate_steps = 12,
                                         .ramp_updates = 4,
                                         .balance = 0.25};
    assert_int_equal(
        reward_init(&reward, &o, &(struct reward_peers){.count = 1}, TEXTS), ST_OK);
    for (int i = 0; i < 19; i++) {
        char word[16];
        text_format(word, sizeof(word), "%s%c", i % 2 == 0 ? "gold" : "rock", 'a' + i);
        teach(word, i % 2 == 0 ? 1 : 0);
    }
    teach("door", 0.95F);
}

/* What the rows are paid when "door", "gold" and "rock" are worth so much: a_ext = 1,
 * scale 0.04, clip 10, a_int = 0.5, beta = 3. */
static void expect_worth(double door, double gold, double rock)
{
    expect((const double[ROWS]){0, 2 + 0.5 * door, 0.5 * door / 8, -10 + 0.5 * gold,
                                0.5 * gold / (70.0 * 70 * 70), 0.5 * rock / 64});
}

static double said(const char *word)
{
    const struct bytes b = bytes_text(word);
    const struct hash128 k = hash_128(b);
    struct fitting_scored scored[1];
    float p;

    model_say(reward.state, &p, &b, &k, 1, scored);
    return (double)p;
}

static double centred(double p)
{
    return fmax(0, 2 * p - 1);
}

/* The gate, the ramp, and the model alone. */
static void classify_pays_labels_then_a_mixture_then_the_model(void **state)
{
    const double label = 0.9; // 2 * 0.95 - 1, of "door" alone

    (void)state;
    open_classify(false, false);
    expect_worth(label, 0, 0);
    for (uint64_t u = 0; u < 30; u++) {
        assert_int_equal(reward_fit(&reward, u), ST_OK);
        // 12 steps are done at u = 11: a quarter pays the next batch.
        const double ramp = fmin(fmax(((double)u - 10) / 4, 0), 1);
        assert_float_equal(reward.fitting.ramp, ramp, 1e-9);
        expect_worth((1 - ramp) * label + ramp * centred(said("door")),
                     ramp * centred(said("gold")), ramp * centred(said("rock")));
    }
    assert_true(centred(said("gold")) > 0.05); // never labelled itself
    assert_true(reward.fitting.scored > 0);
    reward_release(&reward);
}

static double sum_of(const double bins[REWARD_AGES])
{
    double sum = 0;

    for (int i = 0; i < REWARD_AGES; i++) {
        sum += bins[i];
    }
    return sum;
}

static void the_age_of_labels_and_of_the_model_is_counted(void **state)
{
    (void)state;
    open_kind("retrieval");
    reward_apply(&reward, paid, &sums, &rows, 0); // all are met
    assert_float_equal(sum_of(sums.label_age), 0, 0);
    take(&reward, key[1], 1, 30);
    reward_apply(&reward, paid, &sums, &rows, 33);
    assert_float_equal(sums.label_age[reward_age_bin(3)], emissions[1], 0);
    take(&reward, key[2], 0, 32);
    reward_apply(&reward, paid, &sums, &rows, 33);
    assert_float_equal(sums.label_age[reward_age_bin(3)], emissions[1], 0);
    assert_float_equal(sums.label_age[reward_age_bin(1)], emissions[2], 0);
    assert_float_equal(sum_of(sums.label_age), emissions[1] + emissions[2], 0);
    assert_float_equal(sum_of(sums.model_lag), 0, 0); // there is none
    reward_release(&reward);

    open_classify(false, false);
    for (uint64_t u = 0; u < 12; u++) { // the first version after 12 steps
        assert_int_equal(reward_fit(&reward, u), ST_OK);
    }
    reward_apply(&reward, paid, &sums, &rows, 18);
    assert_float_equal(sums.model_lag[reward_age_bin(7)], ROWS, 0);
    assert_float_equal(sum_of(sums.model_lag), ROWS, 0);
    reward_release(&reward);
}

static void soft_and_hard_say_what_a_chance_is_worth(void **state)
{
    (void)state;
    open_classify(true, false);
    expect_worth(0.95, 0, 0);
    for (uint64_t u = 0; u < 300; u++) {
        assert_int_equal(reward_fit(&reward, u), ST_OK);
    }
    expect_worth(said("door"), said("gold"), said("rock"));
    assert_true(said("rock") > 0 && said("rock") < 0.1);
    reward_release(&reward);

    open_classify(false, true); // above 0.9
    expect_worth(1, 0, 0);
    for (uint64_t u = 0; u < 300; u++) {
        assert_int_equal(reward_fit(&reward, u), ST_OK);
    }
    assert_true(said("gold") > 0.9);
    expect_worth(said("door") > 0.9, 1, 0);
    reward_release(&reward);
}

static void the_games_part_and_the_other_can_be_had_apart(void **state)
{
    float ext[ROWS], intrinsic[ROWS];
    struct reward_sums whole;

    (void)state;
    open_kind("retrieval");
    take(&reward, key[1], 1, 0);
    reward_apply(&reward, paid, &whole, &rows, 7);
    reward_apply_apart(&reward, ext, intrinsic, &sums, &rows, 7);
    for (int i = 0; i < ROWS; i++) {
        assert_float_equal(ext[i] + intrinsic[i], paid[i], 1e-6);
    }
    assert_float_equal(ext[1], 2, 1e-6);
    assert_float_equal(intrinsic[1], 1, 1e-6);
    assert_float_equal(intrinsic[2], 1.0 / 8, 1e-6);
    assert_float_equal(sums.in, whole.in, 0);
    reward_release(&reward);
}

static void the_last_label_wins_and_tells_how_long_it_took(void **state)
{
    (void)state;
    open_kind("retrieval");
    assert_int_equal(take(&reward, key[3], 1, 3), -1); // never met
    assert_int_equal(take(&reward, key[3], 1, 4), -1); // labelled is not met
    reward_apply(&reward, paid, &sums, &rows, 7);
    assert_int_equal(take(&reward, key[1], 1, 12), 5);
    assert_int_equal(take(&reward, key[1], 0, 13), 6);
    expect((const double[ROWS]){0, 2, 0, -10, 0, 1.0 / 64});
    assert_int_equal(reward.table.labels, 2);
    reward_release(&reward);
}

static void an_unknown_kind_is_refused_with_the_nearest(void **state)
{
    const struct reward_options o = options_of("retreival");

    (void)state;
    harness_stderr_begin();
    assert_int_equal(
        reward_init(&reward, &o, &(struct reward_peers){.count = 1}, TEXTS),
        ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "did you mean retrieval"));
}

static struct hash128 key_of(uint64_t i)
{
    return hash_128(bytes_of(&i, sizeof(i)));
}

static void the_table_grows_and_survives_a_checkpoint(void **state)
{
    struct caption_table t, back;
    char *data;
    size_t len;

    (void)state;
    caption_table_init(&t, 1000000);
    for (uint64_t i = 0; i < 100000; i++) {
        struct caption_entry *e = caption_table_add(&t, key_of(i), i);
        e->visits = i % 3;
        if (i % 7 == 0) {
            caption_table_label(&t, e, (float)i / 1e5F, e->first_update);
        }
    }
    assert_int_equal(t.count, 100000);
    caption_table_write(&t, &data, &len);
    caption_table_init(&back, 1000000);
    assert_int_equal(caption_table_read(&back, bytes_of(data, len)), ST_OK);
    assert_int_equal(back.labels, t.labels);
    assert_int_equal(back.met, 100000);
    for (uint64_t i = 0; i < 100000; i++) {
        const struct caption_entry *e = caption_table_find(&back, key_of(i));
        assert_non_null(e);
        assert_int_equal(e->visits, i % 3);
        assert_int_equal(e->labelled, i % 7 == 0);
        assert_int_equal(e->first_update, i);
    }
    harness_stderr_begin();
    assert_int_equal(caption_table_read(&back, bytes_of(data, len - 1)), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "REWARD-TABLE"));
    mem_free(data);
    caption_table_release(&t);
    caption_table_release(&back);
}

static void a_label_after_a_restart_knows_when_its_caption_was_first_met(void **state)
{
    char *data;
    size_t len;

    (void)state;
    open_kind("retrieval");
    reward_apply(&reward, paid, &sums, &rows, 7);
    caption_table_write(&reward.table, &data, &len);
    assert_int_equal(caption_table_read(&reward.table, bytes_of(data, len)), ST_OK);
    assert_int_equal(take(&reward, key[1], 1, 12), 5);
    mem_free(data);
    reward_release(&reward);
}

static void
the_oldest_that_came_once_are_forgotten_first_and_labelled_ones_never(void **state)
{
    enum { MOST = 8000, KINDS = 4 };
    struct caption_table t;
    int known[KINDS] = {0};

    (void)state;
    caption_table_init(&t, MOST);
    // 2,000 labelled, 2,000 that came often, 4,000 old and 2,000 young that came once.
    for (uint64_t i = 0; i < 10000; i++) {
        struct caption_entry *e = caption_table_add(&t, key_of(i), i < 8000 ? 1 : 500);
        e->visits = i < 2000 || i >= 4000 ? 1 : 9;
        if (i < 2000) {
            caption_table_label(&t, e, 1, e->first_update);
        }
    }
    for (uint64_t i = 0; i < 3000; i++) {
        caption_table_add(&t, key_of(100000 + i), 1000)->visits = 1;
    }
    assert_true(t.count - t.labels <= MOST);
    for (uint64_t i = 0; i < 10000; i++) {
        known[i < 8000 ? (i < 4000 ? i / 2000 : 2) : 3] +=
            caption_table_find(&t, key_of(i)) != NULL;
    }
    assert_int_equal(known[0], 2000);
    assert_int_equal(known[1], 2000);
    assert_int_equal(known[2], 0);
    assert_int_equal(known[3], 2000);
    assert_int_equal(t.forgotten, 4000);
    assert_int_equal(t.met, 13000);
    for (uint64_t i = 0; i < 20000; i++) { // those that came often give way at last
        caption_table_add(&t, key_of(200000 + i), 1001 + i / 10)->visits = 20;
    }
    assert_true(t.count - t.labels <= MOST);
    assert_int_equal(t.labels, 2000);
    for (uint64_t i = 0; i < 2000; i++) {
        assert_non_null(caption_table_find(&t, key_of(i)));
    }
    caption_table_release(&t);
}

/* Two ranks: the same captions, in tables that lie otherwise. */
static void all_ranks_forget_the_same(void **state)
{
    struct caption_table a, b;
    char *data;
    size_t len;

    (void)state;
    caption_table_init(&a, 30000);
    caption_table_init(&b, 30000);
    for (uint64_t i = 0; i < 25000; i++) {
        caption_table_add(&a, key_of(i), i / 100)->visits = 1 + i % 2;
    }
    caption_table_write(&a, &data, &len); // as another rank takes it at a restart
    assert_int_equal(caption_table_read(&b, bytes_of(data, len)), ST_OK);
    mem_free(data);
    for (uint64_t i = 25000; i < 200000; i++) {
        caption_table_add(&a, key_of(i), i / 100)->visits = 1 + i % 3;
        caption_table_add(&b, key_of(i), i / 100)->visits = 1 + i % 3;
    }
    assert_int_equal(a.count, b.count);
    assert_true(a.forgotten > 100000);
    for (uint64_t i = 0; i < 200000; i++) {
        assert_int_equal(caption_table_find(&a, key_of(i)) == NULL,
                         caption_table_find(&b, key_of(i)) == NULL);
    }
    caption_table_release(&a);
    caption_table_release(&b);
}

/* An hour of `count` in a rich game: 10^7 captions that come once. */
static void ten_million_captions_take_128_mb(void **state)
{
    struct caption_table t;

    (void)state;
    if (HARNESS_SANITIZED) {
        skip();
    }
    caption_table_init(&t, CAPTION_TABLE_VISITS);
    const double before = mem_anon_mb();
    for (uint64_t i = 0; i < 10000000; i++) {
        const struct hash128 k = {i * 0x9e3779b97f4a7c15U, i};
        caption_table_add(&t, k, i / 100)->visits = 1;
    }
    assert_true(mem_anon_mb() - before < 160); // the allocator keeps some

    assert_int_equal(t.met, 10000000);
    assert_true(t.count <= CAPTION_TABLE_VISITS);
    caption_table_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_pays_the_game_alone_scaled_and_clipped),
        cmocka_unit_test(replayed_rows_are_paid_but_counted_nowhere),
        cmocka_unit_test(retrieval_pays_labels_by_their_count_in_the_episode),
        cmocka_unit_test(count_pays_one_over_the_root_of_visits),
        cmocka_unit_test(classify_pays_labels_then_a_mixture_then_the_model),
        cmocka_unit_test(the_age_of_labels_and_of_the_model_is_counted),
        cmocka_unit_test(soft_and_hard_say_what_a_chance_is_worth),
        cmocka_unit_test(the_games_part_and_the_other_can_be_had_apart),
        cmocka_unit_test(the_last_label_wins_and_tells_how_long_it_took),
        cmocka_unit_test(an_unknown_kind_is_refused_with_the_nearest),
        cmocka_unit_test(the_table_grows_and_survives_a_checkpoint),
        cmocka_unit_test(a_label_after_a_restart_knows_when_its_caption_was_first_met),
        cmocka_unit_test(
            the_oldest_that_came_once_are_forgotten_first_and_labelled_ones_never),
        cmocka_unit_test(all_ranks_forget_the_same),
        cmocka_unit_test(ten_million_captions_take_128_mb),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
