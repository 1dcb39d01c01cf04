/* A model of the reward that is fitted while labels come: captions of which those that
 * speak of a key are helpful. */

#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "learner/reward/model_impl.h"
#include "tests/support/ranks_twin.h"

enum { TEXTS = 64, R = 2 };

static const struct fitting_options usual = {.text_net = "ngram",
                                             .lr = 0.003,
                                             .steps = 4,
                                             .batch = 32,
                                             .version_updates = 4,
                                             .gate_labels = 64,
                                             .gate_class = 8,
                                             .gate_steps = 40,
                                             .ramp_updates = 5,
                                             .held_out = 0.2,
                                             .balance = 0.25,
                                             .seed = 3};
static const struct reward_peers nobody = {.count = 1};

struct taught {
    struct fitting_figures figures;
    struct model *model;
    uint64_t update;
    int said; // captions labelled so far
};

static float worth(const void *ctx, float value)
{
    (void)ctx;
    return value;
}

static enum status begin(struct taught *t, const struct fitting_options *o,
                         const struct reward_peers *peers, enum capnet_head head)
{
    *t = (struct taught){.update = 0};
    const struct model_plan plan = {.options = o,
                                    .peers = peers,
                                    .head = head,
                                    .most_texts = TEXTS,
                                    .figures = &t->figures,
                                    .worth = worth};
    return model_open(&plan, &t->model);
}

/* Caption i: one in four speaks of a key. */
static void caption_of(int i, char *out, size_t size)
{
    static const char *const key[] = {"You see a %s key.", "There is a key of %s here.",
                                      "A %s key lies there."};
    static const char *const other[] = {"The %s rat bites!", "You hear a %s sound.",
                                        "A %s door."};
    char word[8];

    text_format(word, sizeof(word), "%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26,
                'a' + i / 676);
    const char *form = i % 4 == 0 ? key[i % 3] : other[i % 3];
    const char *at = strstr(form, "%s");
    text_format(out, size, "%.*s%s%s", (int)(at - form), form, word, at + 2);
}

static void rate(struct taught *t, int i, float p)
{
    char text[64];

    caption_of(i, text, sizeof(text));
    const struct reward_label label = {.key = hash_128(bytes_text(text)),
                                       .kind = VERDICT_LABEL,
                                       .captions = 1,
                                       .p = p};
    model_take_text(t->model, label.key, bytes_text(text));
    model_take_label(t->model, &label);
}

/* Captions i and j, of which the one that speaks of a key is better. */
static void order(struct taught *t, int i, int j)
{
    struct reward_label label = {.key = {(uint64_t)i, (uint64_t)j},
                                 .kind = (i % 4 == 0) == (j % 4 == 0) ? VERDICT_TIE
                                                                      : VERDICT_LABEL,
                                 .captions = 2};
    const int each[2] = {i, j};
    char text[64];

    for (int k = 0; k < 2; k++) {
        caption_of(each[k], text, sizeof(text));
        label.caption[k] = hash_128(bytes_text(text));
        label.place[k] = each[k] % 4 != 0;
        model_take_text(t->model, label.caption[k], bytes_text(text));
    }
    model_take_label(t->model, &label);
}

static enum status go_on(struct taught *t, int updates, int labels_each)
{
    for (int u = 0; u < updates; u++, t->update++) {
        for (int i = 0; i < labels_each; i++, t->said++) {
            rate(t, t->said, t->said % 4 == 0 ? 1.0F : 0.0F);
        }
        TRY(model_fit(t->model, t->update));
    }
    return ST_OK;
}

static float say(struct taught *t, const char *text)
{
    const struct bytes b = bytes_text(text);
    const struct hash128 key = hash_128(b);
    struct fitting_scored scored[1];
    float out;

    model_say(t->model, &out, &b, &key, 1, scored);
    return out;
}

static void it_learns_to_tell_what_it_has_never_seen(void **state)
{
    struct taught t;

    (void)state;
    assert_int_equal(begin(&t, &usual, &nobody, CAPNET_RATE), ST_OK);
    assert_int_equal(go_on(&t, 120, 4), ST_OK);
    assert_true(say(&t, "You see a qqz key.") > 0.9F);
    assert_true(say(&t, "The qqz rat bites!") < 0.1F);
    assert_true(t.figures.held > 40);
    assert_true(t.figures.recall > 0.95 && t.figures.precision > 0.95);
    assert_true(t.figures.ece < 0.1 && t.figures.accuracy > 0.95);
    assert_true(t.figures.fresh > 200);
    assert_true((double)t.figures.agreed > 0.95 * (double)t.figures.fresh);
    assert_true(t.figures.drift >= 0 && t.figures.drift < 0.2);
    model_close(t.model);
}

static void it_learns_orders(void **state)
{
    struct fitting_options o = usual;
    struct taught t;

    (void)state;
    o.version_updates = 4;
    assert_int_equal(begin(&t, &o, &nobody, CAPNET_SCORE), ST_OK);
    for (int u = 0; u < 120; u++) {
        for (int i = 0; i < 4; i++) {
            order(&t, 7 * u + i, 11 * u + 3 * i + 1);
        }
        assert_int_equal(model_fit(t.model, (uint64_t)u), ST_OK);
    }
    assert_true(say(&t, "You see a qqz key.") > say(&t, "The qqz rat bites!") + 1);
    assert_true(t.figures.accuracy > 0.9);
    assert_true(isnan(t.figures.recall));
    model_close(t.model);
}

static void the_gate_opens_when_labels_classes_and_steps_suffice(void **state)
{
    struct fitting_options o = usual;
    struct taught t;

    (void)state;
    o.gate_steps = 100;
    assert_int_equal(begin(&t, &o, &nobody, CAPNET_RATE), ST_OK);
    assert_int_equal(go_on(&t, 15, 4), ST_OK); // 60 labels
    assert_int_equal(go_on(&t, 40, 0), ST_OK);
    assert_true(t.figures.steps > 100 && t.figures.version > 0);
    assert_false(t.figures.open);
    assert_true(model_ramp(t.model) <= 0);
    assert_int_equal(go_on(&t, 1, 4), ST_OK);
    assert_int_equal(t.figures.labels, 64);
    assert_int_equal(go_on(&t, 40, 0), ST_OK);
    assert_true(t.figures.open);
    model_close(t.model);

    assert_int_equal(begin(&t, &o, &nobody, CAPNET_RATE), ST_OK);
    for (int i = 0; i < 200; i++) { // 7 are helpful
        rate(&t, 4 * i + 1, i < 7 ? 1.0F : 0.0F);
    }
    assert_int_equal(go_on(&t, 60, 0), ST_OK);
    assert_false(t.figures.open);
    rate(&t, 4 * 300, 1.0F);
    assert_int_equal(go_on(&t, 60, 0), ST_OK);
    assert_true(t.figures.open);
    model_close(t.model);
}

static void the_ramp_rises_from_the_gates_opening_and_stays(void **state)
{
    struct taught t;
    double last = 0;
    int rises = 0;

    (void)state;
    assert_int_equal(begin(&t, &usual, &nobody, CAPNET_RATE), ST_OK);
    for (int u = 0; u < 60; u++) {
        assert_int_equal(go_on(&t, 1, u < 20 ? 4 : 0), ST_OK);
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

static void versions_come_no_more_often_than_told(void **state)
{
    struct fitting_options o = usual;
    uint64_t version = 0, changed = 0;
    struct taught t;

    (void)state;
    o.version_updates = 7;
    assert_int_equal(begin(&t, &o, &nobody, CAPNET_RATE), ST_OK);
    float before = say(&t, "You see a qqz key.");
    for (int u = 0; u < 70; u++) {
        assert_int_equal(go_on(&t, 1, 4), ST_OK);
        const float now = say(&t, "You see a qqz key.");
        if (t.figures.version != version) {
            assert_true(version == 0 || (uint64_t)u - changed >= 7);
            changed = (uint64_t)u;
            version = t.figures.version;
            assert_true(now > before || now < before);
        } else {
            assert_true(now <= before && now >= before); // fitted, but not yet paid
        }
        before = now;
    }
    assert_true(version > 4);
    model_close(t.model);
}

static void fitting_rests_when_nothing_gets_better_and_wakes_by_labels(void **state)
{
    struct taught t;

    (void)state;
    assert_int_equal(begin(&t, &usual, &nobody, CAPNET_RATE), ST_OK);
    assert_int_equal(go_on(&t, 50, 4), ST_OK);
    for (int u = 0; u < 20000 && !t.figures.resting; u++) {
        assert_int_equal(go_on(&t, 1, 0), ST_OK);
    }
    assert_true(t.figures.resting);
    const uint64_t steps = t.figures.steps;
    assert_int_equal(go_on(&t, 20, 0), ST_OK);
    assert_int_equal(t.figures.steps, steps);
    rate(&t, 3000, 1.0F); // as the model thinks: one is too few to wake it
    assert_int_equal(go_on(&t, 1, 0), ST_OK);
    assert_int_equal(t.figures.steps, steps);
    rate(&t, 3004, 0.0F); // and this one it has wrong
    assert_int_equal(go_on(&t, 1, 0), ST_OK);
    assert_int_equal(t.figures.steps, steps + 4);
    model_close(t.model);
}

static void a_captions_value_does_not_depend_on_its_company(void **state)
{
    static char words[TEXTS][64];
    struct bytes text[TEXTS];
    struct hash128 key[TEXTS];
    struct fitting_scored scored[TEXTS];
    float together[TEXTS], alone, again[TEXTS];
    struct taught t;

    (void)state;
    assert_int_equal(begin(&t, &usual, &nobody, CAPNET_RATE), ST_OK);
    assert_int_equal(go_on(&t, 50, 4), ST_OK);
    for (int i = 0; i < TEXTS; i++) {
        caption_of(5 * i, words[i], sizeof(words[i]));
        text[i] = i == 3 ? bytes_of("", 0) : bytes_text(words[i]);
        key[i] = hash_128(text[i]);
    }
    assert_int_equal(model_say(t.model, together, text, key, TEXTS, scored), TEXTS - 1);
    assert_int_equal(model_say(t.model, again, text, key, TEXTS, scored), 0);
    assert_memory_equal(together, again, sizeof(again));
    assert_float_equal(together[3], 0, 0);
    for (int i = 0; i < TEXTS; i++) {
        memset(t.model->cache, 0, MODEL_CACHE * sizeof(*t.model->cache));
        model_say(t.model, &alone, &text[i], &key[i], 1, scored);
        assert_memory_equal(&alone, &together[i], sizeof(alone));
    }
    assert_int_equal(t.figures.scored, 2 * (TEXTS - 1));
    model_close(t.model);
}

/* One goes on, one is saved and loaded into a fresh one at each turn. */
static void a_resumed_fit_goes_on_as_if_nothing_had_been(void **state)
{
    struct taught whole, part;

    (void)state;
    assert_int_equal(begin(&whole, &usual, &nobody, CAPNET_RATE), ST_OK);
    assert_int_equal(begin(&part, &usual, &nobody, CAPNET_RATE), ST_OK);
    for (int turn = 0; turn < 12; turn++) {
        assert_int_equal(go_on(&whole, 9, turn < 6 ? 3 : 0), ST_OK);
        assert_int_equal(go_on(&part, 9, turn < 6 ? 3 : 0), ST_OK);
        const struct taught before = part;
        char *data;
        size_t len;
        model_save(part.model, &data, &len);
        model_close(part.model);
        assert_int_equal(begin(&part, &usual, &nobody, CAPNET_RATE), ST_OK);
        part.update = before.update;
        part.said = before.said;
        assert_int_equal(model_load(part.model, bytes_of(data, len)), ST_OK);
        mem_free(data);
        assert_int_equal(model_digest(part.model), model_digest(whole.model));
        assert_int_equal(part.figures.digest, whole.figures.digest);
        assert_int_equal(part.figures.chance, whole.figures.chance);
        assert_float_equal(model_ramp(part.model), model_ramp(whole.model), 0);
    }
    assert_true(whole.figures.open);
    model_close(whole.model);
    model_close(part.model);
}

/* ---- ranks ---- */

static enum status sum_over(void *ctx, float *v, size_t n)
{
    return ranks_sum(ctx, v, n);
}

static enum status agree_over(void *ctx, double *v, int n)
{
    return ranks_agree(ctx, v, n);
}

static struct taught half[R];

static void fit_on_rank(void *ctx, int rank)
{
    (void)ctx;
    CHECK(go_on(&half[rank], 40, 3) == ST_OK);
}

static void two_ranks_fit_like_one(void **state)
{
    struct ranks_twin *twin = ranks_twin_new(R);
    struct taught alone;

    (void)state;
    assert_int_equal(begin(&alone, &usual, &nobody, CAPNET_RATE), ST_OK);
    for (int i = 0; i < R; i++) {
        const struct reward_peers peers = {.index = i,
                                           .count = R,
                                           .sum = sum_over,
                                           .agree = agree_over,
                                           .ctx = ranks_twin_rank(twin, i)};
        assert_int_equal(begin(&half[i], &usual, &peers, CAPNET_RATE), ST_OK);
    }
    assert_int_equal(go_on(&alone, 40, 3), ST_OK);
    ranks_twin_run(twin, fit_on_rank, NULL);
    assert_int_equal(model_digest(half[0].model), model_digest(half[1].model));
    assert_int_equal(half[0].figures.steps, alone.figures.steps);
    assert_int_equal(half[0].figures.version, alone.figures.version);
    assert_int_equal(half[0].figures.chance, alone.figures.chance);
    assert_int_equal(half[0].figures.fresh, alone.figures.fresh);
    assert_float_equal(half[0].figures.loss, alone.figures.loss,
                       0.02 * alone.figures.loss + 1e-3);
    const struct params *one = capnet_params(alone.model->fit.net);
    const struct params *two = capnet_params(half[0].model->fit.net);
    double apart = 0;
    for (size_t i = 0; i < one->floats; i++) {
        apart = fmax(apart, fabs((double)one->weights[i] - (double)two->weights[i]));
    }
    assert_true(apart < 0.02); // Adam turns rounding of a tiny gradient into steps
    model_close(alone.model);
    model_close(half[0].model);
    model_close(half[1].model);
    ranks_twin_free(twin);
}

/* ---- what is wrong ---- */

static void a_gradient_that_is_no_number_is_said_and_nothing_moves(void **state)
{
    struct taught t;

    (void)state;
    assert_int_equal(begin(&t, &usual, &nobody, CAPNET_RATE), ST_OK);
    assert_int_equal(go_on(&t, 20, 4), ST_OK);
    struct params *w = capnet_params(t.model->fit.net);
    for (size_t i = 0; i < w->floats; i++) {
        w->weights[i] = NAN;
    }
    capnet_weights_changed(t.model->fit.net);
    harness_stderr_begin();
    assert_int_equal(go_on(&t, 1, 0), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "REWARD-NAN"));
    model_close(t.model);
}

static void a_checkpoint_with_what_is_no_number_is_refused(void **state)
{
    struct taught t;
    char *data;
    size_t len;

    (void)state;
    assert_int_equal(begin(&t, &usual, &nobody, CAPNET_RATE), ST_OK);
    assert_int_equal(go_on(&t, 20, 4), ST_OK);
    t.model->fit.adam.second[5] = NAN;
    model_save(t.model, &data, &len);
    harness_stderr_begin();
    assert_int_equal(model_load(t.model, bytes_of(data, len)), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "REWARD-NAN"));
    harness_stderr_begin();
    assert_int_equal(model_load(t.model, bytes_of(data, 100)), ST_CORRUPT);
    assert_int_equal(model_load(t.model, bytes_of(data, 5000)), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "REWARD-MODEL"));
    model_close(t.model);
    assert_int_equal(begin(&t, &usual, &nobody, CAPNET_SCORE), ST_OK);
    harness_stderr_begin();
    assert_int_equal(model_load(t.model, bytes_of(data, len)), ST_VERSION);
    assert_non_null(strstr(harness_stderr_end(), "another shape"));
    mem_free(data);
    model_close(t.model);
}

static void a_label_budget_below_the_gate_is_refused(void **state)
{
    struct fitting_options o = usual;
    struct taught t;

    (void)state;
    o.label_budget = 63;
    harness_stderr_begin();
    assert_int_equal(begin(&t, &o, &nobody, CAPNET_RATE), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "a label budget of 63"));
    o.labels_come = true; // from another run's ledger
    assert_int_equal(begin(&t, &o, &nobody, CAPNET_RATE), ST_OK);
    model_close(t.model);
}

static void labels_of_one_class_are_said_once(void **state)
{
    struct fitting_options o = usual;
    struct taught t;

    (void)state;
    o.label_budget = 100;
    assert_int_equal(begin(&t, &o, &nobody, CAPNET_RATE), ST_OK);
    harness_stderr_begin();
    for (int i = 0; i < 100; i++) {
        rate(&t, i, 0.0F);
    }
    assert_int_equal(go_on(&t, 40, 0), ST_OK);
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
    struct fitting_options o = usual;
    struct taught t;

    (void)state;
    o.gate_labels = o.gate_class = o.gate_steps = o.ramp_updates = 0;
    assert_int_equal(begin(&t, &o, &nobody, CAPNET_SCORE), ST_OK);
    assert_true(t.figures.open && t.figures.version == 0);
    assert_float_equal(model_ramp(t.model), 1, 0);
    const float gold = say(&t, "You see a qqz key."),
                rat = say(&t, "The qqz rat bites!");
    assert_true(gold < rat || gold > rat);
    assert_int_equal(go_on(&t, 3, 0), ST_OK); // no label comes
    assert_float_equal(say(&t, "You see a qqz key."), gold, 0);
    assert_float_equal(model_ramp(t.model), 1, 0);
    model_close(t.model);
    // one of the three is enough of a gate
    o.gate_labels = 1;
    assert_int_equal(begin(&t, &o, &nobody, CAPNET_SCORE), ST_OK);
    assert_false(t.figures.open);
    model_close(t.model);
}

static void the_reference_fits_in_bursts_as_labels_come(void **state)
{
    struct fitting_options o = usual;
    struct taught t;

    (void)state;
    o.bursts = true;
    o.version_updates = 1;
    assert_int_equal(begin(&t, &o, &nobody, CAPNET_RATE), ST_OK);
    for (int u = 0; u < 12; u++) {
        const bool comes = u % 3 == 0;
        assert_int_equal(go_on(&t, 1, comes ? 2 : 0), ST_OK);
        assert_int_equal(t.figures.update_steps, comes ? FITTING_BURST : 0);
    }
    assert_int_equal(t.figures.steps, 4 * FITTING_BURST);
    assert_false(t.figures.resting);
    for (uint64_t n = t.figures.labels; n < FITTING_BURST_LABELS - 1; n++, t.said++) {
        rate(&t, t.said, 0);
    }
    assert_int_equal(go_on(&t, 1, 0), ST_OK); // these came
    assert_int_equal(t.figures.update_steps, FITTING_BURST);
    assert_int_equal(go_on(&t, 1, 0), ST_OK);
    assert_int_equal(t.figures.update_steps, 0);
    assert_int_equal(go_on(&t, 1, 1), ST_OK);
    assert_int_equal(t.figures.labels, FITTING_BURST_LABELS);
    assert_int_equal(t.figures.update_steps, 1);
    assert_int_equal(go_on(&t, 3, 0), ST_OK);
    assert_int_equal(t.figures.update_steps, 1);
    model_close(t.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns_to_tell_what_it_has_never_seen),
        cmocka_unit_test(it_learns_orders),
        cmocka_unit_test(the_gate_opens_when_labels_classes_and_steps_suffice),
        cmocka_unit_test(the_ramp_rises_from_the_gates_opening_and_stays),
        cmocka_unit_test(versions_come_no_more_often_than_told),
        cmocka_unit_test(fitting_rests_when_nothing_gets_better_and_wakes_by_labels),
        cmocka_unit_test(a_captions_value_does_not_depend_on_its_company),
        cmocka_unit_test(a_resumed_fit_goes_on_as_if_nothing_had_been),
        cmocka_unit_test(two_ranks_fit_like_one),
        cmocka_unit_test(a_gradient_that_is_no_number_is_said_and_nothing_moves),
        cmocka_unit_test(a_checkpoint_with_what_is_no_number_is_refused),
        cmocka_unit_test(a_label_budget_below_the_gate_is_refused),
        cmocka_unit_test(labels_of_one_class_are_said_once),
        cmocka_unit_test(without_a_gate_chance_pays_from_the_first_step),
        cmocka_unit_test(the_reference_fits_in_bursts_as_labels_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
