/* Readers of language models' answers under bytes from outside. The first byte chooses:
 * its lower two bits the style, the next two the form, the rest how many captions. The
 * rest of the input is the answer, in a block of exactly its size.
 *
 * With libFuzzer:  cmake --build build --target fuzz_answer_libfuzzer
 *                  build/tests/fuzz_answer_libfuzzer NEW tests/fuzz/corpus/answer
 * ctest runs the committed corpus through the same function (fuzz_main.c). */

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "judge/backends/llm/parse.h"
#include "tests/fuzz/fuzz_target.h"

/* What holds of anything that was read. */
static void check(const struct parsed *got, int captions, size_t len)
{
    CHECK(got->ok == (got->why == NULL));
    CHECK(got->p >= 0 && got->p <= 1);
    CHECK(got->at <= len && got->len <= len - got->at);
    for (int i = 0; i < ITEM_CAPTIONS_MAX; i++) {
        CHECK(got->rank[i] < captions);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parsed got, again;

    if (size == 0) {
        return 0;
    }
    const enum prompt_style style = (enum prompt_style)(data[0] & 3);
    const int captions = style == STYLE_PAIR    ? 2
                         : style == STYLE_ORDER ? 2 + (data[0] >> 4) % 7
                                                : 1;
    char *answer = malloc(size);
    memcpy(answer, data + 1, size - 1);
    const struct bytes bytes = bytes_of(answer, size - 1);
    switch (data[0] >> 2 & 3) {
    case 0:
        parse_structured(style, captions, bytes, &got);
        break;
    case 1:
        parse_choice(style, captions, bytes, &got);
        break;
    default:
        parse_text(style, captions, bytes, &got);
    }
    check(&got, captions, bytes.len);
    if (got.ok && got.len > 0) {
        // Where the answer is said to be, there it is.
        parse_choice(style, captions, bytes_of(answer + got.at, got.len), &again);
        CHECK(again.ok && again.p == got.p);
        CHECK(memcmp(again.rank, got.rank, sizeof(got.rank)) == 0);
    }
    free(answer);
    return 0;
}
