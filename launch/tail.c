#include "launch/tail.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/text.h"

enum { READ_MOST = 1 << 20 }; // in one call, so that a flood of lines does not hold us

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

/* "12:03:07.412 learner.1 WARN  REPLAY-DROP ...": the level is the third word. */
static bool is_shown(const char *line)
{
    if (line[0] < '0' || line[0] > '9' || line[1] == '\0' || line[2] != ':') {
        return false; // not a line of ours
    }
    for (int words = 0; words < 2; words++) {
        line += strcspn(line, " ");
        line += strspn(line, " ");
    }
    if (strncmp(line, "INFO ", 5) == 0) {
        return is_awaited(line + strspn(line + 5, " ") + 5);
    }
    return strncmp(line, "WARN ", 5) == 0 || strncmp(line, "ERROR ", 6) == 0;
}

static void end_line(struct tail *t, void (**before)(void))
{
    t->line[t->len] = '\0';
    t->len = 0;
    if (t->line[0] == '\0') {
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
