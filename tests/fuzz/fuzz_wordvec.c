/* Files of word vectors under bytes from outside: refused, or of finite numbers and readable
 * again word by word.
 *
 * With libFuzzer:  cmake --build build --target fuzz_wordvec_libfuzzer
 *                  build/tests/fuzz_wordvec_libfuzzer NEW tests/fuzz/corpus/wordvec
 * ctest runs the committed corpus through the same function (fuzz_main.c). */

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/text.h"
#include "learner/reward/wordvec.h"
#include "learner/reward/wordvec_line.h"
#include "tests/fuzz/fuzz_target.h"

enum { DIM_MOST = 4096 };

/* A line that passes is made of numbers that strtof() reads to the end of each. */
static void check_line(const uint8_t *data, size_t size)
{
    static float out[DIM_MOST];
    char why[WORDVEC_WHY_MAX];
    char *line = malloc(size + 1);

    memcpy(line, data, size);
    line[size] = '\0';
    for (int dim = 1; dim <= 4; dim++) {
        const struct bytes b = bytes_of(line, size);
        if (wordvec_line_check(b, dim, why)) {
            wordvec_line_numbers(b, out, dim);
            for (int i = 0; i < dim; i++) {
                CHECK(isfinite(out[i]));
            }
        }
    }
    free(line);
}

/* Every first word of a line is found, if it is a file at all. */
static void check_words(struct wordvec *v, const uint8_t *data, size_t size)
{
    const uint8_t *at = memchr(data, '\n', size), *end = data + size;
    const float *x;

    for (at++; at < end; at++) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        const struct bytes line = bytes_of(at, (size_t)(stop - at));
        CHECK(wordvec_find(v, wordvec_line_word(line), &x) == ST_OK);
        for (int i = 0; i < wordvec_dim(v); i++) {
            CHECK(isfinite(x[i]));
        }
        at = stop;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wordvec *v;
    char path[64];
    const int fd = memfd_create("vec", MFD_CLOEXEC);

    check_line(data, size);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    text_format(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (wordvec_open(path, &v) == ST_OK) {
        check_words(v, data, size);
        wordvec_close(v);
    }
    close(fd);
    return 0;
}
