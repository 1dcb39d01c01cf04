#include "learner/intake/naming.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/wire/seqfile.h"

struct naming {
    const struct io_plan *plan;
    char seq_dir[PATH_MAX_];
    uint64_t *environments; // (ranks) scratch
    uint32_t files;         // highest number met in the sequence files
    uint32_t *incarnation;  // (files + 1) highest of each number there
    uint64_t opened_ms;
    bool given;
};

static void note_seqfile(void *ctx, const struct seqfile_state *s)
{
    struct naming *n = ctx;

    if (s->run != n->plan->run || s->actor > UINT16_MAX + 1u) {
        return;
    }
    if (s->actor > n->files) {
        n->incarnation = mem_grow(n->incarnation, (size_t)n->files + 1,
                                  (size_t)s->actor + 1, sizeof(*n->incarnation));
        n->files = s->actor;
    }
    if (s->incarnation > n->incarnation[s->actor]) {
        n->incarnation[s->actor] = s->incarnation;
    }
}

struct naming *naming_new(const struct io_plan *plan)
{
    struct naming *n = mem_new(1, sizeof(*n));

    n->plan = plan;
    n->opened_ms = clock_ms(plan->clock);
    n->environments = mem_new(plan->ranks, sizeof(*n->environments));
    n->incarnation = mem_new(1, sizeof(*n->incarnation));
    (void)text_format(n->seq_dir, sizeof(n->seq_dir), "%s/actors", plan->run_dir);
    seqfile_each(n->seq_dir, note_seqfile, n);
    return n;
}

void naming_free(struct naming *n)
{
    if (n != NULL) {
        mem_free(n->environments);
        mem_free(n->incarnation);
        mem_free(n);
    }
}

/* Whether a living process holds this member. Its lock on the sequence file says so for
 * certain where the file can be seen; else what was heard of it here. One that this start
 * has not heard of yet gets the benefit of the doubt for as long as silence is allowed;
 * of one that another rank looks after nothing is ever heard here: `elsewhere`. */
static bool held(const struct naming *n, const struct member *m, uint64_t now_ms,
                 bool elsewhere)
{
    struct seqfile_state s;

    if (m->row.goodbye != 0) {
        return false;
    }
    if (seqfile_find(n->seq_dir, m->row.actor, m->row.incarnation, &s) == ST_OK) {
        return s.alive;
    }
    return m->alive || now_ms - n->opened_ms < MEMBERS_GONE_MS ||
           (elsewhere && m->row.rank != n->plan->rank);
}

static const struct member *holder(const struct naming *n, const struct member *list,
                                   int count, uint32_t number, uint64_t now_ms)
{
    for (int i = 0; i < count; i++) {
        if (list[i].row.actor == number && held(n, &list[i], now_ms, false)) {
            return &list[i];
        }
    }
    return NULL;
}

static uint32_t next_incarnation(const struct naming *n, const struct member *list,
                                 int count, uint32_t number)
{
    uint32_t highest = number <= n->files ? n->incarnation[number] : 0;

    for (int i = 0; i < count; i++) {
        if (list[i].row.actor == number && list[i].row.incarnation > highest) {
            highest = list[i].row.incarnation;
        }
    }
    return highest + 1;
}

/* Newer incarnations of a number stand for it: the older ones are not counted. */
static bool superseded(const struct member *list, int count, const struct member *m)
{
    for (int i = 0; i < count; i++) {
        if (list[i].row.actor == m->row.actor &&
            list[i].row.incarnation > m->row.incarnation) {
            return true;
        }
    }
    return false;
}

uint32_t naming_rank(const struct naming *n, const struct member *list, int count,
                     uint64_t now_ms, struct bytes host)
{
    const struct io_plan *p = n->plan;
    bool here = false;
    uint32_t best = UINT32_MAX;

    memset(n->environments, 0, p->ranks * sizeof(*n->environments));
    for (int i = 0; i < count; i++) {
        const struct replay_member *row = &list[i].row;
        if (row->rank < p->ranks && !superseded(list, count, &list[i]) &&
            held(n, &list[i], now_ms, true)) {
            n->environments[row->rank] += row->environments;
        }
    }
    for (uint32_t r = 0; r < p->ranks; r++) {
        here |= bytes_equal(host, bytes_text(p->hosts[r]));
    }
    for (uint32_t r = 0; r < p->ranks; r++) {
        const bool may = !here || bytes_equal(host, bytes_text(p->hosts[r]));
        if (may && (best == UINT32_MAX || n->environments[r] < n->environments[best])) {
            best = r;
        }
    }
    return best;
}

bool naming_give(struct naming *n, const struct member *list, int count,
                 uint64_t now_ms, const struct msg_hello *m, struct replay_member *out,
                 char *why, size_t why_size)
{
    uint32_t number = m->wanted_id < 0 ? 1 : (uint32_t)m->wanted_id + 1;
    const struct member *by = holder(n, list, count, number, now_ms);

    while (m->wanted_id < 0 && by != NULL) {
        number++;
        by = holder(n, list, count, number, now_ms);
    }
    if (by != NULL) {
        (void)text_format(why, why_size,
                          "--id=%d is held by a living actor on %s (number %u, "
                          "incarnation %u)",
                          m->wanted_id, by->row.host, by->row.actor,
                          by->row.incarnation);
        return false;
    }
    *out = (struct replay_member){
        .actor = number,
        .incarnation = next_incarnation(n, list, count, number),
        .rank = naming_rank(n, list, count, now_ms, m->host),
        .environments = m->environments,
        .nonce = m->nonce,
    };
    (void)text_format(out->host, sizeof(out->host), "%.*s", (int)m->host.len,
                      (const char *)m->host.data);
    n->given = true;
    return true;
}

bool naming_take_given(struct naming *n)
{
    const bool given = n->given;

    n->given = false;
    return given;
}
