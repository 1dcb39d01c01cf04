#include "learner/store/ledger_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

struct ledger_file {
    FILE *f;
    struct ledger_line *scratch;
    struct ledger_head head;
    uint64_t line;
    char why[320];
    char path[1024];
    char text[LEDGER_LINE_MAX]; // of the line
};

/* The next line without its break, of any content. ST_NOTFOUND: none is left;
 * ST_CORRUPT: too long, or without its end. */
static enum status read_line(struct ledger_file *f, struct bytes *out)
{
    size_t len = 0;
    int c;

    while ((c = getc_unlocked(f->f)) != EOF && c != '\n') {
        if (len < LEDGER_LINE_MAX) {
            f->text[len] = (char)c;
        }
        len++;
    }
    if (ferror(f->f)) {
        LOG_ERROR("LEDGER-READ", "cannot read %s, %s", f->path, strerror(errno));
        return ST_IO;
    }
    if (c == EOF && len == 0) {
        return ST_NOTFOUND;
    }
    f->line++;
    if (c == EOF || len > LEDGER_LINE_MAX) {
        (void)text_format(f->why, sizeof(f->why),
                          c == EOF ? "it was cut off" : "longer than %d bytes",
                          LEDGER_LINE_MAX);
        return ST_CORRUPT;
    }
    *out = bytes_of(f->text, len);
    return ST_OK;
}

static enum status read_head(struct ledger_file *f)
{
    struct bytes line;
    enum status st = read_line(f, &line);

    if (st == ST_OK) {
        st = ledger_line_read_head(f->scratch, line, &f->head);
        (void)text_format(f->why, sizeof(f->why), "%s", ledger_line_why(f->scratch));
    }
    if (st == ST_NOTFOUND) {
        (void)text_format(f->why, sizeof(f->why), "the file is empty");
        st = ST_CORRUPT;
    }
    if (st == ST_CORRUPT || st == ST_VERSION) {
        LOG_ERROR("LEDGER-LINE", "%s is no ledger, line 1: %s", f->path, f->why);
    }
    return st;
}

enum status ledger_file_open(const char *path, struct ledger_file **out)
{
    FILE *file = fopen(path, "re");

    if (file == NULL && errno == ENOENT) {
        return ST_NOTFOUND;
    }
    if (file == NULL) {
        LOG_ERROR("LEDGER-READ", "cannot read %s, %s", path, strerror(errno));
        return ST_IO;
    }
    struct ledger_file *f = mem_new(1, sizeof(*f));
    f->f = file;
    f->scratch = ledger_line_new();
    (void)text_format(f->path, sizeof(f->path), "%s", path);
    const enum status st = read_head(f);
    if (st != ST_OK) {
        ledger_file_close(f);
        return st;
    }
    *out = f;
    return ST_OK;
}

void ledger_file_close(struct ledger_file *f)
{
    if (f != NULL) {
        fclose(f->f);
        ledger_line_free(f->scratch);
        mem_free(f);
    }
}

const struct ledger_head *ledger_file_head(const struct ledger_file *f)
{
    return &f->head;
}

enum status ledger_file_next(struct ledger_file *f, struct ledger_entry *out)
{
    struct bytes line;

    TRY(read_line(f, &line));
    const enum status st = ledger_line_read(f->scratch, line, out);
    if (st == ST_CORRUPT) {
        (void)text_format(f->why, sizeof(f->why), "%s", ledger_line_why(f->scratch));
    }
    return st;
}

uint64_t ledger_file_line(const struct ledger_file *f)
{
    return f->line;
}

const char *ledger_file_why(const struct ledger_file *f)
{
    return f->why;
}
