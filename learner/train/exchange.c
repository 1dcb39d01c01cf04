#include "learner/train/exchange.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "learner/train/sampler.h"

/* One caption's emissions in a batch. */
struct visit {
    struct hash128 key;
    uint64_t emissions;
};
_Static_assert(sizeof(struct fitting_scored) <= sizeof(struct visit),
               "the scores of a batch fit where its visits do");

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

void exchange_init(struct exchange *x, struct ranks *ranks, struct inbox *inbox,
                   struct ring *to_io, int most_texts)
{
    const size_t count = (size_t)ranks_count(ranks);

    *x = (struct exchange){.ranks = ranks, .inbox = inbox, .to_io = to_io};
    x->room = larger(INBOX_CAPTIONS * sizeof(struct ring_caption),
                     (size_t)most_texts * sizeof(struct visit));
    CHECK(INBOX_TEXTS * sizeof(struct ring_text) <= x->room);
    x->mine = mem_new(x->room, 1);
    x->all = mem_new(x->room, count);
    x->lens = mem_new(count, sizeof(*x->lens));
}

void exchange_release(struct exchange *x)
{
    mem_free(x->mine);
    mem_free(x->all);
    mem_free(x->lens);
    *x = (struct exchange){0};
}

int exchange_captions(const struct exchange *x)
{
    // Rank 0's own captions are where they are needed.
    return ranks_index(x->ranks) == 0 ? 0 : x->inbox->captions;
}

int exchange_verdicts(const struct exchange *x)
{
    return ranks_index(x->ranks) == 0 ? x->inbox->verdicts + x->inbox->texts : 0;
}

enum status exchange_send_captions(struct exchange *x)
{
    const size_t bytes = (size_t)exchange_captions(x) * sizeof(struct ring_caption);

    TRY(ranks_collect(x->ranks, bytes_of(x->inbox->caption, bytes), x->room, x->all,
                      x->lens));
    x->inbox->captions = 0;
    if (ranks_index(x->ranks) != 0) {
        return ST_OK;
    }
    const uint8_t *at = x->all;
    for (int r = 0; r < ranks_count(x->ranks); r++) {
        for (size_t i = 0; i < x->lens[r]; i += sizeof(struct ring_caption)) {
            struct to_io m = {.kind = TO_IO_CAPTION};
            memcpy(&m.caption, at + i, sizeof(m.caption));
            sampler_tell(x->to_io, &m);
        }
        at += x->lens[r];
    }
    return ST_OK;
}

static enum status take_texts(struct exchange *x, struct reward *reward)
{
    size_t len = (size_t)x->inbox->texts * sizeof(struct ring_text);

    memcpy(x->mine, x->inbox->text, len);
    x->inbox->texts = 0;
    TRY(ranks_share(x->ranks, x->mine, &len, x->room));
    for (size_t i = 0; i < len; i += sizeof(struct ring_text)) {
        struct ring_text t;
        memcpy(&t, x->mine + i, sizeof(t));
        reward_take_text(reward, t.key, bytes_of(t.text, t.len));
    }
    return ST_OK;
}

static int64_t take_verdict(struct reward *reward, const struct ring_verdict *v,
                            uint64_t update)
{
    struct reward_label label = {.key = v->key,
                                 .serial = v->ledger_serial,
                                 .kind = v->kind,
                                 .captions = v->captions,
                                 .p = v->p};

    memcpy(label.caption, v->caption, sizeof(label.caption));
    memcpy(label.place, v->place, sizeof(label.place));
    return reward_take_label(reward, &label, update);
}

/* A label of one caption that says no changes nothing that was paid before it came. */
static bool pays(const struct ring_verdict *v)
{
    return v->captions > 1 || v->p > 0.5F;
}

enum status exchange_take_verdicts(struct exchange *x, struct reward *reward,
                                   struct windows *windows, struct tallies *tallies,
                                   uint64_t update, struct ring_verdict *taken,
                                   int *count)
{
    size_t len = (size_t)x->inbox->verdicts * sizeof(*taken);

    TRY(take_texts(x, reward));
    memcpy(taken, x->inbox->verdict, len);
    x->inbox->verdicts = 0;
    TRY(ranks_share(x->ranks, taken, &len, INBOX_VERDICTS * sizeof(*taken)));
    *count = (int)(len / sizeof(*taken));
    for (int i = 0; i < *count; i++) {
        const int64_t delay = take_verdict(reward, &taken[i], update);
        if (delay >= 0) {
            tallies_delay(tallies, delay);
        }
        if (windows != NULL && pays(&taken[i])) {
            windows_note(windows, delay);
        }
        x->ledger_serial = taken[i].ledger_serial;
    }
    if (windows != NULL) {
        windows_mark(windows, update, tallies);
    }
    if (*count > 0 && ranks_index(x->ranks) == 0) {
        const struct to_io m = {.kind = TO_IO_VERDICT_TAKEN,
                                .serial = x->ledger_serial};
        sampler_tell(x->to_io, &m);
    }
    return ST_OK;
}

/* Bytes that the last collection brought from all ranks. */
static size_t collected(const struct exchange *x)
{
    size_t total = 0;

    for (int r = 0; r < ranks_count(x->ranks); r++) {
        total += x->lens[r];
    }
    return total;
}

enum status exchange_send_scores(struct exchange *x,
                                 const struct fitting_scored *scored, int count)
{
    struct fitting_scored s;

    TRY(ranks_collect(x->ranks, bytes_of(scored, (size_t)count * sizeof(s)), x->room,
                      x->all, x->lens));
    if (ranks_index(x->ranks) != 0) {
        return ST_OK;
    }
    const size_t total = collected(x);
    for (size_t at = 0; at < total;) {
        struct to_io m = {.kind = TO_IO_SCORES};
        for (; m.scores.count < RING_SCORES && at < total; at += sizeof(s)) {
            memcpy(&s, x->all + at, sizeof(s));
            m.scores.key[m.scores.count] = s.key;
            m.scores.score[m.scores.count++] = s.score;
        }
        if (!ring_push(x->to_io, &m)) {
            return ST_OK;
        }
    }
    return ST_OK;
}

enum status exchange_add_visits(struct exchange *x, struct reward *reward,
                                const struct batch *batch, uint64_t update)
{
    size_t len = 0;

    for (int i = 0; i < batch->texts; i++) {
        const struct visit v = {batch->key[i], batch->emissions[i]};
        if (batch->text[i].len > 0 && v.emissions > 0) {
            CHECK(len + sizeof(v) <= x->room);
            memcpy(x->mine + len, &v, sizeof(v));
            len += sizeof(v);
        }
    }
    TRY(ranks_collect(x->ranks, bytes_of(x->mine, len), x->room, x->all, x->lens));
    const size_t total = collected(x);
    for (size_t i = 0; i < total; i += sizeof(struct visit)) {
        struct visit v;
        memcpy(&v, x->all + i, sizeof(v));
        reward_add_visits(reward, v.key, v.emissions, update);
    }
    return ST_OK;
}
