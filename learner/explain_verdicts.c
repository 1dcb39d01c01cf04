#include "learner/explain_verdicts.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "learner/store/ledger_source.h"

struct reading {
    struct explain_verdicts *v;
    const char *goal;
    const struct keymap *number;
};

static void copy_text(char *out, size_t size, struct bytes text)
{
    (void)text_format(out, size, "%.*s", (int)text.len, (const char *)text.data);
}

static void keep(struct explain_verdicts *v, const struct ledger_entry *e, int at,
                 int caption)
{
    const bool label = e->verdict_kind == VERDICT_LABEL;

    if (v->count == v->cap) {
        const size_t cap = v->cap == 0 ? 16 : 2 * v->cap;
        v->verdict = mem_grow(v->verdict, v->cap, cap, sizeof(*v->verdict));
        v->cap = cap;
    }
    struct explain_verdict *x = &v->verdict[v->count++];
    *x = (struct explain_verdict){.caption = caption,
                                  .serial = e->serial,
                                  .time_ms = e->time_ms,
                                  .kind = e->verdict_kind,
                                  .purpose = e->purpose,
                                  .captions = e->captions,
                                  .place = label ? e->order[at] : 0,
                                  .trains = e->trains,
                                  .late = e->late,
                                  // as training reads a tie of one caption
                                  .p = label ? e->label : 0.5F,
                                  .tokens_in = e->tokens_in,
                                  .tokens_out = e->tokens_out,
                                  .prompt_digest = e->prompt_digest};
    copy_text(x->judge, sizeof(x->judge), e->judge);
    copy_text(x->model, sizeof(x->model), e->model);
    copy_text(x->origin, sizeof(x->origin), e->origin);
}

static bool take_entry(void *ctx, const struct ledger_entry *e)
{
    const struct reading *r = ctx;

    if (!bytes_equal(e->goal, bytes_text(r->goal))) {
        return true;
    }
    for (int i = 0; i < e->captions; i++) {
        const uint64_t *number = keymap_find(r->number, hash_128(e->caption[i]));
        if (number != NULL) {
            keep(r->v, e, i, (int)*number);
        }
    }
    return true;
}

enum status explain_verdicts_read(struct explain_verdicts *v, const char *run_dir,
                                  const char *goal, const struct keymap *number)
{
    struct reading r = {v, goal, number};
    struct ledger_source *from = NULL;
    char path[PATH_MAX_];

    *v = (struct explain_verdicts){0};
    if (ledger_source_find(run_dir, path, sizeof(path)) != ST_OK) {
        v->missing = true;
        return ST_OK;
    }
    TRY(ledger_source_open(path, &from));
    const enum status st = ledger_source_scan(from, 1, 0, take_entry, &r);
    ledger_source_close(from);
    return st;
}

void explain_verdicts_release(struct explain_verdicts *v)
{
    mem_free(v->verdict);
    *v = (struct explain_verdicts){0};
}

const struct explain_verdict *explain_verdicts_label(const struct explain_verdicts *v,
                                                     int caption, uint64_t serial)
{
    const struct explain_verdict *found = NULL;

    for (size_t i = 0; i < v->count; i++) {
        const struct explain_verdict *x = &v->verdict[i];
        if (x->caption == caption && x->captions == 1 && x->trains &&
            x->serial <= serial && (found == NULL || x->serial >= found->serial)) {
            found = x;
        }
    }
    return found;
}

const struct explain_verdict *explain_verdicts_at(const struct explain_verdicts *v,
                                                  int caption, uint64_t serial)
{
    for (size_t i = 0; i < v->count; i++) {
        if (v->verdict[i].caption == caption && v->verdict[i].serial == serial) {
            return &v->verdict[i];
        }
    }
    return NULL;
}

/* ---- telling ---- */

static void add_what(const struct explain_verdict *v, struct text_buf *out)
{
    if (v->captions == 1 && v->kind == VERDICT_LABEL) {
        text_buf_add(out, "%.3g", (double)v->p);
    } else if (v->captions > 1 && v->kind == VERDICT_LABEL) {
        text_buf_add(out, "place %d of %d", v->place + 1, v->captions);
    } else {
        text_buf_add(out, "%s", verdict_kind_name(v->kind));
    }
}

static void add_digest(struct hash128 digest, struct text_buf *out)
{
    char hex[33];

    hash_hex(digest, hex);
    text_buf_add(out, "%s", hex);
}

void explain_verdict_print(const struct explain_verdict *v, struct text_buf *out)
{
    const time_t seconds = (time_t)(v->time_ms / 1000);
    struct tm utc;
    char when[32];

    (void)gmtime_r(&seconds, &utc);
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &utc);
    add_what(v, out);
    text_buf_add(out, " by %s%s%s, verdict %" PRIu64 ", %s UTC", v->judge,
                 v->model[0] != '\0' ? "/" : "", v->model, v->serial, when);
    if (v->prompt_digest.hi != 0 || v->prompt_digest.lo != 0) {
        text_buf_add(out, ", prompt ");
        add_digest(v->prompt_digest, out);
    }
    if (v->tokens_in + v->tokens_out > 0) {
        text_buf_add(out, ", %" PRIu32 " + %" PRIu32 " tokens", v->tokens_in,
                     v->tokens_out);
    }
    text_buf_add(out, "%s%s%s%s", v->origin[0] != '\0' ? ", copied from " : "",
                 v->origin, v->late ? ", late" : "",
                 v->trains ? "" : ", does not train");
}

void explain_verdict_json(const struct explain_verdict *v, struct text_buf *out)
{
    text_buf_add(out, "{\"serial\":%" PRIu64 ",\"time_ms\":%" PRIu64 ",\"kind\":\"%s\"",
                 v->serial, v->time_ms, verdict_kind_name(v->kind));
    if (v->captions > 1) {
        text_buf_add(out, ",\"captions\":%d,\"place\":%d", v->captions, v->place);
    } else if (v->kind == VERDICT_LABEL) {
        text_buf_add(out, ",\"label\":%.9g", (double)v->p);
    }
    text_buf_add(out,
                 ",\"trains\":%s,\"late\":%s,\"judge\":", v->trains ? "true" : "false",
                 v->late ? "true" : "false");
    text_buf_add_json(out, bytes_text(v->judge));
    text_buf_add(out, ",\"model\":");
    text_buf_add_json(out, bytes_text(v->model));
    text_buf_add(out, ",\"prompt_digest\":\"");
    add_digest(v->prompt_digest, out);
    text_buf_add(out, "\",\"tokens_in\":%" PRIu32 ",\"tokens_out\":%" PRIu32,
                 v->tokens_in, v->tokens_out);
    text_buf_add(out, ",\"origin\":");
    text_buf_add_json(out, bytes_text(v->origin));
    text_buf_add(out, "}");
}
