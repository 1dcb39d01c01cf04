#include "tests/support/harness.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/checkpoint.h"
#include "common/base/file.h"
#include "common/base/mem.h"

static const char *dir;

static int make_dir(void **state)
{
    (void)state;
    dir = harness_make_dir();
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    harness_remove_dir(dir);
    return 0;
}

static struct checkpoint_manifest sample(uint64_t update)
{
    struct checkpoint_manifest m = {.run = 0xfedcba9876543210u,
                                    .update = update,
                                    .env_steps = 1000 * update,
                                    .ranks = 2,
                                    .start = 3,
                                    .ledger_serial = 12,
                                    .policy_digest = 0xffffffffffffffffu,
                                    .net = "cells",
                                    .task = "crypt-vault",
                                    .actions = 28,
                                    .segment_steps = 32,
                                    .spec_digest = 1};

    m.cursor[0] = 10 * update;
    m.cursor[1] = 20 * update;
    return m;
}

static struct checkpoint_manifest write_one(uint64_t update)
{
    const struct checkpoint_manifest m = sample(update);
    struct checkpoint_manifest older;
    char at[512], text[64];

    snprintf(text, sizeof(text), "policy of %lu", (unsigned long)update);
    assert_int_equal(checkpoint_begin(dir, update, at, sizeof(at)), ST_OK);
    assert_int_equal(checkpoint_put(at, "policy.bin", bytes_text(text)), ST_OK);
    assert_int_equal(checkpoint_put(at, "counts-1.bin", bytes_text("c")), ST_OK);
    assert_int_equal(checkpoint_finish(dir, at, &m, &older), ST_OK);
    return older;
}

static uint64_t find(bool clean)
{
    struct checkpoint_manifest m;
    char at[512];

    assert_int_equal(checkpoint_find(dir, clean, &m, at, sizeof(at)), ST_OK);
    return m.update;
}

static void spoil(const char *name)
{
    FILE *f = fopen(harness_path(dir, name), "r+");

    assert_non_null(f);
    fputc('X', f);
    fclose(f);
}

static bool there(const char *name)
{
    return file_exists(harness_path(dir, name));
}

static void the_newest_is_found_with_all_that_was_written(void **state)
{
    struct checkpoint_manifest m, want = sample(7);
    char at[512], *data = NULL;
    size_t len = 0;

    (void)state;
    assert_int_equal(checkpoint_find(dir, true, &m, at, sizeof(at)), ST_NOTFOUND);
    assert_int_equal(write_one(0).update, 0);
    assert_int_equal(write_one(7).update, 0);
    assert_int_equal(checkpoint_find(dir, true, &m, at, sizeof(at)), ST_OK);
    assert_memory_equal(&m, &want, sizeof(m));
    assert_int_equal(checkpoint_get(at, "policy.bin", &data, &len), ST_OK);
    assert_string_equal(data, "policy of 7");
    mem_free(data);
    harness_stderr_begin();
    assert_int_equal(checkpoint_get(at, "none", &data, &len), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "none is not in the manifest"));
}

static void two_are_kept_and_the_older_is_told(void **state)
{
    (void)state;
    write_one(1);
    write_one(2);
    const struct checkpoint_manifest older = write_one(10);
    assert_int_equal(older.update, 2);
    assert_int_equal(older.cursor[1], 40);
    assert_false(there("checkpoint-1"));
    assert_true(there("checkpoint-2"));
    assert_int_equal(find(false), 10);
}

static void a_corrupt_newest_falls_back_and_says_so(void **state)
{
    const char *said;

    (void)state;
    write_one(1);
    write_one(2);
    spoil("checkpoint-2/policy.bin");
    harness_stderr_begin();
    assert_int_equal(find(false), 1);
    said = harness_stderr_end();
    assert_non_null(strstr(said, "checkpoint-2 is damaged: its file policy.bin has "
                                 "another digest than the manifest says"));
    assert_non_null(strstr(said, "checkpoint-1, the newest that is whole"));
    harness_stderr_begin();
    assert_int_equal(find(true), 1); // put aside, not deleted
    harness_stderr_end();
    assert_true(there("checkpoint-2.damaged"));
    assert_int_equal(find(true), 1); // and not met again
    assert_int_equal(write_one(2).update, 1);
    assert_int_equal(find(true), 2);
}

static void when_none_is_whole_it_says_so(void **state)
{
    struct checkpoint_manifest m;
    char at[512];

    (void)state;
    write_one(1);
    assert_int_equal(unlink(harness_path(dir, "checkpoint-1/counts-1.bin")), 0);
    // Also the second time: it stays a run without a checkpoint, and never looks new.
    for (int start = 0; start < 2; start++) {
        harness_stderr_begin();
        assert_int_equal(checkpoint_find(dir, true, &m, at, sizeof(at)), ST_CORRUPT);
        assert_non_null(strstr(harness_stderr_end(), "counts-1.bin cannot be read"));
    }
}

static void an_unfinished_folder_does_not_exist(void **state)
{
    char at[512];

    (void)state;
    write_one(1);
    assert_int_equal(checkpoint_begin(dir, 2, at, sizeof(at)), ST_OK);
    assert_int_equal(checkpoint_put(at, "policy.bin", bytes_text("half")), ST_OK);
    assert_int_equal(find(false), 1);
    assert_true(there("checkpoint-2.tmp"));
    assert_int_equal(find(true), 1);
    assert_false(there("checkpoint-2.tmp"));
}

static void the_same_update_again_takes_the_place_of_the_first(void **state)
{
    (void)state;
    write_one(1);
    write_one(2);
    assert_int_equal(write_one(2).update, 1);
    assert_int_equal(find(true), 2);
    assert_false(there("checkpoint-2.tmp"));
    assert_true(there("checkpoint-1"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_is_found_with_all_that_was_written),
        TEST(two_are_kept_and_the_older_is_told),
        TEST(a_corrupt_newest_falls_back_and_says_so),
        TEST(when_none_is_whole_it_says_so),
        TEST(an_unfinished_folder_does_not_exist),
        TEST(the_same_update_again_takes_the_place_of_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
