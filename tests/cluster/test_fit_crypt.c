/* A reward that is fitted to captions of the crypt, and a policy that farms it: each
 * reading of an inscription is a text that was never there, which no count discounts. */

#include "tests/support/cryptplay.h"
#include "tests/support/harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "learner/reward/reward.h"
#include "learner/store/keymap.h"

enum { EAST = 1, STEPS = 200000, LIMIT = 400, UPDATES = 1200, LABELS = 4, LOOK = 16 };
static const double success = 2; // a-ext 1, reward-scale 0.04, 50

static struct reward reward;
static uint64_t update;

static void open_classify(void)
{
    const struct reward_options o = {.kind = "classify",
                                     .a_ext = 1,
                                     .a_int = 1,
                                     .scale = 0.04,
                                     .clip = 10,
                                     .beta = 3,
                                     .fitting = {.text_net = "ngram",
                                                 .lr = 0.003,
                                                 .steps = 1,
                                                 .batch = 64,
                                                 .version_updates = 16,
                                                 .gate_labels = 64,
                                                 .gate_class = 8,
                                                 .gate_steps = 100,
                                                 .ramp_updates = 20,
                                                 .held_out = 0.1,
                                                 .balance = 0.25,
                                                 .seed = 1}};

    assert_int_equal(reward_init(&reward, &o, &(struct reward_peers){.count = 1}, 1),
                     ST_OK);
}

/* What one step pays whose caption is `text` and comes for the first time. */
static double pay(const char *said)
{
    const struct bytes text = bytes_text(said);
    const struct hash128 key = hash_128(text);
    const float nothing = 0;
    const uint16_t once = 1;
    const uint32_t first = 0, one = 1;
    const struct reward_rows rows = {.rows = 1,
                                     .texts = 1,
                                     .env_reward = &nothing,
                                     .count = &once,
                                     .paid_caption = &first,
                                     .text = &text,
                                     .key = &key,
                                     .emissions = &one};
    struct reward_sums sums;
    float paid;

    reward_apply(&reward, &paid, &sums, &rows, 1000000);
    return (double)paid;
}

/* An episode of nothing but reading. */
static double read_all_the_time(void)
{
    static const char *const level[] = {"-----", "|@~.|", "-----"};
    struct env *e = cryptplay_open("crypt-vault", "limit=100000");
    double sum = 0;

    cryptplay_draw(e, level, 3);
    (void)cryptplay_step(e, EAST);
    for (int i = 0; i < LIMIT; i++) {
        (void)cryptplay_step(e, ACT_SEARCH);
        assert_int_equal(env_crypt.obs(e)->event, EV_READ);
        sum += pay(cryptplay_caption(e));
    }
    env_crypt.close(e);
    return sum;
}

/* One update. While the model pays, no version of it may pay for reading. */
static void learn(double *earned)
{
    assert_int_equal(reward_fit(&reward, update), ST_OK);
    if (reward.fitting.open && update % LOOK == 0) {
        *earned = fmax(*earned, read_all_the_time());
    }
    update++;
}

/* Labels what random play meets, as the hidden truth has it, LABELS before each update;
 * inscriptions too, as a judge is asked about them. Returns how many are helpful. */
static int label_random_play(double *earned)
{
    struct env *e = cryptplay_open("crypt-vault", "");
    struct rng_stream stream = {.seed = 11, .role = RNG_ENV};
    struct keymap *known = keymap_new();
    struct rng rng;
    int helpful = 0, labels = 0;

    rng_init(&rng, 4);
    for (int i = 0; i < STEPS; i++) {
        const int actions = env_crypt.spec(e)->actions;
        const struct env_result end =
            cryptplay_step(e, (int)rng_below(&rng, (uint32_t)actions));
        const struct env_obs *o = env_crypt.obs(e);
        const struct bytes text = bytes_of(o->caption, o->caption_len);
        bool fresh = false;
        int strength;
        if (text.len > 0) {
            (void)keymap_at(known, hash_128(text), &fresh);
        }
        if (fresh) {
            const bool yes = env_crypt.truth(e, o->event, &strength) != 0;
            const struct reward_label label = {.key = hash_128(text),
                                               .kind = VERDICT_LABEL,
                                               .captions = 1,
                                               .p = yes ? 1 : 0};
            reward_take_text(&reward, label.key, text);
            reward_take_label(&reward, &label, 0);
            helpful += yes;
            if (++labels % LABELS == 0) {
                learn(earned);
            }
        }
        if (end.terminated || end.truncated) {
            stream.episode++;
            assert_int_equal(env_crypt.reset(e, &stream), ST_OK);
        }
    }
    keymap_free(known);
    env_crypt.close(e);
    return helpful;
}

static void reading_inscriptions_earns_less_than_a_tenth_of_a_success(void **state)
{
    double earned = 0;

    (void)state;
    open_classify();
    assert_true(label_random_play(&earned) >= 16);
    assert_true(reward.fitting.open && update < UPDATES);
    while (update <= UPDATES) {
        learn(&earned);
    }
    assert_true(reward.fitting.ramp >= 1);
    printf("reading earns %.4f, a success %.1f\n", earned, success);
    assert_true(earned < 0.1 * success);
    assert_true(pay("You see a bronze key.") > 0.8); // it does know what is helpful
    reward_release(&reward);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_inscriptions_earns_less_than_a_tenth_of_a_success),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
