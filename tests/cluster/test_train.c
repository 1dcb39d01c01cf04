/* The training thread on real segments of real games: chain and bandit, whose returns are
 * known. */

#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/support/school.h"

enum { E = 8, T = 16 };

static struct school school; // large
static char dir[512];

/* Floor to top in three steps, cut after seven: both kinds of ends in one segment. */
static const struct school_plan chain_plan = {
    .task = "chain", .overrides = "length=3,limit=7", .envs = E, .T = T, .dir = dir};

static int open_chain(void **state)
{
    (void)state;
    strcpy(dir, harness_make_dir());
    school_open(&school, &chain_plan, 1);
    return 0;
}

static int close_chain(void **state)
{
    (void)state;
    school_close(&school);
    harness_remove_dir(dir);
    return 0;
}

static uint64_t digest(void)
{
    return train_digest(&school.train);
}

static void the_ratio_is_one_on_every_row_when_there_is_no_lag(void **state)
{
    int ends = 0, carried = 0;

    (void)state;
    for (int round = 0; round < 4; round++) {
        const float mean = (float)school.train.heads.head[0].moments.mean;
        const float scale = (float)school.train.heads.head[0].moments.scale;
        school_play(&school, school.train.update);
        school_step(&school);
        const struct batch *b = &school.train.batch;
        assert_int_equal(b->rows, E * T);
        for (int i = 0; i < b->rows; i++) {
            assert_float_equal(school.train.log_ratio[i], 0, 1e-4);
            assert_float_equal(school.train.heads.head[0].value_n[i] * scale + mean,
                               b->stream[0].old_value[i],
                               1e-3 * (1 + fabs((double)b->stream[0].old_value[i])));
            ends += b->flags[i] != 0;
        }
        carried += !b->starts[0];
    }
    // It means something only if episodes ended inside and states were carried over.
    assert_true(ends > 20);
    assert_true(carried > 0);
}

static void an_end_starts_the_next_row_with_no_action_and_no_state(void **state)
{
    (void)state;
    school_play(&school, 0);
    school_step(&school);
    const struct batch *b = &school.train.batch;
    int starts = 0;
    for (int i = 0; i + E < b->rows; i++) {
        const int next = i + E;
        assert_int_equal(b->starts[next], b->flags[i] != 0);
        assert_int_equal(b->prev_action[next],
                         b->flags[i] != 0 ? POLICY_NO_ACTION : b->action[i]);
        starts += b->starts[next];
    }
    assert_true(starts > 0);
}

static void rows_see_the_caption_of_the_step_before_and_the_resets(void **state)
{
    (void)state;
    school_play(&school, 0);
    school_step(&school);
    const struct batch *b = &school.train.batch;
    const struct policy_input in = batch_piece_input(b, 0);
    for (int i = 0; i + E < b->rows; i++) {
        const struct bytes seen = in.captions[b->seen[i + E]];
        const bool same = bytes_equal(seen, b->text[b->paid_caption[i]]);
        if (b->flags[i] == 0) {
            assert_true(same);
        } else if ((b->flags[i] & SEGMENT_TERMINATED) != 0) {
            assert_false(same); // what the reset showed, not the last words
        }
    }
}

/* The last caption of an episode pays, on the step that ended it. */
static void the_terminal_caption_is_paid(void **state)
{
    int paid = 0;

    (void)state;
    school_play(&school, 0);
    school_step(&school);
    const struct batch *b = &school.train.batch;
    char top[256] = "";
    for (int i = 0; i < b->rows && top[0] == '\0'; i++) {
        if ((b->flags[i] & SEGMENT_TERMINATED) != 0) {
            const struct bytes text = b->text[b->paid_caption[i]];
            memcpy(top, text.data, text.len);
        }
    }
    assert_true(top[0] != '\0');
    school_label(&school, top, 1, 5);
    school_play(&school, 1);
    school_step(&school); // takes the label at its end
    assert_int_equal(school.verdicts_taken, 5);
    school_play(&school, 2);
    school_step(&school);
    for (int i = 0; i < b->rows; i++) {
        // a success pays 50, scaled to 2; the caption adds 1 at its first occurrence
        const bool won = (b->flags[i] & SEGMENT_TERMINATED) != 0;
        assert_float_equal(b->stream[0].reward[i], won ? 3 : 0, 1e-6);
        paid += won;
    }
    assert_true(paid > 0);
    assert_true(school.train.totals.reward.in > 0);
}

static void an_update_of_no_samples_changes_nothing(void **state)
{
    (void)state;
    school_play(&school, 0);
    school_step(&school);
    const uint64_t before = digest(), blobs = school.blobs;
    const struct moments moments = school.train.heads.head[0].moments;
    const int journals = school.journals;
    for (int i = 0; i < 3; i++) {
        school_step(&school);
    }
    assert_int_equal(school.train.update, 1);
    assert_int_equal(school.train.adam.steps, 1);
    assert_int_equal(digest(), before);
    assert_int_equal(school.blobs, blobs);
    assert_int_equal(school.journals, journals);
    assert_memory_equal(&school.train.heads.head[0].moments, &moments, sizeof(moments));
}

static void each_segment_is_trained_once_in_order(void **state)
{
    (void)state;
    school_play(&school, 0);
    school_play(&school, 0);
    school_step(&school);
    assert_int_equal(school.train.sampler.serials[0], 1);
    assert_int_equal(school.train.sampler.serials[E - 1], E);
    school_step(&school);
    assert_int_equal(school.train.sampler.serials[0], E + 1);
    school_step(&school);
    assert_int_equal(school.train.sampler.drawn, 0);
    assert_int_equal(school.trained, 2 * E);
    assert_int_equal(school.train.env_steps, 2 * E * T);
    assert_int_equal(counts_find(&school.train.sampler.counts, 1, 1)->trained, 2 * E);
    assert_int_equal(school.train.sampler.counts.cursor, 2 * E);
}

static void what_lags_too_far_is_dropped_and_counted(void **state)
{
    (void)state;
    school.train.update = 100; // as after a resume
    school_play(&school, 79);
    school_play(&school, 80);
    school_step(&school);
    assert_int_equal(school.dropped, E);
    assert_int_equal(school.trained, E);
    assert_int_equal(counts_find(&school.train.sampler.counts, 1, 1)->dropped[DROP_LAG],
                     E);
    school_step(&school);
    assert_true(school.train.totals.dropped_lag == E);
    assert_true(school.train.totals.lag[20] == E);
}

/* A disk that forgets: the store is not synced at each commit. */
static void what_the_store_damaged_is_dropped_and_counted(void **state)
{
    static uint8_t damaged[1 << 20];
    struct segment_fill fill;

    (void)state;
    school_play(&school, 0);
    rollout_segment(school.rollout, 0, &fill);
    const struct bytes frame = school_frame(&school, &fill);
    for (size_t from = FRAME_HEADER; from < frame.len; from += frame.len / 4) {
        memcpy(damaged, frame.data, frame.len);
        memset(damaged + from, 0xff, frame.len - from);
        school_put_frame(&school, bytes_of(damaged, frame.len));
    }
    school_play(&school, 0);
    for (int i = 0; i < 3; i++) {
        school_step(&school);
    }
    assert_int_equal(school.trained, 2 * E);
    assert_int_equal(school.dropped, 4);
    const struct counts_row *row = counts_find(&school.train.sampler.counts, 1, 1);
    assert_int_equal(row->dropped[DROP_CORRUPT], 4);
    assert_int_equal(row->trained, 2 * E);
}

static void segments_of_a_rolled_back_future_train_with_lag_nought(void **state)
{
    (void)state;
    school_play(&school, 9);
    school_step(&school);
    assert_int_equal(school.trained, E);
    assert_int_equal(school.train.sampler.counts.rolled_back, E);
    assert_true(school.train.totals.rolled_back == E);
    assert_true(school.train.totals.lag[0] == E);
}

/* Always down: limit * pay and then the value of the last observation. */
static void episodes_are_reported_when_their_segment_trains(void **state)
{
    (void)state;
    school_play(&school, 0);
    school_step(&school);
    const struct tallies *t = &school.train.totals;
    double ends = 0, wins = 0;
    for (int i = 0; i < school.train.batch.rows; i++) {
        ends += school.train.batch.flags[i] != 0;
        wins += (school.train.batch.flags[i] & SEGMENT_TERMINATED) != 0;
    }
    assert_true(t->episodes == ends && ends > 0);
    assert_true(t->successes == wins && wins < ends);
    assert_float_equal(t->returns, 50 * wins, 1e-9);
    assert_true(school.train.gauges.window == ends);
    assert_true(school.train.gauges.window_success == wins);
}

static void it_resumes_bit_for_bit(void **state)
{
    uint64_t want[6];

    (void)state;
    for (int i = 0; i < 6; i++) {
        school_play(&school, 0); // all from the first weights: lag is fine
    }
    school_label(&school, "You climb to the first landing.", 1, 3);
    for (int i = 0; i < 6; i++) {
        if (i == 3) {
            assert_int_equal(train_checkpoint(&school.train), ST_OK);
        }
        school_step(&school);
        want[i] = digest();
    }
    school_close(&school);
    school_open(&school, &chain_plan, 1);
    struct checkpoint_manifest m;
    char path[600];
    assert_int_equal(checkpoint_find(dir, true, &m, path, sizeof(path)), ST_OK);
    assert_int_equal(m.update, 3);
    assert_int_equal(m.cursor[0], 3 * E);
    assert_int_equal(m.ledger_serial, 3);
    assert_int_equal(train_load(&school.train, &m, path), ST_OK);
    assert_int_equal(digest(), want[2]);
    assert_int_equal(school.train.reward.table.labels, 1);
    for (int i = 3; i < 6; i++) {
        school_step(&school);
        assert_int_equal(digest(), want[i]);
        assert_int_equal(school.journal_update[i - 3], i + 1);
        assert_int_equal(school.journal_weights[i - 3], want[i]);
    }
}

/* What is left: the frame of weights, which goes away to the I/O thread. */
static void a_step_allocates_only_the_frame_it_publishes(void **state)
{
    uint64_t before = 0;

    (void)state;
    for (int i = 0; i < 30; i++) {
        school_play(&school, school.train.update);
        if (i == 10) {
            before = mem_allocations();
        }
        school_step(&school);
    }
    assert_true(mem_allocations() - before <= 20);
}

static void tune_passes(struct learner_options *o)
{
    o->passes = 2;
}

static void a_second_pass_is_an_update_but_no_fresh_steps(void **state)
{
    struct school_plan plan = chain_plan;

    (void)state;
    school_close(&school);
    plan.tune = tune_passes;
    school_open(&school, &plan, 1);
    school_play(&school, 0);
    school_step(&school);
    const uint64_t once = digest();
    school_step(&school);
    assert_int_equal(school.train.update, 2);
    assert_int_equal(school.train.env_steps, E * T);
    assert_int_equal(school.train.samples, 2 * E * T);
    assert_int_equal(school.trained, E);
    assert_int_not_equal(digest(), once);
    school_step(&school); // the next batch is empty
    assert_int_equal(school.train.update, 2);
}

static void tune_pieces(struct learner_options *o)
{
    o->micro_batch = 3 * T; // 8 sequences as 3 + 3 + 2
}

static void pieces_give_the_gradient_of_the_whole(void **state)
{
    struct school_plan plan = chain_plan;
    const struct params *p;

    (void)state;
    school_play(&school, 0);
    school_step(&school);
    p = policy_params(school.train.policy);
    float *whole = mem_new(p->floats, sizeof(float));
    memcpy(whole, p->grads, sizeof(float) * p->floats);
    school_close(&school);
    plan.tune = tune_pieces;
    school_open(&school, &plan, 1); // the same store, from its beginning
    school_step(&school);
    assert_int_equal(school.train.batch.pieces, 3);
    p = policy_params(school.train.policy);
    double most = 0;
    for (size_t i = 0; i < p->floats; i++) {
        assert_float_equal(p->grads[i], whole[i], 2e-3);
        most = fmax(most, fabs((double)whole[i]));
    }
    assert_true(most > 0.1);
    mem_free(whole);
}

static void tune_no_learning(struct learner_options *o)
{
    o->lr = 0;
    o->lr_end = 0;
}

/* With a learning rate of 0 nothing may change what the critic says in reward units,
 * however the moments move that it is normalised with. */
static void values_in_reward_units_outlive_a_move_of_the_moments(void **state)
{
    struct school_plan plan = chain_plan;

    (void)state;
    school_close(&school);
    plan.tune = tune_no_learning;
    school_open(&school, &plan, 1);
    school_play(&school, 0);
    school_play(&school, 0); // both said under mean 0 and scale 1
    school_step(&school);
    school_step(&school);
    assert_true(fabs(school.train.heads.head[0].moments.scale - 1) > 0.1);
    for (int i = 0; i < school.train.batch.rows; i++) {
        assert_float_equal(school.train.heads.head[0].value[i],
                           school.train.batch.stream[0].old_value[i], 1e-4);
        // and what it said when it acted is compared in the units of today
        assert_float_equal(school.train.heads.head[0].old_value_n[i],
                           school.train.heads.head[0].value_n[i], 1e-3);
    }
}

static void the_last_checkpoint_of_an_update_replaces_the_one_before(void **state)
{
    struct checkpoint_manifest m;
    char path[600];

    (void)state;
    school_play(&school, 0);
    school_step(&school);
    assert_int_equal(train_checkpoint(&school.train), ST_OK);
    assert_int_equal(train_checkpoint(&school.train), ST_OK);
    assert_int_equal(checkpoint_find(dir, true, &m, path, sizeof(path)), ST_OK);
    assert_int_equal(m.update, 1);
    assert_string_equal(m.net, "cells");
}

/* The store holds what came since the older of two checkpoints; its bound would force out
 * what no checkpoint has. */
static void a_checkpoint_is_made_before_the_store_is_full(void **state)
{
    struct train *t = &school.train;

    (void)state;
    t->options.store_mb = 1;
    while (t->checkpoint_update == 0) {
        assert_in_range(t->sampler.bytes, 0, (1 << 18) + (1 << 17));
        school_play(&school, t->update);
        school_step(&school);
    }
    assert_true(t->sampler.bytes > 1 << 18);
    const uint64_t first = t->checkpoint_update;
    school_play(&school, t->update);
    school_step(&school);
    assert_int_equal(t->checkpoint_update, first);
}

static void seconds_stand_still_from_the_stop_on(void **state)
{
    (void)state;
    school_play(&school, 0);
    school_step(&school);
    clock_turn_ms(&school.clock, 5000);
    assert_float_equal(train_seconds(&school.train), 5, 1e-6);
    school.train.plan.seconds_before = 7; // of earlier starts
    assert_float_equal(train_seconds(&school.train), 12, 1e-6);
    train_end(&school.train);
    clock_turn_ms(&school.clock, 3000); // actors say goodbye, the last checkpoint
    assert_float_equal(train_seconds(&school.train), 12, 1e-6);
}

#define ON_CHAIN(test) cmocka_unit_test_setup_teardown(test, open_chain, close_chain)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_CHAIN(the_ratio_is_one_on_every_row_when_there_is_no_lag),
        ON_CHAIN(an_end_starts_the_next_row_with_no_action_and_no_state),
        ON_CHAIN(rows_see_the_caption_of_the_step_before_and_the_resets),
        ON_CHAIN(the_terminal_caption_is_paid),
        ON_CHAIN(an_update_of_no_samples_changes_nothing),
        ON_CHAIN(each_segment_is_trained_once_in_order),
        ON_CHAIN(what_lags_too_far_is_dropped_and_counted),
        ON_CHAIN(what_the_store_damaged_is_dropped_and_counted),
        ON_CHAIN(segments_of_a_rolled_back_future_train_with_lag_nought),
        ON_CHAIN(episodes_are_reported_when_their_segment_trains),
        ON_CHAIN(it_resumes_bit_for_bit),
        ON_CHAIN(a_step_allocates_only_the_frame_it_publishes),
        ON_CHAIN(a_second_pass_is_an_update_but_no_fresh_steps),
        ON_CHAIN(pieces_give_the_gradient_of_the_whole),
        ON_CHAIN(values_in_reward_units_outlive_a_move_of_the_moments),
        ON_CHAIN(a_checkpoint_is_made_before_the_store_is_full),
        ON_CHAIN(seconds_stand_still_from_the_stop_on),
        ON_CHAIN(the_last_checkpoint_of_an_update_replaces_the_one_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
