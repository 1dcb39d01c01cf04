#include "common/wire/frame.h"

#include <string.h>

/* Byte by byte: magic "MINO" 0..3, protocol 4, kind 5, zero 6..7, run 8..15,
 * actor 16..19, incarnation 20..23, seq 24..31; numbers little-endian. */
static const uint8_t magic[4] = {'M', 'I', 'N', 'O'};

static void put_le(uint8_t *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t get_le(const uint8_t *in, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++) {
        value |= (uint64_t)in[i] << (8 * i);
    }
    return value;
}

static bool kind_known(uint8_t kind)
{
    return (kind >= FRAME_HELLO && kind <= FRAME_STOP) ||
           (kind >= FRAME_JUDGE_HELLO && kind <= FRAME_VERDICT_ACK);
}

void frame_write_header(const struct frame_header *h, uint8_t out[FRAME_HEADER])
{
    memcpy(out, magic, sizeof(magic));
    out[4] = FRAME_PROTOCOL;
    out[5] = h->kind;
    out[6] = out[7] = 0;
    put_le(out + 8, h->run, 8);
    put_le(out + 16, h->actor, 4);
    put_le(out + 20, h->incarnation, 4);
    put_le(out + 24, h->seq, 8);
}

enum status frame_read_header(struct bytes frame, struct frame_header *out)
{
    const uint8_t *in = frame.data;

    if (frame.len < FRAME_HEADER || memcmp(in, magic, sizeof(magic)) != 0) {
        return ST_CORRUPT;
    }
    // Before the kind: another protocol may have kinds that are unknown here.
    if (in[4] != FRAME_PROTOCOL) {
        return ST_VERSION;
    }
    if (!kind_known(in[5])) {
        return ST_CORRUPT;
    }
    *out = (struct frame_header){.kind = in[5],
                                 .run = get_le(in + 8, 8),
                                 .actor = (uint32_t)get_le(in + 16, 4),
                                 .incarnation = (uint32_t)get_le(in + 20, 4),
                                 .seq = get_le(in + 24, 8)};
    return ST_OK;
}
