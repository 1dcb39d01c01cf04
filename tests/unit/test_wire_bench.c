/* The benches of the wire run and give figures. */

#include "tests/support/harness.h"

#include <string.h>

#include "common/wire/wire_bench.h"

static void assert_has(const char *json, const char *key)
{
    const char *at = strstr(json, key);

    assert_non_null(at);
    assert_null(strstr(json, "null"));
    assert_true(at[strlen(key) + 3] != '0' || at[strlen(key) + 4] == '.');
}

static void the_codec_bench_gives_microseconds_for_both_sizes(void **state)
{
    struct metrics_row m = {0};

    (void)state;
    metrics_begin(&m);
    assert_int_equal(wire_bench_codec(0.2, &m), ST_OK);
    const char *json = metrics_end(&m);
    assert_has(json, "segment_encode_us");
    assert_has(json, "segment_decode_us");
    assert_has(json, "large_encode_us");
    assert_has(json, "large_memcpy_us");
    metrics_release(&m);
}

static void the_bus_bench_gives_rates_for_both_sizes(void **state)
{
    struct metrics_row m = {0};

    (void)state;
    metrics_begin(&m);
    assert_int_equal(wire_bench_bus(0.3, &m), ST_OK);
    const char *json = metrics_end(&m);
    assert_has(json, "segment_per_s");
    assert_has(json, "large_gb_per_s");
    metrics_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_codec_bench_gives_microseconds_for_both_sizes),
        cmocka_unit_test(the_bus_bench_gives_rates_for_both_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
