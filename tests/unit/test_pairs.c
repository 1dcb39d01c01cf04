/* What is put beside a caption that is to be compared, and which sets are known. */
#include "tests/support/harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/rng.h"
#include "learner/intake/items.h"
#include "learner/intake/pairs.h"

enum { MANY = 100000, SOME = 1000, FORMS = 20 };

static struct pairs *p;
static struct pairs_caption caption[MANY];

static int set_up(void **state)
{
    (void)state;
    p = pairs_new(MANY, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pairs_free(p);
    return 0;
}

static bool anything(void *ctx, const uint32_t *chosen, int count, uint32_t next)
{
    (void)ctx;
    (void)chosen;
    (void)count;
    (void)next;
    return true;
}

/* count captions of FORMS forms, the first of which have ever more of them. */
static void fill(int count, bool scored)
{
    struct rng rng;

    rng_init(&rng, 7);
    for (int i = 0; i < count; i++) {
        caption[i] =
            (struct pairs_caption){.number = (uint32_t)i,
                                   .form = rng_below(&rng, 1 + rng_below(&rng, FORMS)),
                                   .visits = 1 + rng_below(&rng, 100),
                                   .score = scored ? rng_normal(&rng) : NAN};
        pairs_put(p, &caption[i]);
    }
}

static void check_forms(const uint32_t *chosen, int count)
{
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < i; k++) {
            assert_true(caption[chosen[i]].form != caption[chosen[k]].form);
        }
    }
}

static void nothing_is_put_beside_its_own_form(void **state)
{
    uint32_t chosen[ITEM_CAPTIONS_MAX];
    enum pairs_how how;

    (void)state;
    for (int scored = 0; scored < 2; scored++) {
        pairs_free(p);
        p = pairs_new(MANY, 1);
        fill(SOME, scored == 1);
        for (int i = 0; i < SOME; i++) {
            const int want = 2 + i % 7;
            assert_true(
                pairs_choose(p, &caption[i], want, anything, NULL, chosen, &how));
            assert_int_equal(chosen[0], i);
            check_forms(chosen, want);
        }
    }
    // Where there is no other form there is nothing to compare with.
    for (int i = 0; i < SOME; i++) {
        if (caption[i].form != 0) {
            pairs_remove(p, (uint32_t)i);
        }
    }
    for (int i = 0; i < SOME; i++) {
        if (caption[i].form == 0) {
            assert_false(pairs_choose(p, &caption[i], 2, anything, NULL, chosen, &how));
        }
    }
}

static int compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* Its quartile among all scores. */
static int quartile_of(const float *sorted, int count, float score)
{
    int below = 0;

    while (below < count && sorted[below] < score) {
        below++;
    }
    return 4 * below / count;
}

static void half_are_nearly_equals_and_half_of_another_quartile(void **state)
{
    static float sorted[SOME];
    uint32_t chosen[2];
    enum pairs_how how;
    int by[PAIRS_HOWS] = {0};
    double apart[PAIRS_HOWS] = {0};

    (void)state;
    fill(SOME, true);
    for (int i = 0; i < SOME; i++) {
        sorted[i] = caption[i].score;
    }
    qsort(sorted, SOME, sizeof(sorted[0]), compare_floats);
    for (int i = 0; i < 4 * SOME; i++) {
        const struct pairs_caption *c = &caption[i % SOME];
        assert_true(pairs_choose(p, c, 2, anything, NULL, chosen, &how));
        const float other = caption[chosen[1]].score;
        by[how]++;
        apart[how] += fabs((double)(other - c->score));
        if (how == PAIRS_BY_QUARTILE) {
            assert_true(quartile_of(sorted, SOME, other) !=
                        quartile_of(sorted, SOME, c->score));
        }
    }
    assert_int_equal(by[PAIRS_BY_FORM], 0);
    assert_in_range(by[PAIRS_BY_QUARTILE], 1900, 2100);
    assert_in_range(by[PAIRS_BY_UNCERTAINTY], 1900, 2100);
    assert_true(apart[PAIRS_BY_UNCERTAINTY] / by[PAIRS_BY_UNCERTAINTY] < 0.02);
    assert_true(apart[PAIRS_BY_QUARTILE] / by[PAIRS_BY_QUARTILE] > 1);
}

/* Forms 0 to 9 have always been equals of what they stood beside, the others never. */
static void equals_by_experience_are_not_uncertain(void **state)
{
    uint32_t chosen[2];
    enum pairs_how how;
    int with_equals = 0, uncertain = 0;

    (void)state;
    fill(SOME, true);
    for (int i = 0; i < 100; i++) {
        for (uint32_t form = 0; form < FORMS; form++) {
            pairs_outcome(p, form, form < FORMS / 2);
        }
    }
    for (int i = 0; i < SOME; i++) {
        if (caption[i].form < FORMS / 2 &&
            pairs_choose(p, &caption[i], 2, anything, NULL, chosen, &how) &&
            how == PAIRS_BY_UNCERTAINTY) {
            uncertain++;
            with_equals += caption[chosen[1]].form < FORMS / 2;
        }
    }
    assert_true(uncertain > 200);
    assert_true(with_equals < uncertain / 20);
}

static void without_scores_a_rare_form_comes_as_often_as_one_of_many(void **state)
{
    uint32_t chosen[2];
    enum pairs_how how;
    int by_form[FORMS] = {0}, often = 0;

    (void)state;
    fill(SOME, false);
    const struct pairs_caption first = {
        .number = SOME, .form = FORMS, .visits = 1, .score = NAN};
    for (int i = 0; i < 20000; i++) {
        assert_true(pairs_choose(p, &first, 2, anything, NULL, chosen, &how));
        assert_int_equal(how, PAIRS_BY_FORM);
        by_form[caption[chosen[1]].form]++;
        often += caption[chosen[1]].visits > 50;
    }
    for (int i = 0; i < FORMS; i++) {
        assert_in_range(by_form[i], 850, 1150);
    }
    // The larger of two uniform numbers is above the middle three times of four.
    assert_in_range(often, 13500, 16500);
}

static bool is_even(void *ctx, const uint32_t *chosen, int count, uint32_t next)
{
    (void)ctx;
    (void)chosen;
    (void)count;
    return next % 2 == 0;
}

static void only_what_fits_is_chosen(void **state)
{
    uint32_t chosen[2];
    enum pairs_how how;

    (void)state;
    fill(SOME, true);
    for (int i = 0; i < SOME; i++) {
        assert_true(pairs_choose(p, &caption[i], 2, is_even, NULL, chosen, &how));
        assert_int_equal(chosen[1] % 2, 0);
    }
}

static void the_table_is_bounded_and_a_flood_of_one_form_leaves_the_others(void **state)
{
    struct pairs *small = pairs_new(256, 1);

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        pairs_put(small, &(struct pairs_caption){i, i, 1, NAN});
    }
    for (uint32_t i = 100; i < 5000; i++) {
        pairs_put(small, &(struct pairs_caption){i, 200, 1, NAN});
        assert_true(pairs_count(small) <= 256);
    }
    assert_int_equal(pairs_count(small), 100 + 256 / 8 + 1);
    for (uint32_t i = 5000; i < 5500; i++) {
        pairs_put(small, &(struct pairs_caption){i, i - 4700, 1, NAN});
        assert_true(pairs_count(small) <= 256);
    }
    for (uint32_t i = 0; i < 5500; i++) {
        pairs_remove(small, i);
    }
    assert_int_equal(pairs_count(small), 0);
    pairs_free(small);
}

static void a_hundred_thousand_captions_are_chosen_from_at_once(void **state)
{
    enum { CHOICES = 10000 };
    uint32_t chosen[2];
    enum pairs_how how;

    (void)state;
    fill(MANY, true);
    const uint64_t begin = clock_thread_cpu_ns();
    for (int i = 0; i < CHOICES; i++) {
        struct pairs_caption *c = &caption[i * 7];
        assert_true(pairs_choose(p, c, 2, anything, NULL, chosen, &how));
        c->score += 0.01f; // scores move all the time
        pairs_put(p, c);
    }
    const double us = (double)(clock_thread_cpu_ns() - begin) / 1e3 / CHOICES;
    print_message("%.2f us of CPU for a choice among %d\n", us, MANY);
    assert_true(us < 200); // some 5; sanitizers and busy machines
}

/* ---- sets ---- */

static struct hash128 key_of(uint32_t i)
{
    return hash_128(bytes_of(&i, sizeof(i)));
}

static void a_set_is_found_by_its_key_and_by_a_question_about_it(void **state)
{
    struct items *s = items_new(3);

    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        const uint32_t number[3] = {i, i + 1, i + 2};
        assert_int_equal(items_find(s, key_of(i)), -1);
        assert_int_equal(items_add(s, key_of(i), i % 2 == 0 ? number : NULL), i);
        assert_int_equal(items_add(s, key_of(i), number), -1); // it is there
    }
    for (uint32_t i = 0; i < 5000; i++) {
        assert_int_equal(items_find(s, key_of(i)), i);
        assert_int_equal(items_find_question(s, key_of(i).lo ^ 0x1234), i);
        assert_int_equal(items_captions(s, i)[2], i % 2 == 0 ? i + 2 : 0);
        // Another one that the id of a question could not tell from it.
        const struct hash128 like = {key_of(i).lo ^ 1, key_of(i).hi};
        assert_int_equal(items_find(s, like), -1);
        assert_int_equal(items_add(s, like, NULL), -1);
    }
    assert_int_equal(items_count(s), 5000);
    items_free(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_put_beside_its_own_form),
        TEST(half_are_nearly_equals_and_half_of_another_quartile),
        TEST(equals_by_experience_are_not_uncertain),
        TEST(without_scores_a_rare_form_comes_as_often_as_one_of_many),
        TEST(only_what_fits_is_chosen),
        TEST(the_table_is_bounded_and_a_flood_of_one_form_leaves_the_others),
        TEST(a_hundred_thousand_captions_are_chosen_from_at_once),
        cmocka_unit_test(a_set_is_found_by_its_key_and_by_a_question_about_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
