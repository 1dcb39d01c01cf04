/* A model of the reward that is fitted while labels come. */

#include "tests/support/pupil.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "tests/support/ranks_twin.h"

enum { TEXTS = PUPIL_TEXTS, R = 2 };

/* Captions i and j, of which the one that speaks of a key is better. */
static void order(struct pupil *t, int i, int j)
{
    struct reward_label label = {.key = {(uint64_t)i, (uint64_t)j},
                                 .kind = (i % 4 == 0) == (j % 4 == 0) ? VERDICT_TIE
                                                                      : VERDICT_LABEL,
                                 .captions = 2};
    const int each[2] = {i, j};
    char text[64];

    for (int k = 0; k < 2; k++) {
        pupil_caption(each[k], text, sizeof(text));
        label.caption[k] = hash_128(bytes_text(text));
        label.place[k] = each[k] % 4 != 0;
        model_take_text(t->model, label.caption[k], bytes_text(text));
    }
    model_take_label(t->model, &label);
}

static void it_learns_to_tell_what_it_has_never_seen(void **state)
{
    struct pupil t;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_RATE), ST_OK);
    assert_int_equal(pupil_go_on(&t, 120, 4), ST_OK);
    assert_true(pupil_say(&t, "You see a qqz key.") > 0.9F);
    assert_true(pupil_say(&t, "The qqz rat bites!") < 0.1F);
    assert_true(t.figures.held > 40);
    assert_true(t.figures.recall > 0.95 && t.figures.precision > 0.95);
    assert_true(t.figures.ece < 0.1 && t.figures.accuracy > 0.95);
    assert_true(t.figures.fresh > 200);
    assert_true((double)t.figures.agreed > 0.95 * (double)t.figures.fresh);
    assert_true(t.figures.drift >= 0 && t.figures.drift < 0.2);
    model_close(t.model);
}

/* Which is helpful is tossed up: what was learnt is known by heart, and of what is held out
 * nothing can be known. */
static void what_is_held_out_is_not_learnt_by_what_is_measured_with_it(void **state)
{
    struct pupil t;
    struct rng rng;
    int right = 0;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_RATE), ST_OK);
    for (int round = 0; round < 2; round++) {
        rng_init(&rng, 9);
        for (int i = 0; i < 200; i++) {
            char text[13] = "";
            for (int k = 0; k < 12; k++) {
                text[k] = (char)('a' + (int)rng_below(&rng, 26));
            }
            const bool yes = rng_below(&rng, 2) == 1;
            const struct reward_label label = {.key = hash_128(bytes_text(text)),
                                               .kind = VERDICT_LABEL,
                                               .captions = 1,
                                               .p = yes ? 1 : 0};
            if (round == 0) {
                model_take_text(t.model, label.key, bytes_text(text));
                model_take_label(t.model, &label);
            } else {
                right += (pupil_say(&t, text) > 0.5F) == yes;
            }
        }
        assert_int_equal(pupil_go_on(&t, 150, 0), ST_OK);
    }
    assert_true(right > 190); // held out or not: what pays learns from all
    assert_true(t.figures.held > 25);
    assert_true(t.figures.accuracy < 0.75);
    model_close(t.model);
}

/* The held-out figures again, one label after the other. */
struct naive {
    double loss, right, hit, said, is, bin_said[MODEL_BINS], bin_is[MODEL_BINS];
    int held;
};

static struct naive measure_naively(struct model *m)
{
    struct naive v = {0};
    struct labels_item it;

    for (uint32_t i = 0; i < labels_count(m->labels); i++) {
        labels_get(m->labels, i, &it);
        if (!it.held) {
            continue;
        }
        const float *out = capnet_forward(m->witness.net, it.text, 1, NULL);
        const double p = 1 / (1 + exp((double)out[0] - (double)out[1]));
        const bool yes = it.p > 0.5F, says = p > 0.5;
        v.held++;
        v.loss -= log(yes ? p : 1 - p);
        v.right += yes == says;
        v.hit += yes && says;
        v.said += says;
        v.is += yes;
        const int bin = (int)fmin(p * MODEL_BINS, MODEL_BINS - 1);
        v.bin_said[bin] += p;
        v.bin_is[bin] += yes;
    }
    return v;
}

/* One in five keys is no help and one in eight of the others is, so that no figure is 1. */
static void held_out_figures_are_those_of_a_naive_count(void **state)
{
    uint64_t version = 0;
    struct pupil t;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_RATE), ST_OK);
    for (int i = 0; i < 400; i++) {
        pupil_rate(&t, i, (i % 4 == 0 ? i % 5 != 0 : i % 8 == 1) ? 1 : 0);
    }
    for (int u = 0; u < 60; u++) {
        assert_int_equal(pupil_go_on(&t, 1, 0), ST_OK);
        if (t.figures.version == version) {
            continue;
        }
        version = t.figures.version;
        const struct naive v = measure_naively(t.model);
        double error = 0;
        for (int b = 0; b < MODEL_BINS; b++) {
            error += fabs(v.bin_said[b] - v.bin_is[b]) / v.held;
        }
        assert_int_equal(v.held, t.figures.held);
        assert_float_equal(t.figures.loss, v.loss / v.held, 1e-4);
        assert_float_equal(t.figures.accuracy, v.right / v.held, 1e-9);
        assert_float_equal(t.figures.ece, error, 1e-4);
        if (v.said > 0) {
            assert_float_equal(t.figures.recall, v.hit / v.is, 1e-9);
            assert_float_equal(t.figures.precision, v.hit / v.said, 1e-9);
        }
    }
    assert_true(version > 5 && t.figures.ece > 0.005);
    assert_true(fabs(t.figures.recall - t.figures.precision) > 0.01);
    model_close(t.model);
}

static void
fresh_labels_are_held_against_what_was_paid_before_they_are_learnt(void **state)
{
    struct pupil t;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_RATE), ST_OK);
    assert_int_equal(pupil_go_on(&t, 100, 4), ST_OK);
    assert_int_equal(pupil_go_on(&t, MODEL_TOGETHER, 0), ST_OK); // all are taken
    const uint64_t fresh = t.figures.fresh, agreed = t.figures.agreed;
    for (int i = 2000; i < 2020; i++) { // every fourth label is wrong
        pupil_rate(&t, i, (i % 4 == 0) != (i % 4 == 1) ? 1 : 0);
    }
    assert_int_equal(pupil_go_on(&t, MODEL_TOGETHER, 0), ST_OK);
    assert_int_equal(t.figures.fresh - fresh, 20);
    assert_int_equal(t.figures.agreed - agreed, 15);
    model_close(t.model);
}

/* More than a checkpoint or a pass has room for at first. */
static void however_many_come_between_two_fits_all_are_held_against_it(void **state)
{
    enum { MANY = 3 * MODEL_FRESH + 7 };
    struct pupil t;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_RATE), ST_OK);
    assert_int_equal(pupil_go_on(&t, 100, 4), ST_OK);
    assert_int_equal(pupil_go_on(&t, MODEL_TOGETHER, 0), ST_OK);
    const uint64_t fresh = t.figures.fresh, decided = t.figures.decided;
    for (int i = 2000; i < 2000 + MANY; i++) {
        pupil_rate(&t, i, i % 4 == 0 ? 1 : 0);
    }
    assert_int_equal(pupil_go_on(&t, MODEL_TOGETHER, 0), ST_OK);
    assert_int_equal(t.figures.fresh - fresh, MANY);
    assert_int_equal(t.figures.decided - decided, MANY);
    model_close(t.model);
}

/* Of eight captions, of which the first and the fifth speak of a key: 28 pairs or 12 make
 * one label as two captions do. */
static void an_order_is_one_label_however_many_pairs_it_has(void **state)
{
    static const uint8_t right[8] = {0, 1, 1, 1, 0, 1, 1, 1},
                         wrong[8] = {1, 0, 0, 0, 1, 0, 0, 0}, tied[8] = {0};
    struct pupil t;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_SCORE), ST_OK);
    for (int u = 0; u < 100; u++) {
        pupil_order(&t, 8 * u, right, 8);
        assert_int_equal(pupil_go_on(&t, 1, 0), ST_OK);
    }
    assert_int_equal(pupil_go_on(&t, MODEL_TOGETHER, 0), ST_OK);
    const struct fitting_figures before = t.figures;
    const uint64_t wrong_before = t.model->s.wrong;
    for (int i = 0; i < 6; i++) {
        pupil_order(&t, 1600 + 8 * i, i == 0 ? right : i < 3 ? wrong : tied, 8);
    }
    assert_int_equal(pupil_go_on(&t, MODEL_TOGETHER, 0), ST_OK);
    assert_int_equal(t.figures.fresh - before.fresh, 6);
    assert_int_equal(t.figures.decided - before.decided, 3);
    assert_int_equal(t.figures.agreed - before.agreed, 1);
    assert_int_equal(t.model->s.wrong - wrong_before, 2);
    model_close(t.model);
}

static void drift_is_the_mean_change_of_what_probes_are_paid(void **state)
{
    enum { PROBES = 200 };
    float before[PROBES] = {0};
    struct pupil t;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_RATE), ST_OK);
    for (int i = 0; i < PROBES; i++) {
        pupil_rate(&t, i, i % 4 == 0 ? 1 : 0);
    }
    for (uint64_t measured = 0; measured < 3;) {
        const uint64_t version = t.figures.version;
        assert_int_equal(pupil_go_on(&t, 1, 1), ST_OK);
        if (t.figures.version == version ||
            t.figures.version % MODEL_PROBE_EVERY != 0) {
            continue;
        }
        double sum = 0;
        for (int i = 0; i < PROBES; i++) {
            char text[64];
            pupil_caption(i, text, sizeof(text));
            const float now = pupil_say(&t, text);
            sum += fabs((double)now - (double)before[i]);
            before[i] = now;
        }
        if (measured++ > 0) {
            assert_float_equal(t.figures.drift, sum / PROBES, 1e-5);
            assert_true(t.figures.drift > 0);
        }
    }
    model_close(t.model);
}

/* Captions that help come last, and are few: the half of the places that is theirs waits. */
static void half_of_the_probes_are_of_captions_that_help(void **state)
{
    enum { OTHERS = MODEL_PROBES / 2, HELPFUL = 24, PROBES = OTHERS + HELPFUL };
    float before[PROBES] = {0};
    int caption[PROBES], n = 0, measured = 0;
    struct pupil t;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_RATE), ST_OK);
    for (int i = 0; i < 2000; i++) {
        if (i % 4 != 0) {
            pupil_rate(&t, i, 0);
            caption[n] = i;
            n += n < OTHERS;
        }
    }
    for (int i = 0; i < HELPFUL; i++) {
        caption[n++] = 4 * i;
        pupil_rate(&t, 4 * i, 1);
    }
    for (int u = 0; u < 4000 && measured < 3; u++) {
        const uint64_t version = t.figures.version;
        pupil_rate(&t, caption[u % PROBES], u % PROBES < OTHERS ? 0 : 1);
        assert_int_equal(pupil_go_on(&t, 1, 0), ST_OK);
        if (t.figures.version == version ||
            t.figures.version % MODEL_PROBE_EVERY != 0) {
            continue;
        }
        double sum = 0;
        for (int i = 0; i < PROBES; i++) {
            char text[64];
            pupil_caption(caption[i], text, sizeof(text));
            const float now = pupil_say(&t, text);
            sum += fabs((double)now - (double)before[i]);
            before[i] = now;
        }
        if (measured++ > 0) {
            assert_float_equal(t.figures.drift, sum / PROBES, 1e-6);
        }
    }
    assert_int_equal(measured, 3);
    model_close(t.model);
}

static void it_learns_orders(void **state)
{
    struct fitting_options o = pupil_usual;
    struct pupil t;

    (void)state;
    o.version_updates = 4;
    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_SCORE), ST_OK);
    for (int u = 0; u < 120; u++) {
        for (int i = 0; i < 4; i++) {
            order(&t, 7 * u + i, 11 * u + 3 * i + 1);
        }
        assert_int_equal(model_fit(t.model, (uint64_t)u), ST_OK);
    }
    assert_true(pupil_say(&t, "You see a qqz key.") >
                pupil_say(&t, "The qqz rat bites!") + 1);
    assert_true(t.figures.accuracy > 0.9);
    assert_true(isnan(t.figures.recall));
    model_close(t.model);
}

static void versions_come_no_more_often_than_told(void **state)
{
    struct fitting_options o = pupil_usual;
    uint64_t version = 0, changed = 0;
    struct pupil t;

    (void)state;
    o.version_updates = 7;
    assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_RATE), ST_OK);
    float before = pupil_say(&t, "You see a qqz key.");
    for (int u = 0; u < 70; u++) {
        assert_int_equal(pupil_go_on(&t, 1, 4), ST_OK);
        const float now = pupil_say(&t, "You see a qqz key.");
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

static void steps_of_eight_updates_are_taken_together(void **state)
{
    static const struct {
        int64_t version_updates;
        uint64_t each;
    } want[] = {{16, 8}, {8, 8}, {3, 3}, {1, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        struct fitting_options o = pupil_usual;
        struct pupil t;
        uint64_t steps = 0;

        o.version_updates = want[i].version_updates;
        o.gate_steps = 1000; // no version, and so no rest
        assert_int_equal(pupil_begin(&t, &o, &pupil_alone, CAPNET_RATE), ST_OK);
        assert_int_equal(pupil_go_on(&t, 24, 4), ST_OK);
        for (uint64_t u = 24; u < 48; u++) {
            const uint64_t due = u % want[i].each == 0 ? 4 * want[i].each : 0;
            steps = t.figures.steps;
            assert_int_equal(pupil_go_on(&t, 1, 1), ST_OK);
            assert_int_equal(t.figures.steps - steps, due);
            assert_int_equal(t.figures.update_steps, due);
        }
        model_close(t.model);
    }
}

static void a_captions_value_does_not_depend_on_its_company(void **state)
{
    static char words[TEXTS][64];
    struct bytes text[TEXTS];
    struct hash128 key[TEXTS];
    struct fitting_scored scored[TEXTS];
    float together[TEXTS], alone, again[TEXTS];
    struct pupil t;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_RATE), ST_OK);
    assert_int_equal(pupil_go_on(&t, 50, 4), ST_OK);
    for (int i = 0; i < TEXTS; i++) {
        pupil_caption(5 * i, words[i], sizeof(words[i]));
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
    struct pupil whole, part;

    (void)state;
    assert_int_equal(pupil_begin(&whole, &pupil_usual, &pupil_alone, CAPNET_RATE),
                     ST_OK);
    assert_int_equal(pupil_begin(&part, &pupil_usual, &pupil_alone, CAPNET_RATE),
                     ST_OK);
    for (int turn = 0; turn < 12; turn++) {
        assert_int_equal(pupil_go_on(&whole, 9, turn < 6 ? 3 : 0), ST_OK);
        assert_int_equal(pupil_go_on(&part, 9, turn < 6 ? 3 : 0), ST_OK);
        // A label that came after the last fit, as in a round without samples.
        pupil_rate(&whole, 5000 + turn, 0);
        pupil_rate(&part, 5000 + turn, 0);
        const struct pupil before = part;
        char *data;
        size_t len;
        model_save(part.model, &data, &len);
        model_close(part.model);
        assert_int_equal(pupil_begin(&part, &pupil_usual, &pupil_alone, CAPNET_RATE),
                         ST_OK);
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

static struct pupil half[R];

static void fit_on_rank(void *ctx, int rank)
{
    (void)ctx;
    CHECK(pupil_go_on(&half[rank], 40, 3) == ST_OK);
}

static void two_ranks_fit_like_one(void **state)
{
    struct ranks_twin *twin = ranks_twin_new(R);
    struct pupil alone;

    (void)state;
    assert_int_equal(pupil_begin(&alone, &pupil_usual, &pupil_alone, CAPNET_RATE),
                     ST_OK);
    for (int i = 0; i < R; i++) {
        const struct reward_peers peers = {.index = i,
                                           .count = R,
                                           .sum = sum_over,
                                           .agree = agree_over,
                                           .ctx = ranks_twin_rank(twin, i)};
        assert_int_equal(pupil_begin(&half[i], &pupil_usual, &peers, CAPNET_RATE),
                         ST_OK);
    }
    assert_int_equal(pupil_go_on(&alone, 40, 3), ST_OK);
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
    struct pupil t;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_RATE), ST_OK);
    assert_int_equal(pupil_go_on(&t, 20, 4), ST_OK);
    struct params *w = capnet_params(t.model->fit.net);
    for (size_t i = 0; i < w->floats; i++) {
        w->weights[i] = NAN;
    }
    capnet_weights_changed(t.model->fit.net);
    harness_stderr_begin();
    assert_int_equal(pupil_go_on(&t, 1, 0), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "REWARD-NAN"));
    model_close(t.model);
}

static void a_checkpoint_with_what_is_no_number_is_refused(void **state)
{
    struct pupil t;
    char *data;
    size_t len;

    (void)state;
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_RATE), ST_OK);
    assert_int_equal(pupil_go_on(&t, 20, 4), ST_OK);
    t.model->fit.adam.second[5] = NAN;
    model_save(t.model, &data, &len);
    harness_stderr_begin();
    assert_int_equal(model_load(t.model, bytes_of(data, len)), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "REWARD-NAN"));
    harness_stderr_begin();
    assert_int_equal(model_load(t.model, bytes_of(data, 100)), ST_CORRUPT);
    assert_int_equal(model_load(t.model, bytes_of(data, 5000)), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "REWARD-MODEL"));
    for (char version = '1'; version < '3'; version++) {
        data[7] = version;
        harness_stderr_begin();
        assert_int_equal(model_load(t.model, bytes_of(data, len)), ST_VERSION);
        assert_non_null(strstr(harness_stderr_end(), "by an older minos-learner"));
    }
    data[7] = '3';
    model_close(t.model);
    assert_int_equal(pupil_begin(&t, &pupil_usual, &pupil_alone, CAPNET_SCORE), ST_OK);
    harness_stderr_begin();
    assert_int_equal(model_load(t.model, bytes_of(data, len)), ST_VERSION);
    assert_non_null(strstr(harness_stderr_end(), "another shape"));
    mem_free(data);
    model_close(t.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns_to_tell_what_it_has_never_seen),
        cmocka_unit_test(what_is_held_out_is_not_learnt_by_what_is_measured_with_it),
        cmocka_unit_test(held_out_figures_are_those_of_a_naive_count),
        cmocka_unit_test(
            fresh_labels_are_held_against_what_was_paid_before_they_are_learnt),
        cmocka_unit_test(however_many_come_between_two_fits_all_are_held_against_it),
        cmocka_unit_test(an_order_is_one_label_however_many_pairs_it_has),
        cmocka_unit_test(drift_is_the_mean_change_of_what_probes_are_paid),
        cmocka_unit_test(half_of_the_probes_are_of_captions_that_help),
        cmocka_unit_test(it_learns_orders),
        cmocka_unit_test(versions_come_no_more_often_than_told),
        cmocka_unit_test(steps_of_eight_updates_are_taken_together),
        cmocka_unit_test(a_captions_value_does_not_depend_on_its_company),
        cmocka_unit_test(a_resumed_fit_goes_on_as_if_nothing_had_been),
        cmocka_unit_test(two_ranks_fit_like_one),
        cmocka_unit_test(a_gradient_that_is_no_number_is_said_and_nothing_moves),
        cmocka_unit_test(a_checkpoint_with_what_is_no_number_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
