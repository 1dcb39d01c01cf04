/* Two value heads on real segments of real games: each learns its own return, the policy
 * from the sum. */

#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "tests/support/school.h"

enum { E = 8, T = 16, ROWS = E * T };

static struct school school; // large
static char dir[512];

static void tune(struct learner_options *o)
{
    o->value_heads = 2;
    text_format(o->reward, sizeof(o->reward), "count");
}

/* Floor to top in three steps, cut after seven: both kinds of ends in one segment. */
static const struct school_plan plan = {.task = "chain",
                                        .overrides = "length=3,limit=7",
                                        .envs = E,
                                        .T = T,
                                        .dir = dir,
                                        .tune = tune};

static int open_school(void **state)
{
    (void)state;
    strcpy(dir, harness_make_dir());
    school_open(&school, &plan, 1);
    return 0;
}

static int close_school(void **state)
{
    (void)state;
    school_close(&school);
    harness_remove_dir(dir);
    return 0;
}

static void both_values_of_the_actor_are_the_learners(void **state)
{
    int cut = 0;

    (void)state;
    for (int round = 0; round < 4; round++) {
        struct moments before[HEADS_MAX];
        for (int h = 0; h < HEADS_MAX; h++) {
            before[h] = heads_moments(&school.train.heads, h);
        }
        school_play(&school, school.train.update);
        school_step(&school);
        const struct batch *b = &school.train.batch;
        for (int h = 0; h < HEADS_MAX; h++) {
            const struct head *head = &school.train.heads.head[h];
            for (int i = 0; i < b->rows; i++) {
                const double v =
                    (double)head->value_n[i] * before[h].scale + before[h].mean;
                assert_float_equal(v, b->stream[h].old_value[i], 1e-3 * (1 + fabs(v)));
                cut += b->stream[h].final_value[i] != 0;
            }
        }
    }
    assert_true(cut > 0);
}

/* Of each head the plain V-trace of its own rewards; advantages add up. */
static void each_head_has_its_own_targets_and_advantages_add_up(void **state)
{
    static float target[ROWS], advantage[HEADS_MAX][ROWS];

    (void)state;
    for (int round = 0; round < 3; round++) {
        school_play(&school, school.train.update);
        school_step(&school);
    }
    const struct train *t = &school.train;
    const struct batch *b = &t->batch;
    double paid[HEADS_MAX] = {0, 0};
    for (int h = 0; h < HEADS_MAX; h++) {
        const struct vtrace_rows in = {.reward = b->stream[h].reward,
                                       .value = t->heads.head[h].value,
                                       .log_ratio = t->log_ratio,
                                       .flags = b->flags,
                                       .final_value = b->stream[h].final_value,
                                       .last = b->stream[h].last_value};
        vtrace_targets(target, advantage[h], &in, T, E, &t->heads.head[h].vtrace);
        assert_memory_equal(target, t->heads.head[h].target, sizeof(target));
        for (int i = 0; i < ROWS; i++) {
            paid[h] += fabs((double)b->stream[h].reward[i]);
        }
    }
    // The sums went through the moments that were, which are gone; the ratio is one for all.
    const double scale =
        ((double)advantage[0][0] + (double)advantage[1][0]) / (double)t->advantage[0];
    for (int i = 0; i < ROWS; i++) {
        assert_float_equal((double)t->advantage[i] * scale,
                           (double)advantage[0][i] + (double)advantage[1][i], 1e-4);
    }
    assert_true(paid[0] > 0 && paid[1] > 0);
    // What was paid: the game's 50 scaled to 2 in one, captions' novelty in the other.
    for (int i = 0; i < ROWS; i++) {
        const float game = b->stream[0].reward[i], other = b->stream[1].reward[i];
        assert_true(game == 0 || game == 2);
        assert_true(other >= 0 && other <= 1);
    }
}

static void tune_rnd(struct learner_options *o)
{
    tune(o);
    text_format(o->reward, sizeof(o->reward), "rnd");
}

/* What a screen is worth to rnd does not end with the episode; what the game pays does. */
static void the_return_of_rnd_alone_goes_on_over_ends_of_episodes(void **state)
{
    static float target[ROWS], advantage[ROWS];
    struct school_plan seen = plan;
    int ends = 0;

    (void)state;
    school_close(&school);
    seen.tune = tune_rnd;
    school_open(&school, &seen, 1);
    for (int round = 0; round < 3; round++) {
        school_play(&school, school.train.update);
        school_step(&school);
    }
    const struct train *t = &school.train;
    const struct batch *b = &t->batch;
    for (int i = 0; i < ROWS; i++) {
        ends += (b->flags[i] & SEGMENT_TERMINATED) != 0;
    }
    assert_true(ends > 0);
    for (int h = 0; h < HEADS_MAX; h++) {
        const struct vtrace_options o = {.gamma = (float)t->options.gamma,
                                         .endless = h == 1};
        const struct vtrace_rows in = {.reward = b->stream[h].reward,
                                       .value = t->heads.head[h].value,
                                       .log_ratio = t->log_ratio,
                                       .flags = b->flags,
                                       .final_value = b->stream[h].final_value,
                                       .last = b->stream[h].last_value};
        vtrace_targets(target, advantage, &in, T, E, &o);
        assert_memory_equal(target, t->heads.head[h].target, sizeof(target));
    }
}

static void moments_follow_each_head_and_outputs_stay(void **state)
{
    (void)state;
    for (int round = 0; round < 6; round++) {
        school_play(&school, 0);
        school_step(&school);
    }
    const struct heads *h = &school.train.heads;
    assert_true(fabs(h->head[0].moments.mean - h->head[1].moments.mean) > 1e-3);
    assert_true(h->head[0].moments.scale != h->head[1].moments.scale);
    assert_float_equal(heads_scale(h),
                       hypot(h->head[0].moments.scale, h->head[1].moments.scale),
                       1e-12);
}

static void it_resumes_bit_for_bit(void **state)
{
    uint64_t want[6];
    struct moments second;

    (void)state;
    for (int i = 0; i < 6; i++) {
        school_play(&school, 0);
    }
    for (int i = 0; i < 6; i++) {
        if (i == 3) {
            assert_int_equal(train_checkpoint(&school.train), ST_OK);
        }
        school_step(&school);
        want[i] = train_digest(&school.train);
    }
    second = heads_moments(&school.train.heads, 1);
    school_close(&school);
    school_open(&school, &plan, 1);
    struct checkpoint_manifest m;
    char path[600];
    assert_int_equal(checkpoint_find(dir, true, &m, path, sizeof(path)), ST_OK);
    assert_int_equal(m.value_heads, 2);
    assert_int_equal(train_load(&school.train, &m, path), ST_OK);
    for (int i = 3; i < 6; i++) {
        school_step(&school);
        assert_int_equal(train_digest(&school.train), want[i]);
    }
    assert_memory_equal(&school.train.heads.head[1].moments, &second, sizeof(second));
}

static void tune_replay(struct learner_options *o)
{
    tune(o);
    o->replay_ratio = 0.25;
    text_format(o->replay_mode, sizeof(o->replay_mode), "uniform");
}

static void both_heads_learn_from_what_is_replayed_but_its_first_steps(void **state)
{
    struct school_plan replays = plan;
    int with[HEADS_MAX] = {0}, fresh = 0, replayed = 0;

    (void)state;
    school_close(&school);
    replays.tune = tune_replay;
    school_open(&school, &replays, 1);
    for (int round = 0; round < 3; round++) {
        school_play(&school, school.train.update);
        school_step(&school);
    }
    const struct batch *b = &school.train.batch;
    for (int i = 0; i < b->rows; i++) {
        fresh += b->part[i] == LOSS_FRESH;
        replayed += b->part[i] == LOSS_REPLAYED;
        for (int h = 0; h < HEADS_MAX; h++) {
            const float d = school.train.heads.head[h].dvalue[i];
            assert_true(b->part[i] != LOSS_NONE || d == 0);
            with[h] += b->part[i] == LOSS_REPLAYED && d != 0;
        }
    }
    assert_int_equal(fresh, ROWS);
    assert_true(replayed > 0 && with[0] == replayed && with[1] == replayed);
}

static void tune_one(struct learner_options *o)
{
    tune(o);
    o->value_heads = 1;
}

static void a_segment_of_the_other_number_of_heads_is_dropped(void **state)
{
    struct school_plan one = plan;
    static char frame[1 << 20];
    struct replay_view *view;
    struct bytes b;

    (void)state;
    school_play(&school, 0);
    assert_int_equal(replay_view_open(school.replay, &view), ST_OK);
    assert_int_equal(replay_view_segment(view, 1, &b), ST_OK);
    assert_true(b.len <= sizeof(frame));
    memcpy(frame, b.data, b.len);
    const size_t len = b.len;
    replay_view_close(view);
    school_close(&school);
    harness_remove_dir(dir);
    strcpy(dir, harness_make_dir());
    one.tune = tune_one;
    school_open(&school, &one, 1);
    school_put_frame(&school, bytes_of(frame, len));
    school_step(&school);
    assert_int_equal(school.train.update, 0);
    assert_int_equal(school.dropped, 1);
}

#define AT_SCHOOL(test) cmocka_unit_test_setup_teardown(test, open_school, close_school)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_SCHOOL(both_values_of_the_actor_are_the_learners),
        AT_SCHOOL(each_head_has_its_own_targets_and_advantages_add_up),
        AT_SCHOOL(the_return_of_rnd_alone_goes_on_over_ends_of_episodes),
        AT_SCHOOL(moments_follow_each_head_and_outputs_stay),
        AT_SCHOOL(it_resumes_bit_for_bit),
        AT_SCHOOL(both_heads_learn_from_what_is_replayed_but_its_first_steps),
        AT_SCHOOL(a_segment_of_the_other_number_of_heads_is_dropped),
    };
    return cmocka_run_group_tests_name("heads", tests, NULL, NULL);
}
