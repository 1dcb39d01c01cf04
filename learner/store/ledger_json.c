/* The ledger as JSON lines: one object per verdict, lossless for all byte values
 * (captions and answers are Latin-1 to JSON), for export and for a start whose ledger
 * was lost. */

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/metrics.h"
#include "learner/store/ledger.h"

enum { LINE_MAX_ = 1 << 20 };

static const char *purpose_name(int purpose)
{
    static const char *const names[] = {"label", "consistency", "canary", "probe"};

    return purpose >= 0 && purpose < 4 ? names[purpose] : "unknown";
}

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

void ledger_json(const struct ledger_entry *e, struct text_buf *out)
{
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
                 purpose_name(e->purpose), verdict_kind_name(e->verdict_kind));
    text_buf_add(out, ",\"late\":%s,\"trains\":%s", e->late ? "true" : "false",
                 e->trains ? "true" : "false");
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
    text_buf_add(
        out, ",\"requests\":%u,\"cost_micro\":%u,\"estimated\":%s,\"position\":%d",
        e->requests, e->cost_micro, e->estimated ? "true" : "false", e->position);
    add_text(out, "origin", e->origin);
    add_text(out, "raw", e->raw);
    text_buf_add(out, "}\n");
}

/* ---- reading a line back ---- */

/* UTF-8 of code points below 256, as text_buf_add_json writes them, back to bytes. */
static bool latin(const json_t *v, uint8_t *out, size_t most, size_t *len)
{
    const unsigned char *s = (const unsigned char *)json_string_value(v);
    const size_t n = json_string_length(v);

    *len = 0;
    for (size_t i = 0; s != NULL && i < n && *len < most; i++) {
        if (s[i] < 0x80) {
            out[(*len)++] = s[i];
        } else if ((s[i] == 0xc2 || s[i] == 0xc3) && i + 1 < n) {
            out[(*len)++] = (uint8_t)((s[i] & 3) << 6 | (s[i + 1] & 0x3f));
            i++;
        } else {
            return false;
        }
    }
    return s != NULL;
}

struct line_room {
    uint8_t name[4][256], caption[ITEM_CAPTIONS_MAX][256], raw[65536];
};

static bool read_hash(const json_t *o, const char *key, struct hash128 *out)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text != NULL && strlen(text) == 32 && hash_parse(text, out);
}

static bool read_text(const json_t *o, const char *key, uint8_t *room, size_t size,
                      struct bytes *out)
{
    size_t len = 0;
    const bool good = latin(json_object_get(o, key), room, size, &len);

    *out = bytes_of(room, len);
    return good;
}

static float read_float(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_number(v) ? (float)json_number_value(v) : NAN;
}

static uint64_t read_int(const json_t *o, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(o, key));
}

static int read_name(const json_t *o, const char *key, const char *(*name)(int),
                     int count)
{
    const char *text = json_string_value(json_object_get(o, key));

    for (int i = 0; text != NULL && i < count; i++) {
        if (strcmp(name(i), text) == 0) {
            return i;
        }
    }
    return -1;
}

static const char *verdict_name(int kind)
{
    return kind < VERDICT_LABEL ? "" : verdict_kind_name((enum verdict_kind)kind);
}

static bool read_line(const json_t *o, struct line_room *room, struct ledger_entry *e)
{
    const char *question = json_string_value(json_object_get(o, "question"));
    const char *ask = json_string_value(json_object_get(o, "ask"));
    const json_t *captions = json_object_get(o, "captions");
    const json_t *order = json_object_get(o, "order");
    const int kind = read_name(o, "verdict", verdict_name, VERDICT_KINDS);
    const int purpose = read_name(o, "purpose", purpose_name, PURPOSE_PROBE + 1);
    bool good = question != NULL && ask != NULL && kind > 0 && purpose >= 0 &&
                json_array_size(captions) <= ITEM_CAPTIONS_MAX;

    *e = (struct ledger_entry){.serial = read_int(o, "serial"),
                               .time_ms = read_int(o, "time_ms"),
                               .late = json_is_true(json_object_get(o, "late")),
                               .trains = json_is_true(json_object_get(o, "trains")),
                               .label = read_float(o, "label"),
                               .confidence = read_float(o, "confidence"),
                               .tokens_in = (uint32_t)read_int(o, "tokens_in"),
                               .tokens_out = (uint32_t)read_int(o, "tokens_out"),
                               .latency_us = (uint32_t)read_int(o, "latency_us"),
                               .requests = (uint16_t)read_int(o, "requests"),
                               .cost_micro = (uint32_t)read_int(o, "cost_micro"),
                               .estimated =
                                   json_is_true(json_object_get(o, "estimated")),
                               .position = (int8_t)read_int(o, "position")};
    good = good && e->serial > 0 && read_hash(o, "key", &e->key) &&
           read_hash(o, "goal_digest", &e->goal_digest) &&
           read_hash(o, "prompt_digest", &e->prompt_digest) &&
           read_text(o, "goal", room->name[0], 255, &e->goal) &&
           read_text(o, "judge", room->name[1], 255, &e->judge) &&
           read_text(o, "model", room->name[2], 255, &e->model) &&
           read_text(o, "origin", room->name[3], 255, &e->origin) &&
           read_text(o, "raw", room->raw, sizeof(room->raw), &e->raw);
    if (!good) {
        return false;
    }
    e->question = strtoull(question, NULL, 16);
    e->question_kind = strcmp(ask, "order") == 0 ? QUESTION_ORDER : QUESTION_RATE;
    e->verdict_kind = (uint8_t)kind;
    e->purpose = (uint8_t)purpose;
    e->captions = (uint8_t)json_array_size(captions);
    for (size_t i = 0; good && i < e->captions; i++) {
        size_t len = 0;
        good = latin(json_array_get(captions, i), room->caption[i], 255, &len);
        e->caption[i] = bytes_of(room->caption[i], len);
        e->order[i] = (uint8_t)json_integer_value(json_array_get(order, i));
    }
    return good;
}

/* ---- files ---- */

struct exporting {
    FILE *f;
    struct text_buf line;
    bool failed;
};

static bool export_entry(void *ctx, const struct ledger_entry *e)
{
    struct exporting *x = ctx;

    text_buf_clear(&x->line);
    ledger_json(e, &x->line);
    x->failed = fwrite(x->line.data, 1, x->line.len, x->f) != x->line.len;
    return !x->failed;
}

/* The serial of the last whole line, 0 = none. */
static uint64_t last_serial(const char *path)
{
    static const char key[] = "{\"serial\":";
    char *tail = mem_new(LINE_MAX_ + 1, 1);
    uint64_t serial = 0;
    FILE *f = fopen(path, "re");

    if (f != NULL && fseek(f, 0, SEEK_END) == 0) {
        const long size = ftell(f);
        const long from = size > LINE_MAX_ ? size - LINE_MAX_ : 0;
        size_t got = 0;
        if (fseek(f, from, SEEK_SET) == 0) {
            got = fread(tail, 1, LINE_MAX_, f);
        }
        for (size_t i = 0; i + sizeof(key) < got; i++) {
            if ((i == 0 ? from == 0 : tail[i - 1] == '\n') &&
                memcmp(tail + i, key, sizeof(key) - 1) == 0) {
                serial = strtoull(tail + i + sizeof(key) - 1, NULL, 10);
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
    const uint64_t have = last_serial(path);
    if (ledger_top(l) > have) {
        st = ledger_scan(l, have + 1, 0, export_entry, &x);
    }
    if (st == ST_OK && (x.failed || fflush(x.f) != 0 || fsync(fileno(x.f)) != 0)) {
        LOG_ERROR("LEDGER-EXPORT", "cannot append verdicts to %s", path);
        st = ST_IO;
    }
    fclose(x.f);
    text_buf_release(&x.line);
    return st;
}

enum status ledger_import(struct ledger *l, const char *path, uint64_t *taken)
{
    struct line_room *room = mem_new(1, sizeof(*room));
    char *line = mem_new(LINE_MAX_, 1);
    struct ledger_entry e;
    uint64_t count = 0;
    enum status st = ST_OK;
    FILE *f = fopen(path, "re");

    while (f != NULL && st == ST_OK && fgets(line, LINE_MAX_, f) != NULL) {
        json_t *o = json_loads(line, JSON_ALLOW_NUL, NULL);
        if (o != NULL && read_int(o, "serial") > ledger_top(l)) {
            if (read_line(o, room, &e)) {
                st = ledger_put_serial(l, &e);
                count++;
            } else {
                LOG_WARN("LEDGER-IMPORT", "a line of %s is not a verdict", path);
            }
        }
        json_decref(o);
    }
    if (st == ST_OK) {
        st = ledger_commit(l);
    }
    if (f != NULL) {
        fclose(f);
    }
    mem_free(line);
    mem_free(room);
    if (st == ST_OK) {
        *taken = count;
    }
    return st;
}
