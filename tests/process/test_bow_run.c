/* Runs that are paid by word vectors, made of plain text by tests/support/make_vectors.py. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "launch/jsonline.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

static char dir[PATH_MAX_], run[PATH_MAX_ + 8], run_flag[PATH_MAX_ + 24];
static char minos[PATH_MAX_], vectors[PATH_MAX_ + 16], flag[PATH_MAX_ + 64];

static void make_vectors(void **state)
{
    char script[PATH_MAX_ + 64], out[PATH_MAX_ + 32];

    (void)state;
    text_format(script, sizeof(script), "%s/tests/support/make_vectors.py",
                getenv("MINOS_SOURCE"));
    text_format(out, sizeof(out), "--out=%s", vectors);
    assert_int_equal(runner_run(dir, "/usr/bin/python3", script, out, NULL), 0);
}

static void a_run_without_word_vectors_is_refused_before_anything_is_made(void **state)
{
    (void)state;
    assert_int_equal(runner_run(dir, minos, "train", run_flag, "--env=crypt-vault",
                                "--reward=bow", NULL),
                     2);
    assert_non_null(strstr(runner_output(dir), "fasttext.cc"));
    assert_int_equal(runner_run(dir, minos, "train", run_flag, "--env=crypt-vault",
                                "--reward=bow", "--word-vectors=none.vec", NULL),
                     2);
    assert_non_null(strstr(runner_output(dir), "none.vec: No such file"));
    assert_int_equal(runner_run(dir, minos, "train", run_flag, "--env=crypt-vault",
                                "--reward=bow", "--word-vectors=/", NULL),
                     2);
    assert_non_null(strstr(runner_output(dir), "--word-vectors: /: Is a directory"));
    assert_false(file_exists(run));
}

static void a_run_is_paid_without_a_judge_and_says_toy_vectors(void **state)
{
    char *json, text[64], path[PATH_MAX_ + 32];
    size_t len;

    (void)state;
    make_vectors(NULL);
    assert_int_equal(runner_run(dir, minos, "train", run_flag, "--env=crypt-vault",
                                "--reward=bow", flag, "--steps=20000", "--ranks=2",
                                "--actors=2", "--envs=16", NULL),
                     0);
    text_format(path, sizeof(path), "%s/summary.json", run);
    assert_int_equal(file_read(path, 1 << 20, &json, &len), ST_OK);
    assert_true(jsonline_text(json, "word_vectors", text, sizeof(text)));
    assert_string_equal(text, "toy vectors");
    mem_free(json);
    assert_true(runner_json_number(run, "summary.json", "words_known_share") > 0.3);
    assert_int_equal((int)runner_json_number(run, "summary.json", "ranks"), 2);
    assert_int_equal((int)runner_json_number(run, "summary.json", "questions_asked"),
                     0);
}

static void a_run_goes_on_with_the_same_words_alone(void **state)
{
    char moved[PATH_MAX_ + 32], moved_flag[PATH_MAX_ + 64], config[PATH_MAX_ + 32],
        *text;
    size_t len;

    (void)state;
    text_format(moved, sizeof(moved), "%s/moved.vec", dir);
    text_format(moved_flag, sizeof(moved_flag), "--word-vectors=%s", moved);
    assert_int_equal(rename(vectors, moved), 0);
    assert_int_equal(
        runner_run(dir, minos, "train", run_flag, moved_flag, "--steps=25000", NULL),
        0);
    assert_int_equal(truncate(moved, 3000), 0);
    assert_int_equal(
        runner_run(dir, minos, "train", run_flag, "--steps=30000", "--lr=0.0005", NULL),
        2);
    if (strstr(runner_output(dir), "it was cut off") == NULL) {
        fail_msg("'%s'", runner_output(dir));
    }
    assert_non_null(strstr(runner_output(dir), "is as it was"));
    // What was refused is not what the run goes on with, nor does it look never begun.
    assert_int_equal(runner_run(dir, minos, "status", run, NULL), 0);
    assert_non_null(strstr(runner_output(dir), "25.0 k"));
    text_format(config, sizeof(config), "%s/config.ini", run);
    assert_int_equal(file_read(config, 1 << 20, &text, &len), ST_OK);
    assert_non_null(strstr(text, "lr = 0.001"));
    assert_non_null(strstr(text, "steps = 25000"));
    mem_free(text);
    make_vectors(NULL);
    assert_int_equal(rename(vectors, moved), 0);
    assert_int_equal(runner_run(dir, minos, "train", run_flag, "--steps=30000", NULL),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_without_word_vectors_is_refused_before_anything_is_made),
        cmocka_unit_test(a_run_is_paid_without_a_judge_and_says_toy_vectors),
        cmocka_unit_test(a_run_goes_on_with_the_same_words_alone),
    };

    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    text_format(run, sizeof(run), "%s/run", dir);
    text_format(run_flag, sizeof(run_flag), "--run-dir=%s", run);
    text_format(vectors, sizeof(vectors), "%s/toy.vec", dir);
    text_format(flag, sizeof(flag), "--word-vectors=%s", vectors);
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_remove_dir(dir);
    return failed;
}
