/* All decoders under bytes from outside. The first byte chooses: its lower half which
 * decoder, its top bit whether the frame lies at an odd address. The rest is the frame,
 * in a block of exactly its size, so that the address sanitizer sees one byte over.
 *
 * With libFuzzer:  cmake --build build --target fuzz_codec_libfuzzer
 *                  build/tests/fuzz_codec_libfuzzer -max_len=20000 NEW tests/fuzz/corpus/codec
 * ctest runs the committed corpus through the same function (fuzz_main.c). */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/wire/codec.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/wire_samples.h"

enum { KINDS = 11 }; // of sample_kinds

/* What was read as a segment can be written, and reads the same again. */
static void write_again(struct codec *c, const struct segment_view *v, uint64_t sum)
{
    static struct segment_text text[2 * SEGMENT_STEPS_MAX + 1];
    static struct segment_episode episode[SEGMENT_STEPS_MAX];
    struct codec *other = codec_new();
    uint64_t again = 0;

    for (int i = 0; i < v->texts; i++) {
        text[i] = segment_view_text(v, i);
    }
    for (int i = 0; i < v->episodes; i++) {
        episode[i] = segment_view_episode(v, i);
    }
    const struct segment_fill fill = {.header = v->header,
                                      .env = v->env,
                                      .version = v->version,
                                      .seed = v->seed,
                                      .T = v->T,
                                      .state_floats = v->state_floats,
                                      .texts = v->texts,
                                      .episodes = v->episodes,
                                      .chars = v->chars,
                                      .colors = v->colors,
                                      .stats = v->stats,
                                      .caption = v->caption,
                                      .count = v->count,
                                      .action = v->action,
                                      .logp = v->logp,
                                      .value = v->value,
                                      .reward = v->reward,
                                      .flags = v->flags,
                                      .state = v->state,
                                      .first_caption = v->first_caption,
                                      .first_action = v->first_action,
                                      .first_starts = v->first_starts,
                                      .bootstrap = v->bootstrap,
                                      .intrinsic_value = v->intrinsic_value,
                                      .intrinsic_bootstrap = v->intrinsic_bootstrap,
                                      .text = text,
                                      .episode = episode};
    const struct bytes frame = codec_encode_segment(c, &fill);
    CHECK(sample_decode_all(other, FRAME_SEGMENT, frame, NULL, &again) == ST_OK);
    CHECK(again == sum);
    codec_free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct codec *reader, *writer;
    uint64_t sum = 0;

    if (size == 0) {
        return 0;
    }
    if (reader == NULL) {
        reader = codec_new();
        writer = codec_new();
    }
    const uint8_t kind = sample_kinds[(data[0] & 15) % KINDS];
    const size_t shift = data[0] >> 7, len = size - 1;
    uint8_t *block = malloc(len + shift > 0 ? len + shift : 1);
    CHECK(block != NULL);
    memcpy(block + shift, data + 1, len);
    const struct bytes frame = bytes_of(block + shift, len);
    const enum status st = sample_decode_all(reader, kind, frame, NULL, &sum);
    CHECK(st == ST_OK || st == ST_CORRUPT || st == ST_VERSION);
    CHECK((st == ST_OK) == (codec_reason(reader)[0] == '\0'));
    if (st == ST_OK && kind == FRAME_SEGMENT) {
        struct segment_view v;
        CHECK(codec_decode_segment(reader, frame, NULL, &v) == ST_OK);
        write_again(writer, &v, sum);
    }
    free(block);
    return 0;
}
