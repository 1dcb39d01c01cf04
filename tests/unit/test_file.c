/* Facts about files. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/support/harness.h"

static const char *dir;

static int open_dir(void **state)
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

static void assert_holds(const char *path, const char *text)
{
    char *data;
    size_t len;

    assert_int_equal(file_read(path, 1 << 20, &data, &len), ST_OK);
    assert_int_equal(len, strlen(text));
    assert_string_equal(data, text);
    mem_free(data);
}

static void what_was_written_is_read_back(void **state)
{
    const char *path = harness_path(dir, "a");
    static uint8_t big[100000];
    char *data;
    size_t len;

    (void)state;
    assert_int_equal(file_write_atomic(path, bytes_text("")), ST_OK);
    assert_holds(path, "");
    memset(big, 7, sizeof(big));
    assert_int_equal(file_write_atomic(path, bytes_of(big, sizeof(big))), ST_OK);
    assert_int_equal(file_read(path, sizeof(big), &data, &len), ST_OK);
    assert_int_equal(len, sizeof(big));
    assert_memory_equal(data, big, sizeof(big));
    assert_int_equal(data[len], 0);
    mem_free(data);
    assert_false(file_exists(harness_path(dir, "a.tmp")));
}

static void a_file_without_a_length_is_read_too(void **state)
{
    char *data;
    size_t len;

    (void)state;
    assert_int_equal(file_read("/proc/self/status", 1 << 20, &data, &len), ST_OK);
    assert_int_equal(strlen(data), len);
    assert_non_null(strstr(data, "VmRSS"));
    mem_free(data);
    harness_stderr_begin();
    const enum status st = file_read("/proc/self/status", 100, &data, &len);
    harness_stderr_end();
    assert_int_equal(st, ST_FULL);
}

static void missing_is_silent_and_too_large_is_said(void **state)
{
    const char *path = harness_path(dir, "a");
    char *data = NULL;
    size_t len;

    (void)state;
    harness_stderr_begin();
    const enum status missing = file_read(harness_path(dir, "none"), 10, &data, &len);
    assert_string_equal(harness_stderr_end(), "");
    assert_int_equal(missing, ST_NOTFOUND);
    assert_int_equal(file_write_atomic(path, bytes_text("12345678901")), ST_OK);
    harness_stderr_begin();
    const enum status large = file_read(path, 10, &data, &len);
    const char *said = harness_stderr_end();
    assert_int_equal(large, ST_FULL);
    assert_non_null(strstr(said, "FILE-BIG"));
    assert_null(data);
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    const char *path = harness_path(dir, "a");
    static char big[8192];
    struct rlimit old, small;

    (void)state;
    assert_int_equal(file_write_atomic(path, bytes_text("old")), ST_OK);
    memset(big, 'x', sizeof(big));
    signal(SIGXFSZ, SIG_IGN); // so that write() says EFBIG, as ENOSPC on a full disk
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 4096;
    harness_stderr_begin();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const enum status st = file_write_atomic(path, bytes_of(big, sizeof(big)));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    const char *said = harness_stderr_end();
    assert_int_equal(st, ST_IO);
    assert_non_null(strstr(said, "File too large"));
    assert_holds(path, "old");
    assert_false(file_exists(harness_path(dir, "a.tmp")));
}

static void directories_are_made_with_their_parents(void **state)
{
    const char *deep = harness_path(dir, "x/y/z");

    (void)state;
    assert_int_equal(file_make_dirs(deep), ST_OK);
    assert_int_equal(file_make_dirs(deep), ST_OK);
    assert_true(file_exists(deep));
    assert_int_equal(file_write_atomic(harness_path(dir, "f"), bytes_text("")), ST_OK);
    harness_stderr_begin();
    const enum status over = file_make_dirs(harness_path(dir, "f"));
    const enum status below = file_make_dirs(harness_path(dir, "f/g"));
    harness_stderr_end();
    assert_int_equal(over, ST_IO);
    assert_int_equal(below, ST_IO);
}

static void a_tree_is_removed_but_not_what_its_links_name(void **state)
{
    const char *kept = harness_path(dir, "kept"), *tree = harness_path(dir, "tree");

    (void)state;
    assert_int_equal(file_make_dirs(harness_path(dir, "tree/sub")), ST_OK);
    assert_int_equal(file_make_dirs(kept), ST_OK);
    assert_int_equal(file_write_atomic(harness_path(dir, "kept/f"), bytes_text("f")),
                     ST_OK);
    assert_int_equal(symlink("../kept", harness_path(dir, "tree/link")), 0);
    assert_int_equal(file_remove_tree(tree), ST_OK);
    assert_int_equal(file_remove_tree(tree), ST_OK);
    assert_false(file_exists(tree));
    assert_true(file_exists(harness_path(dir, "kept/f")));
}

static void a_lock_is_held_by_one_at_a_time(void **state)
{
    const char *path = harness_path(dir, "lock");
    int first, second = -7;

    (void)state;
    assert_int_equal(file_lock(path, &first), ST_OK);
    harness_stderr_begin();
    const enum status st = file_lock(path, &second);
    assert_string_equal(harness_stderr_end(), ""); // expected, so silent
    assert_int_equal(st, ST_AGAIN);
    assert_int_equal(second, -7);
    assert_true(file_is_locked(path));
    close(first);
    assert_false(file_is_locked(path));
    assert_int_equal(file_lock(path, &second), ST_OK);
    close(second);
    assert_false(file_is_locked(harness_path(dir, "no-lock")));
}

static void who_looks_at_a_lock_is_in_nobodys_way(void **state)
{
    const char *path = harness_path(dir, "looked-at");
    int mine, ready[2];
    char c = 0;

    (void)state;
    assert_int_equal(file_write_atomic(path, bytes_text("")), ST_OK);
    assert_int_equal(pipe(ready), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) { // holds it as one does who looks, only longer
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        c = flock(fd, LOCK_SH | LOCK_NB) == 0 ? 1 : 2;
        (void)!write(ready[1], &c, 1);
        clock_sleep_ms(30);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(c, 1);
    assert_false(file_is_locked(path));
    assert_int_equal(file_lock(path, &mine), ST_OK);
    close(mine);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(ready[0]);
    close(ready[1]);
}

static void the_file_system_of_a_path_yet_to_be_made_is_its_parents(void **state)
{
    const char *kind = NULL, *kind_below = NULL;

    (void)state;
    assert_true(file_free_bytes(harness_path(dir, "not/yet")) > 0);
    assert_false(file_on_network("/proc/self", &kind));
    assert_int_equal(file_on_network(dir, &kind),
                     file_on_network(harness_path(dir, "not/yet"), &kind_below));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read_back, open_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_file_without_a_length_is_read_too, open_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(missing_is_silent_and_too_large_is_said,
                                        open_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_failed_write_leaves_the_old_file, open_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(directories_are_made_with_their_parents,
                                        open_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_tree_is_removed_but_not_what_its_links_name,
                                        open_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_lock_is_held_by_one_at_a_time, open_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(who_looks_at_a_lock_is_in_nobodys_way, open_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(
            the_file_system_of_a_path_yet_to_be_made_is_its_parents, open_dir,
            remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
