/* When fitting the reward's model rests, and by what. */

#include "tests/support/pupil.h"

#include <math.h>

static void fitting_rests_when_nothing_gets_better_and_wakes_by_labels(void **state)
{
    struct pupil t;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_RATE), ST_OK);
    assert_int_equal(pupil_go_on(&t, 50, 4), ST_OK);
    for (int u = 0; u < 20000 && !t.figures.resting; u++) {
        assert_int_equal(pupil_go_on(&t, 1, 0), ST_OK);
    }
    assert_true(t.figures.resting);
    const uint64_t steps = t.figures.steps;
    assert_int_equal(pupil_go_on(&t, 20, 0), ST_OK);
    assert_int_equal(t.figures.steps, steps);
    pupil_rate(&t, 3000, 1.0F); // as the model thinks: one is too few to wake it
    assert_int_equal(pupil_go_on(&t, 4, 0), ST_OK);
    assert_int_equal(t.figures.steps, steps);
    pupil_rate(&t, 3004, 0.0F); // and this one it has wrong
    assert_int_equal(pupil_go_on(&t, 4, 0), ST_OK);
    assert_int_equal(t.figures.steps, steps + 4 * 4);
    model_close(t.model);
}

/* Labels that come one at a time, so that versions are made, and are good, long before 16
 * of them are held out: what was learnt by heart says nothing of what was not. */
static void fitting_rests_by_what_is_held_out_once_enough_is(void **state)
{
    struct pupil t;
    uint64_t version = 0;
    double best = INFINITY, by_heart = INFINITY;
    int worse = 0, seen = 0;
    bool enough = false;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_RATE), ST_OK);
    for (int i = 0; i < 12; i++) {
        pupil_rate(&t, t.said, t.said % 4 == 0 ? 1.0F : 0.0F);
        t.said++;
    }
    for (int u = 0; u < 20000 && !(enough && t.figures.resting); u++) {
        enough = t.figures.held >= MODEL_HELD_LEAST;
        assert_int_equal(pupil_go_on(&t, 1, u % 4 == 0 && !enough), ST_OK);
        if (t.figures.version == version) {
            continue;
        }
        version = t.figures.version;
        const double loss = t.figures.loss;
        if (t.figures.held < MODEL_HELD_LEAST) {
            by_heart = fmin(by_heart, loss);
            continue;
        }
        assert_int_equal(t.model->witness.adam.steps, t.figures.steps);
        worse = loss < 0.99 * best - 0.0005 ? 0 : worse + 1;
        best = worse == 0 ? loss : best;
        seen++;
        if (t.figures.resting) {
            assert_true(worse >= MODEL_PATIENCE);
        }
    }
    assert_true(t.figures.resting && t.figures.held >= MODEL_HELD_LEAST);
    assert_true(by_heart < best); // else the one bound were as good as the other
    assert_true(seen > MODEL_PATIENCE);
    model_close(t.model);
}

static void where_nothing_is_held_out_nothing_is_measured_with_it(void **state)
{
    struct fitting_options o = pupil_usual;
    struct pupil t;

    (void)state;
    o.held_out = 0;
    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_RATE), ST_OK);
    assert_int_equal(pupil_go_on(&t, 50, 4), ST_OK);
    for (int u = 0; u < 20000 && !t.figures.resting; u++) {
        assert_int_equal(pupil_go_on(&t, 1, 0), ST_OK);
    }
    assert_true(t.figures.resting && t.figures.loss < 0.01);
    assert_true(isnan(t.figures.accuracy) && isnan(t.figures.ece));
    assert_int_equal(t.model->witness.adam.steps, 0);
    model_close(t.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fitting_rests_when_nothing_gets_better_and_wakes_by_labels),
        cmocka_unit_test(fitting_rests_by_what_is_held_out_once_enough_is),
        cmocka_unit_test(where_nothing_is_held_out_nothing_is_measured_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
