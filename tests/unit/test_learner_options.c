/* The learner's settings: presets, and what a journal row and a tally hold. */

#include "tests/support/harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "learner/options.h"
#include "learner/train/journal.h"
#include "learner/train/tallies.h"

static struct learner_options o;

static void read_with(const char *a, const char *b)
{
    char *argv[] = {(char *)(uintptr_t) "minos-learner", (char *)(uintptr_t)a,
                    (char *)(uintptr_t)b};

    assert_int_equal(learner_options_read(&o,
                                          b != NULL   ? 3
                                          : a != NULL ? 2
                                                      : 1,
                                          argv),
                     ST_OK);
}

static void crypt_is_the_preset_of_small_games(void **state)
{
    (void)state;
    read_with(NULL, NULL);
    assert_string_equal(o.env, "crypt-vault");
    assert_float_equal(o.lr, 1e-3, 1e-12);
    assert_float_equal(o.entropy, 0.005, 1e-12);
    assert_int_equal(o.batch, 1024);
    // a success of 50 pays 2
    assert_float_equal(o.a_ext * o.reward_scale * 50, 2, 1e-12);
}

static void nethack_has_its_own(void **state)
{
    (void)state;
    read_with("--env=nethack-stairs3", NULL);
    assert_float_equal(o.lr, 3e-4, 1e-12);
    assert_float_equal(o.lr_end, 3e-5, 1e-12);
    assert_float_equal(o.entropy, 0.01, 1e-12);
}

static void the_command_line_wins_over_the_preset(void **state)
{
    (void)state;
    read_with("--preset=oni", "--batch=2048");
    assert_int_equal(o.batch, 2048);
    assert_string_equal(o.loss, "oni");
    assert_string_equal(o.net, "tiles");
    assert_false(o.value_norm);
    // the reference: 50 clipped to 10, times 10
    assert_float_equal(o.a_ext * o.reward_clip, 100, 1e-12);
}

/* The table of learner/README.md, row by row. */
static void the_references_preset_has_all_of_its_accidents(void **state)
{
    (void)state;
    read_with("--preset=oni", NULL);
    assert_string_equal(o.pay_caption, "seen");
    assert_string_equal(o.bootstrap, "fake");
    assert_string_equal(o.time_limits, "death");
    assert_string_equal(o.loss, "oni");
    assert_int_equal(o.gate_labels + o.gate_class + o.gate_steps + o.ramp_updates, 0);
    assert_string_equal(o.rank_pay, "raw");
    assert_string_equal(o.fit_schedule, "oni");
    assert_int_equal(o.reward_version_updates, 1);
    assert_true(o.hard);
    assert_float_equal(o.eta, 0.5, 0);
    assert_float_equal(o.class_balance + o.held_out, 0, 0);
    assert_string_equal(o.failure_label, "0");
    assert_string_equal(o.ask_order, "newest");
    assert_true(o.resend_in_flight);
    assert_string_equal(o.count_key, "exact");
    assert_float_equal(o.adv_floor, 0.001, 0);
    assert_float_equal(o.bow_threshold, -0.5, 0);
    // beside it, its own sizes
    assert_string_equal(o.text_net, "cnn");
    assert_float_equal(o.reward_model_lr, 1e-4, 1e-12);
    assert_int_equal(o.fit_batch, 256);
    assert_float_equal(o.replay_ratio, 0, 0);
}

static void a_runs_config_wins_over_the_preset(void **state)
{
    const char *dir = harness_make_dir();
    char flag[600];
    FILE *f = fopen(harness_path(dir, "config.ini"), "w");

    (void)state;
    assert_non_null(f);
    fputs("[learning]\nlr = 0.5\n[minos train]\nactors = 3\n", f);
    fclose(f);
    snprintf(flag, sizeof(flag), "--run-dir=%s", dir);
    read_with(flag, "--env=chain");
    assert_float_equal(o.lr, 0.5, 1e-12);
    harness_remove_dir(dir);
}

static void an_unknown_preset_is_refused_by_name(void **state)
{
    char *argv[] = {(char *)(uintptr_t) "minos-learner",
                    (char *)(uintptr_t) "--preset=nope"};

    (void)state;
    harness_stderr_begin();
    assert_int_equal(learner_options_read(&o, 2, argv), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "nope is not allowed"));
}

/* A bound that nothing is above would be a reward that is silently 0. */
static void a_bound_that_no_caption_can_pass_is_refused(void **state)
{
    static const char *const bounds[] = {"--eta=1", "--bow-threshold=1",
                                         "--motif-quantile=1"};

    (void)state;
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        char *argv[] = {(char *)(uintptr_t) "minos-learner",
                        (char *)(uintptr_t)bounds[i]};
        harness_stderr_begin();
        assert_int_equal(learner_options_read(&o, 2, argv), ST_INVALID);
        assert_non_null(strstr(harness_stderr_end(), ": 1 is not allowed; "));
    }
    read_with("--eta=0.999", "--bow-threshold=-1");
}

static void a_journal_row_comes_back_as_it_was(void **state)
{
    static const uint64_t serials[3] = {7, 8, 11}, again[2] = {5, 2};
    static const struct ring_verdict label[2] = {
        {.key = {1, 2},
         .ledger_serial = 3,
         .p = 0.75F,
         .kind = VERDICT_LABEL,
         .captions = 1},
        {.key = {4, 5},
         .ledger_serial = 4,
         .kind = VERDICT_TIE,
         .captions = 3,
         .place = {1, 0, 1},
         .caption = {{6, 7}, {8, 9}, {10, 11}}}};
    static const struct fitting_scored scored[2] = {{{1, 2}, 0.25F}, {{3, 4}, -7}};
    const struct journal_row row = {.pass = 1,
                                    .update = 12,
                                    .env_steps = 1024,
                                    .samples = 96,
                                    .lr = 0.1,
                                    .mean = -2,
                                    .scale = 3,
                                    .weights = 99,
                                    .drawn = 3,
                                    .serials = serials,
                                    .replayed = 2,
                                    .replayed_serials = again,
                                    .ledger_serial = 4,
                                    .reward_version = 5,
                                    .labels = 2,
                                    .label = label,
                                    .model_version = 6,
                                    .ramp = 0.5,
                                    .model_steps = 31,
                                    .model = 77,
                                    .scored_count = 2,
                                    .scored = scored,
                                    .start = 3,
                                    .pays = JOURNAL_HARD,
                                    .ledger_paid = 2,
                                    .a_int = 0.25,
                                    .eta = 0.75};
    uint8_t bytes[1024];
    struct pack p = {.data = bytes, .size = journal_size(5, 2, 2)};
    struct journal_row back;
    struct ring_verdict label_back;

    (void)state;
    journal_write(&p, &row);
    assert_false(p.bad);
    assert_int_equal(journal_read(bytes_of(bytes, p.at), &back), ST_OK);
    assert_int_equal(back.update, 12);
    assert_int_equal(journal_serial(&back, 2), 11);
    assert_int_equal(back.replayed, 2);
    assert_int_equal(journal_replayed(&back, 1), 2);
    for (int i = 0; i < 2; i++) {
        assert_true(journal_next_label(&back.label_bytes, &label_back));
        assert_memory_equal(&label_back, &label[i], sizeof(label_back));
    }
    assert_false(journal_next_label(&back.label_bytes, &label_back));
    assert_int_equal(back.weights, 99);
    assert_int_equal(back.model, 77);
    assert_int_equal(back.model_steps, 31);
    assert_float_equal(journal_scored(&back, 1).score, -7, 0);
    assert_int_equal(journal_scored(&back, 1).key.hi, 4);
    assert_int_equal(back.start, 3);
    assert_int_equal(back.pays, JOURNAL_HARD);
    assert_int_equal(back.ledger_paid, 2);
    assert_float_equal(back.a_int, 0.25, 0);
    assert_float_equal(back.eta, 0.75, 0);
    for (size_t cut = 0; cut < p.at; cut++) {
        assert_int_equal(journal_read(bytes_of(bytes, cut), &back), ST_CORRUPT);
    }
    bytes[0] = 9;
    assert_int_equal(journal_read(bytes_of(bytes, p.at), &back), ST_VERSION);
}

static void quantiles_are_those_of_the_histogram(void **state)
{
    static struct tallies t;

    (void)state;
    assert_true(isnan(tallies_lag_quantile(&t, 0.99)));
    assert_true(isnan(tallies_delay_quantile(&t, 0.5)));
    t.lag[1] = 90;
    t.lag[2] = 9;
    t.lag[TALLIES_LAGS - 1] = 1;
    assert_float_equal(tallies_lag_quantile(&t, 0.5), 1, 0);
    assert_float_equal(tallies_lag_quantile(&t, 0.99), 2, 0);
    assert_float_equal(tallies_lag_quantile(&t, 1), TALLIES_LAGS - 1, 0);
    tallies_delay(&t, 0);
    tallies_delay(&t, 1);
    tallies_delay(&t, 1000000000);
    assert_float_equal(tallies_delay_quantile(&t, 0.1), 0, 0);
    assert_float_equal(tallies_delay_quantile(&t, 0.5), 1, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crypt_is_the_preset_of_small_games),
        cmocka_unit_test(nethack_has_its_own),
        cmocka_unit_test(the_command_line_wins_over_the_preset),
        cmocka_unit_test(the_references_preset_has_all_of_its_accidents),
        cmocka_unit_test(a_runs_config_wins_over_the_preset),
        cmocka_unit_test(an_unknown_preset_is_refused_by_name),
        cmocka_unit_test(a_bound_that_no_caption_can_pass_is_refused),
        cmocka_unit_test(a_journal_row_comes_back_as_it_was),
        cmocka_unit_test(quantiles_are_those_of_the_histogram),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
