#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "actor/env.h"
#include "common/base/rng.h"
#include "learner/intake/label_stream.h"

enum { STEPS = 200000, SEGMENT = 32, BATCH = 1024 };

static struct label_stream *s;

static struct label_score play(enum label_order order, uint64_t budget)
{
    const struct label_play p = {
        .order = order, .budget = budget, .delay = 4, .in_flight = 64, .seed = 1};
    struct label_score score;

    label_stream_play(s, &p, &score);
    return score;
}

static int set_up(void **state)
{
    (void)state;
    s = label_stream_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    label_stream_free(s);
    return 0;
}

static void say(const char *text, int truth)
{
    label_stream_caption(s, bytes_text(text), 1, truth);
}

static void every_emission_is_scored_by_what_was_labelled_before_it(void **state)
{
    (void)state;
    for (uint64_t update = 0; update < 100; update++) {
        label_stream_segment(s, 10, update);
        say("good", 1);
        say("bad", 0);
        say("who knows", -1);
    }
    assert_int_equal(label_stream_captions(s), 3);
    assert_int_equal(label_stream_steps(s), 1000);
    // 100 labels would be allowed, one with each segment; 4 updates later they are there.
    const struct label_score all = play(LABEL_ORDER_SCHEDULE, 100);
    assert_int_equal(all.labels, 3);
    assert_in_range(all.true_positive, 94, 96);
    assert_int_equal(all.true_positive + all.false_negative, 100);
    assert_int_equal(all.false_positive, 0);
    assert_int_equal(all.true_negative, 100);
    assert_float_equal(label_score_precision(&all), 1, 0);
    const struct label_score none = play(LABEL_ORDER_SCHEDULE, 0);
    assert_float_equal(label_score_recall(&none), 0, 0);
    assert_float_equal(label_score_balanced(&none), 0.5, 0); // accuracy would say more
    // What the judge says counts, not what is true.
    assert_true(label_stream_label(s, bytes_text("bad"), 0.9f));
    assert_false(label_stream_label(s, bytes_text("never said"), 1));
    const struct label_score wrong = play(LABEL_ORDER_NEWEST, 100);
    assert_in_range(wrong.false_positive, 90, 100);
}

/* A player at random in the vault, one segment after the other. */
static void play_at_random(void)
{
    const struct env_options options = {
        .task = "crypt-vault", .overrides = "", .scratch = ""};
    struct rng_stream stream = {.seed = 11, .role = RNG_ENV};
    const struct env_kind *kind;
    struct env_result r;
    struct rng rng;
    struct env *e;
    int strength;

    rng_init(&rng, 2);
    assert_int_equal(env_find("crypt-vault", &kind), ST_OK);
    assert_int_equal(kind->open(&options, &e), ST_OK);
    assert_int_equal(kind->reset(e, &stream), ST_OK);
    for (int step = 0; step < STEPS; step++) {
        if (step % SEGMENT == 0) {
            label_stream_segment(s, SEGMENT, (uint64_t)step / BATCH);
        }
        kind->send(e, (int)rng_below(&rng, (uint32_t)kind->spec(e)->actions));
        kind->receive(e, &r);
        const struct env_obs *o = kind->obs(e);
        if (o->caption_len > 0) {
            label_stream_caption(s, bytes_of(o->caption, o->caption_len), 1,
                                 kind->truth(e, o->event, &strength));
        }
        if (r.terminated || r.truncated) {
            stream.episode++;
            assert_int_equal(kind->reset(e, &stream), ST_OK);
        }
    }
    kind->close(e);
}

static void
few_labels_tell_more_by_the_schedule_than_newest_first_or_at_random(void **state)
{
    (void)state;
    play_at_random();
    assert_true(label_stream_captions(s) > 1000);
    for (uint64_t budget = 250; budget <= 1000; budget *= 2) {
        double balanced[LABEL_ORDERS], recall[LABEL_ORDERS];
        for (int i = 0; i < LABEL_ORDERS; i++) {
            const struct label_score score = play((enum label_order)i, budget);
            balanced[i] = label_score_balanced(&score);
            recall[i] = label_score_recall(&score);
            print_message("%llu labels, %s: recall %.3f, %u forms of %u captions, "
                          "%.0f ns\n",
                          (unsigned long long)budget,
                          label_order_name((enum label_order)i), recall[i], score.forms,
                          label_stream_captions(s), score.ns_per_caption);
        }
        assert_true(balanced[LABEL_ORDER_SCHEDULE] > balanced[LABEL_ORDER_NEWEST]);
        assert_true(balanced[LABEL_ORDER_SCHEDULE] > balanced[LABEL_ORDER_UNIFORM]);
    }
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_emission_is_scored_by_what_was_labelled_before_it),
        TEST(few_labels_tell_more_by_the_schedule_than_newest_first_or_at_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
