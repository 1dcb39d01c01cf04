/* Replay beside fresh segments, on real segments of real games. */

#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/support/school.h"

enum { E = 8, T = 16, LOSS_STEPS = T - REPLAYING_BURN_IN };

static struct school school; // large
static char dir[512];
static const char landing[] = "You climb to the first landing.";

static void tune_labels(struct learner_options *o)
{
    o->replay_ratio = 0.25;
}

static void tune_uniform(struct learner_options *o)
{
    o->replay_ratio = 0.25;
    strcpy(o->replay_mode, "uniform");
}

static struct school_plan plan_of(void (*tune)(struct learner_options *o))
{
    return (struct school_plan){.task = "chain",
                                .overrides = "length=3,limit=7",
                                .envs = E,
                                .T = T,
                                .dir = dir,
                                .tune = tune};
}

static void open_with(void (*tune)(struct learner_options *o))
{
    const struct school_plan plan = plan_of(tune);

    school_open(&school, &plan, 1);
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, harness_make_dir());
    return 0;
}

static int close_all(void **state)
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

static const struct replay_tallies *counted(void)
{
    return &school.train.totals.replay;
}

static void round_of(uint64_t acted)
{
    school_play(&school, acted);
    school_step(&school);
}

/* What a round counted is added up in the next one. */
static void a_late_label_brings_its_window_back_beside_fresh_segments(void **state)
{
    (void)state;
    open_with(tune_labels);
    round_of(0);
    round_of(1);
    assert_int_equal(school.train.batch.B, E);
    school_label(&school, landing, 1, 1);
    round_of(2); // taken at its end: nothing is replayed yet
    assert_int_equal(school.train.batch.B, E);
    round_of(3);
    const struct batch *b = &school.train.batch;
    assert_int_equal(b->fresh, E);
    assert_int_equal(b->B, E + E / 4);
    assert_true(counted()->windows == 1);
    assert_true(counted()->window_segments == 3 * E);
    assert_true(counted()->marked == 3 * E);
    assert_true(counted()->segments == E / 4);
    for (int i = 0; i < school.train.replaying.drawn; i++) {
        assert_in_range(school.train.replaying.serials[i], 1, 3 * E);
    }
    // and now its caption pays in there
    double paid = 0;
    for (int i = E; i < b->B; i++) {
        for (int t = 0; t < T; t++) {
            const size_t row = batch_row(b, i, t);
            const bool won = (b->flags[row] & SEGMENT_TERMINATED) != 0;
            paid += won ? 0 : (double)b->stream[0].reward[row];
            assert_int_equal(b->part[row],
                             t < REPLAYING_BURN_IN ? LOSS_NONE : LOSS_REPLAYED);
        }
    }
    assert_true(paid > 0);
}

static void tune_orders(struct learner_options *o)
{
    tune_labels(o);
    strcpy(o->reward, "rank");
}

/* Whatever an order says moves scores. */
static void a_late_order_brings_back_the_window_of_what_it_is_about(void **state)
{
    (void)state;
    open_with(tune_orders);
    round_of(0);
    round_of(1);
    school_order(&school, "You have never seen this.", landing, 1);
    round_of(2);
    round_of(3);
    assert_int_equal(school.train.batch.B, E + E / 4);
    assert_true(counted()->windows == 1);
    assert_true(counted()->window_segments == 3 * E);
}

static void a_label_that_says_no_marks_nothing(void **state)
{
    (void)state;
    open_with(tune_labels);
    round_of(0);
    school_label(&school, landing, 0.2F, 1);
    round_of(1);
    round_of(2);
    round_of(3);
    assert_int_equal(school.train.reward.table.labels, 1);
    assert_true(counted()->windows == 0 && counted()->segments == 0);
}

static void replayed_segments_are_neither_fresh_nor_trained_again(void **state)
{
    (void)state;
    open_with(tune_uniform);
    for (uint64_t u = 0; u < 6; u++) {
        round_of(u);
    }
    school_step(&school); // nothing fresh, nothing replayed
    const struct train *t = &school.train;
    assert_int_equal(t->update, 6);
    assert_int_equal(t->env_steps, 6 * E * T);
    assert_int_equal(t->samples, 6 * E * T);
    assert_int_equal(school.trained, 6 * E);
    assert_int_equal(counts_find(&t->sampler.counts, 1, 1)->trained, 6 * E);
    assert_int_equal(t->sampler.counts.cursor, 6 * E);
    assert_true(t->totals.segments == 6 * E);
    assert_true(t->totals.reward.rows == 6 * E * T);
    assert_true(t->totals.replay.segments == 5 * E / 4);
    double lags = 0;
    for (int i = 0; i < TALLIES_DELAYS; i++) {
        lags += t->totals.replay.lag[i];
    }
    assert_true(lags == 5 * E / 4 && t->totals.replay.lag[0] == 0);
}

/* The policy has not moved, so what comes again was acted as it would be now. */
static void tune_still(struct learner_options *o)
{
    tune_uniform(o);
    o->lr = o->lr_end = 0;
    o->value_norm = false;
}

static void the_gradient_is_divided_by_the_rows_that_carry_loss(void **state)
{
    (void)state;
    open_with(tune_still);
    round_of(0);
    assert_true(school.train.agreed.n + school.train.agreed.replayed == E * T);
    round_of(1);
    assert_true(school.train.agreed.n == E * T);
    assert_true(school.train.agreed.replayed == E / 4 * LOSS_STEPS);
    const struct params *p = policy_params(school.train.policy);
    double squares = 0; // of the gradient, which is left as a sum
    for (size_t i = 0; i < p->floats; i++) {
        squares += (double)p->grads[i] * (double)p->grads[i];
    }
    assert_float_equal(sqrt(squares) / (E * T + E / 4 * LOSS_STEPS),
                       school.train.last.grad_norm, 1e-5);
    school_step(&school);
    assert_true(counted()->samples == E / 4 * LOSS_STEPS);
    assert_true(counted()->cut == 0);
    assert_float_equal(counted()->loss.rho, counted()->samples, 1e-3);
}

/* Advantages are made normal by fresh rows alone, which replay must not disturb. */
static void what_is_normal_is_said_by_fresh_rows_alone(void **state)
{
    double sigma[2], mean[2], explained[2];

    (void)state;
    for (int k = 0; k < 2; k++) {
        open_with(k == 0 ? tune_still : tune_uniform);
        school.train.options.lr = school.train.options.lr_end = 0;
        school.train.heads.head[0].moments.on = false;
        school.train.replaying.on = k == 0;
        round_of(0);
        round_of(1);
        assert_int_equal(school.train.batch.B, k == 0 ? E + E / 4 : E);
        sigma[k] = school.train.last.sigma;
        mean[k] = school.train.agreed.advantage;
        explained[k] = school.train.last.explained[0];
        if (k == 0) {
            school_close(&school);
            harness_remove_dir(dir);
            strcpy(dir, harness_make_dir());
        }
    }
    // sums over other rows in other places of one GEMM: equal but for rounding
    assert_float_equal(sigma[0], sigma[1], 1e-4);
    assert_float_equal(mean[0], mean[1], 1e-2);
    assert_float_equal(explained[0], explained[1], 1e-3);
}

static void segments_of_which_one_row_alone_would_speak_are_cut(void **state)
{
    static float log_ratio[(E + E / 4) * T];
    static struct tallies t;
    struct batch *b = &school.train.batch;

    (void)state;
    open_with(tune_uniform);
    round_of(0);
    round_of(1);
    for (int i = 0; i < b->rows; i++) {
        log_ratio[i] = 5; // rho is 1 there
    }
    for (int step = REPLAYING_BURN_IN; step < T; step++) {
        // (1 + 7 e^-4)^2 / (8 (1 + 7 e^-8)) = 0.16; the burn-in plays no part
        log_ratio[batch_row(b, E, step)] = step == T - 1 ? 0 : -4;
    }
    replaying_cut(&school.train.replaying, b, log_ratio, &t);
    assert_true(t.replay.cut == 1);
    for (int step = 0; step < T; step++) {
        assert_int_equal(b->part[batch_row(b, E - 1, step)], LOSS_FRESH);
        assert_int_equal(b->part[batch_row(b, E, step)], LOSS_NONE);
        assert_int_equal(b->part[batch_row(b, E + 1, step)],
                         step < REPLAYING_BURN_IN ? LOSS_NONE : LOSS_REPLAYED);
    }
    assert_true(school.train.replaying.rows == LOSS_STEPS);
    log_ratio[batch_row(b, E + 1, T - 1)] = NAN;
    replaying_cut(&school.train.replaying, b, log_ratio, &t);
    assert_true(t.replay.cut == 3); // neither a number nor a loss
}

/* Of 8 rows that carry loss 2 speak, and 3: of a quarter, and of three eighths. */
static void a_segment_is_cut_below_three_tenths_of_its_rows(void **state)
{
    static float log_ratio[(E + E / 4) * T];
    static struct tallies t;
    struct batch *b = &school.train.batch;

    (void)state;
    open_with(tune_uniform);
    round_of(0);
    round_of(1);
    assert_int_equal(LOSS_STEPS, 8);
    for (int i = 0; i < b->rows; i++) {
        log_ratio[i] = -40;
    }
    for (int step = T - 3; step < T; step++) {
        log_ratio[batch_row(b, E, step)] = step == T - 3 ? -40 : 0;
        log_ratio[batch_row(b, E + 1, step)] = 0;
    }
    replaying_cut(&school.train.replaying, b, log_ratio, &t);
    assert_true(t.replay.cut == 1);
    assert_int_equal(b->part[batch_row(b, E, T - 1)], LOSS_NONE);
    assert_int_equal(b->part[batch_row(b, E + 1, T - 1)], LOSS_REPLAYED);
}

static void what_the_store_holds_no_more_is_counted(void **state)
{
    (void)state;
    open_with(tune_uniform);
    round_of(0);
    for (int i = 0; i < E; i++) {
        school.train.replaying.windows.ring[i].serial += 1000000;
    }
    round_of(1);
    assert_int_equal(school.train.batch.B, E);
    school_step(&school);
    assert_true(counted()->gone == E / 4 && counted()->segments == 0);
}

static void replay_resumes_bit_for_bit(void **state)
{
    uint64_t want[8], serials[8][2];

    (void)state;
    open_with(tune_labels);
    for (int i = 0; i < 8; i++) {
        school_play(&school, 0); // all from the first weights
    }
    for (int i = 0; i < 8; i++) {
        if (i == 2) {
            school_label(&school, landing, 1, 3);
        }
        if (i == 4) { // some of the window has come again already
            assert_int_equal(train_checkpoint(&school.train), ST_OK);
        }
        school_step(&school);
        want[i] = digest();
        memcpy(serials[i], school.train.replaying.serials, sizeof(serials[i]));
        assert_int_equal(school.train.replaying.drawn, i < 3 ? 0 : E / 4);
    }
    school_close(&school);
    open_with(tune_labels);
    struct checkpoint_manifest m;
    char path[600];
    assert_int_equal(checkpoint_find(dir, true, &m, path, sizeof(path)), ST_OK);
    assert_int_equal(train_load(&school.train, &m, path), ST_OK);
    for (int i = 4; i < 8; i++) {
        school_step(&school);
        assert_int_equal(digest(), want[i]);
        assert_memory_equal(school.train.replaying.serials, serials[i],
                            sizeof(serials[i]));
    }
}

static void a_checkpoint_of_no_replay_begins_with_nothing_to_replay(void **state)
{
    struct checkpoint_manifest m;
    char path[600];

    (void)state;
    open_with(NULL);
    round_of(0);
    assert_int_equal(train_checkpoint(&school.train), ST_OK);
    school_close(&school);
    open_with(tune_uniform);
    assert_int_equal(checkpoint_find(dir, true, &m, path, sizeof(path)), ST_OK);
    assert_int_equal(train_load(&school.train, &m, path), ST_OK);
    round_of(1);
    assert_int_equal(school.train.batch.B, E);
    round_of(2);
    assert_int_equal(school.train.batch.B, E + E / 4);
}

static void tune_ratio(struct learner_options *o)
{
    tune_uniform(o);
    o->replay_ratio = 0.2; // 1.6 of 8
}

static void a_ratio_is_kept_over_updates(void **state)
{
    struct replaying *r = &school.train.replaying;
    char *data;
    size_t len;

    (void)state;
    open_with(tune_ratio);
    round_of(0);
    const double credit = r->credit;
    assert_true(credit > 0.5 && credit < 1);
    replaying_write(r, &data, &len);
    r->credit = 0;
    assert_int_equal(replaying_read(r, bytes_of(data, len)), ST_OK);
    assert_true(r->credit == credit);
    mem_free(data);
    for (uint64_t u = 1; u <= 20; u++) {
        round_of(u);
    }
    school_step(&school);
    assert_in_range((int)counted()->segments, 32, 33);
}

static void tune_passes(struct learner_options *o)
{
    tune_uniform(o);
    o->passes = 3;
}

/* What clips is the ratio to the batch's first pass: nothing in that pass, however old the
 * segment. */
static void later_passes_keep_near_the_first_one(void **state)
{
    (void)state;
    open_with(tune_passes);
    school_play(&school, 0);
    school_play(&school, 0);
    for (int i = 0; i < 3; i++) {
        school_step(&school);
    }
    assert_true(school.train.mine.replay.loss.clipped == 0);
    school_step(&school);
    const struct batch *b = &school.train.batch;
    const int drawn = school.train.replaying.drawn;
    float *first = mem_new((size_t)b->rows, sizeof(float));
    memcpy(first, school.train.replaying.prox, sizeof(float) * (size_t)b->rows);
    assert_int_equal(drawn, E / 4);
    assert_true(school.train.mine.replay.loss.clipped == 0);
    school_step(&school);
    school_step(&school);
    assert_memory_equal(first, school.train.replaying.prox,
                        sizeof(float) * (size_t)b->rows);
    double moved = 0;
    for (int i = 0; i < b->rows; i++) {
        moved = fmax(moved, fabs((double)(school.train.log_ratio[i] - first[i])));
    }
    assert_true(moved > 1e-4);
    assert_int_equal(school.train.env_steps, 2 * E * T);
    mem_free(first);
}

static void tune_pieces(struct learner_options *o)
{
    tune_uniform(o);
    o->micro_batch = 3 * T; // 10 sequences as 3 + 3 + 3 + 1
}

static void pieces_give_the_gradient_of_the_whole(void **state)
{
    const struct params *p;

    (void)state;
    open_with(tune_uniform);
    round_of(0);
    round_of(0);
    p = policy_params(school.train.policy);
    float *whole = mem_new(p->floats, sizeof(float));
    memcpy(whole, p->grads, sizeof(float) * p->floats);
    const double n = school.train.agreed.replayed;
    school_close(&school);
    open_with(tune_pieces); // the same store, from its beginning
    school_step(&school);
    school_step(&school);
    assert_int_equal(school.train.batch.pieces, 4);
    assert_true(school.train.agreed.replayed == n && n > 0);
    p = policy_params(school.train.policy);
    double most = 0;
    for (size_t i = 0; i < p->floats; i++) {
        assert_float_equal(p->grads[i], whole[i], 5e-3);
        most = fmax(most, fabs((double)whole[i]));
    }
    assert_true(most > 0.1);
    mem_free(whole);
}

static void steps_with_replay_allocate_no_more_than_without(void **state)
{
    uint64_t before = 0;

    (void)state;
    open_with(tune_uniform);
    for (int i = 0; i < 30; i++) {
        school_play(&school, school.train.update);
        if (i == 10) {
            before = mem_allocations();
        }
        school_step(&school);
    }
    assert_true(mem_allocations() - before <= 20);
}

static void refused(const char *loss, bool labelled, int64_t steps, const char *mode,
                    const char *why)
{
    static struct learner_options o;

    option_defaults(learner_option_table, &o);
    o.replay_ratio = 0.1;
    strcpy(o.loss, loss);
    strcpy(o.reward, labelled ? "retrieval" : "count");
    strcpy(o.replay_mode, mode);
    o.segment_steps = steps;
    harness_stderr_begin();
    const enum status st = train_check(&o, 1); // what a start asks first
    const char *said = harness_stderr_end();
    assert_int_equal(st, why == NULL ? ST_OK : ST_INVALID);
    assert_true(why == NULL ? said[0] == '\0' : strstr(said, why) != NULL);
}

static void what_does_not_go_with_replay_is_refused_by_name(void **state)
{
    (void)state;
    refused("oni", true, 32, "labels", "--loss=oni");
    refused("ppo", true, 8, "labels", "--segment-steps above 8, not 8");
    refused("ppo", false, 32, "labels", "--reward=count asks for no labels");
    refused("ppo", false, 32, "uniform", NULL);
    refused("vtrace", true, 16, "labels", NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_late_label_brings_its_window_back_beside_fresh_segments),
        TEST(a_late_order_brings_back_the_window_of_what_it_is_about),
        TEST(a_label_that_says_no_marks_nothing),
        TEST(replayed_segments_are_neither_fresh_nor_trained_again),
        TEST(the_gradient_is_divided_by_the_rows_that_carry_loss),
        TEST(what_is_normal_is_said_by_fresh_rows_alone),
        TEST(segments_of_which_one_row_alone_would_speak_are_cut),
        TEST(a_segment_is_cut_below_three_tenths_of_its_rows),
        TEST(what_the_store_holds_no_more_is_counted),
        TEST(replay_resumes_bit_for_bit),
        TEST(a_checkpoint_of_no_replay_begins_with_nothing_to_replay),
        TEST(a_ratio_is_kept_over_updates),
        TEST(later_passes_keep_near_the_first_one),
        TEST(pieces_give_the_gradient_of_the_whole),
        TEST(steps_with_replay_allocate_no_more_than_without),
        cmocka_unit_test(what_does_not_go_with_replay_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
