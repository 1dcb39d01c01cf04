#include "learner/store/ledger_stats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "learner/store/keymap.h"

struct bill {
    uint64_t tokens_in, tokens_out, requests, cost_micro;
    uint64_t estimated; // verdicts whose tokens nobody reported
};

/* One judge, that is name and model, and one goal, that is name and text. */
struct row {
    char judge[512], goal[256];
    struct hash128 goal_digest;
    bool shared; // the goal's name is another text's too
    uint64_t verdicts[VERDICT_KINDS];
    uint64_t all, late, copied, checks; // checks: asked for another purpose than label
    uint64_t training, positive;        // labels that train now; of those p > 1/2
    uint64_t orders, ties;              // of those that train now
    uint64_t superseded;                // that trained until a newer one came
    struct bill here, elsewhere;        // elsewhere: what copies cost their own runs
    uint64_t lat[3];                    // microseconds: median, 99 %, largest
    uint32_t *latency;
    size_t latencies, latency_cap;
};

/* The label that trains for one item and goal: the newest. */
struct trained {
    uint64_t serial;
    size_t row;
    bool positive, order, tie;
};

struct ledger_stats {
    struct row *rows;
    size_t count, cap;
    struct trained *trained;
    size_t trained_count, trained_cap;
    struct keymap *training; // (item, goal): 1 + its index there
    struct keymap *answered; // (item, goal) that have a label
    uint64_t keys;           // how many
    uint64_t duplicates;     // labels for one that had one already
};

struct ledger_stats *ledger_stats_new(void)
{
    struct ledger_stats *s = mem_new(1, sizeof(*s));

    s->answered = keymap_new();
    s->training = keymap_new();
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
    mem_free(s->trained);
    keymap_free(s->answered);
    keymap_free(s->training);
    mem_free(s);
}

static size_t row_of(struct ledger_stats *s, const struct ledger_entry *e)
{
    char judge[512], goal[256];

    (void)text_format(judge, sizeof(judge), "%.*s%s%.*s", (int)e->judge.len,
                      (const char *)e->judge.data, e->model.len > 0 ? "/" : "",
                      (int)e->model.len, (const char *)e->model.data);
    (void)text_format(goal, sizeof(goal), "%.*s", (int)e->goal.len,
                      (const char *)e->goal.data);
    bool shared = false;
    for (size_t i = 0; i < s->count; i++) {
        struct row *r = &s->rows[i];
        if (strcmp(r->goal, goal) != 0) {
            continue;
        }
        if (!hash_equal(r->goal_digest, e->goal_digest)) {
            r->shared = shared = true;
        } else if (strcmp(r->judge, judge) == 0) {
            return i;
        }
    }
    if (s->count == s->cap) {
        const size_t cap = s->cap == 0 ? 8 : 2 * s->cap;
        s->rows = mem_grow(s->rows, s->cap, cap, sizeof(*s->rows));
        s->cap = cap;
    }
    struct row *r = &s->rows[s->count];
    *r = (struct row){.goal_digest = e->goal_digest, .shared = shared};
    memcpy(r->judge, judge, sizeof(judge));
    memcpy(r->goal, goal, sizeof(goal));
    return s->count++;
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

static struct hash128 key_of(const struct ledger_entry *e)
{
    const struct hash128 both[2] = {e->key, e->goal_digest};

    return hash_128(bytes_of(both, sizeof(both)));
}

static void add_key(struct ledger_stats *s, const struct ledger_entry *e)
{
    bool fresh;

    (void)keymap_at(s->answered, key_of(e), &fresh);
    s->keys += fresh;
    s->duplicates += !fresh;
}

static void count_training(struct ledger_stats *s, const struct trained *t, int64_t n)
{
    struct row *r = &s->rows[t->row];

    r->training += (uint64_t)n;
    r->positive += t->positive ? (uint64_t)n : 0;
    r->orders += t->order ? (uint64_t)n : 0;
    r->ties += t->tie ? (uint64_t)n : 0;
    r->superseded += n < 0;
}

/* Of those of one item the newest alone trains; a file may have them in any order. */
static void add_training(struct ledger_stats *s, size_t row,
                         const struct ledger_entry *e)
{
    const bool order = e->question_kind == QUESTION_ORDER;
    const struct trained now = {.serial = e->serial,
                                .row = row,
                                .positive = !order && e->label > 0.5f,
                                .order = order,
                                .tie = order && e->verdict_kind == VERDICT_TIE};
    uint64_t *at = keymap_at(s->training, key_of(e), NULL);

    if (*at == 0) {
        if (s->trained_count == s->trained_cap) {
            const size_t cap = s->trained_cap == 0 ? 256 : 2 * s->trained_cap;
            s->trained = mem_grow(s->trained, s->trained_cap, cap, sizeof(*s->trained));
            s->trained_cap = cap;
        }
        s->trained[s->trained_count++] = now;
        *at = s->trained_count;
        count_training(s, &now, 1);
        return;
    }
    struct trained *was = &s->trained[*at - 1];
    if (now.serial < was->serial) {
        s->rows[row].superseded++;
        return;
    }
    count_training(s, was, -1);
    count_training(s, &now, 1);
    *was = now;
}

static void add_bill(struct bill *b, const struct ledger_entry *e)
{
    b->tokens_in += e->tokens_in;
    b->tokens_out += e->tokens_out;
    b->estimated += e->estimated;
    b->requests += e->requests;
    b->cost_micro += e->cost_micro;
}

void ledger_stats_add(struct ledger_stats *s, const struct ledger_entry *e)
{
    const size_t row = row_of(s, e);
    struct row *r = &s->rows[row];
    const bool labels =
        e->verdict_kind == VERDICT_LABEL || e->verdict_kind == VERDICT_TIE;

    r->all++;
    if (e->verdict_kind < VERDICT_KINDS) {
        r->verdicts[e->verdict_kind]++;
    }
    r->late += e->late;
    r->copied += e->origin.len > 0;
    r->checks += e->purpose != PURPOSE_LABEL;
    add_bill(e->origin.len > 0 ? &r->elsewhere : &r->here, e);
    add_latency(r, e->latency_us);
    if (e->trains) {
        add_training(s, row, e);
    }
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

/* 415 us, 12.3 ms, 1.234 s. */
static void print_time(const char *name, uint64_t us, struct text_buf *out)
{
    const double n = (double)us;

    text_buf_add(out,
                 n < 1e3   ? "%s %.0f us"
                 : n < 1e6 ? "%s %.1f ms"
                           : "%s %.3f s",
                 name,
                 n < 1e3   ? n
                 : n < 1e6 ? n / 1e3
                           : n / 1e6);
}

static void print_bill(const struct bill *b, uint64_t verdicts, struct text_buf *out)
{
    text_buf_add(out,
                 "%" PRIu64 " requests, %" PRIu64 " tokens in, %" PRIu64
                 " out (%.0f %% estimated), money %.6f\n",
                 b->requests, b->tokens_in, b->tokens_out,
                 100 * share(b->estimated, verdicts), (double)b->cost_micro / 1e6);
}

static void print_row(const struct row *r, struct text_buf *out)
{
    char digest[33];

    hash_hex(r->goal_digest, digest);
    text_buf_add(out, "%s, goal %s", r->judge, r->goal);
    text_buf_add(out, r->shared ? " of digest %.12s: " : ": ", digest);
    text_buf_add(out, "%" PRIu64 " verdicts\n  kinds    ", r->all);
    for (int k = VERDICT_LABEL; k < VERDICT_KINDS; k++) {
        if (r->verdicts[k] > 0) {
            text_buf_add(out, "  %s %" PRIu64, verdict_kind_name((enum verdict_kind)k),
                         r->verdicts[k]);
        }
    }
    const uint64_t ratings = r->training - r->orders;
    text_buf_add(out, "\n  labels     %" PRIu64 " that train now", r->training);
    if (ratings > 0) {
        text_buf_add(out, ", %" PRIu64 " rating%s, %.1f %% of them above 1/2", ratings,
                     ratings == 1 ? "" : "s", 100 * share(r->positive, ratings));
    }
    if (r->orders > 0) {
        text_buf_add(out, ", %" PRIu64 " order%s, %.1f %% of them ties", r->orders,
                     r->orders == 1 ? "" : "s", 100 * share(r->ties, r->orders));
    }
    text_buf_add(out,
                 "; %" PRIu64 " superseded by newer ones; %" PRIu64 " late, %" PRIu64
                 " checks\n  spent      ",
                 r->superseded, r->late, r->checks);
    print_bill(&r->here, r->all - r->copied, out);
    if (r->copied > 0) {
        text_buf_add(out, "  copied     %" PRIu64 " from other runs, paid for there: ",
                     r->copied);
        print_bill(&r->elsewhere, r->copied, out);
    }
    print_time("  latency    median", r->lat[0], out);
    print_time(", 99 %", r->lat[1], out);
    print_time(", longest", r->lat[2], out);
    text_buf_add(out, "\n");
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

static void json_bill(const char *prefix, const struct bill *b, struct text_buf *out)
{
    text_buf_add(out,
                 ",\"%srequests\":%" PRIu64 ",\"%stokens_in\":%" PRIu64
                 ",\"%stokens_out\":%" PRIu64 ",\"%stokens_estimated\":%" PRIu64
                 ",\"%smoney\":%.6f",
                 prefix, b->requests, prefix, b->tokens_in, prefix, b->tokens_out,
                 prefix, b->estimated, prefix, (double)b->cost_micro / 1e6);
}

static void json_row(const struct row *r, struct text_buf *out)
{
    char digest[33];

    hash_hex(r->goal_digest, digest);
    text_buf_add(out, "{\"judge\":");
    text_buf_add_json(out, bytes_text(r->judge));
    text_buf_add(out, ",\"goal\":");
    text_buf_add_json(out, bytes_text(r->goal));
    text_buf_add(out, ",\"goal_digest\":\"%s\",\"verdicts\":%" PRIu64, digest, r->all);
    for (int k = VERDICT_LABEL; k < VERDICT_KINDS; k++) {
        text_buf_add(out, ",\"%s\":%" PRIu64, verdict_kind_name((enum verdict_kind)k),
                     r->verdicts[k]);
    }
    text_buf_add(out,
                 ",\"training\":%" PRIu64 ",\"positive\":%" PRIu64
                 ",\"positive_share\":%.6f,\"orders\":%" PRIu64 ",\"ties\":%" PRIu64
                 ",\"superseded\":%" PRIu64 ",\"late\":%" PRIu64 ",\"copied\":%" PRIu64
                 ",\"checks\":%" PRIu64,
                 r->training, r->positive, share(r->positive, r->training - r->orders),
                 r->orders, r->ties, r->superseded, r->late, r->copied, r->checks);
    json_bill("", &r->here, out);
    json_bill("copied_", &r->elsewhere, out);
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
