#include "judge/check/check_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"

extern char **environ;

/* Ours, with MINOS_ENDPOINT in place of any that was there. The array and its first
 * entry are the caller's to free. */
static char **environment_with(const char *endpoint)
{
    static const char name[] = "MINOS_ENDPOINT=";
    char entry[512];
    size_t count = 0, used = 0;

    while (environ[count] != NULL) {
        count++;
    }
    char **env = mem_new(count + 2, sizeof(*env));
    text_format(entry, sizeof(entry), "%s%s", name, endpoint);
    env[used++] = mem_text(entry);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(environ[i], name, sizeof(name) - 1) != 0) {
            env[used++] = environ[i];
        }
    }
    return env;
}

static int spawn(struct check_child *c, char **env)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    CHECK(posix_spawn_file_actions_init(&files) == 0 &&
          posix_spawnattr_init(&attr) == 0);
    CHECK(posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0) == 0);
    // Our stdout is the report; what the judge says goes with the log.
    CHECK(posix_spawn_file_actions_adddup2(&files, 2, 1) == 0);
    CHECK(posix_spawnattr_setsigmask(&attr, &none) == 0);
    CHECK(posix_spawnattr_setsigdefault(&attr, &all) == 0);
    CHECK(posix_spawnattr_setpgroup(&attr, 0) == 0);
    CHECK(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP) == 0);
    const int rc = posix_spawnp(&c->pid, c->command[0], &files, &attr, c->command, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

enum status check_child_start(struct check_child *c, const char *endpoint)
{
    char **env = environment_with(endpoint);
    const int rc = spawn(c, env);

    mem_free(env[0]);
    mem_free(env);
    c->ended = false;
    if (rc != 0) {
        LOG_ERROR("CHECK-START", "cannot start %s, %s", c->command[0], strerror(rc));
        c->pid = 0;
        return ST_IO;
    }
    return ST_OK;
}

static bool reap(struct check_child *c, int flags)
{
    int status;
    pid_t pid;

    do {
        pid = waitpid(c->pid, &status, flags);
    } while (pid < 0 && errno == EINTR);
    if (pid != c->pid) {
        return false;
    }
    // What it had started itself goes with it.
    (void)kill(-c->pid, SIGKILL);
    c->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    c->pid = 0;
    c->ended = true;
    return true;
}

bool check_child_runs(struct check_child *c)
{
    return c->pid > 0 && !reap(c, WNOHANG);
}

void check_child_end(struct check_child *c)
{
    if (check_child_runs(c)) {
        (void)kill(-c->pid, SIGKILL);
        (void)reap(c, 0);
    }
}
