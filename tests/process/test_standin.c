/* The stand-in for a language model's server answers as the rule judge does: every caption
 * of many games, by every goal's rules. */

#include "tests/support/cryptplay.h"

#include "tests/support/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/rng.h"
#include "common/base/text.h"
#include "judge/backends/rule.h"
#include "judge/options.h"
#include "tests/support/runner.h"

enum { CAPTIONS_MOST = 4000, STEPS = 60000, ACTIONS = 20 };

static struct judge_caption captions[CAPTIONS_MOST];
static int count;

static bool is_known(const uint8_t *text, int len)
{
    for (int i = 0; i < count; i++) {
        if (captions[i].len == len &&
            memcmp(captions[i].text, text, (size_t)len) == 0) {
            return true;
        }
    }
    return false;
}

static void add(const uint8_t *text, int len)
{
    if (count < CAPTIONS_MOST && !is_known(text, len)) {
        memcpy(captions[count].text, text, (size_t)len);
        captions[count].len = (uint8_t)len;
        count++;
    }
}

static void play(const char *task)
{
    struct env *e = cryptplay_open(task, "");
    struct rng rng;

    rng_init(&rng, 1);
    for (uint64_t i = 0; i < STEPS; i++) {
        const struct env_result r = cryptplay_step(e, (int)rng_below(&rng, ACTIONS));
        const struct env_obs *o = env_crypt.obs(e);
        add(o->caption, o->caption_len);
        if (r.terminated || r.truncated) {
            const struct rng_stream stream = {.seed = 7, .episode = i};
            assert_int_equal(env_crypt.reset(e, &stream), ST_OK);
        }
    }
    env_crypt.close(e);
}

/* What games do not say: every byte, and what patterns look for in other places. */
static void add_odd_ones(void)
{
    static const char *const odd[] = {"STAIRS",   "xstairsx", "the\nstairs", "$",
                                      "$ -",      "[0-9]",    "a+b",         "\\",
                                      "unlocked", "UNLOCK",   "Key"};
    uint8_t all[255];

    for (int i = 0; i < 255; i++) {
        all[i] = (uint8_t)i;
    }
    add(all, 255);
    for (int i = 0; i < 255; i += 5) {
        add(all + i, 5);
    }
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        add((const uint8_t *)odd[i], (int)strlen(odd[i]));
    }
}

static void write_captions(const char *path)
{
    struct text_buf out = {0};

    for (int i = 0; i < count; i++) {
        for (int k = 0; k < captions[i].len; k++) {
            text_buf_add(&out, "%02x", (uint8_t)captions[i].text[k]);
        }
        text_buf_add(&out, "\n");
    }
    assert_int_equal(file_write_atomic(path, bytes_text(out.data)), ST_OK);
    text_buf_release(&out);
}

/* The rule judge's ratings of all captions against a line "GOAL 0102…" of the stand-in. */
static void compare(const char *line, const char *family)
{
    static struct judge_options options;
    char name[64], task[32];
    struct judge_goal goal = {.name = name, .task = task, .family = family};
    const struct judge_setup setup = {.goal = &goal, .options = &options};
    const char *strength = strchr(line, ' ') + 1;
    void *self;

    text_format(name, sizeof(name), "%.*s", (int)(strength - line - 1), line);
    text_format(task, sizeof(task), "%s", family);
    text_format(options.rules, sizeof(options.rules), "%s/judge/goals/%s.%s.rules",
                getenv("MINOS_SOURCE"), name, family);
    assert_int_equal(rule_backend.open(&setup, &self), ST_OK);
    for (int i = 0; i < count; i++) {
        const struct judge_question q = {
            .kind = QUESTION_RATE, .captions = 1, .caption = &captions[i]};
        struct judge_verdict v = {.kind = VERDICT_ABSTAIN, .confidence = NAN};
        assert_int_equal(rule_backend.ask(self, &q, &v), ST_OK);
        if ((v.label > 0) != (strength[i] > '0')) {
            fail_msg("%s.%s: '%s' is %g by rule, %c by the stand-in", name, family,
                     captions[i].text, (double)v.label, strength[i]);
        }
    }
    rule_backend.close(self);
}

static void it_rates_every_caption_as_the_rules_do(void **state)
{
    static const char *const families[] = {"crypt", "nethack"};
    const char *dir = harness_make_dir();
    char path[PATH_MAX_], rate[PATH_MAX_ + 16], script[PATH_MAX_], family[64];

    (void)state;
    play("crypt-vault");
    play("crypt-stairs");
    play("crypt-score");
    add_odd_ones();
    assert_true(count > 500);
    text_format(path, sizeof(path), "%s/captions", dir);
    write_captions(path);
    text_format(rate, sizeof(rate), "--rate=%s", path);
    text_format(script, sizeof(script), "%s/tests/support/standin/standin.py",
                getenv("MINOS_SOURCE"));
    for (int i = 0; i < 2; i++) {
        int goals = 0;
        text_format(family, sizeof(family), "--family=%s", families[i]);
        assert_int_equal(
            runner_run(dir, "/usr/bin/python3", "-B", script, rate, family, NULL), 0);
        for (const char *line = runner_output(dir); line != NULL && *line != '\0';) {
            compare(line, families[i]);
            goals++;
            line = strchr(line, '\n');
            line = line != NULL ? line + 1 : NULL;
        }
        assert_true(goals >= 7);
    }
    harness_remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_rates_every_caption_as_the_rules_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
