/* Random network distillation: what pays, what is learnt from it, its scale, and that ranks
 * and restarts agree. */

#include "tests/support/harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "learner/reward/reward.h"
#include "learner/reward/rnd_net.h"
#include "learner/reward/rnd_returns.h"
#include "tests/support/ranks_twin.h"

enum { T = 32, B = 64, PIECE = 48, ROWS_ = T * B, R = 2, WARM = 8192 };

/* One rank's rows. */
struct scene {
    struct reward reward;
    uint8_t chars[ROWS_ * POLICY_CELLS], colors[ROWS_ * POLICY_CELLS];
    int32_t stats[ROWS_ * POLICY_STATS];
    uint16_t count[ROWS_];
    uint32_t caused[ROWS_];
    float env_reward[ROWS_], paid[ROWS_];
    struct reward_sums sums;
    struct rng rng;
    int B;
    uint8_t replayed[ROWS_];
};
static struct scene one, two, of_rank[R]; // large
static const struct bytes no_text[1] = {{"", 0}};
static const struct hash128 no_key[1];
static const uint32_t no_emissions[1];

static void open_scene(struct scene *s, const struct reward_peers *peers, uint64_t seed)
{
    const struct reward_options o = {.kind = "rnd",
                                     .a_ext = 1,
                                     .a_int = 0.5,
                                     .scale = 1,
                                     .clip = 10,
                                     .beta = 3,
                                     .gamma = 0.99,
                                     .rnd_lr = 1e-3,
                                     .seed = 5};

    memset(s, 0, sizeof(*s));
    s->B = B;
    rng_init(&s->rng, seed);
    assert_int_equal(reward_init(&s->reward, &o, peers, 2 * ROWS_), ST_OK);
}

/* Screens of a few kinds of tiles; the first rows may show one that is on no other. */
static void draw_rows(struct scene *s, bool strange)
{
    for (size_t i = 0; i < ROWS_; i++) {
        for (size_t c = 0; c < POLICY_CELLS; c++) {
            s->chars[i * POLICY_CELLS + c] = ".#-| "[rng_below(&s->rng, 5)];
            s->colors[i * POLICY_CELLS + c] = 7;
        }
        for (size_t k = 0; k < POLICY_STATS; k++) {
            s->stats[i * POLICY_STATS + k] = (int32_t)rng_below(&s->rng, 20);
        }
        s->count[i] = 1;
    }
    for (size_t i = 0; strange && i < 2 * T; i++) {
        memset(s->chars + i * POLICY_CELLS, 'D', POLICY_CELLS / 2);
        memset(s->colors + i * POLICY_CELLS, 1, POLICY_CELLS / 2);
    }
}

static void apply(struct scene *s, uint64_t update)
{
    const struct reward_rows rows = {.rows = T * s->B,
                                     .texts = 1,
                                     .env_reward = s->env_reward,
                                     .count = s->count,
                                     .paid_caption = s->caused,
                                     .text = no_text,
                                     .key = no_key,
                                     .emissions = no_emissions,
                                     .T = T,
                                     .B = s->B,
                                     .piece = PIECE,
                                     .chars = s->chars,
                                     .colors = s->colors,
                                     .stats = s->stats,
                                     .replayed = s->replayed};

    reward_apply(&s->reward, s->paid, &s->sums, &rows, update);
}

static void go_on(struct scene *s, uint64_t from, uint64_t to)
{
    for (uint64_t u = from; u < to; u++) {
        draw_rows(s, false);
        apply(s, u);
        assert_int_equal(reward_fit(&s->reward, u), ST_OK);
    }
}

static double mean_paid(const struct scene *s)
{
    double sum = 0;

    for (int i = 0; i < T * s->B; i++) {
        sum += (double)s->paid[i] / (T * s->B);
    }
    return sum;
}

static const struct reward_peers single = {.count = 1};

static void nothing_is_paid_until_inputs_and_returns_are_known(void **state)
{
    const uint64_t updates = 2 * WARM / ROWS_;

    (void)state;
    open_scene(&one, &single, 1);
    for (uint64_t u = 0; u <= updates; u++) {
        go_on(&one, u, u + 1);
        assert_int_equal(one.sums.in_size > 0, u == updates);
    }
    assert_true(mean_paid(&one) > 0);
    reward_release(&one.reward);
}

static void what_was_never_seen_pays_more_and_less_each_time(void **state)
{
    float first = 0;

    (void)state;
    open_scene(&one, &single, 1);
    go_on(&one, 0, 20);
    for (uint64_t u = 20; u < 80; u++) {
        draw_rows(&one, true);
        apply(&one, u);
        first = u == 20 ? one.paid[0] : first;
        assert_int_equal(reward_fit(&one.reward, u), ST_OK);
    }
    assert_true((double)first > 2 * mean_paid(&one));
    assert_true(one.paid[0] < 0.7F * first);
    reward_release(&one.reward);
}

/* A field of what it tells of itself. */
static double told(const struct scene *s, const char *field)
{
    struct metrics_row m = {0};
    double value = NAN;

    metrics_begin(&m);
    s->reward.kind->report(&s->reward, &m, false);
    const char *at = strstr(metrics_end(&m), field);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(field), "\": %lf", &value), 1);
    metrics_release(&m);
    return value;
}

static void it_takes_one_step_in_each_update_and_errs_less(void **state)
{
    (void)state;
    open_scene(&one, &single, 1);
    go_on(&one, 0, WARM / ROWS_ + 1);
    assert_float_equal(told(&one, "rnd_fit_steps"), 1, 0);
    const double first = told(&one, "rnd_error");
    go_on(&one, WARM / ROWS_ + 1, 40);
    assert_float_equal(told(&one, "rnd_fit_steps"), 40 - WARM / ROWS_, 0);
    assert_true(told(&one, "rnd_error") < 0.7 * first);
    reward_release(&one.reward);
}

static void it_pays_with_the_game_and_by_no_count(void **state)
{
    (void)state;
    open_scene(&one, &single, 1);
    go_on(&one, 0, 12);
    draw_rows(&one, false);
    memset(one.replayed, 1, ROWS_); // nothing is learnt, so that it can be asked twice
    apply(&one, 12);
    const float before = one.paid[3];
    one.env_reward[3] = 2;
    one.count[3] = 50;
    apply(&one, 12);
    assert_float_equal(one.paid[3], 2 + before, 1e-6);
    assert_true(before > 0);
    reward_release(&one.reward);
}

static void errors_are_paid_in_deviations_of_their_return(void **state)
{
    (void)state;
    open_scene(&one, &single, 1);
    go_on(&one, 0, 12);
    const double scale = told(&one, "rnd_scale");
    draw_rows(&one, false);
    apply(&one, 12);
    assert_int_equal(reward_fit(&one.reward, 12), ST_OK);
    const double want = 0.5 * told(&one, "rnd_error") / scale; // a_int
    assert_float_equal(mean_paid(&one), want, 1e-4 * want);
    assert_true(fabs(scale - 1) > 0.1); // else it would be no matter
    reward_release(&one.reward);
}

static void save(const struct reward *r, char **data, size_t *len)
{
    r->kind->save(r, data, len);
}

static void replayed_rows_teach_nothing(void **state)
{
    char *a, *b;
    size_t len, same;

    (void)state;
    open_scene(&one, &single, 1);
    go_on(&one, 0, 6);
    save(&one.reward, &a, &len);
    memset(one.replayed, 1, ROWS_);
    go_on(&one, 6, 9);
    save(&one.reward, &b, &same);
    assert_int_equal(len, same);
    assert_memory_equal(a, b, len);
    mem_free(a);
    mem_free(b);
    reward_release(&one.reward);
}

static void it_goes_on_from_a_checkpoint_bit_for_bit(void **state)
{
    char *data, *a, *b;
    size_t len, same;

    (void)state;
    open_scene(&one, &single, 1);
    go_on(&one, 0, 10);
    save(&one.reward, &data, &len);
    open_scene(&two, &single, 99);
    two.rng = one.rng;
    assert_int_equal(two.reward.kind->load(&two.reward, bytes_of(data, len)), ST_OK);
    go_on(&one, 10, 14);
    go_on(&two, 10, 14);
    assert_memory_equal(one.paid, two.paid, sizeof(one.paid));
    save(&one.reward, &a, &len);
    save(&two.reward, &b, &same);
    assert_int_equal(len, same);
    assert_memory_equal(a, b, len);
    mem_free(a);
    mem_free(b);
    mem_free(data);
    reward_release(&one.reward);
    reward_release(&two.reward);
}

static void damaged_bytes_are_refused_with_the_reason(void **state)
{
    char *data;
    size_t len;
    const float bad = NAN;

    (void)state;
    open_scene(&one, &single, 1);
    save(&one.reward, &data, &len);
    harness_stderr_begin();
    assert_int_equal(one.reward.kind->load(&one.reward, bytes_of(data, len - 1)),
                     ST_VERSION);
    assert_non_null(strstr(harness_stderr_end(), "not a checkpoint"));
    memcpy(data + len - 4, &bad, sizeof(bad));
    harness_stderr_begin();
    assert_int_equal(one.reward.kind->load(&one.reward, bytes_of(data, len)),
                     ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "not finite"));
    mem_free(data);
    reward_release(&one.reward);
}

/* ---- ranks ---- */

static struct ranks_twin *twin;

static enum status sum(void *ctx, float *v, size_t n)
{
    return ranks_sum(ctx, v, n);
}

static enum status agree(void *ctx, double *v, int n)
{
    return ranks_agree(ctx, v, n);
}

enum { RANK_UPDATES = 12 };
static uint64_t digest_of_rank[R][RANK_UPDATES];

/* Rank 1 has half as many sequences, and at times none. */
static void train_rank(void *ctx, int rank)
{
    struct scene *s = ctx;
    const struct reward_peers peers = {.index = rank,
                                       .count = R,
                                       .sum = sum,
                                       .agree = agree,
                                       .ctx = ranks_twin_rank(twin, rank)};

    open_scene(&s[rank], &peers, 10 + (uint64_t)rank);
    for (uint64_t u = 0; u < RANK_UPDATES; u++) {
        s[rank].B = rank == 0 ? B : u % 3 == 0 ? 0 : B / 2;
        go_on(&s[rank], u, u + 1);
        digest_of_rank[rank][u] = s[rank].reward.kind->digest(&s[rank].reward);
    }
}

static void ranks_hold_the_same_model_whatever_rows_each_has(void **state)
{
    char *a, *b;
    size_t len, same;

    (void)state;
    twin = ranks_twin_new(R);
    ranks_twin_run(twin, train_rank, of_rank);
    for (int u = 0; u < RANK_UPDATES; u++) { // a checkpoint compares them after any
        assert_int_equal(digest_of_rank[0][u], digest_of_rank[1][u]);
        assert_true(u == 0 || digest_of_rank[0][u] != digest_of_rank[0][u - 1]);
    }
    for (int r = 0; r < R; r++) {
        draw_rows(&of_rank[r], false);
    }
    save(&of_rank[0].reward, &a, &len);
    save(&of_rank[1].reward, &b, &same);
    assert_int_equal(len, same);
    assert_memory_equal(a, b, len);
    mem_free(a);
    mem_free(b);
    for (int r = 0; r < R; r++) {
        reward_release(&of_rank[r].reward);
    }
    ranks_twin_free(twin);
}

/* ---- its parts ---- */

static void the_gradient_is_that_of_the_errors(void **state)
{
    enum { N = 6, TRAIN = 4 };
    struct rnd_net *n = rnd_net_new(3);
    struct params *p = rnd_net_predictor(n);
    static float x[N * RND_NET_INPUTS];
    float error[N];
    struct rng rng;

    (void)state;
    rng_init(&rng, 8);
    for (int i = 0; i < N * RND_NET_INPUTS; i++) {
        x[i] = rng_normal(&rng);
    }
    rnd_net_forward(n, error, x, N);
    rnd_net_backward(n, TRAIN);
    for (int k = 0; k < p->count; k++) {
        const struct param *w = &p->table[k];
        for (int trial = 0; trial < 8; trial++) {
            const size_t i = rng_below(&rng, (uint32_t)w->rows * (uint32_t)w->cols);
            const float keep = w->w[i], step = 2e-3F;
            double side[2] = {0, 0};
            for (int h = 0; h < 2; h++) {
                w->w[i] = h == 0 ? keep + step : keep - step;
                rnd_net_weights_changed(n);
                rnd_net_forward(n, error, x, N);
                for (int e = 0; e < TRAIN; e++) {
                    side[h] += (double)error[e];
                }
            }
            w->w[i] = keep;
            const double slope = (side[0] - side[1]) / (2 * (double)step);
            assert_float_equal(w->g[i], slope, 2e-3 + 0.02 * fabs(slope));
        }
    }
    rnd_net_free(n);
}

/* The filter of one endless stream, against segments of it that know no past. */
static void the_deviation_is_that_of_an_endless_stream(void **state)
{
    enum { SEGMENTS = 4000 };
    static float error[T * SEGMENTS]; // time-major: segment b is column b
    const double gamma = 0.99;
    struct rnd_returns sums = {0};
    double r = 0, first = 0, second = 0;
    const int settled = 50 * T;
    struct rng rng;

    (void)state;
    rng_init(&rng, 4);
    for (int b = 0; b < SEGMENTS; b++) {
        for (int t = 0; t < T; t++) {
            const float e = 1 + rng_float(&rng) + (rng_below(&rng, 50) == 0 ? 5.0F : 0);
            error[t * SEGMENTS + b] = e;
            r = gamma * r + (double)e;
            if (b * T + t >= settled) {
                first += r;
                second += r * r;
            }
        }
    }
    const double n = (double)T * SEGMENTS - settled;
    const double want = sqrt(second / n - first / n * (first / n));
    for (int b = 0; b < SEGMENTS; b++) {
        rnd_returns_add(&sums, error + b, T, SEGMENTS, gamma);
    }
    const double rows = (double)T * SEGMENTS;
    const struct rnd_returns mean = {sums.p / rows, sums.gp / rows, sums.p2 / rows};
    assert_float_equal(rnd_returns_deviation(&mean, T, gamma), want, 0.05 * want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_paid_until_inputs_and_returns_are_known),
        cmocka_unit_test(what_was_never_seen_pays_more_and_less_each_time),
        cmocka_unit_test(it_takes_one_step_in_each_update_and_errs_less),
        cmocka_unit_test(it_pays_with_the_game_and_by_no_count),
        cmocka_unit_test(errors_are_paid_in_deviations_of_their_return),
        cmocka_unit_test(replayed_rows_teach_nothing),
        cmocka_unit_test(it_goes_on_from_a_checkpoint_bit_for_bit),
        cmocka_unit_test(damaged_bytes_are_refused_with_the_reason),
        cmocka_unit_test(ranks_hold_the_same_model_whatever_rows_each_has),
        cmocka_unit_test(the_gradient_is_that_of_the_errors),
        cmocka_unit_test(the_deviation_is_that_of_an_endless_stream),
    };
    return cmocka_run_group_tests_name("rnd", tests, NULL, NULL);
}
