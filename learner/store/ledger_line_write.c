/* Names and writing; ledger_line.c reads. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "learner/store/ledger_line.h"

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
