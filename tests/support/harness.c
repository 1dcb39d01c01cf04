#include "tests/support/harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/text.h"

static FILE *caught;
static int real_stderr = -1;
static char text[65536];

const char *harness_make_dir(void)
{
    static char path[PATH_MAX_];
    const char *below = getenv("TMPDIR");

    text_format(path, sizeof(path), "%s/minos-test-XXXXXX",
                below != NULL && below[0] != '\0' ? below : "/tmp");
    CHECK(mkdtemp(path) != NULL);
    return path;
}

void harness_remove_dir(const char *path)
{
    CHECK(file_remove_tree(path) == ST_OK);
}

const char *harness_path(const char *dir, const char *name)
{
    static char paths[4][PATH_MAX_];
    static unsigned next;
    char *path = paths[next++ % 4];

    CHECK(text_format(path, PATH_MAX_, "%s/%s", dir, name));
    return path;
}

void harness_stderr_begin(void)
{
    CHECK(real_stderr < 0);
    caught = tmpfile();
    CHECK(caught != NULL);
    fflush(stderr);
    real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    CHECK(real_stderr >= 0 && dup2(fileno(caught), STDERR_FILENO) >= 0);
}

const char *harness_stderr_end(void)
{
    CHECK(real_stderr >= 0);
    fflush(stderr);
    CHECK(dup2(real_stderr, STDERR_FILENO) >= 0);
    close(real_stderr);
    real_stderr = -1;
    rewind(caught);
    text[fread(text, 1, sizeof(text) - 1, caught)] = '\0';
    fclose(caught);
    return text;
}

void harness_kill(pid_t *child)
{
    if (*child > 0) {
        kill(*child, SIGKILL);
        waitpid(*child, NULL, 0);
        *child = 0;
    }
}
