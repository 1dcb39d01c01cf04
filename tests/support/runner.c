#include "tests/support/runner.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "launch/jsonline.h"

enum { ARGS_MAX = 64, LOOK_MS = 20 };

extern char **environ;

pid_t runner_spawn(const char *dir, char *const argv[])
{
    posix_spawn_file_actions_t files;
    char out[1024];
    pid_t pid;

    CHECK(text_format(out, sizeof(out), "%s/out", dir));
    CHECK(posix_spawn_file_actions_init(&files) == 0);
    CHECK(posix_spawn_file_actions_addopen(
              &files, 1, out, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666) == 0);
    CHECK(posix_spawn_file_actions_adddup2(&files, 1, 2) == 0);
    CHECK(posix_spawnp(&pid, argv[0], &files, NULL, argv, environ) == 0);
    posix_spawn_file_actions_destroy(&files);
    return pid;
}

static pid_t start(const char *dir, const char *program, va_list args)
{
    char *argv[ARGS_MAX];
    int count = 0;

    argv[count++] = (char *)(uintptr_t)program;
    while ((argv[count] = va_arg(args, char *)) != NULL) {
        CHECK(++count < ARGS_MAX);
    }
    return runner_spawn(dir, argv);
}

pid_t runner_start(const char *dir, const char *program, ...)
{
    va_list args;

    va_start(args, program);
    const pid_t pid = start(dir, program, args);
    va_end(args);
    return pid;
}

int runner_wait(pid_t pid, uint64_t most_ms)
{
    const uint64_t end = clock_ms(clock_system()) + most_ms;
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (clock_ms(clock_system()) >= end) {
            kill(pid, SIGKILL);
            CHECK(waitpid(pid, &status, 0) == pid);
            return -1;
        }
        clock_sleep_ms(LOOK_MS);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int runner_run(const char *dir, const char *program, ...)
{
    va_list args;

    va_start(args, program);
    const pid_t pid = start(dir, program, args);
    va_end(args);
    return runner_wait(pid, RUNNER_PATIENCE_MS);
}

const char *runner_output(const char *dir)
{
    static char text[1 << 16];
    char path[1024];

    CHECK(text_format(path, sizeof(path), "%s/out", dir));
    FILE *f = fopen(path, "re");
    CHECK(f != NULL);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    return text;
}

int runner_free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof(in);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&in, &len) == 0);
    close(fd);
    return ntohs(in.sin_port);
}

/* The command line with blanks between its words; false for zombies and the gone. */
static bool command_line(const char *pid, char *out, size_t size)
{
    char path[64];

    text_format(path, sizeof(path), "/proc/%.20s/cmdline", pid);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return false;
    }
    const size_t len = fread(out, 1, size - 1, f);
    fclose(f);
    for (size_t i = 0; i < len; i++) {
        out[i] = out[i] == '\0' ? ' ' : out[i];
    }
    out[len] = '\0';
    return len > 0;
}

/* Lowest and highest pid of the processes that match; returns how many there are. */
static int each(const char *word, const char *other, pid_t *first, pid_t *last)
{
    static char line[65536];
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    int count = 0;

    CHECK(proc != NULL);
    while ((entry = readdir(proc)) != NULL) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
            !command_line(entry->d_name, line, sizeof(line)) ||
            strstr(line, word) == NULL || strstr(line, other) == NULL) {
            continue;
        }
        const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid == getpid()) {
            continue;
        }
        *first = count == 0 || pid < *first ? pid : *first;
        *last = count == 0 || pid > *last ? pid : *last;
        count++;
    }
    closedir(proc);
    return count;
}

int runner_count(const char *word, const char *other, pid_t *first)
{
    pid_t ignored, lowest = 0;
    const int count = each(word, other, &lowest, &ignored);

    if (count > 0 && first != NULL) {
        *first = lowest;
    }
    return count;
}

bool runner_last(const char *word, const char *other, pid_t *pid)
{
    pid_t ignored;

    return each(word, other, &ignored, pid) > 0;
}

bool runner_wait_for(bool (*cond)(void *arg), void *arg, uint64_t most_ms)
{
    const uint64_t end = clock_ms(clock_system()) + most_ms;

    while (!cond(arg)) {
        if (clock_ms(clock_system()) >= end) {
            return false;
        }
        clock_sleep_ms(LOOK_MS);
    }
    return true;
}

struct wanted_file {
    char path[1024];
    int lines;
};

static bool file_has_lines(void *arg)
{
    const struct wanted_file *w = arg;
    FILE *f = fopen(w->path, "re");
    int lines = 0, c;

    if (f == NULL) {
        return false;
    }
    while ((c = fgetc(f)) != EOF) {
        lines += c == '\n';
    }
    fclose(f);
    return lines >= w->lines;
}

bool runner_wait_file(const char *dir, const char *name, int lines)
{
    struct wanted_file w = {.lines = lines};

    CHECK(text_format(w.path, sizeof(w.path), "%s/%s", dir, name));
    return runner_wait_for(file_has_lines, &w, RUNNER_PATIENCE_MS);
}

double runner_json_number(const char *dir, const char *name, const char *key)
{
    char path[1024], *json;
    double n = -1;
    size_t len;

    CHECK(text_format(path, sizeof(path), "%s%s%s", dir, dir[0] != '\0' ? "/" : "",
                      name));
    if (!file_exists(path) || file_read(path, 1 << 20, &json, &len) != ST_OK) {
        return -1;
    }
    jsonline_number(json, key, &n);
    mem_free(json);
    return n;
}
