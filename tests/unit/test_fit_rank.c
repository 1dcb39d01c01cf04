/* The reward `rank`: what scores pay by where they lie, and what it is fitted to. */

#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "learner/reward/reward.h"

enum { TEXTS = 4, ROWS = 6, WORDS = 12 };

static struct reward reward;
static float paid[ROWS];
static struct reward_sums sums;

/* texts: "", "a gold key", "an old door", "a wet rock" */
static struct bytes text[TEXTS];
static struct hash128 key[TEXTS];
static const uint32_t emissions[TEXTS] = {1, 1, 1, 3};
static const float env_reward[ROWS] = {0, 50, 0, 0, 0, 0};
static const uint16_t count[ROWS] = {1, 1, 1, 1, 2, 3};
static const uint32_t caused[ROWS] = {0, 1, 2, 3, 3, 3};
static const struct reward_rows rows = {.rows = ROWS,
                                        .texts = TEXTS,
                                        .env_reward = env_reward,
                                        .count = count,
                                        .paid_caption = caused,
                                        .text = text,
                                        .key = key,
                                        .emissions = emissions};

static void open_paid(bool raw)
{
    static const char *const words[TEXTS] = {"", "a gold key", "an old door",
                                             "a wet rock"};
    const struct reward_options o = {.kind = "rank",
                                     .a_ext = 1,
                                     .a_int = 0.5,
                                     .scale = 0.04,
                                     .clip = 10,
                                     .beta = 3,
                                     .rank_raw = raw,
                                     .fitting = {.text_net = "ngram",
                                                 .lr = 0.01,
                                                 .steps = 2,
                                                 .batch = 32,
                                                 .version_updates = 2,
                                                 .gate_labels = 20,
                                                 .gate_class = 4,
                                                 .gate_steps = 20,
                                                 .ramp_updates = 4,
                                                 .balance = 0.25,
                                                 .seed = 5}};

    for (int i = 0; i < TEXTS; i++) {
        text[i] = bytes_text(words[i]);
        key[i] = hash_128(text[i]);
    }
    assert_int_equal(
        reward_init(&reward, &o, &(struct reward_peers){.count = 1}, TEXTS), ST_OK);
}

static void open_rank(void)
{
    open_paid(false);
}

static const char *word_of(int i)
{
    static const char *const words[WORDS] = {
        "a gold key", "a wet rock",  "an old door",  "a tin key",
        "a dry rock", "a new door",  "an iron key",  "a red rock",
        "a low door", "a brass key", "a black rock", "a high door"};

    return words[i];
}

/* places: 0 is best. */
static int64_t order_at(int a, int b, int place_a, int place_b, uint64_t update)
{
    static uint64_t serial;
    struct reward_label label = {.key = {(uint64_t)a, (uint64_t)b},
                                 .serial = ++serial,
                                 .kind =
                                     place_a == place_b ? VERDICT_TIE : VERDICT_LABEL,
                                 .captions = 2,
                                 .place = {(uint8_t)place_a, (uint8_t)place_b}};
    const int each[2] = {a, b};

    for (int i = 0; i < 2; i++) {
        const struct bytes t = bytes_text(word_of(each[i]));
        label.caption[i] = hash_128(t);
        reward_take_text(&reward, label.caption[i], t);
    }
    return reward_take_label(&reward, &label, update);
}

static void order(int a, int b, int place_a, int place_b)
{
    (void)order_at(a, b, place_a, place_b, 0);
}

/* Keys before doors before rocks, as word i % 3 says: 0, 2, 1. */
static void teach_all(void)
{
    static const int place[3] = {0, 2, 1};

    for (int a = 0; a < WORDS; a++) {
        for (int b = a + 1; b < WORDS; b++) {
            order(a, b, place[a % 3], place[b % 3]);
        }
    }
}

/* What was scored anew in this batch; earlier ones are remembered by the caller. */
static double score_of(const char *word, double before)
{
    const struct hash128 k = hash_128(bytes_text(word));

    for (int i = 0; i < reward.scored_count; i++) {
        if (hash_equal(reward.scored[i].key, k)) {
            return (double)reward.scored[i].score;
        }
    }
    return before;
}

static double worth(double s, double m, double sigma)
{
    const double z = sigma > 1e-6 ? (s - m) / sigma : 0;

    return z > 0.5 ? fmin(z, 5) / 5 : 0;
}

/* Gate, ramp, and the running normalisation against a naive one: all emissions so far,
 * each with the weight that is left of it. */
static void it_pays_by_the_place_among_all_that_was_said(void **state)
{
    double s[TEXTS] = {0}, said[400][2], weight[400], m = 0, sigma = 0;
    int n = 0, open_at = -1;

    (void)state;
    open_rank();
    teach_all();
    for (int u = 0; u < 60; u++) {
        const double ramp = reward.fitting.ramp;
        reward_apply(&reward, paid, &sums, &rows, (uint64_t)u);
        for (int i = 1; i < TEXTS; i++) {
            s[i] = score_of((const char *)text[i].data, s[i]);
        }
        const double want[ROWS] = {0,
                                   2 + 0.5 * ramp * worth(s[1], m, sigma),
                                   0.5 * ramp * worth(s[2], m, sigma),
                                   0.5 * ramp * worth(s[3], m, sigma),
                                   0.5 * ramp * worth(s[3], m, sigma) / 8,
                                   0.5 * ramp * worth(s[3], m, sigma) / 27};
        for (int i = 0; i < ROWS; i++) {
            assert_float_equal(paid[i], want[i], 1e-5);
        }
        if (ramp > 0) { // naive
            open_at = open_at < 0 ? u : open_at;
            for (int i = 0; i < n; i++) {
                weight[i] *= 1 - ROWS / 1e6;
            }
            for (int i = 1; i < TEXTS; i++, n++) {
                said[n][0] = s[i];
                said[n][1] = emissions[i];
                weight[n] = 1;
            }
            double all = 0, square = 0;
            m = 0;
            for (int i = 0; i < n; i++) {
                all += weight[i] * said[i][1];
                m += weight[i] * said[i][1] * said[i][0];
            }
            m /= all;
            for (int i = 0; i < n; i++) {
                square += weight[i] * said[i][1] * (said[i][0] - m) * (said[i][0] - m);
            }
            sigma = sqrt(square / all);
        }
        assert_int_equal(reward_fit(&reward, (uint64_t)u), ST_OK);
        assert_float_equal(reward.fitting.mean, m, 1e-5);
        assert_float_equal(reward.fitting.sigma, sigma, 1e-4);
    }
    assert_true(open_at > 5 && open_at < 20);
    assert_true(paid[1] > 2.05F);      // a key, as it has learnt
    assert_float_equal(paid[3], 0, 0); // what comes most
    reward_release(&reward);
}

/* What doors are paid where they and one rock are all that comes; *z: how many deviations
 * they lie above the mean. */
static double paid_of_doors(uint32_t doors, double *z)
{
    const uint32_t often[TEXTS] = {0, 0, doors, 1};
    struct reward_rows few = rows;
    double s[TEXTS] = {0};

    few.emissions = often;
    open_rank();
    teach_all();
    for (int u = 0; u < 60; u++) {
        *z = (s[2] - reward.fitting.mean) / reward.fitting.sigma;
        reward_apply(&reward, paid, &sums, &few, (uint64_t)u);
        for (int i = 1; i < TEXTS; i++) {
            s[i] = score_of((const char *)text[i].data, s[i]);
        }
        assert_int_equal(reward_fit(&reward, (uint64_t)u), ST_OK);
    }
    reward_release(&reward);
    return (double)paid[2] / 0.5; // a_int
}

static void half_a_deviation_above_the_mean_is_needed_for_pay(void **state)
{
    double z;

    (void)state;
    assert_float_equal(paid_of_doors(10, &z), 0, 0);
    assert_true(z > 0.2 && z < 0.45);
    assert_true(paid_of_doors(2, &z) > 0.1);
    assert_true(z > 0.55);
}

/* As the reference has released it: without a zero, so that junk costs. */
static void raw_scores_pay_as_they_are(void **state)
{
    double s[TEXTS] = {0};

    (void)state;
    open_paid(true);
    teach_all();
    for (int u = 0; u < 60; u++) {
        const double ramp = reward.fitting.ramp;
        reward_apply(&reward, paid, &sums, &rows, (uint64_t)u);
        for (int i = 1; i < TEXTS; i++) {
            s[i] = score_of((const char *)text[i].data, s[i]);
        }
        assert_float_equal(paid[0], 0, 0);
        assert_float_equal(paid[1], 2 + 0.5 * ramp * s[1], 1e-5);
        assert_float_equal(paid[3], 0.5 * ramp * s[3], 1e-5);
        assert_float_equal(paid[4], 0.5 * ramp * s[3] / 8, 1e-5);
        assert_int_equal(reward_fit(&reward, (uint64_t)u), ST_OK);
    }
    assert_true(s[1] > s[3] + 1 && fmin(s[2], s[3]) < -0.1);
    reward_release(&reward);
}

enum { BIG = 100000 }; // rows of a batch: a tenth of what the moments look back on

/* Pays a batch of BIG rows again and again, of which `often` come freshly and every update
 * keeps `kept` of what the moments knew: the mean is that of a naive count. The last score
 * of text 1. */
static double follow_mean(const struct reward_rows *big, float *pays, double kept)
{
    double s[TEXTS] = {0}, n = 0, first = 0;

    open_rank();
    teach_all();
    for (int u = 0; u < 40; u++) {
        const bool open = reward.fitting.ramp > 0;
        reward_apply(&reward, pays, &sums, big, (uint64_t)u);
        n *= open ? kept : 1;
        first *= open ? kept : 1;
        for (int i = 1; i < TEXTS; i++) {
            s[i] = score_of((const char *)text[i].data, s[i]);
            n += open ? big->emissions[i] : 0;
            first += open ? big->emissions[i] * s[i] : 0;
        }
        assert_int_equal(reward_fit(&reward, (uint64_t)u), ST_OK);
        assert_float_equal(reward.fitting.mean, n > 0 ? first / n : 0, 1e-4);
    }
    return s[1];
}

/* Rocks come all the time, a key once: what is a tenth of the horizon old weighs
 * nine tenths, and what is far above the others pays 1, not more. */
static void moments_fade_and_what_pays_is_bounded(void **state)
{
    static float nothing[BIG], pays[BIG];
    static uint16_t once[BIG];
    static uint32_t which[BIG];
    const uint32_t often[TEXTS] = {0, 1, 1, BIG - 2};
    const struct reward_rows big = {.rows = BIG,
                                    .texts = TEXTS,
                                    .env_reward = nothing,
                                    .count = once,
                                    .paid_caption = which,
                                    .text = text,
                                    .key = key,
                                    .emissions = often};

    (void)state;
    for (int i = 0; i < BIG; i++) {
        once[i] = 1;
        which[i] = i < 2 ? (uint32_t)i + 1 : 3;
    }
    const double once_met = follow_mean(&big, pays, 0.9);
    assert_true((once_met - reward.fitting.mean) / reward.fitting.sigma > 6);
    assert_float_equal(pays[0], 0.5, 0); // a_int
    reward_release(&reward);
}

/* What is replayed is no new step: half of the rows, and the moments fade by the other. */
static void replayed_rows_move_no_moments(void **state)
{
    static float nothing[BIG], pays[BIG];
    static uint16_t once[BIG];
    static uint32_t which[BIG];
    static uint8_t again[BIG];
    const uint32_t often[TEXTS] = {7, 1, 1, BIG / 2 - 9}; // of fresh rows
    const struct reward_rows big = {.rows = BIG,
                                    .texts = TEXTS,
                                    .env_reward = nothing,
                                    .count = once,
                                    .paid_caption = which,
                                    .text = text,
                                    .key = key,
                                    .emissions = often,
                                    .replayed = again};

    (void)state;
    for (int i = 0; i < BIG; i++) {
        once[i] = 1;
        which[i] = i < 9 ? (i < 2 ? (uint32_t)i + 1 : 0) : 3;
        again[i] = i >= BIG / 2;
    }
    (void)follow_mean(&big, pays, 0.95);
    reward_release(&reward);
}

/* Keys before doors before rocks, but one order in five is said the other way round. */
static void an_order_with_noise_is_learnt_all_the_same(void **state)
{
    static const int place[3] = {0, 2, 1};
    double s[TEXTS] = {0};
    int n = 0;

    (void)state;
    open_rank();
    for (int a = 0; a < WORDS; a++) {
        for (int b = a + 1; b < WORDS; b++) {
            const bool wrong = ++n % 5 == 0;
            order(a, b, place[(wrong ? b : a) % 3], place[(wrong ? a : b) % 3]);
        }
    }
    for (int u = 0; u < 200; u++) {
        reward_apply(&reward, paid, &sums, &rows, (uint64_t)u);
        for (int i = 1; i < TEXTS; i++) {
            s[i] = score_of((const char *)text[i].data, s[i]);
        }
        assert_int_equal(reward_fit(&reward, (uint64_t)u), ST_OK);
    }
    assert_true(s[1] > s[2] + 0.3 && s[2] > s[3] + 0.3);
    reward_release(&reward);
}

/* a > b > c > a: no scores fit, and all stay finite. */
static void data_without_an_order_give_scores_near_each_other(void **state)
{
    double s[TEXTS] = {0};

    (void)state;
    open_rank();
    for (int a = 0; a < WORDS; a++) {
        for (int b = a + 1; b < WORDS; b++) {
            const int way = (b % 3 - a % 3 + 3) % 3; // 1: a wins, 2: b wins, 0: a tie
            order(a, b, way == 2, way == 1);
        }
    }
    for (int u = 0; u < 200; u++) {
        reward_apply(&reward, paid, &sums, &rows, (uint64_t)u);
        for (int i = 1; i < TEXTS; i++) {
            s[i] = score_of((const char *)text[i].data, s[i]);
        }
        assert_int_equal(reward_fit(&reward, (uint64_t)u), ST_OK);
        for (int i = 0; i < ROWS; i++) {
            assert_true(isfinite(paid[i]) && paid[i] <= 2.5F);
        }
    }
    assert_true(reward.fitting.open);
    for (int i = 1; i < TEXTS; i++) { // an order sets them more than 1 apart
        assert_true(fabs(s[i] - s[1 + i % 3]) < 0.3);
    }
    assert_true(isfinite(reward.fitting.mean) && isfinite(reward.fitting.loss));
    reward_release(&reward);
}

static void a_resumed_one_pays_the_same(void **state)
{
    float want[30][ROWS];
    uint64_t digest = 0;
    char *data = NULL;
    size_t len = 0;

    (void)state;
    for (int round = 0; round < 2; round++) {
        open_rank();
        teach_all();
        if (round == 1) {
            assert_int_equal(reward.kind->load(&reward, bytes_of(data, len)), ST_OK);
            mem_free(data);
        }
        for (int u = round == 0 ? 0 : 15; u < 30; u++) {
            if (round == 0 && u == 15) {
                reward.kind->save(&reward, &data, &len);
            }
            reward_apply(&reward, paid, &sums, &rows, (uint64_t)u);
            assert_int_equal(reward_fit(&reward, (uint64_t)u), ST_OK);
            if (round == 0) {
                memcpy(want[u], paid, sizeof(paid));
            }
            assert_memory_equal(paid, want[u], sizeof(paid));
        }
        if (round == 0) {
            digest = reward.kind->digest(&reward);
        }
        assert_int_equal(reward.kind->digest(&reward), digest);
        reward_release(&reward);
    }
}

static void a_damaged_checkpoint_is_refused(void **state)
{
    char *data;
    size_t len;

    (void)state;
    open_rank();
    reward.kind->save(&reward, &data, &len);
    harness_stderr_begin();
    assert_int_equal(reward.kind->load(&reward, bytes_of(data, 20)), ST_CORRUPT);
    assert_int_equal(reward.kind->load(&reward, bytes_of(data, 100)), ST_CORRUPT);
    data[0] = 'x';
    assert_int_equal(reward.kind->load(&reward, bytes_of(data, len)), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "REWARD-MODEL"));
    mem_free(data);
    reward_release(&reward);
}

/* The batch of text 1 and 2 once and 3 thrice, at `update`. */
static void pay_at(uint64_t update)
{
    reward_apply(&reward, paid, &sums, &rows, update);
}

static double rows_with_model_lag(void)
{
    double n = 0;

    for (int i = 0; i < REWARD_AGES; i++) {
        n += sums.model_lag[i];
    }
    return n;
}

/* words 0 and 2 are texts 1 and 2; word 3 never comes */
static void an_order_labels_its_captions(void **state)
{
    (void)state;
    open_rank();
    pay_at(2);
    assert_float_equal(sums.labelled, 0, 0);
    order_at(0, 3, 0, 1, 6);
    order_at(0, 2, 0, 0, 9);
    pay_at(12);
    assert_float_equal(sums.captions, 5, 0);
    assert_float_equal(sums.labelled, 2, 0);
    assert_float_equal(sums.helpful, 0, 0);
    assert_float_equal(sums.label_age[reward_age_bin(3)], 2, 0); // of the last label
    reward_release(&reward);
}

static void the_delay_of_an_order_counts_captions_that_were_met_alone(void **state)
{
    (void)state;
    open_rank();
    assert_int_equal(order_at(0, 2, 0, 1, 3), -1);
    assert_int_equal(order_at(0, 2, 0, 1, 4), -1); // labelled is not met
    pay_at(5);
    assert_int_equal(order_at(0, 3, 0, 1, 9), 4);
    assert_int_equal(order_at(3, 4, 0, 1, 9), -1);
    reward_release(&reward);
}

/* There are versions all the while; the gate waits for a label more. */
static void the_age_of_a_version_is_counted_where_it_pays(void **state)
{
    (void)state;
    open_rank();
    for (int b = 1; b < 20; b++) {
        (void)order_at(b / WORDS, b % WORDS, 0, 1, 0);
    }
    for (uint64_t u = 0; u < 40; u++) {
        pay_at(u);
        assert_float_equal(rows_with_model_lag(), 0, 0);
        assert_int_equal(reward_fit(&reward, u), ST_OK);
    }
    assert_true(reward.fitting.version > 0);
    assert_false(reward.fitting.open);
    teach_all();
    for (uint64_t u = 40; u < 60; u++) {
        const bool pays = reward.fitting.ramp > 0;
        pay_at(u);
        assert_float_equal(rows_with_model_lag(), pays ? ROWS : 0, 0);
        assert_int_equal(reward_fit(&reward, u), ST_OK);
    }
    assert_true(reward.fitting.open);
    reward_release(&reward);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_pays_by_the_place_among_all_that_was_said),
        cmocka_unit_test(half_a_deviation_above_the_mean_is_needed_for_pay),
        cmocka_unit_test(raw_scores_pay_as_they_are),
        cmocka_unit_test(moments_fade_and_what_pays_is_bounded),
        cmocka_unit_test(replayed_rows_move_no_moments),
        cmocka_unit_test(an_order_with_noise_is_learnt_all_the_same),
        cmocka_unit_test(data_without_an_order_give_scores_near_each_other),
        cmocka_unit_test(a_resumed_one_pays_the_same),
        cmocka_unit_test(a_damaged_checkpoint_is_refused),
        cmocka_unit_test(an_order_labels_its_captions),
        cmocka_unit_test(the_delay_of_an_order_counts_captions_that_were_met_alone),
        cmocka_unit_test(the_age_of_a_version_is_counted_where_it_pays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
