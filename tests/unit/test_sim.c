/* The simulated judge's knobs: shares with fixed seeds, six standard deviations wide. */

#include <math.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "judge/answer.h"
#include "judge/backends/sim.h"
#include "judge/options.h"
#include "tests/support/harness.h"

enum { MANY = 4000 };

static struct judge_options options;
static struct clock turned;
static struct judge_goal goal = {
    .name = "treasure", .task = "crypt-vault", .text = "Find it."};
static const struct judge_setup setup = {
    .goal = &goal, .options = &options, .clock = &turned};
static struct judge_caption caption[ITEM_CAPTIONS_MAX];
static void *self;

static int set_up(void **state)
{
    (void)state;
    log_open("judge", 0, LOG_ERROR_);
    option_defaults(judge_option_table, &options);
    clock_init_manual(&turned, 1000);
    return 0;
}

static void open_sim(void)
{
    assert_int_equal(sim_backend.check(&options), ST_OK);
    assert_int_equal(sim_backend.open(&setup, &self), ST_OK);
}

static void set_caption(int i, int number, int strength)
{
    text_format(caption[i].text, sizeof(caption[i].text), "caption %d", number);
    caption[i].len = (uint8_t)strlen(caption[i].text);
    caption[i].truth = strength > 0;
    caption[i].strength = (uint8_t)strength;
}

static struct judge_verdict ask(uint64_t id, int captions)
{
    const struct judge_question q = {.id = id,
                                     .kind =
                                         captions == 1 ? QUESTION_RATE : QUESTION_ORDER,
                                     .captions = captions,
                                     .caption = caption,
                                     .taken_ns = clock_ns(&turned)};
    struct judge_verdict v = {
        .kind = VERDICT_ABSTAIN, .confidence = NAN, .position = POSITION_UNKNOWN};

    assert_int_equal(sim_backend.ask(self, &q, &v), ST_OK);
    return v;
}

/* How many of MANY ratings of a caption that is helpful say that it is not; every
 * question another caption where `texts`, else all the same one. */
static int wrong_ratings(bool texts, uint64_t from)
{
    int wrong = 0;

    for (int i = 0; i < MANY; i++) {
        set_caption(0, texts ? i : 0, 2);
        const struct judge_verdict v = ask(from + (uint64_t)i, 1);
        assert_int_equal(v.kind, VERDICT_LABEL);
        wrong += v.label < 0.5F;
    }
    return wrong;
}

/* Six standard deviations of a binomial of MANY. */
static void assert_share(int count, double share)
{
    const double width = 6 * sqrt(MANY * share * (1 - share)) + 1e-9;

    if (fabs(count - MANY * share) > width) {
        fail_msg("%d of %d, not %g +- %g", count, MANY, MANY * share, width);
    }
}

static void at_rest_it_tells_the_truth_at_once_and_is_named_so(void **state)
{
    (void)state;
    open_sim();
    assert_int_equal(wrong_ratings(true, 1), 0);
    assert_string_equal(sim_backend.model(self), "truth");
    assert_true(hash_equal(sim_backend.prompt(self), hash_128(bytes_text(goal.text))));
    set_caption(0, 1, 0);
    set_caption(1, 2, 3);
    set_caption(2, 3, 1);
    const struct judge_verdict v = ask(1, 3);
    assert_int_equal(v.kind, VERDICT_LABEL);
    assert_memory_equal(v.order, ((const uint8_t[]){2, 0, 1}), 3);
    assert_true(v.confidence == 1 && v.position == POSITION_UNKNOWN);
    sim_backend.close(self);
}

static void noise_of_an_ask_is_fresh_each_time_and_voting_repairs_it(void **state)
{
    (void)state;
    options.sim_knobs.flip_ask = 0.2;
    open_sim();
    assert_share(wrong_ratings(false, 1), 0.2);
    assert_share(wrong_ratings(true, 100000), 0.2);
    sim_backend.close(self);
    options.sim_knobs.votes = 15;
    open_sim();
    // 8 or more of 15 wrong at 0.2: 0.0042.
    assert_share(wrong_ratings(false, 1), 0.0042397);
    sim_backend.close(self);
}

static void a_question_with_the_same_id_is_answered_alike(void **state)
{
    struct judge_verdict first[50];

    (void)state;
    options.sim_knobs.flip_ask = 0.5;
    open_sim();
    for (int i = 0; i < 50; i++) {
        set_caption(0, i, 1);
        first[i] = ask((uint64_t)i, 1);
    }
    sim_backend.close(self);
    open_sim();
    for (int i = 49; i >= 0; i--) { // another process, another order
        set_caption(0, i, 1);
        assert_true(ask((uint64_t)i, 1).label == first[i].label);
    }
    sim_backend.close(self);
}

static void noise_of_a_caption_stays_and_voting_does_not_repair_it(void **state)
{
    (void)state;
    options.sim_knobs.flip_caption = 0.2;
    options.sim_knobs.votes = 15;
    open_sim();
    const int wrong = wrong_ratings(true, 1);
    assert_share(wrong, 0.2);
    assert_int_equal(wrong_ratings(true, 100000), wrong);
    const int same = wrong_ratings(false, 1);
    assert_true(same == 0 || same == MANY);
    sim_backend.close(self);
}

static void another_seed_errs_about_other_captions(void **state)
{
    int both = 0, one = 0;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        set_caption(0, i, 1);
        options.sim_knobs.flip_caption = 0.5;
        const bool a = noise_lies(&options.sim_knobs, 1, &caption[0], 0.5),
                   b = noise_lies(&options.sim_knobs, 2, &caption[0], 0.5);
        both += a && b;
        one += a;
    }
    assert_share(one, 0.5);
    assert_share(both, 0.25);
}

/* Pairs of equal worth; counts of ties, of the first and the second caption winning, and
 * of the three positions. */
struct pairs {
    int tie, first, second, agreed, by_first, by_second, unknown;
};

static struct pairs ask_pairs(int strength, int other)
{
    struct pairs n = {0};

    for (int i = 0; i < MANY; i++) {
        set_caption(0, i, strength);
        set_caption(1, 100000 + i, other); // always the longer one
        const struct judge_verdict v = ask((uint64_t)i, 2);
        n.tie += v.kind == VERDICT_TIE;
        n.first += v.kind == VERDICT_LABEL && v.order[0] < v.order[1];
        n.second += v.kind == VERDICT_LABEL && v.order[1] < v.order[0];
        n.agreed += v.position == 0;
        n.by_first += v.position == 1;
        n.by_second += v.position == -1;
        n.unknown += v.position == POSITION_UNKNOWN;
    }
    return n;
}

static void both_orders_make_a_bias_of_position_a_tie_and_report_it(void **state)
{
    (void)state;
    options.sim_knobs.position_bias = 0.3;
    open_sim();
    struct pairs n = ask_pairs(2, 1);
    // The first shown wins its own order anyway: the bias shows in the other one alone.
    assert_share(n.by_first, 0.3);
    assert_share(n.tie, 0.3);
    assert_share(n.agreed, 0.7);
    assert_int_equal(n.by_second + n.second, 0);
    sim_backend.close(self);
    options.sim_knobs.position_bias = -1;
    open_sim();
    n = ask_pairs(2, 1);
    assert_int_equal(n.by_second, MANY);
    assert_int_equal(n.tie, MANY);
    sim_backend.close(self);
    options.sim_knobs.position_bias = 1;
    options.sim_knobs.orders = 1;
    open_sim();
    n = ask_pairs(0, 3);
    assert_int_equal(n.first, MANY); // nothing repairs it, nothing tells
    assert_int_equal(n.unknown, MANY);
    sim_backend.close(self);
}

static void a_bias_of_length_prefers_the_longer_and_agrees_with_itself(void **state)
{
    (void)state;
    options.sim_knobs.length_bias = 1;
    open_sim();
    struct pairs n = ask_pairs(3, 0);
    assert_int_equal(n.second, MANY);
    assert_int_equal(n.agreed, MANY);
    sim_backend.close(self);
    options.sim_knobs.length_bias = -1;
    open_sim();
    n = ask_pairs(0, 3);
    assert_int_equal(n.first, MANY);
    sim_backend.close(self);
}

static void noisy_orders_that_disagree_are_ties(void **state)
{
    (void)state;
    options.sim_knobs.flip_ask = 0.2;
    open_sim();
    struct pairs n = ask_pairs(2, 0);
    assert_share(n.first, 0.8 * 0.8);
    assert_share(n.second, 0.2 * 0.2);
    assert_share(n.tie, 2 * 0.8 * 0.2);
    n = ask_pairs(1, 1);
    assert_share(n.tie, 0.8 * 0.8 + 0.2 * 0.2 / 2); // both see nothing, or contradict
    sim_backend.close(self);
}

static void an_adversary_lies_about_its_share_or_its_target(void **state)
{
    (void)state;
    options.sim_knobs.adversary = 0.25;
    open_sim();
    assert_share(wrong_ratings(true, 1), 0.25);
    sim_backend.close(self);
    options.sim_knobs.adversary = 1;
    strcpy(options.sim_knobs.target, "caption 7");
    open_sim();
    for (int i = 0; i < 100; i++) {
        set_caption(0, i, i % 2);
        const bool lie = i == 7 || (i >= 70 && i < 80);
        assert_true(ask((uint64_t)i, 1).label == (float)(lie ? i % 2 == 0 : i % 2));
    }
    sim_backend.close(self);
}

static void drift_grows_with_the_questions_and_with_time(void **state)
{
    (void)state;
    options.sim_knobs.drift = 0.01;
    open_sim();
    int wrong[3];
    for (int i = 0; i < 3; i++) {
        wrong[i] = wrong_ratings(true, 1);
    }
    // 4,000 at 0.01 per 1,000: from 0 to 0.04, then to 0.08, then to 0.12.
    assert_true(wrong[0] < wrong[1] && wrong[1] < wrong[2]);
    assert_share(wrong[2], 0.1);
    sim_backend.close(self);
    options.sim_knobs.drift = 0;
    options.sim_knobs.drift_hour = 0.5;
    open_sim();
    assert_int_equal(wrong_ratings(true, 1), 0);
    clock_turn_ms(&turned, 1800 * 1000);
    assert_share(wrong_ratings(true, 1), 0.25);
    clock_turn_ms(&turned, 10 * 3600 * 1000);
    assert_int_equal(wrong_ratings(true, 1), MANY);
    sim_backend.close(self);
}

static void failures_come_in_their_shares_and_nonsense_is_no_answer(void **state)
{
    int kinds[VERDICT_KINDS] = {0}, nonsense = 0;

    (void)state;
    options.sim_knobs.abstain = 0.05;
    options.sim_knobs.timeout = 0.06;
    options.sim_knobs.refused = 0.07;
    options.sim_knobs.overload = 0.08;
    options.sim_knobs.unparseable = 0.09;
    options.sim_knobs.garbage = 0.1;
    open_sim();
    for (int i = 0; i < MANY; i++) {
        set_caption(0, i, 1);
        const struct judge_verdict v = ask((uint64_t)i, 1);
        const bool label = v.kind == VERDICT_LABEL && v.label == 1 &&
                           v.confidence >= 0 && v.confidence <= 1;
        if (v.kind == VERDICT_LABEL && !label) {
            nonsense++;
        } else if ((int)v.kind < VERDICT_KINDS) {
            kinds[v.kind]++;
        } else {
            nonsense++;
        }
    }
    assert_share(kinds[VERDICT_ABSTAIN], 0.05);
    assert_share(kinds[VERDICT_TIMEOUT], 0.06);
    assert_share(kinds[VERDICT_REFUSED], 0.07);
    assert_share(kinds[VERDICT_OVERLOAD], 0.08);
    assert_share(kinds[VERDICT_UNPARSEABLE], 0.09);
    assert_share(nonsense, 0.1);
    assert_share(kinds[VERDICT_LABEL], 0.55);
    sim_backend.close(self);
}

static void latencies_have_their_median_their_tail_and_their_cap(void **state)
{
    int above_median = 0, above_p99 = 0, capped = 0;

    (void)state;
    options.sim_knobs.latency = 1;
    options.sim_knobs.latency_p99 = 20;
    options.sim_knobs.latency_cap = 40;
    for (int i = 0; i < MANY; i++) {
        const struct judge_question q = {
            .id = (uint64_t)i, .captions = 1, .caption = caption};
        const double s = noise_latency_s(&options.sim_knobs, 1, &q);
        assert_true(s > 0 && s <= 40);
        assert_true(s == noise_latency_s(&options.sim_knobs, 1, &q));
        above_median += s > 1;
        above_p99 += s > 20;
        capped += s == 40;
    }
    assert_share(above_median, 0.5);
    assert_share(above_p99, 0.01);
    assert_true(capped > 0);
    options.sim_knobs.latency_p99 = 0;
    const struct judge_question q = {.captions = 1, .caption = caption};
    assert_true(noise_latency_s(&options.sim_knobs, 1, &q) == 1);
}

static enum status answer_at(uint64_t taken_ns, enum verdict_kind *kind)
{
    const struct judge_question q = {.id = 5,
                                     .kind = QUESTION_RATE,
                                     .captions = 1,
                                     .caption = caption,
                                     .taken_ns = taken_ns};
    struct judge_verdict v = {.kind = VERDICT_ABSTAIN};
    const enum status st = sim_backend.ask(self, &q, &v);

    *kind = v.kind;
    return st;
}

static void an_answer_comes_when_its_latency_is_over(void **state)
{
    const uint64_t taken = clock_ns(&turned);
    enum verdict_kind kind;

    (void)state;
    options.sim_knobs.latency = 30;
    set_caption(0, 1, 1);
    open_sim();
    assert_int_equal(answer_at(taken, &kind), ST_AGAIN);
    clock_turn_ms(&turned, 29999);
    assert_int_equal(answer_at(taken, &kind), ST_AGAIN);
    clock_turn_ms(&turned, 1);
    assert_int_equal(answer_at(taken, &kind), ST_OK);
    assert_int_equal(kind, VERDICT_LABEL);
    sim_backend.close(self);
}

static void outages_come_at_the_end_of_each_period(void **state)
{
    static const struct {
        const char *outage;
        enum status st;
        enum verdict_kind kind;
        uint32_t credits;
    } cases[] = {{"silent", ST_AGAIN, VERDICT_ABSTAIN, UINT32_MAX},
                 {"refuse", ST_OK, VERDICT_REFUSED, UINT32_MAX},
                 {"overload", ST_OK, VERDICT_OVERLOAD, UINT32_MAX},
                 {"away", ST_OK, VERDICT_LABEL, 0}};
    enum verdict_kind kind;

    (void)state;
    options.sim_knobs.outage_every = 60;
    options.sim_knobs.outage_length = 10;
    set_caption(0, 1, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        strcpy(options.sim_knobs.outage, cases[i].outage);
        open_sim();
        for (int period = 0; period < 3; period++) {
            assert_int_equal(answer_at(clock_ns(&turned), &kind), ST_OK);
            assert_int_equal(kind, VERDICT_LABEL);
            assert_true(sim_backend.credits(self) > 0);
            clock_turn_ms(&turned, 49000);
            assert_int_equal(answer_at(clock_ns(&turned), &kind), ST_OK);
            assert_int_equal(kind, VERDICT_LABEL);
            clock_turn_ms(&turned, 6000);
            assert_int_equal(answer_at(clock_ns(&turned), &kind), cases[i].st);
            assert_int_equal(kind, cases[i].kind);
            assert_true(sim_backend.credits(self) == cases[i].credits);
            clock_turn_ms(&turned, 5000);
        }
        sim_backend.close(self);
    }
}

static void its_name_and_digest_tell_every_knob_that_is_turned(void **state)
{
    const struct hash128 rest = hash_128(bytes_text(goal.text));
    struct hash128 seen[40];
    int count = 0;

    (void)state;
    for (struct option *row = judge_option_table; row->name != NULL; row++) {
        if (strncmp(row->name, "sim-", 4) != 0 || strcmp(row->name, "sim-share") == 0 ||
            strcmp(row->name, "sim-seed") == 0) {
            continue;
        }
        option_defaults(judge_option_table, &options);
        assert_int_equal(option_set(judge_option_table, &options, row->name,
                                    row->type == OPT_CHOICE ? "away"
                                    : row->type == OPT_INT ? (row->most > 2 ? "3" : "1")
                                    : row->least < 0       ? "-1"
                                                           : "0.5",
                                    "test"),
                         ST_OK);
        assert_int_equal(sim_backend.open(&setup, &self), ST_OK);
        assert_non_null(strstr(sim_backend.model(self), row->name + 4));
        seen[count] = sim_backend.prompt(self);
        assert_false(hash_equal(seen[count], rest));
        for (int i = 0; i < count; i++) {
            assert_false(hash_equal(seen[i], seen[count]));
        }
        count++;
        sim_backend.close(self);
    }
    assert_int_equal(count, 23);
}

static void knobs_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
#define REFUSED(change)                                                                \
    option_defaults(judge_option_table, &options);                                     \
    change;                                                                            \
    assert_int_equal(sim_backend.check(&options), ST_INVALID);
    log_open("judge", 0, LOG_ERROR_);
    REFUSED(options.sim_knobs.abstain = options.sim_knobs.garbage = 0.6)
    REFUSED(options.sim_knobs.latency_p99 = 2)
    REFUSED(options.sim_knobs.latency = 3; options.sim_knobs.latency_p99 = 2)
    REFUSED(options.sim_knobs.latency = 41)
    REFUSED(options.sim_knobs.outage_every = 5)
    REFUSED(options.sim_knobs.outage_length = 5)
    REFUSED(options.sim_knobs.outage_length = options.sim_knobs.outage_every = 5)
    REFUSED(strcpy(options.sim_knobs.target, "x"))
#undef REFUSED
    option_defaults(judge_option_table, &options);
    assert_int_equal(sim_backend.check(&options), ST_OK);
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(at_rest_it_tells_the_truth_at_once_and_is_named_so),
        TEST(noise_of_an_ask_is_fresh_each_time_and_voting_repairs_it),
        TEST(a_question_with_the_same_id_is_answered_alike),
        TEST(noise_of_a_caption_stays_and_voting_does_not_repair_it),
        TEST(another_seed_errs_about_other_captions),
        TEST(both_orders_make_a_bias_of_position_a_tie_and_report_it),
        TEST(a_bias_of_length_prefers_the_longer_and_agrees_with_itself),
        TEST(noisy_orders_that_disagree_are_ties),
        TEST(an_adversary_lies_about_its_share_or_its_target),
        TEST(drift_grows_with_the_questions_and_with_time),
        TEST(failures_come_in_their_shares_and_nonsense_is_no_answer),
        TEST(latencies_have_their_median_their_tail_and_their_cap),
        TEST(an_answer_comes_when_its_latency_is_over),
        TEST(outages_come_at_the_end_of_each_period),
        TEST(its_name_and_digest_tell_every_knob_that_is_turned),
        TEST(knobs_that_contradict_each_other_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
