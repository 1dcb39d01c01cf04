/* Facts about chance. */
#include <math.h>
#include <stdlib.h>

#include "common/base/rng.h"
#include "tests/support/harness.h"

enum { STREAMS = 6 * 256, DRAWS = 100000 };

static void splitmix64_gives_its_published_numbers(void **state)
{
    // The first outputs for seed 1234567, from the reference implementation (Vigna).
    static const uint64_t golden[] = {6457827717110365317u, 3203168211198807973u,
                                      9817491932198370423u, 4593380528125082431u,
                                      16408922859458223821u};
    struct rng r;

    (void)state;
    rng_init(&r, 1234567);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rng_next(&r), golden[i]);
    }
}

static void a_stream_gives_the_same_numbers_everywhere(void **state)
{
    const struct rng_stream s = {.seed = 7,
                                 .role = RNG_ENV,
                                 .index = 3,
                                 .incarnation = 1,
                                 .env = 12,
                                 .episode = 99};
    struct rng r;

    (void)state;
    rng_init_stream(&r, &s);
    assert_int_equal(rng_next(&r), 0x2cddf1c4e93308a0u);
    assert_int_equal(rng_next(&r), 0xe42a1af53ef2878cu);
    assert_int_equal(rng_below(&r, 1000), 244);
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Each field of the stream counted from 0 to 255 in turn: no two start alike. */
static void neighbours_in_every_field_start_apart(void **state)
{
    static uint64_t starts[STREAMS];
    int n = 0;

    (void)state;
    for (uint32_t field = 0; field < 6; field++) {
        for (uint32_t v = 1; v <= 256; v++) {
            const struct rng_stream s = {.seed = field == 0 ? v : 0,
                                         .role = field == 1 ? v : 0,
                                         .index = field == 2 ? v : 0,
                                         .incarnation = field == 3 ? v : 0,
                                         .env = field == 4 ? v : 0,
                                         .episode = field == 5 ? v : 0};
            struct rng r;
            rng_init_stream(&r, &s);
            starts[n++] = r.state;
        }
    }
    qsort(starts, STREAMS, sizeof(starts[0]), compare);
    for (int i = 1; i < STREAMS; i++) {
        assert_true(starts[i] != starts[i - 1]);
        // Not within a million draws of each other on the common cycle either.
        const uint64_t steps =
            (starts[i] - starts[i - 1]) * 0xf1de83e19937733du; // 1/gamma mod 2^64
        assert_true(steps > 1000000 && steps < UINT64_MAX - 1000000);
    }
}

/* The correlation of two neighbouring streams over 10^5 draws; 5 sigma = 0.016. */
static void neighbouring_streams_do_not_follow_each_other(void **state)
{
    struct rng_stream s = {.seed = 1, .role = RNG_ACTOR};
    struct rng a, b;
    double sum = 0;

    (void)state;
    rng_init_stream(&a, &s);
    s.index = 1;
    rng_init_stream(&b, &s);
    for (int i = 0; i < DRAWS; i++) {
        sum += (rng_float(&a) - 0.5) * (rng_float(&b) - 0.5);
    }
    assert_true(fabs(sum / DRAWS * 12) < 0.016);
}

static void below_stays_below_and_is_even(void **state)
{
    int count[7] = {0};
    struct rng r;

    (void)state;
    rng_init(&r, 5);
    for (int i = 0; i < DRAWS; i++) {
        const uint32_t v = rng_below(&r, 7);
        assert_true(v < 7);
        count[v]++;
        assert_int_equal(rng_below(&r, 1), 0);
    }
    for (int i = 0; i < 7; i++) { // 5 sigma of a binomial
        assert_true(abs(count[i] - DRAWS / 7) < 5 * 111);
    }
}

static void floats_lie_in_zero_to_one_and_normals_have_unit_variance(void **state)
{
    double sum = 0, squares = 0;
    struct rng r;

    (void)state;
    rng_init(&r, 6);
    for (int i = 0; i < DRAWS; i++) {
        const float u = rng_float(&r), x = rng_normal(&r);
        assert_true(u >= 0 && u < 1);
        assert_true(isfinite(x));
        sum += x;
        squares += (double)x * x;
    }
    assert_true(fabs(sum / DRAWS) < 5 / sqrt(DRAWS));
    assert_true(fabs(squares / DRAWS - 1) < 5 * sqrt(2.0 / DRAWS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splitmix64_gives_its_published_numbers),
        cmocka_unit_test(a_stream_gives_the_same_numbers_everywhere),
        cmocka_unit_test(neighbours_in_every_field_start_apart),
        cmocka_unit_test(neighbouring_streams_do_not_follow_each_other),
        cmocka_unit_test(below_stays_below_and_is_even),
        cmocka_unit_test(floats_lie_in_zero_to_one_and_normals_have_unit_variance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
