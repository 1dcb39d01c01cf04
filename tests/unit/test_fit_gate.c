/* When the reward's model begins to pay, and what it is refused for. */

#include "tests/support/pupil.h"

#include <string.h>

static void the_gate_opens_when_labels_classes_and_steps_suffice(void **state)
{
    struct fitting_options o = pupil_usual;
    struct pupil t;

    (void)state;
    o.gate_steps = 100;
    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_RATE), ST_OK);
    assert_int_equal(pupil_go_on(&t, 15, 4), ST_OK); // 60 labels
    assert_int_equal(pupil_go_on(&t, 40, 0), ST_OK);
    assert_true(t.figures.steps > 100 && t.figures.version > 0);
    assert_false(t.figures.open);
    assert_true(model_ramp(t.model) <= 0);
    assert_int_equal(pupil_go_on(&t, 1, 4), ST_OK);
    assert_int_equal(t.figures.labels, 64);
    assert_int_equal(pupil_go_on(&t, 40, 0), ST_OK);
    assert_true(t.figures.open);
    model_close(t.model);

    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_RATE), ST_OK);
    for (int i = 0; i < 200; i++) { // 7 are helpful
        pupil_rate(&t, 4 * i + 1, i < 7 ? 1.0F : 0.0F);
    }
    assert_int_equal(pupil_go_on(&t, 60, 0), ST_OK);
    assert_false(t.figures.open);
    pupil_rate(&t, 4 * 300, 1.0F);
    assert_int_equal(pupil_go_on(&t, 60, 0), ST_OK);
    assert_true(t.figures.open);
    model_close(t.model);
}

/* Few are helpful, so that the label that the gate waits for is neither a 64th of all nor,
 * being wrong, a 256th: alone it would not wake a fit. */
static void a_gate_whose_last_label_comes_while_fitting_rests_opens(void **state)
{
    struct pupil t;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_RATE), ST_OK);
    for (int i = 0; i < 600; i++) { // 7 are helpful
        pupil_rate(&t, i < 7 ? 4 * i : 4 * i + 1, i < 7 ? 1.0F : 0.0F);
    }
    for (int u = 0; u < 20000 && !t.figures.resting; u++) {
        assert_int_equal(pupil_go_on(&t, 1, 0), ST_OK);
    }
    assert_true(t.figures.resting);
    assert_false(t.figures.open);
    pupil_rate(&t, 4 * 700 + 1, 0.0F); // says nothing that the gate waits for
    assert_int_equal(pupil_go_on(&t, 20, 0), ST_OK);
    assert_true(t.figures.resting);
    pupil_rate(&t, 4 * 700, 1.0F);
    assert_int_equal(pupil_go_on(&t, 20, 0), ST_OK);
    assert_true(t.figures.open);
    model_close(t.model);
}

static void the_ramp_rises_from_the_gates_opening_and_stays(void **state)
{
    struct pupil t;
    double last = 0;
    int rises = 0;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_RATE), ST_OK);
    for (int u = 0; u < 60; u++) {
        assert_int_equal(pupil_go_on(&t, 1, u < 20 ? 4 : 0), ST_OK);
        const double ramp = model_ramp(t.model);
        assert_true(ramp >= last && ramp <= 1);
        if (ramp > last) {
            assert_float_equal(ramp - last, 0.2, 1e-6);
            rises++;
        }
        last = ramp;
    }
    assert_int_equal(rises, 5);
    assert_float_equal(last, 1, 0);
    model_close(t.model);
}

static void a_label_budget_below_the_gate_is_refused(void **state)
{
    struct fitting_options o = pupil_usual;
    struct pupil t;

    (void)state;
    o.label_budget = 63;
    harness_stderr_begin();
    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_RATE), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "a label budget of 63"));
    o.labels_come = true; // from another run's ledger
    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_RATE), ST_OK);
    model_close(t.model);
}

/* Whatever the gate: with fewer labels than a fit begins with chance would pay, or nothing. */
static void a_label_budget_below_what_a_fit_needs_is_refused(void **state)
{
    struct fitting_options o = pupil_usual;
    struct pupil t;

    (void)state;
    o.label_budget = MODEL_LABELS_LEAST - 1;
    o.gate_labels = 4;
    o.gate_class = 1;
    harness_stderr_begin();
    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_RATE), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "a label budget of 15"));
    o.gate_labels = o.gate_class = o.gate_steps = 0;
    harness_stderr_begin();
    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_SCORE), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "a fit begins with 16 labels"));
    o.bursts = true; // begins with the first
    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_SCORE), ST_OK);
    model_close(t.model);
    o.bursts = false;
    o.label_budget = MODEL_LABELS_LEAST;
    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_RATE), ST_OK);
    model_close(t.model);
}

static void labels_of_one_class_are_said_once(void **state)
{
    struct fitting_options o = pupil_usual;
    struct pupil t;

    (void)state;
    o.label_budget = 100;
    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_RATE), ST_OK);
    harness_stderr_begin();
    for (int i = 0; i < 100; i++) {
        pupil_rate(&t, i, 0.0F);
    }
    assert_int_equal(pupil_go_on(&t, 40, 0), ST_OK);
    const char *said = harness_stderr_end();
    const char *line = strstr(said, "REWARD-GATE");
    assert_non_null(line);
    assert_non_null(strstr(line, "100 labels, of which 0 are helpful"));
    assert_null(strstr(line + 1, "REWARD-GATE"));
    assert_false(t.figures.open);
    model_close(t.model);
}

static void without_a_gate_chance_pays_from_the_first_step(void **state)
{
    struct fitting_options o = pupil_usual;
    struct pupil t;

    (void)state;
    o.gate_labels = o.gate_class = o.gate_steps = o.ramp_updates = 0;
    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_SCORE), ST_OK);
    assert_true(t.figures.open && t.figures.version == 0);
    assert_float_equal(model_ramp(t.model), 1, 0);
    const float gold = pupil_say(&t, "You see a qqz key."),
                rat = pupil_say(&t, "The qqz rat bites!");
    assert_true(gold < rat || gold > rat);
    assert_int_equal(pupil_go_on(&t, 3, 0), ST_OK); // no label comes
    assert_float_equal(pupil_say(&t, "You see a qqz key."), gold, 0);
    assert_float_equal(model_ramp(t.model), 1, 0);
    model_close(t.model);
    // one of the three is enough of a gate
    o.gate_labels = 1;
    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_SCORE), ST_OK);
    assert_false(t.figures.open);
    model_close(t.model);
}

/* However far apart its versions are: its schedule knows no steps that are taken together. */
static void fit_in_bursts(int64_t version_updates)
{
    struct fitting_options o = pupil_usual;
    struct pupil t;

    o.bursts = true;
    o.version_updates = version_updates;
    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_RATE), ST_OK);
    for (int u = 0; u < 12; u++) {
        const bool comes = u % 3 == 0;
        assert_int_equal(pupil_go_on(&t, 1, comes ? 2 : 0), ST_OK);
        assert_int_equal(t.figures.update_steps, comes ? FITTING_BURST : 0);
    }
    assert_int_equal(t.figures.steps, 4 * FITTING_BURST);
    assert_false(t.figures.resting);
    for (uint64_t n = t.figures.labels; n < FITTING_BURST_LABELS - 1; n++, t.said++) {
        pupil_rate(&t, t.said, 0);
    }
    assert_int_equal(pupil_go_on(&t, 1, 0), ST_OK); // these came
    assert_int_equal(t.figures.update_steps, FITTING_BURST);
    assert_int_equal(pupil_go_on(&t, 1, 0), ST_OK);
    assert_int_equal(t.figures.update_steps, 0);
    assert_int_equal(pupil_go_on(&t, 1, 1), ST_OK);
    assert_int_equal(t.figures.labels, FITTING_BURST_LABELS);
    assert_int_equal(t.figures.update_steps, 1);
    assert_int_equal(pupil_go_on(&t, 3, 0), ST_OK);
    assert_int_equal(t.figures.update_steps, 1);
    model_close(t.model);
}

static void the_reference_fits_in_bursts_as_labels_come(void **state)
{
    (void)state;
    fit_in_bursts(1);
    fit_in_bursts(16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gate_opens_when_labels_classes_and_steps_suffice),
        cmocka_unit_test(a_gate_whose_last_label_comes_while_fitting_rests_opens),
        cmocka_unit_test(the_ramp_rises_from_the_gates_opening_and_stays),
        cmocka_unit_test(a_label_budget_below_the_gate_is_refused),
        cmocka_unit_test(a_label_budget_below_what_a_fit_needs_is_refused),
        cmocka_unit_test(labels_of_one_class_are_said_once),
        cmocka_unit_test(without_a_gate_chance_pays_from_the_first_step),
        cmocka_unit_test(the_reference_fits_in_bursts_as_labels_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
