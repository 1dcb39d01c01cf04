#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/rng.h"
#include "common/base/text.h"
#include "judge/backends/rule.h"
#include "judge/backends/sim.h"
#include "judge/options.h"
#include "tests/support/harness.h"

static struct judge_options options;
static struct judge_goal goal = {.name = "treasure", .task = "crypt-vault"};
static struct judge_setup setup = {.goal = &goal, .options = &options};
static struct judge_caption caption[ITEM_CAPTIONS_MAX];
static const char *dir;

static void set_caption(int i, const char *text, size_t len)
{
    memcpy(caption[i].text, text, len);
    caption[i].text[len] = '\0';
    caption[i].len = (uint8_t)len;
}

static struct judge_verdict ask(const struct judge_backend *b, void *self, int captions)
{
    const struct judge_question q = {.kind =
                                         captions == 1 ? QUESTION_RATE : QUESTION_ORDER,
                                     .captions = captions,
                                     .caption = caption};
    struct judge_verdict v = {.kind = VERDICT_ABSTAIN, .confidence = NAN};

    assert_int_equal(b->ask(self, &q, &v), ST_OK);
    return v;
}

static float rate(void *self, const char *text)
{
    set_caption(0, text, strlen(text));
    const struct judge_verdict v = ask(&rule_backend, self, 1);
    assert_int_equal(v.kind, VERDICT_LABEL);
    return v.label;
}

static enum status open_rules(const char *content, void **self)
{
    const char *path = harness_path(dir, "t.rules");

    assert_int_equal(file_write_atomic(path, bytes_text(content)), ST_OK);
    text_format(options.rules, sizeof(options.rules), "%s", path);
    return rule_backend.open(&setup, self);
}

static void a_caption_is_helpful_when_a_pattern_lies_anywhere_in_it(void **state)
{
    void *self;

    (void)state;
    assert_int_equal(open_rules("# c\n\n1 key\n3 chest (creaks )?open\n", &self),
                     ST_OK);
    assert_true(rate(self, "You see an iron KEY here.") == 1);
    assert_true(rate(self, "The chest opens.") == 1);
    assert_true(rate(self, "You see a chest.") == 0);
    assert_true(rate(self, "") == 0);
    rule_backend.close(self);
}

static void an_order_is_by_strength_and_equal_ones_tie(void **state)
{
    void *self;

    (void)state;
    assert_int_equal(open_rules("1 key\n3 chest\n1 lock", &self), ST_OK);
    set_caption(0, "a wall", 6);
    set_caption(1, "a key and a chest", 17);
    set_caption(2, "a key", 5);
    set_caption(3, "a lock", 6);
    const struct judge_verdict v = ask(&rule_backend, self, 4);
    assert_int_equal(v.kind, VERDICT_LABEL);
    assert_memory_equal(v.order, ((const uint8_t[]){3, 0, 1, 1}), 4);
    assert_int_equal(ask(&rule_backend, self, 1).kind, VERDICT_LABEL);
    set_caption(0, "key", 3);
    set_caption(1, "lock", 4);
    assert_int_equal(ask(&rule_backend, self, 2).kind, VERDICT_TIE);
    rule_backend.close(self);
}

static void a_pattern_is_found_behind_a_zero_byte(void **state)
{
    void *self;

    (void)state;
    assert_int_equal(open_rules("1 key$\n", &self), ST_OK);
    set_caption(0, "wall\0key", 8);
    assert_true(ask(&rule_backend, self, 1).label == 1);
    set_caption(0, "key\0wall", 8);
    assert_true(ask(&rule_backend, self, 1).label == 0);
    rule_backend.close(self);
}

static void a_wrong_rule_file_is_named_with_its_line(void **state)
{
    static const char *const wrong[] = {"1 key\n4 chest\n", "1 key\nchest\n",
                                        "1 key\n1\n",       "1 key\n1 \n",
                                        "1 key\n1 (open\n", "1 key\n1  [\n"};
    void *self;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        harness_stderr_begin();
        assert_int_equal(open_rules(wrong[i], &self), ST_INVALID);
        assert_non_null(strstr(harness_stderr_end(), "t.rules, line 2"));
    }
    harness_stderr_begin();
    assert_int_equal(open_rules("# nothing\n", &self), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "holds no pattern"));
}

static void a_missing_rule_file_is_an_error_that_names_it(void **state)
{
    void *self;

    (void)state;
    text_format(options.rules, sizeof(options.rules), "%s/none.rules", dir);
    harness_stderr_begin();
    assert_int_equal(rule_backend.open(&setup, &self), ST_NOTFOUND);
    const char *err = harness_stderr_end();
    assert_non_null(strstr(err, "none.rules"));
    assert_non_null(strstr(err, "RULE-FILE"));
}

static void rules_lie_beside_a_goal_that_is_given_by_path(void **state)
{
    void *self;

    (void)state;
    assert_int_equal(file_write_atomic(harness_path(dir, "mine.crypt.rules"),
                                       bytes_text("2 moss\n")),
                     ST_OK);
    options.rules[0] = '\0';
    text_format(options.goal, sizeof(options.goal), "%s/mine.goal", dir);
    goal.family = "crypt";
    assert_int_equal(rule_backend.open(&setup, &self), ST_OK);
    assert_true(rate(self, "Moss grows here.") == 1);
    rule_backend.close(self);
    options.goal[0] = '\0';
}

/* Every rule file of ours parses, and no caption, whatever its bytes, is anything but a
 * label of 0 or 1. */
static void hostile_captions_get_a_plain_label_from_every_rule_file(void **state)
{
    static const char *const names[] = {
        "treasure.crypt",    "treasure.nethack",    "treasure.bandit",
        "lore.crypt",        "combat.crypt",        "gold.nethack",
        "stairs.crypt",      "lore.nethack",        "stairs.nethack",
        "combat.nethack",    "exploration.crypt",   "gold.crypt",
        "defaultgoal.crypt", "zeroknowledge.crypt", "zeroknowledge.nethack"};
    struct rng rng;

    (void)state;
    rng_init(&rng, 7);
    for (size_t f = 0; f < sizeof(names) / sizeof(names[0]); f++) {
        void *self;
        text_format(options.rules, sizeof(options.rules), "%s/judge/goals/%s.rules",
                    getenv("MINOS_SOURCE"), names[f]);
        assert_int_equal(rule_backend.open(&setup, &self), ST_OK);
        for (int n = 0; n < 2000; n++) {
            const size_t len = rng_below(&rng, SEGMENT_TEXT_MAX + 1);
            // Half of them of few letters, which match more and backtrack worse.
            const uint32_t letters = n % 2 == 0 ? 256 : 3;
            for (size_t i = 0; i < len; i++) {
                const uint32_t letter = rng_below(&rng, letters);
                caption[0].text[i] = letters == 3 ? "ke "[letter] : (char)letter;
            }
            caption[0].len = (uint8_t)len;
            const struct judge_verdict v = ask(&rule_backend, self, 1);
            assert_int_equal(v.kind, VERDICT_LABEL);
            assert_true(v.label == 0 || v.label == 1);
        }
        rule_backend.close(self);
    }
}

static void the_truth_is_told_and_its_lack_is_an_abstention(void **state)
{
    void *self;

    (void)state;
    strcpy(options.sim, "truth");
    assert_int_equal(sim_backend.open(&setup, &self), ST_OK);
    set_caption(0, "a", 1);
    set_caption(1, "b", 1);
    caption[0].truth = 1;
    caption[0].strength = 2;
    caption[1].truth = 0;
    caption[1].strength = 0;
    assert_true(ask(&sim_backend, self, 1).label == 1);
    const struct judge_verdict v = ask(&sim_backend, self, 2);
    assert_int_equal(v.kind, VERDICT_LABEL);
    assert_memory_equal(v.order, ((const uint8_t[]){0, 1}), 2);
    caption[1].truth = -1;
    assert_int_equal(ask(&sim_backend, self, 2).kind, VERDICT_ABSTAIN);
    caption[0].truth = -1;
    assert_int_equal(ask(&sim_backend, self, 1).kind, VERDICT_ABSTAIN);
    sim_backend.close(self);
}

static void permuted_labels_have_their_share_and_leave_writing_out(void **state)
{
    enum { MANY = 20000 };
    int drawn = 0, other = 0, differ = 0;
    char text[64];

    (void)state;
    for (int i = 0; i < MANY; i++) {
        text_format(text, sizeof(text), "caption %d", i);
        set_caption(0, text, strlen(text));
        const bool a = sim_drawn(&caption[0], 1, 0.1),
                   b = sim_drawn(&caption[0], 2, 0.1);
        assert_int_equal(a, sim_drawn(&caption[0], 1, 0.1));
        drawn += a;
        other += b;
        differ += a != b;
        text_format(text, sizeof(text), "You read: \"%d\".", i);
        set_caption(0, text, strlen(text));
        assert_false(sim_drawn(&caption[0], 1, 1));
    }
    // Six standard deviations of a binomial of 20,000 at 0.1.
    assert_in_range(drawn, 2000 - 255, 2000 + 255);
    assert_in_range(other, 2000 - 255, 2000 + 255);
    assert_true(differ > 3000);
    set_caption(0, "", 0);
    assert_false(sim_drawn(&caption[0], 1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_caption_is_helpful_when_a_pattern_lies_anywhere_in_it),
        cmocka_unit_test(an_order_is_by_strength_and_equal_ones_tie),
        cmocka_unit_test(a_pattern_is_found_behind_a_zero_byte),
        cmocka_unit_test(a_wrong_rule_file_is_named_with_its_line),
        cmocka_unit_test(a_missing_rule_file_is_an_error_that_names_it),
        cmocka_unit_test(rules_lie_beside_a_goal_that_is_given_by_path),
        cmocka_unit_test(hostile_captions_get_a_plain_label_from_every_rule_file),
        cmocka_unit_test(the_truth_is_told_and_its_lack_is_an_abstention),
        cmocka_unit_test(permuted_labels_have_their_share_and_leave_writing_out),
    };
    dir = harness_make_dir();
    setup.clock = clock_system();
    option_defaults(judge_option_table, &options);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_remove_dir(dir);
    return failed;
}
