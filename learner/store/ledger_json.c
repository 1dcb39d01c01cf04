/* Lines of ledger_line.h as they are written, and the file of them that a run directory
 * keeps where its ledger lies on another disk. */

#include "learner/store/ledger_line.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/metrics.h"
#include "learner/store/ledger_file.h"

static const char *const purposes[] = {"label", "consistency", "canary", "probe"};
enum { PURPOSES = sizeof(purposes) / sizeof(purposes[0]) };

const char *ledger_purpose_name(int purpose)
{
    return purpose >= 0 && purpose < PURPOSES ? purposes[purpose] : "unknown";
}

int ledger_purpose_of(const char *name)
{
    for (int i = 0; i < PURPOSES; i++) {
        if (strcmp(purposes[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

int ledger_verdict_of(const char *name)
{
    for (int i = VERDICT_LABEL; i < VERDICT_KINDS; i++) {
        if (strcmp(verdict_kind_name((enum verdict_kind)i), name) == 0) {
            return i;
        }
    }
    return -1;
}

/* ---- writing ---- */

static void add_hash(struct text_buf *out, const char *key, struct hash128 h)
{
    char hex[33];

    hash_hex(h, hex);
    text_buf_add(out, ",\"%s\":\"%s\"", key, hex);
}

static void add_text(struct text_buf *out, const char *key, struct bytes text)
{
    text_buf_add(out, ",\"%s\":", key);
    text_buf_add_json(out, text);
}

static void add_float(struct text_buf *out, const char *key, float v)
{
    if (isfinite(v)) {
        text_buf_add(out, ",\"%s\":%.9g", key, (double)v);
    } else {
        text_buf_add(out, ",\"%s\":null", key);
    }
}

static const char *truth(bool b)
{
    return b ? "true" : "false";
}

void ledger_line_write_head(const struct ledger_head *h, struct text_buf *out)
{
    text_buf_add(out, "{\"ledger\":%d,\"run\":\"%016" PRIx64 "\"", LEDGER_SCHEMA,
                 h->run);
    add_text(out, "environment", bytes_text(h->environment));
    text_buf_add(out, "}\n");
}

void ledger_line_write(const struct ledger_entry *e, struct text_buf *out)
{
    // The serial first: ledger_export() looks for it.
    text_buf_add(out, "{\"serial\":%" PRIu64 ",\"time_ms\":%" PRIu64, e->serial,
                 e->time_ms);
    text_buf_add(out, ",\"question\":\"%016" PRIx64 "\"", e->question);
    add_hash(out, "key", e->key);
    add_hash(out, "goal_digest", e->goal_digest);
    add_hash(out, "prompt_digest", e->prompt_digest);
    add_text(out, "goal", e->goal);
    add_text(out, "judge", e->judge);
    add_text(out, "model", e->model);
    text_buf_add(out, ",\"ask\":\"%s\",\"purpose\":\"%s\",\"verdict\":\"%s\"",
                 e->question_kind == QUESTION_ORDER ? "order" : "rate",
                 ledger_purpose_name(e->purpose),
                 verdict_kind_name((enum verdict_kind)e->verdict_kind));
    text_buf_add(out, ",\"late\":%s,\"trains\":%s", truth(e->late), truth(e->trains));
    add_float(out, "label", e->label);
    add_float(out, "confidence", e->confidence);
    text_buf_add(out, ",\"captions\":[");
    for (int i = 0; i < e->captions; i++) {
        text_buf_add(out, "%s", i > 0 ? "," : "");
        text_buf_add_json(out, e->caption[i]);
    }
    text_buf_add(out, "]");
    if (e->question_kind == QUESTION_ORDER) {
        text_buf_add(out, ",\"order\":[");
        for (int i = 0; i < e->captions; i++) {
            text_buf_add(out, "%s%u", i > 0 ? "," : "", e->order[i]);
        }
        text_buf_add(out, "]");
    }
    text_buf_add(out, ",\"tokens_in\":%u,\"tokens_out\":%u,\"latency_us\":%u",
                 e->tokens_in, e->tokens_out, e->latency_us);
    text_buf_add(out, ",\"requests\":%u,\"cost_micro\":%u,\"estimated\":%s",
                 e->requests, e->cost_micro, truth(e->estimated));
    text_buf_add(out, ",\"position\":%d", e->position);
    add_text(out, "origin", e->origin);
    add_text(out, "raw", e->raw);
    text_buf_add(out, "}\n");
}

/* ---- a run's own file ---- */

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
