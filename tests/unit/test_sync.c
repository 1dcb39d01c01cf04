/* The helper thread's round: what it does when the disk refuses. */

#include "tests/support/harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/status.h"
#include "learner/store/replay.h"
#include "learner/threads.h"

/* Every descriptor of a file named data.mdb becomes one that fsync refuses. */
static void break_store(void)
{
    DIR *d = opendir("/proc/self/fd");
    char link[300], path[600];
    int pipes[2];

    if (d == NULL || pipe(pipes) != 0) {
        _exit(99);
    }
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        snprintf(link, sizeof(link), "/proc/self/fd/%s", e->d_name);
        const ssize_t len = readlink(link, path, sizeof(path) - 1);
        path[len > 0 ? len : 0] = '\0';
        if (strstr(path, "data.mdb") != NULL) {
            dup2(pipes[0], atoi(e->d_name));
        }
    }
    closedir(d);
}

/* In a child, with its messages in `text`. Returns its exit code. */
static int sync_in_child(const char *dir, bool broken, char *text, size_t size)
{
    int out[2], code = 0;

    assert_int_equal(pipe(out), 0);
    const pid_t child = fork();
    if (child == 0) {
        struct replay *r = NULL;
        dup2(out[1], STDERR_FILENO);
        if (replay_open(dir, 1, 16 << 20, &r) != ST_OK) {
            _exit(98);
        }
        if (broken) {
            break_store();
        }
        threads_sync(r);
        _exit(EXIT_DONE);
    }
    close(out[1]);
    size_t len = 0;
    for (ssize_t n = 1; n > 0 && len + 1 < size; len += n > 0 ? (size_t)n : 0) {
        n = read(out[0], text + len, size - 1 - len);
    }
    text[len] = '\0';
    close(out[0]);
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    return WEXITSTATUS(code);
}

static void a_sync_that_the_disk_refuses_ends_the_rank(void **state)
{
    const char *dir = harness_make_dir();
    char text[4096];

    (void)state;
    assert_int_equal(
        sync_in_child(harness_path(dir, "whole"), false, text, sizeof(text)),
        EXIT_DONE);
    assert_int_equal(
        sync_in_child(harness_path(dir, "broken"), true, text, sizeof(text)),
        EXIT_FAILED);
    assert_non_null(strstr(text, "SYNC-FAILED"));
    harness_remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sync_that_the_disk_refuses_ends_the_rank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
