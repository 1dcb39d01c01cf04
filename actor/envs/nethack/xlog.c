#include "actor/envs/nethack/xlog.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/text.h"

enum { LINE_MAX_ = 2048, PATH_MAX_XLOG = 512 };

void xlog_parse(const char *line, struct xlog *out)
{
    *out = (struct xlog){.death = ""};
    while (*line != '\0') {
        const size_t len = strcspn(line, "\t");
        char field[256];
        int64_t v = 0;

        (void)text_format(field, sizeof(field), "%.*s", (int)(len < 255 ? len : 255),
                          line);
        if (strncmp(field, "points=", 7) == 0 &&
            text_to_i64(field + 7, 0, INT64_MAX, &v)) {
            out->points = v;
        } else if (strncmp(field, "maxlvl=", 7) == 0 &&
                   text_to_i64(field + 7, -10, 200, &v)) {
            out->deepest = (int32_t)v;
        } else if (strncmp(field, "death=", 6) == 0) {
            (void)text_format(out->death, sizeof(out->death), "%s", field + 6);
        }
        line += len;
        line += *line == '\t' ? 1 : 0;
    }
}

bool xlog_read(const char *dir, struct xlog *out)
{
    char path[PATH_MAX_XLOG], line[LINE_MAX_];

    (void)text_format(path, sizeof(path), "%s/xlogfile", dir);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const ssize_t len = read(fd, line, sizeof(line) - 1);
    close(fd);
    if (len <= 0) {
        return false;
    }
    // One game, one line: the file was empty when it began.
    line[len] = '\0';
    line[strcspn(line, "\n")] = '\0';
    xlog_parse(line, out);
    return true;
}
