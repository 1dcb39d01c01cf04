/* The training thread with a reward that is fitted while it trains. */

#include "tests/support/harness.h"

#include <string.h>

#include "common/base/text.h"
#include "tests/support/school.h"

enum { E = 8, T = 16, UPDATES = 24, LABELS = 6 };

static struct school school; // large
static char dir[512];

static void tune(struct learner_options *o)
{
    text_format(o->reward, sizeof(o->reward), "classify");
    o->gate_labels = 64;
    o->gate_steps = 16;
    o->reward_version_updates = 4;
    o->ramp_updates = 6;
    o->reward_model_lr = 0.003;
}

static const struct school_plan plan = {.task = "chain",
                                        .overrides = "length=3,limit=7",
                                        .envs = E,
                                        .T = T,
                                        .dir = dir,
                                        .tune = tune};

/* A text and its label, as rank 0's I/O thread tells them. */
static void label(const char *text, float p, uint64_t serial)
{
    struct to_training m = {
        .kind = TO_TRAINING_TEXT,
        .text = {.key = hash_128(bytes_text(text)), .len = (uint8_t)strlen(text)}};

    memcpy(m.text.text, text, m.text.len);
    assert_true(ring_push(school.rings.to_training, &m));
    school_label(&school, text, p, serial);
}

/* What judges said by update u. */
static void labels_of(int u)
{
    char text[64];

    for (int i = 0; u < 20 && i < LABELS; i++) {
        const int n = u * LABELS + i;
        text_format(text, sizeof(text),
                    n % 3 == 0 ? "You climb over %c%c%c." : "A %c%c%c.", 'a' + n % 26,
                    'a' + n / 26, 'a' + n % 7);
        label(text, n % 3 == 0 ? 1.0F : 0.0F, (uint64_t)n + 1);
    }
}

struct seen {
    uint64_t weights, model, reward;
};

static struct seen step(int u)
{
    labels_of(u);
    school_step(&school);
    const struct reward *r = &school.train.reward;
    const struct batch *b = &school.train.batch;
    return (struct seen){.weights = train_digest(&school.train),
                         .model = r->kind->digest(r),
                         .reward = hash_64(bytes_of(b->stream[0].reward,
                                                    sizeof(float) * (size_t)b->rows))};
}

/* The same segments and labels twice, once without a break and once with one in the
 * middle of the ramp, one while versions change. */
static void it_resumes_bit_for_bit(void **state)
{
    static const int breaks[] = {9, 14, 17};
    struct seen want[UPDATES];

    (void)state;
    for (size_t k = 0; k <= sizeof(breaks) / sizeof(breaks[0]); k++) {
        strcpy(dir, harness_make_dir());
        school_open(&school, &plan, 1);
        school.train.options.max_lag = 1000;
        school.train.sampler.options.max_lag = 1000;
        for (int u = 0; u < UPDATES; u++) {
            school_play(&school, 0); // all from the first weights
        }
        for (int u = 0; u < UPDATES; u++) {
            if (k > 0 && u == breaks[k - 1]) {
                struct checkpoint_manifest m;
                char path[600];
                assert_int_equal(train_checkpoint(&school.train), ST_OK);
                school_close(&school);
                school_open(&school, &plan, 1);
                school.train.sampler.options.max_lag = 1000;
                assert_int_equal(checkpoint_find(dir, true, &m, path, sizeof(path)),
                                 ST_OK);
                assert_int_equal(train_load(&school.train, &m, path), ST_OK);
            }
            const struct seen now = step(u);
            if (k == 0) {
                want[u] = now;
            }
            assert_int_equal(now.reward, want[u].reward);
            assert_int_equal(now.weights, want[u].weights);
            assert_int_equal(now.model, want[u].model);
        }
        assert_true(school.train.reward.fitting.open);
        assert_true(school.train.totals.reward.in > 0);
        school_close(&school);
        harness_remove_dir(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_resumes_bit_for_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
