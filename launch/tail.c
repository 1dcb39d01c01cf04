#include "launch/tail.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/text.h"

enum {
    READ_MOST = 1 << 20, // in one call, so that a flood of lines does not hold us
    HELP_DASHES = 20
};

void tail_open(struct tail *t, const char *path)
{
    struct stat st;

    *t = (struct tail){0};
    text_format(t->path, sizeof(t->path), "%s", path);
    t->offset = stat(path, &st) == 0 ? st.st_size : 0;
}

/* What a user of a language model waits for: how it is asked, and that it is back. */
static bool is_awaited(const char *id)
{
    static const char *const ids[] = {"LLM-START ", "LLM-BREAKER ", "LLM-SILENCE "};

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        if (strncmp(id, ids[i], strlen(ids[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* "12:03:07.412 learner.1 WARN  REPLAY-DROP ...": the level is the third word. NULL: not
 * a line of ours. */
static const char *level_of(const char *line)
{
    if (line[0] < '0' || line[0] > '9' || line[1] == '\0' || line[2] != ':') {
        return NULL;
    }
    for (int words = 0; words < 2; words++) {
        line += strcspn(line, " ");
        line += strspn(line, " ");
    }
    return line;
}

static bool is_error(const char *line)
{
    const char *level = level_of(line);

    return level != NULL && strncmp(level, "ERROR ", 6) == 0;
}

static bool is_shown(const char *line)
{
    const char *level = level_of(line);

    if (level == NULL) {
        return false;
    }
    if (strncmp(level, "INFO ", 5) == 0) {
        return is_awaited(level + strspn(level + 5, " ") + 5);
    }
    return strncmp(level, "WARN ", 5) == 0 || strncmp(level, "ERROR ", 6) == 0;
}

/* "[host:1234] 1 more process has sent help message ..." */
static bool is_from_process(const char *line)
{
    const size_t host = line[0] == '[' ? strcspn(line, ":] ") : 0;

    return host > 1 && line[host] == ':' &&
           line[host + 1 + strspn(line + host + 1, "0123456789")] == ']';
}

/* What Open MPI says when a rank ends all: help between dashed lines, and who sent it. */
static bool is_of_mpi(struct tail *t, const char *line)
{
    const size_t dashes = strspn(line, "-");

    if (level_of(line) != NULL) {
        t->in_help = false;
        return false;
    }
    if (dashes >= HELP_DASHES && line[dashes] == '\0') {
        t->in_help = !t->in_help;
        return true;
    }
    return t->in_help || is_from_process(line) ||
           strncmp(line, "MPI_ABORT was invoked", 21) == 0 ||
           strncmp(line, "mpirun detected that", 20) == 0;
}

bool tail_has_told(const struct tail *t)
{
    for (int i = 0; i < TAIL_LINES; i++) {
        if (is_error(t->last[i])) {
            return true;
        }
    }
    return false;
}

void tail_begin(struct tail *t)
{
    memset(t->last, 0, sizeof(t->last));
    t->in_help = false;
}

static void end_line(struct tail *t, void (**before)(void))
{
    t->line[t->len] = '\0';
    t->len = 0;
    if (t->line[0] == '\0' || (is_of_mpi(t, t->line) && tail_has_told(t))) {
        return;
    }
    memcpy(t->last[t->next], t->line, sizeof(t->line));
    t->next = (t->next + 1) % TAIL_LINES;
    if (is_shown(t->line)) {
        if (*before != NULL) {
            (*before)();
            *before = NULL;
        }
        fprintf(stderr, "%s\n", t->line);
    }
}

void tail_follow(struct tail *t, void (*before)(void))
{
    char part[4096];
    ssize_t n = 0;
    const int fd = open(t->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return;
    }
    for (int64_t most = t->offset + READ_MOST; t->offset < most; t->offset += n) {
        n = pread(fd, part, sizeof(part), (off_t)t->offset);
        if (n <= 0) {
            break;
        }
        for (ssize_t i = 0; i < n; i++) {
            if (part[i] == '\n') {
                end_line(t, &before);
            } else if (t->len + 1 < sizeof(t->line)) {
                t->line[t->len++] = part[i];
            }
        }
    }
    close(fd);
}

void tail_print_last(const struct tail *t)
{
    for (int i = 0; i < TAIL_LINES; i++) {
        const char *line = t->last[(t->next + i) % TAIL_LINES];
        if (line[0] != '\0') {
            fprintf(stderr, "    %s\n", line);
        }
    }
}
