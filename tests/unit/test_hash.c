/* Facts about digests. */
#include <string.h>

#include "common/base/hash.h"
#include "tests/support/harness.h"

static void xxh3_gives_its_published_digests(void **state)
{
    char hex[33];

    (void)state;
    // XXH3 of nothing with seed 0, from the xxHash specification's test vectors.
    assert_int_equal(hash_64(bytes_of(NULL, 0)), 0x2d06800538d394c2u);
    hash_hex(hash_128(bytes_of(NULL, 0)), hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
}

static void a_digest_over_pieces_is_the_digest_of_the_whole(void **state)
{
    static uint8_t data[5000];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 31);
    }
    for (size_t cut = 0; cut <= sizeof(data); cut += 613) {
        struct hash_state *s = hash_begin();
        hash_add(s, bytes_of(data, cut));
        hash_add(s, bytes_of(NULL, 0));
        hash_add(s, bytes_of(data + cut, sizeof(data) - cut));
        assert_true(hash_equal(hash_end(s), hash_128(bytes_of(data, sizeof(data)))));
    }
}

static void hex_comes_back_and_other_text_is_refused(void **state)
{
    const struct hash128 h = {.lo = 0x0123456789abcdefu, .hi = 0xf0u};
    struct hash128 back = {1, 2};
    char hex[33], longer[35];

    (void)state;
    hash_hex(h, hex);
    assert_string_equal(hex, "00000000000000f00123456789abcdef");
    assert_true(hash_parse(hex, &back));
    assert_true(hash_equal(h, back));
    memcpy(longer, hex, 33);
    strcat(longer, "0");
    assert_false(hash_parse(longer, &back));
    assert_false(hash_parse("", &back));
    assert_false(hash_parse("00000000000000f00123456789abcde", &back));
    assert_false(hash_parse("00000000000000f00123456789abcdeg", &back));
    assert_false(hash_parse("00000000000000F00123456789ABCDEF", &back));
    assert_true(hash_equal(h, back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xxh3_gives_its_published_digests),
        cmocka_unit_test(a_digest_over_pieces_is_the_digest_of_the_whole),
        cmocka_unit_test(hex_comes_back_and_other_text_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
