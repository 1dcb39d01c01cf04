/* minos explain --segment: what each step of a stored segment was paid, and why. */
#include "learner/explain_impl.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/wire/codec.h"

struct telling {
    struct explain *x;
    bool stored;
    struct segment_view view;
    struct explain_caption *caption; // (view.texts) as the walk goes
    struct explain_verdicts verdicts;
    struct explain_walk walk;
    struct explain_pay *pay;
    size_t pays, cap;
    uint64_t top, bottom; // of the store
};

/* ---- reading ---- */

static void keep_pay(const struct explain_walk *w, const struct journal_row *row,
                     uint64_t serial, bool replayed)
{
    struct telling *t = w->hooks.ctx;

    if (t->pays == t->cap) {
        const size_t cap = t->cap == 0 ? 4 : 2 * t->cap;
        t->pay = mem_grow(t->pay, t->cap, cap, sizeof(*t->pay));
        t->cap = cap;
    }
    struct explain_pay *p = &t->pay[t->pays++];
    *p = (struct explain_pay){.row = *row, .serial = serial, .replayed = replayed};
    p->caption = mem_new((size_t)w->captions + 1, sizeof(*p->caption));
    if (w->captions > 0) { // none of a segment that is gone
        memcpy(p->caption, w->caption, sizeof(*p->caption) * (size_t)w->captions);
    }
}

static enum status read_segment(struct telling *t, struct replay_view *v,
                                struct codec *codec)
{
    static const struct codec_limits any;
    struct bytes frame;

    enum status st = replay_view_segment(v, t->x->serial, &frame);
    if (st == ST_NOTFOUND) {
        return ST_OK;
    }
    TRY(st);
    st = codec_decode_segment(codec, frame, &any, &t->view);
    if (st != ST_OK) {
        LOG_ERROR("EXPLAIN-SEGMENT", "segment %d:%" PRIu64 " is damaged: %s",
                  t->x->rank, t->x->serial, codec_reason(codec));
        return st;
    }
    t->stored = true;
    t->caption = mem_new((size_t)t->view.texts + 1, sizeof(*t->caption));
    for (int i = 0; i < t->view.texts; i++) {
        const struct bytes text = segment_view_text(&t->view, i).text;
        t->caption[i] = (struct explain_caption){.key = hash_128(text), .text = text};
    }
    return ST_OK;
}

static enum status read_verdicts(struct telling *t)
{
    struct keymap *number = keymap_new();

    for (int i = 0; i < t->view.texts; i++) {
        *keymap_at(number, t->caption[i].key, NULL) = (uint64_t)i;
    }
    const enum status st =
        explain_verdicts_read(&t->verdicts, t->x->run_dir, t->x->told.goal, number);
    keymap_free(number);
    return st;
}

static enum status read_all(struct telling *t, struct replay_view *v,
                            struct codec *codec)
{
    TRY(read_segment(t, v, codec));
    // The journal first: a verdict is in the ledger before training takes it.
    t->walk = (struct explain_walk){
        .caption = t->caption,
        .captions = t->stored ? t->view.texts : 0,
        .serials = &t->x->serial,
        .count = 1,
        .hooks = {.paid = keep_pay, .ctx = t},
    };
    TRY(explain_walk_journal(v, &t->walk));
    if (t->stored) {
        TRY(read_verdicts(t));
    }
    for (size_t i = 0; i < t->pays; i++) {
        for (int c = 0; c < t->walk.captions; c++) {
            explain_merge_label(&t->pay[i].caption[c], c, &t->pay[i].row, &t->verdicts);
        }
    }
    return ST_OK;
}

/* ---- what became of it ---- */

enum fate { PAID, WAITS, DROPPED, OLD, EVICTED, NEVER };
static const char *const fate_names[] = {"paid", "waits",   "dropped",
                                         "old",  "evicted", "never"};

static enum fate fate_of(const struct telling *t)
{
    const struct explain_walk *w = &t->walk;
    const uint64_t serial = t->x->serial;

    if (!t->stored) {
        return serial == 0 || serial > t->top ? NEVER : EVICTED;
    }
    if (t->pays > 0) {
        return PAID;
    }
    if (serial > w->last_drawn) {
        return WAITS;
    }
    return serial < w->first_drawn && w->first_update > 1 ? OLD : DROPPED;
}

static void add_dropped(const struct telling *t, struct text_buf *out)
{
    const uint64_t at = t->walk.drawn_after > 0 ? t->walk.drawn_after - 1 : 0;
    const uint64_t acted = t->view.version.update;

    if (at > acted) {
        text_buf_add(out,
                     "was dropped and never trained: when its turn came, %" PRIu64
                     " updates were done since the weights that acted in it (update "
                     "%" PRIu64 "), see --max-lag",
                     at - acted, acted);
    } else {
        text_buf_add(out, "was dropped and never trained: when its turn came it was "
                          "damaged, or of another shape than the run's");
    }
}

static void add_fate(const struct telling *t, struct text_buf *out)
{
    const struct explain_walk *w = &t->walk;

    switch (fate_of(t)) {
    case PAID:
        if (t->pays == 1) {
            text_buf_add(out, "was paid once");
        } else {
            text_buf_add(out, "was paid %zu times", t->pays);
        }
        break;
    case WAITS:
        text_buf_add(out,
                     "is stored and not trained yet: the journal ends with update "
                     "%" PRIu64 " and segment %" PRIu64,
                     w->last_update, w->last_drawn);
        break;
    case DROPPED:
        add_dropped(t, out);
        break;
    case OLD:
        text_buf_add(out,
                     "was trained or dropped before update %" PRIu64
                     ", the oldest that the journal still has",
                     w->first_update);
        break;
    case EVICTED:
        text_buf_add(out, "is not in the store any more, which begins with %" PRIu64,
                     t->bottom);
        if (t->pays > 0) {
            text_buf_add(out,
                         "; it was paid at update %" PRIu64 ", but its steps are gone",
                         t->pay[t->pays - 1].row.update);
        }
        break;
    case NEVER:
        text_buf_add(out, "was never stored: the store's last one is %" PRIu64, t->top);
        break;
    }
}

/* ---- telling ---- */

static void step_of(const struct telling *t, const struct explain_pay *p, int step,
                    struct explain_step *out)
{
    uint16_t count;
    const int text = explain_paid_for(&p->row, &t->view, step, &count);

    explain_step(t->x->kind, &p->row, &p->caption[text], &t->view, step, out);
}

static void add_table(struct telling *t, const struct explain_pay *p,
                      struct text_buf *out)
{
    uint8_t *paid = mem_new((size_t)t->view.texts + 1, 1);
    struct explain_step s;
    int steps = 0;

    for (int i = 0; i < t->view.T; i++) {
        step_of(t, p, i, &s);
        if (s.reward == 0) {
            continue;
        }
        if (steps++ == 0) {
            explain_add_step_head(t->x, out);
        }
        explain_add_step(t->x, &s, i, p->caption[s.caption].text, out);
        paid[s.caption] |= !s.silent && s.intrinsic != 0;
    }
    text_buf_add(out, steps == 0 ? "none of its steps was paid anything\n" : "");
    for (int i = 0; i < t->view.texts && t->x->kind->asks != REWARD_ASKS_NOTHING; i++) {
        if (paid[i]) {
            explain_add_known(t->x, &p->caption[i], i, &p->row, &t->verdicts, out);
        }
    }
    mem_free(paid);
}

/* The journal forgets its oldest rows: a score told there may pay for long. */
static bool score_is_lost(const struct telling *t, const struct explain_pay *p)
{
    struct explain_step s;

    for (int i = 0; i < t->view.T; i++) {
        step_of(t, p, i, &s);
        if (isnan(s.worth)) {
            return true;
        }
    }
    return false;
}

static void add_doubts(const struct telling *t, const struct explain_pay *p,
                       struct text_buf *out)
{
    const char *why = explain_why_not(t->x);

    if (why != NULL) {
        text_buf_add(out, "%s\n", why);
    } else if (score_is_lost(t, p)) {
        text_buf_add(out,
                     "?: the score was told before update %" PRIu64
                     ", the oldest that the journal still has\n",
                     t->walk.first_update);
    }
    if (t->verdicts.missing && t->x->kind->asks != REWARD_ASKS_NOTHING) {
        text_buf_add(out, "the run's ledger is not there: labels are those of the "
                          "journal, and who gave them is not known\n");
    }
}

static void tell(struct telling *t)
{
    struct text_buf *out = &t->x->out;
    const struct explain_pay *last = t->pays > 0 ? &t->pay[t->pays - 1] : NULL;

    text_buf_add(out, "segment %d:%" PRIu64 " ", t->x->rank, t->x->serial);
    add_fate(t, out);
    text_buf_add(out, "\n");
    if (!t->stored) {
        return;
    }
    text_buf_add(out,
                 "%d steps of environment %" PRIu32 " of actor %" PRIu32
                 ", acted by the weights of update %" PRIu64 "\n",
                 t->view.T, t->view.env, t->view.header.actor, t->view.version.update);
    for (size_t i = 0; i + 1 < t->pays; i++) {
        text_buf_add(out, "%s at update %" PRIu64 "; its rows are in --json\n",
                     t->pay[i].replayed ? "replayed and paid" : "paid",
                     t->pay[i].row.update);
    }
    if (last != NULL) {
        explain_add_terms(t->x, &last->row, last->replayed, out);
        add_table(t, last, out);
        add_doubts(t, last, out);
    }
}

static void add_pay_json(struct telling *t, const struct explain_pay *p,
                         struct text_buf *out)
{
    struct explain_step s;

    text_buf_add(out, "{");
    explain_add_terms_json(t->x, &p->row, p->replayed, out);
    text_buf_add(out, ",\"captions\":[");
    for (int i = 0; i < t->view.texts; i++) {
        text_buf_add(out, "%s", i > 0 ? "," : "");
        explain_add_known_json(&p->caption[i], i, &p->row, &t->verdicts, out);
    }
    text_buf_add(out, "],\"steps\":[");
    for (int i = 0; i < t->view.T; i++) {
        step_of(t, p, i, &s);
        text_buf_add(out, "%s", i > 0 ? "," : "");
        explain_add_step_json(&s, i, out);
    }
    text_buf_add(out, "]}");
}

static void tell_json(struct telling *t)
{
    struct text_buf *out = &t->x->out, sentence = {0};
    const char *why = explain_why_not(t->x);

    add_fate(t, &sentence);
    text_buf_add(out,
                 "{\"rank\":%d,\"serial\":%" PRIu64
                 ",\"reward\":\"%s\",\"state\":\"%s\","
                 "\"told\":",
                 t->x->rank, t->x->serial, t->x->told.reward, fate_names[fate_of(t)]);
    text_buf_add_json(out, bytes_text(sentence.data));
    text_buf_release(&sentence);
    if (why != NULL) {
        text_buf_add(out, ",\"not_known\":");
        text_buf_add_json(out, bytes_text(why));
    }
    text_buf_add(out, ",\"pays\":[");
    for (size_t i = 0; t->stored && i < t->pays; i++) {
        text_buf_add(out, "%s", i > 0 ? "," : "");
        add_pay_json(t, &t->pay[i], out);
    }
    text_buf_add(out, "]}\n");
}

enum status explain_segment(struct explain *x)
{
    struct telling t = {.x = x};
    struct replay *replay = NULL;
    struct replay_view *view = NULL;
    struct codec *codec = codec_new();

    enum status st = explain_open_rank(x, x->rank, &replay, &view);
    if (st == ST_OK) {
        t.top = replay_top(replay);
        t.bottom = replay_bottom(replay);
        st = read_all(&t, view, codec);
    }
    if (st == ST_OK) {
        (x->json ? tell_json : tell)(&t);
        st = fate_of(&t) == NEVER ? ST_NOTFOUND : ST_OK;
    }
    for (size_t i = 0; i < t.pays; i++) {
        mem_free(t.pay[i].caption);
    }
    mem_free(t.pay);
    mem_free(t.caption);
    explain_verdicts_release(&t.verdicts);
    replay_view_close(view);
    replay_close(replay);
    codec_free(codec);
    return st;
}
