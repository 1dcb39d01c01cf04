/* Writes the seeds of fuzz_codec.c into a directory: every kind of message whole, at an
 * odd address, cut short, and with a damaged byte here and there. */

#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "tests/support/wire_samples.h"

static int failures;

static void write_input(const char *dir, const char *name, int kind, uint8_t choice,
                        struct bytes frame)
{
    uint8_t *input = mem_new(frame.len + 1, 1);
    char path[PATH_MAX_];

    input[0] = choice;
    memcpy(input + 1, frame.data, frame.len);
    text_format(path, sizeof(path), "%s/kind-%02d-%s", dir, kind, name);
    failures += file_write_atomic(path, bytes_of(input, frame.len + 1)) != ST_OK;
    mem_free(input);
}

static void write_kind(struct codec *c, const char *dir, uint8_t choice)
{
    const uint8_t kind = sample_kinds[choice];
    const struct bytes frame = sample_frame(c, kind);
    uint8_t *copy = mem_new(frame.len, 1);

    write_input(dir, "whole", kind, choice, frame);
    write_input(dir, "odd", kind, choice | 0x80, frame);
    write_input(dir, "header", kind, choice, bytes_of(frame.data, FRAME_HEADER));
    write_input(dir, "half", kind, choice, bytes_of(frame.data, frame.len / 2));
    for (int i = 0; i < 4; i++) {
        char name[16];
        memcpy(copy, frame.data, frame.len);
        copy[FRAME_HEADER + (size_t)i * 5 % (frame.len - FRAME_HEADER)] ^= 0x41;
        text_format(name, sizeof(name), "damaged-%d", i);
        write_input(dir, name, kind, choice, bytes_of(copy, frame.len));
    }
    mem_free(copy);
}

int main(int argc, char **argv)
{
    struct codec *c = codec_new();

    if (argc != 2) {
        fprintf(stderr, "Usage: make_codec_corpus DIRECTORY\n");
        return 2;
    }
    for (uint8_t i = 0; sample_kinds[i] != 0; i++) {
        write_kind(c, argv[1], i);
    }
    codec_free(c);
    return failures == 0 ? 0 : 1;
}
