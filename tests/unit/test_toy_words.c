/* The text that make_vectors.py makes small word vectors of must not know what a game says:
 * else runs with them would be told more than other rewards are. */

#include "tests/support/harness.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/base/text.h"
#include "tests/support/cryptplay.h"

/* Letters small, all else one blank, one at each end. */
static char *plain(struct bytes text)
{
    char *out = mem_new(text.len + 3, 1);
    const char *from = text.data;
    size_t n = 0;

    out[n++] = ' ';
    for (size_t i = 0; i <= text.len; i++) {
        const char c = i < text.len ? from[i] : ' ';
        const char small = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        if (small >= 'a' && small <= 'z') {
            out[n++] = small;
        } else if (out[n - 1] != ' ') {
            out[n++] = ' ';
        }
    }
    return out;
}

/* Random games of two tasks, some thousand captions. */
static void the_text_of_the_toy_vectors_holds_no_caption_of_the_crypt(void **state)
{
    static const char *const tasks[] = {"crypt-vault", "crypt-oracle"};
    char path[PATH_MAX_], *text, *all;
    size_t len;
    int captions_seen = 0;

    (void)state;
    text_format(path, sizeof(path), "%s/tests/support/plain_words.txt",
                getenv("MINOS_SOURCE"));
    assert_int_equal(file_read(path, 1 << 20, &text, &len), ST_OK);
    all = plain(bytes_of(text, len));
    for (int t = 0; t < 2; t++) {
        struct env *e = cryptplay_open(tasks[t], "");
        struct rng rng;
        rng_init_stream(&rng, &(struct rng_stream){.seed = 5});
        for (int step = 0; step < 50000; step++) {
            const struct env_result r = cryptplay_step(e, (int)rng_below(&rng, 8));
            char *caption = plain(bytes_text(cryptplay_caption(e)));
            if (strlen(caption) > 2) {
                captions_seen++;
                if (strstr(all, caption) != NULL) {
                    fail_msg("'%s' is in the text", caption);
                }
            }
            mem_free(caption);
            if (r.terminated || r.truncated) {
                assert_int_equal(
                    env_crypt.reset(e, &(struct rng_stream){.seed = 7,
                                                            .role = RNG_TEST,
                                                            .episode = (uint64_t)step}),
                    ST_OK);
            }
        }
        env_crypt.close(e);
    }
    assert_true(captions_seen > 5000);
    mem_free(all);
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_of_the_toy_vectors_holds_no_caption_of_the_crypt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
