#include "learner/explain_journal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/base/log.h"
#include "learner/reward/reward_pays.h"
#include "learner/train/batch.h"

/* ---- what a row changes ---- */

static struct explain_caption *caption_of(const struct explain_walk *w,
                                          struct hash128 key)
{
    const uint64_t *number = keymap_find(w->number, key);

    return number != NULL ? &w->caption[*number] : NULL;
}

/* Labels that paid the row's own batch, or those that came behind it. */
static void take_labels(struct explain_walk *w, const struct journal_row *row,
                        bool behind)
{
    struct bytes left = row->label_bytes;
    struct ring_verdict v;

    while (journal_next_label(&left, &v)) {
        struct explain_caption *c = v.captions == 1 ? caption_of(w, v.key) : NULL;
        if (c != NULL && (v.ledger_serial > row->ledger_paid) == behind) {
            c->labelled = true;
            c->p = v.kind == VERDICT_LABEL ? v.p : 0.5F;
            c->label_serial = v.ledger_serial;
        }
    }
}

static void take_scores(struct explain_walk *w, const struct journal_row *row)
{
    for (uint32_t i = 0; i < row->scored_count; i++) {
        const struct fitting_scored s = journal_scored(row, i);
        struct explain_caption *c = caption_of(w, s.key);
        if (c == NULL) {
            continue;
        }
        c->scored = true;
        c->score = s.score;
        c->score_version = row->model_version;
        c->score_update = row->update;
        if (w->hooks.scored != NULL) {
            w->hooks.scored(w, (int)(c - w->caption));
        }
    }
}

static bool is_wanted(const struct explain_walk *w, uint64_t serial)
{
    size_t low = 0, high = w->count;

    while (low < high) {
        const size_t mid = (low + high) / 2;
        if (w->serials[mid] < serial) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < w->count && w->serials[low] == serial;
}

static void take_serials(struct explain_walk *w, const struct journal_row *row)
{
    for (uint32_t i = 0; i < row->drawn; i++) {
        const uint64_t serial = journal_serial(row, i);
        w->first_drawn = w->first_drawn == 0 ? serial : w->first_drawn;
        w->last_drawn = serial;
        if (w->drawn_after == 0 && w->count > 0 && serial > w->serials[0]) {
            w->drawn_after = row->update;
        }
        if (is_wanted(w, serial)) {
            w->hooks.paid(w, row, serial, false);
        }
    }
    for (uint32_t i = 0; i < row->replayed; i++) {
        const uint64_t serial = journal_replayed(row, i);
        if (is_wanted(w, serial)) {
            w->hooks.paid(w, row, serial, true);
        }
    }
}

/* Rows stand by update. What an earlier start wrote above the checkpoint that a later one
 * went on from was taken back: later rows lie over it, or stand before it. */
static bool take_row(void *ctx, uint64_t update, struct bytes bytes)
{
    struct explain_walk *w = ctx;
    struct journal_row row;

    w->st = journal_read(bytes, &row);
    if (w->st != ST_OK) {
        LOG_ERROR("EXPLAIN-JOURNAL", "the journal's row of update %" PRIu64 " is %s",
                  update,
                  w->st == ST_VERSION ? "of another version of minos" : "damaged");
        return false;
    }
    if (row.start < w->start) {
        w->rolled_back++;
        return true;
    }
    w->start = row.start;
    w->rows++;
    w->first_update = w->first_update == 0 ? update : w->first_update;
    w->last_update = update;
    take_labels(w, &row, false);
    take_scores(w, &row);
    take_serials(w, &row);
    take_labels(w, &row, true);
    return true;
}

enum status explain_walk_journal(struct replay_view *v, struct explain_walk *w)
{
    w->number = keymap_new();
    for (int i = 0; i < w->captions; i++) {
        *keymap_at(w->number, w->caption[i].key, NULL) = (uint64_t)i;
    }
    const enum status st = replay_view_scan_journal(v, 0, take_row, w);
    keymap_free(w->number);
    w->number = NULL;
    return st != ST_OK ? st : w->st;
}

/* ---- the arithmetic ---- */

int explain_paid_for(const struct journal_row *row, const struct segment_view *view,
                     int t, uint16_t *count)
{
    uint16_t text;

    batch_paid_caption(view, t, (row->pays & JOURNAL_PAY_SEEN) != 0, &text, count);
    return text;
}

void explain_step(const struct reward_kind *kind, const struct journal_row *row,
                  const struct explain_caption *c, const struct segment_view *view,
                  int t, struct explain_step *out)
{
    const struct reward_options o = {.a_ext = row->a_ext,
                                     .a_int = row->a_int,
                                     .scale = row->reward_scale,
                                     .clip = row->clip,
                                     .beta = row->beta,
                                     .eta = row->eta,
                                     .raw = (row->pays & JOURNAL_RAW) != 0,
                                     .hard = (row->pays & JOURNAL_HARD) != 0,
                                     .rank_raw = (row->pays & JOURNAL_RANK_RAW) != 0};
    const struct reward_known known = {.labelled = c->labelled,
                                       .p = c->p,
                                       // A score holds for the version that said it.
                                       .scored = c->scored &&
                                                 c->score_version == row->model_version,
                                       .score = c->score,
                                       .ramp = (float)row->ramp,
                                       .mean = row->score_mean,
                                       .sigma = row->score_sigma};
    const bool silent = c->text.len == 0;
    struct reward r;

    reward_init_arithmetic(&r, kind, &o);
    *out = (struct explain_step){.silent = silent, .env = view->reward[t]};
    out->caption = explain_paid_for(row, view, t, &out->count);
    if (kind->pays == NULL) {
        out->worth = NAN;
    } else if (!silent) {
        out->worth = kind->pays(&r, &known);
    }
    reward_pay_row(&r, out->env, out->count, silent && kind->pays != NULL, out->worth,
                   &out->ext, &out->intrinsic);
    out->reward = out->ext + out->intrinsic;
}
