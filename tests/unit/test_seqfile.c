#include "tests/support/harness.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/wire/seqfile.h"
#include "learner/store/counts.h"

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

static void the_count_survives_kill_9_and_the_lock_does_not(void **state)
{
    struct seqfile_state s;
    struct seqfile *f = NULL;
    int ready[2], status = 0;
    char byte = 0;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        assert_int_equal(seqfile_open(dir, 7, 3, 2, &f), ST_OK);
        seqfile_set(f, 41);
        assert_int_equal(write(ready[1], "x", 1), 1);
        pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(seqfile_find(dir, 3, 2, &s), ST_OK);
    assert_true(s.alive);
    harness_stderr_begin();
    assert_int_equal(seqfile_open(dir, 7, 3, 2, &f), ST_IO); // somebody lives there
    harness_stderr_end();
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(seqfile_find(dir, 3, 2, &s), ST_OK);
    assert_false(s.alive);
    assert_false(s.ended);
    assert_int_equal(s.run, 7);
    assert_int_equal(s.produced, 41);
    close(ready[0]);
    close(ready[1]);
}

static void count_file(void *ctx, const struct seqfile_state *s)
{
    *(uint32_t *)ctx += s->actor;
}

static void only_sequence_files_are_read(void **state)
{
    struct seqfile *f = NULL;
    struct seqfile_state s;
    uint32_t sum = 0;
    FILE *other;

    (void)state;
    assert_int_equal(seqfile_open(dir, 7, 5, 1, &f), ST_OK);
    seqfile_close(f);
    other = fopen(harness_path(dir, "9-1.seq"), "we");
    fputs("not one of ours", other);
    fclose(other);
    assert_int_equal(seqfile_find(dir, 9, 1, &s), ST_CORRUPT);
    assert_int_equal(seqfile_find(dir, 8, 1, &s), ST_NOTFOUND);
    assert_int_equal(seqfile_find(dir, 5, 1, &s), ST_OK);
    assert_true(s.ended);
    seqfile_each(dir, count_file, &sum);
    assert_int_equal(sum, 5);
    seqfile_each("/nonexistent", count_file, &sum);
    assert_int_equal(sum, 5);
}

static void counts_come_back_and_the_cursor_forgets_what_it_has_passed(void **state)
{
    struct counts c = {0}, back = {0};
    char *data;
    size_t len;

    (void)state;
    assert_null(counts_find(&c, 1, 1));
    counts_row(&c, 2, 1)->trained = 20;
    counts_row(&c, 1, 9)->dropped[DROP_LAG] = 3;
    counts_row(&c, 1, 1)->trained++;
    counts_row(&c, 1, 1)->trained++;
    counts_skip(&c, 12);
    counts_skip(&c, 7);
    counts_skip(&c, 12);
    counts_advance(&c, 10);
    assert_false(counts_skipped(&c, 7));
    assert_true(counts_skipped(&c, 12));
    counts_write(&c, &data, &len);
    assert_int_equal(counts_read(bytes_of(data, len), &back), ST_OK);
    assert_int_equal(back.cursor, 10);
    assert_int_equal(back.count, 3);
    assert_int_equal(counts_find(&back, 1, 1)->trained, 2);
    assert_int_equal(counts_find(&back, 1, 9)->dropped[DROP_LAG], 3);
    assert_int_equal(counts_find(&back, 2, 1)->trained, 20);
    assert_true(counts_skipped(&back, 12));
    harness_stderr_begin();
    counts_release(&c);
    assert_int_equal(counts_read(bytes_of(data, len - 1), &c), ST_CORRUPT);
    harness_stderr_end();
    counts_release(&back);
    mem_free(data);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_count_survives_kill_9_and_the_lock_does_not),
        TEST(only_sequence_files_are_read),
        TEST(counts_come_back_and_the_cursor_forgets_what_it_has_passed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
