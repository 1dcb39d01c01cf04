/* What 10^7 distinct captions take where each comes once: anonymous memory, file, time.
 * bench_lexicon [CAPTIONS] */
#include "tests/support/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "learner/intake/lexicon.h"

int main(int argc, char **argv)
{
    const long captions = argc > 1 ? atol(argv[1]) : 10000000;
    const char *dir = harness_make_dir();
    struct replay *r = NULL;
    struct lexicon *c = NULL;
    char text[96];

    CHECK(replay_open(harness_path(dir, "s"), 1, (uint64_t)1024 << 20, &r) == ST_OK &&
          lexicon_open(r, &c) == ST_OK);
    const double before = mem_anon_mb(), begin = clock_s(clock_system());
    for (long i = 0; i < captions; i++) {
        snprintf(text, sizeof(text),
                 "The %ld. kobold hits, you have %ld hit points left.", i, i % 97);
        const struct bytes b = bytes_text(text);
        CHECK(lexicon_meet(c, b, hash_128(b), 1, -1, 0, (uint64_t)i / 1000) >= 0);
        if (i % 2000 == 0) { // as one poll brings them
            CHECK(replay_begin(r) == ST_OK && lexicon_put_new(c, r) == ST_OK &&
                  replay_commit(r) == ST_OK);
        }
        if (i % (captions / 10 + 1) == 0) {
            printf("{\"bench\": \"lexicon\", \"met\": %ld, \"known\": %u, "
                   "\"anon_mb\": %.0f, \"seconds\": %.1f}\n",
                   i, lexicon_known(c), mem_anon_mb() - before,
                   clock_s(clock_system()) - begin);
        }
    }
    printf("{\"bench\": \"lexicon\", \"met\": %ld, \"known\": %u, \"anon_mb\": %.0f, "
           "\"seconds\": %.1f}\n",
           captions, lexicon_known(c), mem_anon_mb() - before,
           clock_s(clock_system()) - begin);
    lexicon_close(c);
    replay_close(r);
    harness_remove_dir(dir);
    return 0;
}
