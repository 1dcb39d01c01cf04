/* What minos explain prints of a pay: for people and as JSON. */
#include "learner/explain_impl.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

const char *explain_why_not(const struct explain *x)
{
    return x->kind->pays != NULL
               ? NULL
               : "this reward is paid for what a step sees, not for its caption, and "
                 "what "
                 "its networks said of each step is not kept: only the game's part is "
                 "known";
}

void explain_merge_label(struct explain_caption *c, int number,
                         const struct journal_row *row,
                         const struct explain_verdicts *v)
{
    const struct explain_verdict *x =
        explain_verdicts_label(v, number, row->ledger_paid);

    if (x != NULL && (!c->labelled || x->serial > c->label_serial)) {
        c->labelled = true;
        c->p = x->p;
        c->label_serial = x->serial;
    }
}

bool explain_has_model(const struct explain *x)
{
    return x->kind->needs_texts;
}

/* What is paid beside the game's reward. */
enum paid_by { PAID_NOTHING, PAID_BY_SIGHT, PAID_BY_CAPTION };

static enum paid_by paid_by(const struct explain *x)
{
    if (strcmp(x->kind->name, "none") == 0) {
        return PAID_NOTHING;
    }
    return x->kind->score_rows != NULL ? PAID_BY_SIGHT : PAID_BY_CAPTION;
}

/* What a label or a chance is worth (reward_worth()). */
static void add_worth(const struct journal_row *row, struct text_buf *out)
{
    if ((row->pays & JOURNAL_HARD) != 0) {
        text_buf_add(out, "; W(p) = 1 where p > %g, else 0", row->eta);
    } else {
        text_buf_add(out, "; W(p) = %s",
                     (row->pays & JOURNAL_RAW) != 0 ? "p" : "max(0, 2 p - 1)");
    }
}

static void add_in_words(const struct explain *x, const struct journal_row *row,
                         struct text_buf *out)
{
    const bool order = x->kind->asks == REWARD_ASKS_ORDER;

    text_buf_add(out, "r_int of a caption: %s",
                 order && (row->pays & JOURNAL_RANK_RAW) != 0 ? "its score as it is"
                                                              : x->kind->in_words);
    if (x->kind->asks == REWARD_ASKS_RATE) {
        add_worth(row, out);
    }
    text_buf_add(out,
                 "\nN: how often it had come in its episode, this time included\n");
}

/* The terms that count: what is seen is paid however often its caption came. */
static void add_formula(const struct explain *x, const struct journal_row *row,
                        struct text_buf *out)
{
    text_buf_add(out, "\nreward = %g clip(%g game, +-%g)", row->a_ext,
                 row->reward_scale, row->clip);
    if (paid_by(x) != PAID_NOTHING) {
        text_buf_add(out, " + %g r_int", row->a_int);
    }
    if (paid_by(x) == PAID_BY_CAPTION) {
        text_buf_add(out, " / N^%g%s%s", row->beta,
                     (row->pays & JOURNAL_RAW) != 0 ? ", --soft=raw" : "",
                     (row->pays & JOURNAL_HARD) != 0 ? ", hard" : "");
    }
    text_buf_add(out, "\n");
    if (paid_by(x) == PAID_BY_CAPTION) {
        add_in_words(x, row, out);
    }
}

void explain_add_terms(const struct explain *x, const struct journal_row *row,
                       bool replayed, struct text_buf *out)
{
    text_buf_add(out, "%s at update %" PRIu64 " by %s",
                 replayed ? "replayed and paid again" : "paid", row->update,
                 x->told.reward);
    if (explain_has_model(x) && row->ramp > 0) {
        text_buf_add(out, ": version %" PRIu64 " of its model, gate open, ramp %g",
                     row->model_version, row->ramp);
    } else if (explain_has_model(x)) {
        text_buf_add(out, ": its model's gate was closed, %s",
                     x->kind->asks == REWARD_ASKS_RATE ? "labels alone paid"
                                                       : "captions paid nothing");
    }
    if (row->score_sigma > 0) {
        text_buf_add(out, ", scores of mean %.6g and deviation %.6g", row->score_mean,
                     row->score_sigma);
    }
    if (x->kind->asks != REWARD_ASKS_NOTHING) {
        text_buf_add(out, "; verdicts up to %" PRIu64 " were known", row->ledger_paid);
    }
    add_formula(x, row, out);
}

void explain_add_terms_json(const struct explain *x, const struct journal_row *row,
                            bool replayed, struct text_buf *out)
{
    text_buf_add(
        out,
        "\"update\":%" PRIu64 ",\"start\":%" PRIu32 ",\"replayed\":%s,"
        "\"model_version\":%" PRIu64 ",\"gate\":%s,\"ramp\":%.17g,"
        "\"reward_score_mean\":%.17g,\"reward_score_sigma\":%.17g,\"ledger_serial\":"
        "%" PRIu64 ",\"a_ext\":%.17g,\"a_int\":%.17g,\"scale\":%.17g,\"clip\":%.17g,"
        "\"beta\":%.17g,\"eta\":%.17g,\"raw\":%s,\"hard\":%s",
        row->update, row->start, replayed ? "true" : "false", row->model_version,
        !explain_has_model(x) ? "null"
        : row->ramp > 0       ? "\"open\""
                              : "\"closed\"",
        row->ramp, row->score_mean, row->score_sigma, row->ledger_paid, row->a_ext,
        row->a_int, row->reward_scale, row->clip, row->beta, row->eta,
        (row->pays & JOURNAL_RAW) != 0 ? "true" : "false",
        (row->pays & JOURNAL_HARD) != 0 ? "true" : "false");
}

static bool score_holds(const struct explain_caption *c, const struct journal_row *row)
{
    return c->scored && c->score_version == row->model_version;
}

void explain_add_known(const struct explain *x, const struct explain_caption *c,
                       int number, const struct journal_row *row,
                       const struct explain_verdicts *v, struct text_buf *out)
{
    text_buf_add_json(out, c->text);
    text_buf_add(out, "\n");
    if (x->kind->asks == REWARD_ASKS_RATE) {
        const struct explain_verdict *by =
            c->labelled ? explain_verdicts_at(v, number, c->label_serial) : NULL;
        text_buf_add(out, "    label ");
        if (by != NULL) {
            explain_verdict_print(by, out);
        } else if (c->labelled) {
            text_buf_add(out, "%.3g, verdict %" PRIu64 ", which the ledger lacks",
                         (double)c->p, c->label_serial);
        } else {
            text_buf_add(out, "none yet");
        }
        text_buf_add(out, "\n");
    }
    if (score_holds(c, row)) {
        text_buf_add(out, "    score %.6g, told at update %" PRIu64 "\n",
                     (double)c->score, c->score_update);
    }
}

void explain_add_known_json(const struct explain_caption *c, int number,
                            const struct journal_row *row,
                            const struct explain_verdicts *v, struct text_buf *out)
{
    const struct explain_verdict *by =
        c->labelled ? explain_verdicts_at(v, number, c->label_serial) : NULL;

    text_buf_add(out, "{\"text\":");
    text_buf_add_json(out, c->text);
    if (c->labelled) {
        text_buf_add(out, ",\"label\":%.9g,\"label_serial\":%" PRIu64, (double)c->p,
                     c->label_serial);
    }
    if (by != NULL) {
        text_buf_add(out, ",\"verdict\":");
        explain_verdict_json(by, out);
    }
    if (score_holds(c, row)) {
        text_buf_add(out, ",\"score\":%.9g,\"score_update\":%" PRIu64, (double)c->score,
                     c->score_update);
    }
    text_buf_add(out, "}");
}

void explain_add_step_head(const struct explain *x, struct text_buf *out)
{
    text_buf_add(out, "%5s %11s %11s", "step", "reward", "game's");
    if (paid_by(x) == PAID_BY_CAPTION) {
        text_buf_add(out, " %11s", "caption's");
    }
    if (paid_by(x) != PAID_NOTHING) {
        text_buf_add(out, " %9s", "r_int");
    }
    if (paid_by(x) == PAID_BY_CAPTION) {
        text_buf_add(out, " %5s", "N");
    }
    text_buf_add(out, "  caption\n");
}

/* "?" where it is not known. */
static void add_known_number(struct text_buf *out, int width, float value)
{
    if (isnan(value)) {
        text_buf_add(out, " %*s", width, "?");
    } else {
        text_buf_add(out, " %*.6g", width, (double)value);
    }
}

void explain_add_step(const struct explain *x, const struct explain_step *s, int t,
                      struct bytes text, struct text_buf *out)
{
    text_buf_add(out, "%5d", t);
    add_known_number(out, 11, s->reward);
    add_known_number(out, 11, s->ext);
    if (paid_by(x) == PAID_BY_CAPTION) {
        add_known_number(out, 11, s->intrinsic);
    }
    if (paid_by(x) != PAID_NOTHING) {
        add_known_number(out, 9, s->worth);
    }
    if (paid_by(x) == PAID_BY_CAPTION) {
        text_buf_add(out, " %5d", s->count);
    }
    text_buf_add(out, "  ");
    text_buf_add_json(out, text);
    text_buf_add(out, "\n");
}

static void add_number(struct text_buf *out, const char *name, float value)
{
    if (isnan(value)) {
        text_buf_add(out, ",\"%s\":null", name);
    } else {
        text_buf_add(out, ",\"%s\":%.9g", name, (double)value);
    }
}

void explain_add_step_json(const struct explain_step *s, int t, struct text_buf *out)
{
    text_buf_add(out, "{\"step\":%d,\"caption\":%d,\"count\":%d", t, s->caption,
                 s->count);
    add_number(out, "env_reward", s->env);
    add_number(out, "ext", s->ext);
    add_number(out, "r_int", s->worth);
    add_number(out, "intrinsic", s->intrinsic);
    add_number(out, "reward", s->reward);
    text_buf_add(out, "}");
}
