/* The file of ledger lines that a run directory keeps where its ledger lies on another
 * disk, and back. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/metrics.h"
#include "learner/store/ledger_file.h"
#include "learner/store/ledger_line.h"

struct exporting {
    FILE *f;
    struct text_buf line;
    bool failed;
};

static bool export_line(struct exporting *x)
{
    x->failed = fwrite(x->line.data, 1, x->line.len, x->f) != x->line.len;
    return !x->failed;
}

static bool export_entry(void *ctx, const struct ledger_entry *e)
{
    struct exporting *x = ctx;

    text_buf_clear(&x->line);
    ledger_line_write(e, &x->line);
    return export_line(x);
}

static void export_head(struct exporting *x, const struct ledger *l)
{
    struct ledger_head h = {.run = ledger_run(l)};

    (void)text_format(h.environment, sizeof(h.environment), "%s",
                      ledger_environment(l));
    ledger_line_write_head(&h, &x->line);
    (void)export_line(x);
}

/* The serial of the last whole line, 0 = none; -1: the file is empty. */
static int64_t last_serial(const char *path)
{
    static const char key[] = "{\"serial\":";
    char *tail = mem_new(LEDGER_LINE_MAX + 1, 1);
    int64_t serial = -1;
    FILE *f = fopen(path, "re");

    if (f != NULL && fseek(f, 0, SEEK_END) == 0) {
        const long size = ftell(f);
        const long from = size > LEDGER_LINE_MAX ? size - LEDGER_LINE_MAX : 0;
        size_t got = 0;
        if (fseek(f, from, SEEK_SET) == 0) {
            got = fread(tail, 1, LEDGER_LINE_MAX, f);
        }
        serial = size > 0 ? 0 : -1;
        for (size_t i = 0; i + sizeof(key) < got; i++) {
            if ((i == 0 ? from == 0 : tail[i - 1] == '\n') &&
                memcmp(tail + i, key, sizeof(key) - 1) == 0) {
                serial = strtoll(tail + i + sizeof(key) - 1, NULL, 10);
            }
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    mem_free(tail);
    return serial;
}

enum status ledger_export(struct ledger *l, const char *path)
{
    struct exporting x = {0};
    enum status st = metrics_open(path, &x.f); // cuts a torn line, then appends

    TRY(st);
    const int64_t have = last_serial(path);
    if (have < 0) {
        export_head(&x, l);
    }
    if (!x.failed && (have < 0 || ledger_top(l) > (uint64_t)have)) {
        st = ledger_scan(l, have < 0 ? 1 : (uint64_t)have + 1, 0, export_entry, &x);
    }
    if (st == ST_OK && (x.failed || fflush(x.f) != 0 || fsync(fileno(x.f)) != 0)) {
        LOG_ERROR("LEDGER-EXPORT", "cannot append verdicts to %s, %s", path,
                  strerror(errno));
        st = ST_IO;
    }
    fclose(x.f);
    text_buf_release(&x.line);
    return st;
}

enum status ledger_restore(struct ledger *l, const char *path, uint64_t *taken)
{
    struct ledger_file *f = NULL;
    struct ledger_entry e;
    uint64_t count = 0;
    enum status st = ledger_file_open(path, &f);

    if (st == ST_NOTFOUND) {
        *taken = 0;
        return ST_OK;
    }
    TRY(st);
    if (ledger_file_head(f)->run != ledger_run(l)) {
        LOG_ERROR("LEDGER-RUN", "%s is of run %016" PRIx64 ", not of run %016" PRIx64,
                  path, ledger_file_head(f)->run, ledger_run(l));
        st = ST_INVALID;
    }
    while (st == ST_OK) {
        st = ledger_file_next(f, &e);
        if (st == ST_OK && e.serial > ledger_top(l)) {
            st = ledger_put_serial(l, &e);
            count++;
        } else if (st == ST_CORRUPT) {
            LOG_WARN("LEDGER-IMPORT", "line %" PRIu64 " of %s is no verdict: %s",
                     ledger_file_line(f), path, ledger_file_why(f));
            st = ST_OK;
        }
    }
    ledger_file_close(f);
    if (st != ST_NOTFOUND) {
        ledger_abandon(l);
        return st;
    }
    TRY(ledger_commit(l));
    *taken = count;
    return ST_OK;
}
