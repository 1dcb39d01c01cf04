/* The 32 bytes in front of every message. */

#include "tests/support/harness.h"

#include <string.h>

#include "common/wire/frame.h"

static const struct frame_header sample = {.kind = FRAME_SEGMENT,
                                           .run = 0x1122334455667788u,
                                           .actor = 0xa1b2c3d4u,
                                           .incarnation = 7,
                                           .seq = 0x0102030405060708u};

static void a_header_survives_the_round_trip(void **state)
{
    uint8_t bytes[FRAME_HEADER];
    struct frame_header h;

    (void)state;
    frame_write_header(&sample, bytes);
    assert_int_equal(frame_read_header(bytes_of(bytes, sizeof(bytes)), &h), ST_OK);
    assert_int_equal(h.kind, sample.kind);
    assert_true(h.run == sample.run);
    assert_int_equal(h.actor, sample.actor);
    assert_int_equal(h.incarnation, sample.incarnation);
    assert_true(h.seq == sample.seq);
}

static void the_header_lies_byte_for_byte_as_documented(void **state)
{
    static const uint8_t expected[FRAME_HEADER] = {
        'M',  'I',  'N',  'O',  1,    2,    0,    0,    0x88, 0x77, 0x66,
        0x55, 0x44, 0x33, 0x22, 0x11, 0xd4, 0xc3, 0xb2, 0xa1, 7,    0,
        0,    0,    8,    7,    6,    5,    4,    3,    2,    1};
    uint8_t bytes[FRAME_HEADER];

    (void)state;
    frame_write_header(&sample, bytes);
    assert_memory_equal(bytes, expected, sizeof(expected));
}

static void a_short_frame_and_a_foreign_one_are_corrupt(void **state)
{
    uint8_t bytes[FRAME_HEADER];
    struct frame_header h;

    (void)state;
    frame_write_header(&sample, bytes);
    assert_int_equal(frame_read_header(bytes_of(bytes, FRAME_HEADER - 1), &h),
                     ST_CORRUPT);
    assert_int_equal(frame_read_header(bytes_of(NULL, 0), &h), ST_CORRUPT);
    bytes[0] = 'm';
    assert_int_equal(frame_read_header(bytes_of(bytes, sizeof(bytes)), &h), ST_CORRUPT);
}

static void an_unknown_kind_is_corrupt(void **state)
{
    uint8_t bytes[FRAME_HEADER];
    struct frame_header h = sample;
    int known = 0;

    (void)state;
    for (int kind = 0; kind < 256; kind++) {
        h.kind = (uint8_t)kind;
        frame_write_header(&h, bytes);
        struct frame_header got;
        const enum status st = frame_read_header(bytes_of(bytes, sizeof(bytes)), &got);
        assert_true(st == ST_OK || st == ST_CORRUPT);
        known += st == ST_OK;
    }
    assert_int_equal(known, 16);
}

static void another_protocol_is_another_version_whatever_its_kind(void **state)
{
    uint8_t bytes[FRAME_HEADER];
    struct frame_header h = sample;

    (void)state;
    h.kind = 99;
    frame_write_header(&h, bytes);
    bytes[4] = FRAME_PROTOCOL + 1;
    assert_int_equal(frame_read_header(bytes_of(bytes, sizeof(bytes)), &h), ST_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_survives_the_round_trip),
        cmocka_unit_test(the_header_lies_byte_for_byte_as_documented),
        cmocka_unit_test(a_short_frame_and_a_foreign_one_are_corrupt),
        cmocka_unit_test(an_unknown_kind_is_corrupt),
        cmocka_unit_test(another_protocol_is_another_version_whatever_its_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
