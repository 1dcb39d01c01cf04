#include "learner/store/audit.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/checkpoint.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/wire/frame.h"
#include "common/wire/seqfile.h"
#include "learner/store/counts.h"
#include "learner/store/replay.h"

struct auditing {
    struct audit *a;
    int cap;
    uint32_t rank;         // the store being read
    struct counts *counts; // of that rank
};

static const char *const drop_names[DROP_REASONS] = {
    "none",
    "lag",
    "corrupt",
    "schema",
    "evicted",
    "lost_store",
    "evicted_before_checkpoint",
};

static uint64_t key_of(const struct audit_row *r)
{
    return (uint64_t)r->actor << 32 | r->incarnation;
}

static struct audit_row *row_of(struct auditing *x, uint32_t actor,
                                uint32_t incarnation)
{
    const uint64_t key = (uint64_t)actor << 32 | incarnation;
    struct audit *a = x->a;
    int low = 0, high = a->count;

    while (low < high) {
        const int mid = (low + high) / 2;
        if (key_of(&a->rows[mid]) < key) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low < a->count && key_of(&a->rows[low]) == key) {
        return &a->rows[low];
    }
    if (a->count == x->cap) {
        const int cap = x->cap == 0 ? 64 : 2 * x->cap;
        a->rows = mem_grow(a->rows, (size_t)x->cap, (size_t)cap, sizeof(*a->rows));
        x->cap = cap;
    }
    memmove(a->rows + low + 1, a->rows + low,
            (size_t)(a->count - low) * sizeof(*a->rows));
    a->rows[low] = (struct audit_row){.actor = actor, .incarnation = incarnation};
    a->count++;
    return &a->rows[low];
}

static void at_least(uint64_t *produced, uint64_t next)
{
    *produced = *produced < next ? next : *produced;
}

static void add_seqfile(void *ctx, const struct seqfile_state *s)
{
    struct audit_row *r = row_of(ctx, s->actor, s->incarnation);

    at_least(&r->produced, s->produced);
    r->alive = s->alive;
}

/* Rank 0's list holds all members; a member's counts are in its own rank's. */
static void add_member(void *ctx, const struct replay_member *m)
{
    struct auditing *x = ctx;
    struct audit_row *r = row_of(x, m->actor, m->incarnation);

    if (m->rank != x->rank) {
        return;
    }
    r->rank = m->rank;
    r->taken = m->next_seq;
    at_least(&r->produced, m->next_seq);
    if (m->goodbye > 0) {
        r->goodbye = true;
        at_least(&r->produced, m->goodbye - 1);
    }
    for (int i = 0; i < DROP_REASONS; i++) {
        r->dropped[i] += m->dropped[i];
    }
}

static bool add_segment(void *ctx, uint64_t serial, struct bytes frame)
{
    struct auditing *x = ctx;
    struct frame_header h;

    if (frame_read_header(frame, &h) == ST_OK && !counts_skipped(x->counts, serial)) {
        row_of(x, h.actor, h.incarnation)->waiting++;
    }
    return true;
}

static bool add_forced(void *ctx, uint64_t serial, uint32_t actor, uint32_t incarnation)
{
    struct auditing *x = ctx;

    if (!counts_skipped(x->counts, serial)) {
        row_of(x, actor, incarnation)->dropped[DROP_EVICTED_BEFORE_CHECKPOINT]++;
    }
    return true;
}

static void add_counts(struct auditing *x)
{
    for (int i = 0; i < x->counts->count; i++) {
        const struct counts_row *c = &x->counts->rows[i];
        struct audit_row *r = row_of(x, c->actor, c->incarnation);
        r->trained += c->trained;
        for (int d = 0; d < DROP_REASONS; d++) {
            r->dropped[d] += c->dropped[d];
        }
    }
}

/* One rank's store and its part of the checkpoint. */
static enum status add_rank(struct auditing *x, const char *path)
{
    const uint64_t fresh = x->counts->cursor + 1;
    struct replay *replay = NULL;
    struct replay_view *view = NULL;
    enum status st = replay_open_read(path, &replay);

    add_counts(x);
    if (st == ST_NOTFOUND && x->counts->cursor == 0) {
        return ST_OK; // nothing was stored before the checkpoint: the balance will tell
    }
    if (st == ST_NOTFOUND) {
        LOG_WARN("AUDIT-STORE",
                 "there is no store at %s: what waits in it is not known", path);
    }
    TRY(st);
    st = replay_view_open(replay, &view);
    if (st == ST_OK) {
        st = replay_view_members(view, add_member, x);
    }
    if (st == ST_OK) {
        st = replay_view_scan(view, fresh, add_segment, x);
    }
    if (st == ST_OK) {
        st = replay_view_scan_forced(view, fresh, add_forced, x);
    }
    replay_view_close(view);
    replay_close(replay);
    return st;
}

static enum status read_counts(const char *dir, uint32_t rank, struct counts *out)
{
    char name[32], *data = NULL;
    size_t len = 0;

    counts_file_name(rank, name);
    TRY(checkpoint_get(dir, name, &data, &len));
    const enum status st = counts_read(bytes_of(data, len), out);
    mem_free(data);
    return st;
}

static uint64_t drops(const struct audit_row *r)
{
    uint64_t sum = 0;

    for (int i = 0; i < DROP_REASONS; i++) {
        sum += r->dropped[i];
    }
    return sum;
}

static void balance(struct audit *a)
{
    a->balances = true;
    for (int i = 0; i < a->count; i++) {
        struct audit_row *r = &a->rows[i], *t = &a->total;
        const uint64_t above = r->produced - r->taken;
        r->missing = (int64_t)r->taken - (int64_t)(r->waiting + r->trained + drops(r));
        if (r->goodbye) {
            r->missing += (int64_t)above; // it said that there is nothing more
        } else if (r->alive) {
            r->in_flight = above;
        } else {
            r->lost_with_actor = above;
        }
        a->balances = a->balances && r->missing == 0;
        t->produced += r->produced;
        t->taken += r->taken;
        t->waiting += r->waiting;
        t->trained += r->trained;
        t->lost_with_actor += r->lost_with_actor;
        t->in_flight += r->in_flight;
        t->missing += r->missing;
        for (int d = 0; d < DROP_REASONS; d++) {
            t->dropped[d] += r->dropped[d];
        }
    }
}

/* Ranks of a run that has no checkpoint yet: the stores that lie there. */
static uint32_t count_stores(const char *store_dir)
{
    char path[PATH_MAX_];
    uint32_t ranks = 0;

    while (text_format(path, sizeof(path), "%s/store/rank-%u", store_dir, ranks) &&
           file_exists(path)) {
        ranks++;
    }
    return ranks;
}

enum status audit_run(const char *run_dir, const char *store_dir, struct audit *out)
{
    struct checkpoint_manifest *m = mem_new(1, sizeof(*m));
    struct audit a = {0};
    struct auditing x = {.a = &a};
    char dir[PATH_MAX_], path[PATH_MAX_];
    const char *stores =
        store_dir == NULL || store_dir[0] == '\0' ? run_dir : store_dir;
    enum status st = checkpoint_find(run_dir, false, m, dir, sizeof(dir));

    a.checkpoint = st == ST_OK;
    a.update = m->update;
    const uint32_t ranks = a.checkpoint ? m->ranks : count_stores(stores);
    if (st == ST_NOTFOUND) {
        st = ranks > 0 ? ST_OK : st;
        if (ranks == 0) {
            LOG_ERROR("AUDIT-NONE", "%s holds no run: no checkpoint, no store",
                      run_dir);
        }
    }
    (void)text_format(path, sizeof(path), "%s/actors", run_dir);
    if (st == ST_OK) {
        seqfile_each(path, add_seqfile, &x);
    }
    for (uint32_t r = 0; st == ST_OK && r < ranks; r++) {
        struct counts counts = {0};
        x.rank = r;
        x.counts = &counts;
        st = a.checkpoint ? read_counts(dir, r, &counts) : ST_OK;
        if (st == ST_OK) {
            (void)text_format(path, sizeof(path), "%s/store/rank-%u", stores, r);
            st = add_rank(&x, path);
        }
        counts_release(&counts);
    }
    mem_free(m);
    if (st != ST_OK) {
        audit_release(&a);
        return st;
    }
    balance(&a);
    *out = a;
    return ST_OK;
}

void audit_release(struct audit *a)
{
    mem_free(a->rows);
    *a = (struct audit){0};
}

static void print_row(const struct audit_row *r, const char *who, struct text_buf *out)
{
    text_buf_add(out,
                 "%-10s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64
                 " %10" PRIu64 " %10" PRIu64 "   %s",
                 who, r->produced, r->trained, r->waiting, drops(r), r->lost_with_actor,
                 r->in_flight, r->missing == 0 ? "balances" : "");
    if (r->missing != 0) {
        text_buf_add(out, "%" PRId64 " %s", r->missing > 0 ? r->missing : -r->missing,
                     r->missing > 0 ? "MISSING" : "COUNTED TWICE");
    }
    for (int d = 1; d < DROP_REASONS; d++) {
        if (r->dropped[d] > 0) {
            text_buf_add(out, ", %" PRIu64 " dropped (%s)", r->dropped[d],
                         drop_names[d]);
        }
    }
    text_buf_add(out, "\n");
}

void audit_print(const struct audit *a, struct text_buf *out)
{
    char who[32];

    if (a->checkpoint) {
        text_buf_add(out, "segments as of checkpoint %" PRIu64 "\n", a->update);
    } else {
        text_buf_add(out, "segments; no checkpoint yet\n");
    }
    text_buf_add(out, "%-10s %10s %10s %10s %10s %10s %10s\n", "actor", "produced",
                 "trained", "waiting", "dropped", "lost", "in flight");
    for (int i = 0; i < a->count; i++) {
        const struct audit_row *r = &a->rows[i];
        (void)text_format(who, sizeof(who), "%u.%u", r->actor, r->incarnation);
        print_row(r, who, out);
    }
    print_row(&a->total, "all", out);
}

static void json_row(const struct audit_row *r, struct text_buf *out)
{
    text_buf_add(out,
                 "\"produced\":%" PRIu64 ",\"trained\":%" PRIu64 ",\"waiting\":%" PRIu64
                 ",\"lost_with_actor\":%" PRIu64 ",\"in_flight\":%" PRIu64
                 ",\"missing\":%" PRId64 ",\"dropped\":{",
                 r->produced, r->trained, r->waiting, r->lost_with_actor, r->in_flight,
                 r->missing);
    for (int d = 1; d < DROP_REASONS; d++) {
        text_buf_add(out, "%s\"%s\":%" PRIu64, d > 1 ? "," : "", drop_names[d],
                     r->dropped[d]);
    }
    text_buf_add(out, "}");
}

void audit_json(const struct audit *a, struct text_buf *out)
{
    text_buf_add(out, "{\"balances\":%s,\"update\":%" PRIu64 ",",
                 a->balances ? "true" : "false", a->update);
    json_row(&a->total, out);
    text_buf_add(out, ",\"actors\":[");
    for (int i = 0; i < a->count; i++) {
        const struct audit_row *r = &a->rows[i];
        text_buf_add(out, "%s{\"actor\":%u,\"incarnation\":%u,\"rank\":%u,",
                     i > 0 ? "," : "", r->actor, r->incarnation, r->rank);
        json_row(r, out);
        text_buf_add(out, "}");
    }
    text_buf_add(out, "]}\n");
}
