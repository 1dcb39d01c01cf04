#include "judge/check/check_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* Into process group `group`, a new one where it is 0, with `in` as its stdin. */
static int spawn(char *const *command, char *const *env, pid_t group, int in,
                 pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    CHECK(posix_spawn_file_actions_init(&files) == 0 &&
          posix_spawnattr_init(&attr) == 0);
    CHECK(posix_spawn_file_actions_adddup2(&files, in, 0) == 0);
    // Our stdout is the report; what the judge says goes with the log.
    CHECK(posix_spawn_file_actions_adddup2(&files, 2, 1) == 0);
    CHECK(posix_spawnattr_setsigmask(&attr, &none) == 0);
    CHECK(posix_spawnattr_setsigdefault(&attr, &all) == 0);
    CHECK(posix_spawnattr_setpgroup(&attr, group) == 0);
    CHECK(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP) == 0);
    const int rc = posix_spawnp(pid, command[0], &files, &attr, command, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* Nobody ends COMMAND when we are killed ourselves, but who waits for that in its group: a
 * pipe of ours ends with us. */
static int spawn_guard(struct check_child *c, char *const *env)
{
    static char shell[] = "/bin/sh", flag[] = "-c",
                script[] = "read -r _; kill -KILL 0";
    char *const guard[] = {shell, flag, script, NULL};
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return errno;
    }
    const int rc = spawn(guard, env, c->pid, ends[0], &c->guard);
    close(ends[0]);
    if (rc != 0) {
        close(ends[1]);
        return rc;
    }
    c->alive_fd = ends[1];
    return 0;
}

static int spawn_both(struct check_child *c, char *const *env)
{
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (null < 0) {
        return errno;
    }
    int rc = spawn(c->command, env, 0, null, &c->pid);
    close(null);
    if (rc == 0 && (rc = spawn_guard(c, env)) != 0) {
        (void)kill(-c->pid, SIGKILL);
        (void)waitpid(c->pid, NULL, 0);
    }
    return rc;
}

enum status check_child_start(struct check_child *c, const char *endpoint)
{
    char **env = environment_with(endpoint);
    const int rc = spawn_both(c, env);

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

static bool has_ended(pid_t pid, int flags, int *status)
{
    pid_t got;

    do {
        got = waitpid(pid, status, flags);
    } while (got < 0 && errno == EINTR);
    return got == pid;
}

static bool reap(struct check_child *c, int flags)
{
    int status, of_guard;

    if (!has_ended(c->pid, flags, &status)) {
        return false;
    }
    // What it had started itself goes with it, and the guard.
    (void)kill(-c->pid, SIGKILL);
    (void)has_ended(c->guard, 0, &of_guard);
    close(c->alive_fd);
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
