#include "learner/store/ledger_row.h"

#include <stddef.h>
#include <string.h>
#include <zstd.h>

#include "common/base/check.h"
#include "common/base/mem.h"

enum { RAW_MAX = 65536, NAME_MAX_ = 255, LEVEL = 3, COMPRESS_FROM = 64 };

/* Fixed part; then goal, judge, model, origin, captions and raw, one after another. */
struct fixed {
    uint64_t time_ms, question;
    struct hash128 key, goal_digest, prompt_digest;
    float label, confidence;
    uint32_t tokens_in, tokens_out, latency_us;
    uint32_t raw_len, raw_stored; // plain and as stored; equal = not compressed
    uint32_t cost_micro;
    uint16_t requests;
    uint8_t question_kind, purpose, verdict_kind, late, trains, captions;
    uint8_t goal_len, judge_len, model_len, origin_len;
    uint8_t caption_len[ITEM_CAPTIONS_MAX];
    uint8_t order[ITEM_CAPTIONS_MAX];
    uint8_t estimated;
    int8_t position;
    uint8_t spare[2];
};
_Static_assert(offsetof(struct fixed, spare) + 2 == 128 && sizeof(struct fixed) == 128,
               "no hidden padding in the stored form");

enum { ROW_MAX = sizeof(struct fixed) + (4 + ITEM_CAPTIONS_MAX) * 255 + RAW_MAX };

struct ledger_row {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    uint8_t row[ROW_MAX];
    uint8_t squeezed[ZSTD_COMPRESSBOUND(RAW_MAX)];
    uint8_t raw[RAW_MAX];
};

struct ledger_row *ledger_row_new(void)
{
    struct ledger_row *s = mem_new(1, sizeof(*s));

    s->compress = ZSTD_createCCtx();
    s->decompress = ZSTD_createDCtx();
    CHECK(s->compress != NULL && s->decompress != NULL);
    return s;
}

void ledger_row_free(struct ledger_row *s)
{
    if (s != NULL) {
        ZSTD_freeCCtx(s->compress);
        ZSTD_freeDCtx(s->decompress);
        mem_free(s);
    }
}

static uint8_t name_len(struct bytes name)
{
    return (uint8_t)(name.len > NAME_MAX_ ? NAME_MAX_ : name.len);
}

static uint8_t *add(uint8_t *at, const void *data, size_t len)
{
    if (len > 0) {
        memcpy(at, data, len);
    }
    return at + len;
}

/* The raw answer as it is stored: squeezed, or as it is where that is not smaller. */
static struct bytes squeeze(struct ledger_row *s, struct bytes raw)
{
    if (raw.len < COMPRESS_FROM) {
        return raw;
    }
    const size_t n = ZSTD_compressCCtx(s->compress, s->squeezed, sizeof(s->squeezed),
                                       raw.data, raw.len, LEVEL);
    return ZSTD_isError(n) || n >= raw.len ? raw : bytes_of(s->squeezed, n);
}

struct bytes ledger_row_pack(struct ledger_row *s, const struct ledger_entry *e)
{
    const struct bytes plain =
        bytes_of(e->raw.data, e->raw.len > RAW_MAX ? RAW_MAX : e->raw.len);
    const struct bytes raw = squeeze(s, plain);
    struct fixed f = {.time_ms = e->time_ms,
                      .question = e->question,
                      .key = e->key,
                      .goal_digest = e->goal_digest,
                      .prompt_digest = e->prompt_digest,
                      .label = e->label,
                      .confidence = e->confidence,
                      .tokens_in = e->tokens_in,
                      .tokens_out = e->tokens_out,
                      .latency_us = e->latency_us,
                      .raw_len = (uint32_t)plain.len,
                      .raw_stored = (uint32_t)raw.len,
                      .question_kind = e->question_kind,
                      .purpose = e->purpose,
                      .verdict_kind = e->verdict_kind,
                      .late = e->late,
                      .trains = e->trains,
                      .captions = e->captions,
                      .cost_micro = e->cost_micro,
                      .requests = e->requests,
                      .estimated = e->estimated,
                      .position = e->position,
                      .origin_len = name_len(e->origin),
                      .goal_len = name_len(e->goal),
                      .judge_len = name_len(e->judge),
                      .model_len = name_len(e->model)};

    CHECK(e->captions <= ITEM_CAPTIONS_MAX);
    memcpy(f.order, e->order, sizeof(f.order));
    uint8_t *at = s->row + sizeof(f);
    at = add(at, e->goal.data, f.goal_len);
    at = add(at, e->judge.data, f.judge_len);
    at = add(at, e->model.data, f.model_len);
    at = add(at, e->origin.data, f.origin_len);
    for (int i = 0; i < e->captions; i++) {
        f.caption_len[i] = name_len(e->caption[i]);
        at = add(at, e->caption[i].data, f.caption_len[i]);
    }
    at = add(at, raw.data, raw.len);
    memcpy(s->row, &f, sizeof(f));
    return bytes_of(s->row, (size_t)(at - s->row));
}

static struct bytes take(const uint8_t **at, size_t len)
{
    const struct bytes b = bytes_of(*at, len);

    *at += len;
    return b;
}

/* Every length against what is there, once. */
static bool fits(const struct fixed *f, size_t len)
{
    size_t need =
        sizeof(*f) + f->goal_len + f->judge_len + f->model_len + f->origin_len;

    if (f->captions > ITEM_CAPTIONS_MAX || f->raw_len > RAW_MAX ||
        f->raw_stored > f->raw_len) {
        return false;
    }
    for (int i = 0; i < f->captions; i++) {
        need += f->caption_len[i];
    }
    return need + f->raw_stored == len;
}

enum status ledger_row_unpack(struct ledger_row *s, struct bytes row,
                              struct ledger_entry *out)
{
    struct fixed f;

    if (row.len < sizeof(f)) {
        return ST_CORRUPT;
    }
    memcpy(&f, row.data, sizeof(f));
    if (!fits(&f, row.len)) {
        return ST_CORRUPT;
    }
    struct ledger_entry e = {.time_ms = f.time_ms,
                             .question = f.question,
                             .key = f.key,
                             .goal_digest = f.goal_digest,
                             .prompt_digest = f.prompt_digest,
                             .question_kind = f.question_kind,
                             .purpose = f.purpose,
                             .verdict_kind = f.verdict_kind,
                             .late = f.late != 0,
                             .trains = f.trains != 0,
                             .label = f.label,
                             .confidence = f.confidence,
                             .captions = f.captions,
                             .tokens_in = f.tokens_in,
                             .tokens_out = f.tokens_out,
                             .latency_us = f.latency_us,
                             .cost_micro = f.cost_micro,
                             .requests = f.requests,
                             .estimated = f.estimated != 0,
                             .position = f.position};
    const uint8_t *at = (const uint8_t *)row.data + sizeof(f);
    memcpy(e.order, f.order, sizeof(e.order));
    e.goal = take(&at, f.goal_len);
    e.judge = take(&at, f.judge_len);
    e.model = take(&at, f.model_len);
    e.origin = take(&at, f.origin_len);
    for (int i = 0; i < f.captions; i++) {
        e.caption[i] = take(&at, f.caption_len[i]);
    }
    e.raw = take(&at, f.raw_stored);
    if (f.raw_stored != f.raw_len) {
        const size_t n = ZSTD_decompressDCtx(s->decompress, s->raw, sizeof(s->raw),
                                             e.raw.data, e.raw.len);
        if (ZSTD_isError(n) || n != f.raw_len) {
            return ST_CORRUPT;
        }
        e.raw = bytes_of(s->raw, n);
    }
    *out = e;
    return ST_OK;
}

bool ledger_row_label(struct bytes row, struct hash128 goal_digest,
                      struct ledger_label *out)
{
    struct fixed f;

    if (row.len < sizeof(f)) {
        return false;
    }
    memcpy(&f, row.data, sizeof(f));
    if (f.trains == 0 || !hash_equal(f.goal_digest, goal_digest)) {
        return false;
    }
    *out = (struct ledger_label){.key = f.key, .p = f.label, .kind = f.verdict_kind};
    return true;
}
