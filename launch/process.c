#include "launch/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/mem.h"

extern char **environ;

void process_arg(struct process_args *a, const char *fmt, ...)
{
    char text[2048];
    va_list args;

    va_start(args, fmt);
    const int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    CHECK(len >= 0 && (size_t)len < sizeof(text) && a->count < PROCESS_ARGS_MAX);
    a->arg[a->count++] = mem_text(text);
}

void process_args_release(struct process_args *a)
{
    for (int i = 0; i < a->count; i++) {
        mem_free(a->arg[i]);
    }
    *a = (struct process_args){0};
}

static char hidden[256]; // one more than the usual one

void process_hide(const char *variable)
{
    text_format(hidden, sizeof(hidden), "%s", variable);
}

static bool is_secret(const char *variable)
{
    const char *const names[] = {"OPENAI_API_KEY", hidden};

    for (int i = 0; i < 2; i++) {
        const size_t len = strlen(names[i]);
        if (len > 0 && strncmp(variable, names[i], len) == 0 && variable[len] == '=') {
            return true;
        }
    }
    return false;
}

/* Open MPI refuses root unless told twice; only the child is told. */
static char **child_environment(bool secrets)
{
    static char allow[] = "OMPI_ALLOW_RUN_AS_ROOT=1";
    static char confirm[] = "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1";
    size_t count = 0;

    while (environ[count] != NULL) {
        count++;
    }
    char **env = mem_new(count + 3, sizeof(*env));
    count = 0;
    for (char **variable = environ; *variable != NULL; variable++) {
        if (secrets || !is_secret(*variable)) {
            env[count++] = *variable;
        }
    }
    if (geteuid() == 0) {
        env[count++] = allow;
        env[count++] = confirm;
    }
    return env;
}

static enum status spawn_failed(const char *program, int rc)
{
    LOG_ERROR("PROCESS-START", "cannot start %s, %s%s", program, strerror(rc),
              strcmp(program, "mpirun") == 0 && rc == ENOENT
                  ? "; sudo apt-get install openmpi-bin"
                  : "");
    return ST_IO;
}

static enum status spawn(const struct process_args *a,
                         posix_spawn_file_actions_t *files, short flags, pid_t *pid)
{
    posix_spawnattr_t attr;
    sigset_t none, all;
    char **env = child_environment(a->secrets);

    sigemptyset(&none);
    sigfillset(&all);
    CHECK(posix_spawnattr_init(&attr) == 0);
    CHECK(posix_spawnattr_setsigmask(&attr, &none) == 0);
    CHECK(posix_spawnattr_setsigdefault(&attr, &all) == 0);
    CHECK(posix_spawnattr_setflags(&attr, (short)(flags | POSIX_SPAWN_SETSIGMASK |
                                                  POSIX_SPAWN_SETSIGDEF)) == 0);
    const int rc = posix_spawnp(pid, a->arg[0], files, &attr, a->arg, env);
    posix_spawnattr_destroy(&attr);
    mem_free(env);
    return rc == 0 ? ST_OK : spawn_failed(a->arg[0], rc);
}

enum status process_start(const struct process_args *a, const char *log, pid_t *pid)
{
    posix_spawn_file_actions_t files;

    CHECK(posix_spawn_file_actions_init(&files) == 0);
    CHECK(posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0) == 0);
    CHECK(posix_spawn_file_actions_addopen(&files, 1, log,
                                           O_WRONLY | O_CREAT | O_APPEND, 0666) == 0);
    CHECK(posix_spawn_file_actions_adddup2(&files, 1, 2) == 0);
    const enum status st = spawn(a, &files, POSIX_SPAWN_SETSID, pid);
    posix_spawn_file_actions_destroy(&files);
    return st;
}

static void read_all(int fd, struct text_buf *out)
{
    char part[4096];
    ssize_t n;

    while ((n = read(fd, part, sizeof(part) - 1)) > 0 || (n < 0 && errno == EINTR)) {
        part[n > 0 ? n : 0] = '\0';
        text_buf_add(out, "%s", part);
    }
}

enum status process_capture(const struct process_args *a, struct text_buf *out,
                            int *code)
{
    posix_spawn_file_actions_t files;
    int ends[2] = {-1, -1}, wait_status;
    pid_t pid;

    CHECK(posix_spawn_file_actions_init(&files) == 0);
    if (out != NULL) {
        CHECK(pipe2(ends, O_CLOEXEC) == 0);
        CHECK(posix_spawn_file_actions_adddup2(&files, ends[1], 1) == 0);
    }
    const enum status st = spawn(a, &files, 0, &pid);
    posix_spawn_file_actions_destroy(&files);
    if (out != NULL) {
        close(ends[1]);
    }
    if (st == ST_OK) {
        if (out != NULL) {
            read_all(ends[0], out);
        }
        while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {
        }
        *code = process_exit_code(wait_status);
    }
    if (out != NULL) {
        close(ends[0]);
    }
    return st;
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

pid_t process_reap(int *wait_status, double *cpu_s)
{
    struct rusage used;
    const pid_t pid = wait4(-1, wait_status, WNOHANG, &used);

    if (pid <= 0) {
        return 0;
    }
    *cpu_s = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
    return pid;
}

int process_exit_code(int wait_status)
{
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status)
                                  : 128 + WTERMSIG(wait_status);
}

void process_describe_end(int wait_status, char *out, size_t size)
{
    const int code = process_exit_code(wait_status);

    // mpirun turns a rank's signal into 128 + signal.
    if (code > 128 && code < 128 + NSIG) {
        text_format(out, size, "by signal %d, %s", code - 128, strsignal(code - 128));
    } else {
        text_format(out, size, "with exit code %d", code);
    }
}

/* Field 6 of /proc/PID/stat; the name before it may hold anything but ends at the last
 * ')'. */
static pid_t session_of(const char *pid)
{
    char path[64], line[512];
    long session = -1;
    FILE *f;

    text_format(path, sizeof(path), "/proc/%.20s/stat", pid);
    f = fopen(path, "re");
    if (f == NULL) {
        return -1;
    }
    const size_t len = fread(line, 1, sizeof(line) - 1, f);
    fclose(f);
    line[len] = '\0';
    const char *after = strrchr(line, ')');
    char state = 'Z';
    if (after == NULL || sscanf(after + 1, " %c %*d %*d %ld", &state, &session) != 2 ||
        state == 'Z' || state == 'X') {
        return -1; // nothing left to signal
    }
    return (pid_t)session;
}

int process_signal_session(pid_t session, int signal)
{
    CHECK(session > 0); // 0: of everything that was started from outside a container
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    int count = 0;

    if (proc == NULL) {
        return 0;
    }
    while ((entry = readdir(proc)) != NULL) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
            session_of(entry->d_name) != session) {
            continue;
        }
        count++;
        if (signal != 0) {
            kill((pid_t)strtol(entry->d_name, NULL, 10), signal);
        }
    }
    closedir(proc);
    return count;
}

void process_adopt_orphans(void)
{
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
}
