#include "learner/store/ledger_stats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "learner/store/keymap.h"

/* One judge, that is name and model, and one goal. */
struct row {
    char judge[512], goal[256];
    uint64_t verdicts[VERDICT_KINDS];
    uint64_t all, late, copied, checks; // checks: asked for another purpose than label
    uint64_t training, positive;        // labels that train; of those p > 1/2
    uint64_t tokens_in, tokens_out, estimated, requests, cost_micro;
    uint64_t lat[3]; // microseconds: median, 99 %, largest
    uint32_t *latency;
    size_t latencies, latency_cap;
};

struct ledger_stats {
    struct row *rows;
    size_t count, cap;
    struct keymap *answered; // (item, goal) that have a label
    uint64_t keys;           // how many
    uint64_t duplicates;     // labels for one that had one already
};

struct ledger_stats *ledger_stats_new(void)
{
    struct ledger_stats *s = mem_new(1, sizeof(*s));

    s->answered = keymap_new();
    return s;
}

void ledger_stats_free(struct ledger_stats *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        mem_free(s->rows[i].latency);
    }
    mem_free(s->rows);
    keymap_free(s->answered);
    mem_free(s);
}

static struct row *row_of(struct ledger_stats *s, const struct ledger_entry *e)
{
    char judge[512], goal[256];

    (void)text_format(judge, sizeof(judge), "%.*s%s%.*s", (int)e->judge.len,
                      (const char *)e->judge.data, e->model.len > 0 ? "/" : "",
                      (int)e->model.len, (const char *)e->model.data);
    (void)text_format(goal, sizeof(goal), "%.*s", (int)e->goal.len,
                      (const char *)e->goal.data);
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->rows[i].judge, judge) == 0 &&
            strcmp(s->rows[i].goal, goal) == 0) {
            return &s->rows[i];
        }
    }
    if (s->count == s->cap) {
        const size_t cap = s->cap == 0 ? 8 : 2 * s->cap;
        s->rows = mem_grow(s->rows, s->cap, cap, sizeof(*s->rows));
        s->cap = cap;
    }
    struct row *r = &s->rows[s->count++];
    *r = (struct row){0};
    memcpy(r->judge, judge, sizeof(judge));
    memcpy(r->goal, goal, sizeof(goal));
    return r;
}

static void add_latency(struct row *r, uint32_t us)
{
    if (r->latencies == r->latency_cap) {
        const size_t cap = r->latency_cap == 0 ? 256 : 2 * r->latency_cap;
        r->latency = mem_grow(r->latency, r->latency_cap, cap, sizeof(*r->latency));
        r->latency_cap = cap;
    }
    r->latency[r->latencies++] = us;
}

static void add_key(struct ledger_stats *s, const struct ledger_entry *e)
{
    const struct hash128 both[2] = {e->key, e->goal_digest};
    bool fresh;

    (void)keymap_at(s->answered, hash_128(bytes_of(both, sizeof(both))), &fresh);
    s->keys += fresh;
    s->duplicates += !fresh;
}

void ledger_stats_add(struct ledger_stats *s, const struct ledger_entry *e)
{
    struct row *r = row_of(s, e);
    const bool labels =
        e->verdict_kind == VERDICT_LABEL || e->verdict_kind == VERDICT_TIE;

    r->all++;
    if (e->verdict_kind < VERDICT_KINDS) {
        r->verdicts[e->verdict_kind]++;
    }
    r->late += e->late;
    r->copied += e->origin.len > 0;
    r->checks += e->purpose != PURPOSE_LABEL;
    r->training += e->trains;
    r->positive += e->trains && e->label > 0.5f;
    r->tokens_in += e->tokens_in;
    r->tokens_out += e->tokens_out;
    r->estimated += e->estimated;
    r->requests += e->requests;
    r->cost_micro += e->cost_micro;
    add_latency(r, e->latency_us);
    if (labels && e->purpose == PURPOSE_LABEL && e->captions > 0) {
        add_key(s, e);
    }
}

/* ---- telling ---- */

static int compare_u32(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void settle(struct ledger_stats *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct row *r = &s->rows[i];
        qsort(r->latency, r->latencies, sizeof(*r->latency), compare_u32);
        r->lat[0] = r->latency[(r->latencies - 1) / 2];
        r->lat[1] = r->latency[(r->latencies - 1) * 99 / 100];
        r->lat[2] = r->latency[r->latencies - 1];
    }
}

static double share(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

static void print_row(const struct row *r, struct text_buf *out)
{
    text_buf_add(out, "%s, goal %s: %" PRIu64 " verdicts\n", r->judge, r->goal, r->all);
    text_buf_add(out, "  kinds    ");
    for (int k = VERDICT_LABEL; k < VERDICT_KINDS; k++) {
        if (r->verdicts[k] > 0) {
            text_buf_add(out, "  %s %" PRIu64, verdict_kind_name((enum verdict_kind)k),
                         r->verdicts[k]);
        }
    }
    text_buf_add(out,
                 "\n  labels     %" PRIu64 " that train, %.1f %% of them above 1/2; "
                 "%" PRIu64 " late, %" PRIu64 " copied, %" PRIu64 " checks\n",
                 r->training, 100 * share(r->positive, r->training), r->late, r->copied,
                 r->checks);
    text_buf_add(out,
                 "  spent      %" PRIu64 " requests, %" PRIu64 " tokens in, %" PRIu64
                 " out (%.0f %% estimated), money %.6f\n",
                 r->requests, r->tokens_in, r->tokens_out,
                 100 * share(r->estimated, r->all), (double)r->cost_micro / 1e6);
    text_buf_add(out, "  latency    median %.3f s, 99 %% %.3f s, longest %.3f s\n",
                 (double)r->lat[0] / 1e6, (double)r->lat[1] / 1e6,
                 (double)r->lat[2] / 1e6);
}

void ledger_stats_print(struct ledger_stats *s, struct text_buf *out)
{
    settle(s);
    for (size_t i = 0; i < s->count; i++) {
        print_row(&s->rows[i], out);
    }
    text_buf_add(out,
                 "%" PRIu64 " items have labels; %" PRIu64
                 " labels were given for one that had one\n",
                 s->keys, s->duplicates);
}

static void json_row(const struct row *r, struct text_buf *out)
{
    text_buf_add(out, "{\"judge\":");
    text_buf_add_json(out, bytes_text(r->judge));
    text_buf_add(out, ",\"goal\":");
    text_buf_add_json(out, bytes_text(r->goal));
    text_buf_add(out, ",\"verdicts\":%" PRIu64, r->all);
    for (int k = VERDICT_LABEL; k < VERDICT_KINDS; k++) {
        text_buf_add(out, ",\"%s\":%" PRIu64, verdict_kind_name((enum verdict_kind)k),
                     r->verdicts[k]);
    }
    text_buf_add(out,
                 ",\"training\":%" PRIu64 ",\"positive\":%" PRIu64
                 ",\"positive_share\":%.6f,\"late\":%" PRIu64 ",\"copied\":%" PRIu64
                 ",\"checks\":%" PRIu64,
                 r->training, r->positive, share(r->positive, r->training), r->late,
                 r->copied, r->checks);
    text_buf_add(out,
                 ",\"requests\":%" PRIu64 ",\"tokens_in\":%" PRIu64
                 ",\"tokens_out\":%" PRIu64 ",\"tokens_estimated\":%" PRIu64
                 ",\"money\":%.6f",
                 r->requests, r->tokens_in, r->tokens_out, r->estimated,
                 (double)r->cost_micro / 1e6);
    text_buf_add(out,
                 ",\"latency_p50_s\":%.6f,\"latency_p99_s\":%.6f,"
                 "\"latency_max_s\":%.6f}",
                 (double)r->lat[0] / 1e6, (double)r->lat[1] / 1e6,
                 (double)r->lat[2] / 1e6);
}

void ledger_stats_json(struct ledger_stats *s, struct text_buf *out)
{
    settle(s);
    text_buf_add(out, "{\"items\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"judges\":[",
                 s->keys, s->duplicates);
    for (size_t i = 0; i < s->count; i++) {
        text_buf_add(out, "%s", i > 0 ? "," : "");
        json_row(&s->rows[i], out);
    }
    text_buf_add(out, "]}\n");
}
