/* minos explain --caption: what judges said of a caption, what the model made of it, and
 * what it was paid last. */
#include "learner/explain_impl.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/wire/codec.h"
#include "learner/intake/asking.h"
#include "learner/intake/lexicon.h"

enum { SAID_TOLD = 16 }; // lines; of count a caption has one for each update

/* A score by a version, as the first rank told it; where there are no versions, r_int from
 * an update on. */
struct said {
    uint64_t version, update;
    float score;
};

struct looking {
    struct explain *x;
    struct explain_caption caption;
    uint64_t visits; // over ranks
    struct explain_verdicts verdicts;
    struct said *said; // by version
    size_t said_count, said_cap;
    uint64_t *serials; // of the rank at work: stored segments that name it
    size_t count, cap;
    struct codec *codec;
    struct replay_view *view; // likewise
    // the latest pay of all ranks
    bool paid;
    int rank, paid_rank;
    struct explain_pay last;
    struct explain_caption then;
    struct explain_step step;
    int at;                // its first step in the segment
    uint64_t first_update; // the oldest that a journal still has
};

/* ---- reading ---- */

static void meet(void *ctx, struct hash128 key, struct bytes row)
{
    struct looking *k = ctx;
    struct lexicon_row r;

    if (hash_equal(key, k->caption.key) && lexicon_read_row(row, &r)) {
        k->visits += r.visits;
    }
}

static bool holds(const struct segment_view *v, struct bytes text)
{
    for (int i = 0; i < v->texts; i++) {
        if (bytes_equal(segment_view_text(v, i).text, text)) {
            return true;
        }
    }
    return false;
}

/* The first step that was paid for the caption; -1: it was seen alone, or caused alone. */
static int find_step(const struct journal_row *row, const struct segment_view *v,
                     struct bytes text)
{
    uint16_t count;

    for (int t = 0; t < v->T; t++) {
        const int paid_for = explain_paid_for(row, v, t, &count);
        if (bytes_equal(segment_view_text(v, paid_for).text, text)) {
            return t;
        }
    }
    return -1;
}

static bool look_into(void *ctx, uint64_t serial, struct bytes frame)
{
    static const struct codec_limits any;
    struct looking *k = ctx;
    struct segment_view v;

    // Texts lie in a frame as they are; to decode each one would take longer.
    if (memmem(frame.data, frame.len, k->caption.text.data, k->caption.text.len) ==
            NULL ||
        codec_decode_segment(k->codec, frame, &any, &v) != ST_OK ||
        !holds(&v, k->caption.text)) {
        return true;
    }
    if (k->count == k->cap) {
        const size_t cap = k->cap == 0 ? 256 : 2 * k->cap;
        k->serials = mem_grow(k->serials, k->cap, cap, sizeof(*k->serials));
        k->cap = cap;
    }
    k->serials[k->count++] = serial;
    return true;
}

static void note_pay(const struct explain_walk *w, const struct journal_row *row,
                     uint64_t serial, bool replayed)
{
    static const struct codec_limits any;
    struct looking *k = w->hooks.ctx;
    struct segment_view view;
    struct bytes frame;

    if ((k->paid && row->update < k->last.row.update) ||
        replay_view_segment(k->view, serial, &frame) != ST_OK ||
        codec_decode_segment(k->codec, frame, &any, &view) != ST_OK) {
        return;
    }
    const int t = find_step(row, &view, k->caption.text);
    if (t < 0) {
        return;
    }
    k->paid = true;
    k->paid_rank = k->rank;
    k->last = (struct explain_pay){.row = *row, .serial = serial, .replayed = replayed};
    k->then = w->caption[0];
    k->at = t;
    explain_merge_label(&k->then, 0, row, &k->verdicts);
    explain_step(k->x->kind, row, &k->then, &view, t, &k->step);
}

static void note_score(const struct explain_walk *w, int caption)
{
    struct looking *k = w->hooks.ctx;
    const struct explain_caption *c = &w->caption[caption];
    const bool model = explain_has_model(k->x);
    size_t at = k->said_count;

    while (at > 0 && (model ? k->said[at - 1].version > c->score_version
                            : k->said[at - 1].update > c->score_update)) {
        at--;
    }
    const struct said *before = at > 0 ? &k->said[at - 1] : NULL;
    if (before != NULL &&
        (model ? before->version == c->score_version
               : before->update == c->score_update ||
                     memcmp(&before->score, &c->score, sizeof(c->score)) == 0)) {
        return;
    }
    if (k->said_count == k->said_cap) {
        const size_t cap = k->said_cap == 0 ? 64 : 2 * k->said_cap;
        k->said = mem_grow(k->said, k->said_cap, cap, sizeof(*k->said));
        k->said_cap = cap;
    }
    memmove(k->said + at + 1, k->said + at, (k->said_count - at) * sizeof(*k->said));
    k->said[at] = (struct said){c->score_version, c->score_update, c->score};
    k->said_count++;
}

static enum status read_rank(struct looking *k, struct replay_view *v)
{
    struct explain_walk w = {.caption = &k->caption, .captions = 1};

    k->view = v;
    TRY(replay_view_captions(v, meet, k));
    k->count = 0;
    TRY(replay_view_scan(v, 0, look_into, k));
    k->caption.labelled = k->caption.scored = false;
    w.serials = k->serials;
    w.count = k->count;
    w.hooks = (struct explain_hooks){note_pay, note_score, k};
    TRY(explain_walk_journal(v, &w));
    if (w.first_update > 0 &&
        (k->first_update == 0 || w.first_update < k->first_update)) {
        k->first_update = w.first_update;
    }
    return ST_OK;
}

static enum status read_ranks(struct looking *k)
{
    enum status st = ST_OK;

    for (k->rank = 0; st == ST_OK && k->rank < k->x->told.ranks; k->rank++) {
        struct replay *replay = NULL;
        struct replay_view *view = NULL;
        st = explain_open_rank(k->x, k->rank, &replay, &view);
        st = st == ST_OK ? read_rank(k, view) : st;
        replay_view_close(view);
        replay_close(replay);
    }
    return st;
}

static enum status read_verdicts(struct looking *k)
{
    struct keymap *number = keymap_new();

    *keymap_at(number, k->caption.key, NULL) = 0;
    const enum status st =
        explain_verdicts_read(&k->verdicts, k->x->run_dir, k->x->told.goal, number);
    keymap_free(number);
    return st;
}

/* ---- telling ---- */

/* How far its label is, in one sentence. */
static void add_state(const struct looking *k, struct text_buf *out)
{
    const struct explain_verdicts *v = &k->verdicts;
    const struct explain_verdict *last = NULL;
    int failures = 0, orders = 0;
    bool labelled = false;

    for (size_t i = 0; i < v->count; i++) {
        const struct explain_verdict *x = &v->verdict[i];
        labelled |= x->trains && x->captions == 1;
        orders += x->trains && x->captions > 1;
        failures += !x->trains && x->purpose == PURPOSE_LABEL &&
                    (x->kind == VERDICT_TIMEOUT || x->kind == VERDICT_UNPARSEABLE);
        last = x->purpose == PURPOSE_LABEL ? x : last;
    }
    if (labelled) {
        text_buf_add(out, "it has its label");
    } else if (orders > 0) {
        text_buf_add(out, "it stands in %d order%s that train%s", orders,
                     orders == 1 ? "" : "s", orders == 1 ? "s" : "");
    } else if (last != NULL &&
               (last->kind == VERDICT_REFUSED || last->kind == VERDICT_ABSTAIN)) {
        text_buf_add(out, "it was given up: a judge would not label it (%s)",
                     verdict_kind_name(last->kind));
    } else if (failures >= ASKING_TRIES_MOST) {
        text_buf_add(out,
                     "it has no label and failed %d times: %d in one start give it "
                     "up until the next",
                     failures, ASKING_TRIES_MOST);
    } else if (k->x->kind->asks == REWARD_ASKS_NOTHING) {
        text_buf_add(out, "--reward=%s asks no judge", k->x->told.reward);
    } else if (v->missing) {
        text_buf_add(out, "the run's ledger is not there");
    } else {
        text_buf_add(out, last != NULL ? "it has no label yet, and is asked again"
                                       : "no judge has answered about it yet");
    }
}

/* The newest; --json has all. */
static void add_scores(const struct looking *k, struct text_buf *out)
{
    const bool model = explain_has_model(k->x);
    const size_t from = k->said_count > SAID_TOLD ? k->said_count - SAID_TOLD : 0;

    if (k->said_count == 0) {
        return;
    }
    if (model) {
        text_buf_add(out, "%8s ", "version");
    }
    text_buf_add(out, "%8s %10s\n", "update", model ? "score" : "r_int");
    if (from > 0) {
        text_buf_add(out, "%8s %zu earlier ones are in --json\n", "...", from);
    }
    for (size_t i = from; i < k->said_count; i++) {
        if (model) {
            text_buf_add(out, "%8" PRIu64 " ", k->said[i].version);
        }
        text_buf_add(out, "%8" PRIu64 " %10.6g\n", k->said[i].update,
                     (double)k->said[i].score);
    }
}

static void tell(struct looking *k)
{
    struct text_buf *out = &k->x->out;
    const char *why = explain_why_not(k->x);

    text_buf_add_json(out, k->caption.text);
    // Beside its learner: the run writes counts down now and then.
    text_buf_add(out, " came %" PRIu64 " time%s, as last written down; ", k->visits,
                 k->visits == 1 ? "" : "s");
    add_state(k, out);
    text_buf_add(out, "\n");
    for (size_t i = 0; i < k->verdicts.count; i++) {
        text_buf_add(out, "  ");
        explain_verdict_print(&k->verdicts.verdict[i], out);
        text_buf_add(out, "\n");
    }
    add_scores(k, out);
    if (!k->paid) {
        text_buf_add(out, "no segment in the store that the journal has as trained "
                          "caused it\n");
        return;
    }
    text_buf_add(out, "last paid in segment %d:%" PRIu64 ", step %d:\n", k->paid_rank,
                 k->last.serial, k->at);
    explain_add_terms(k->x, &k->last.row, k->last.replayed, out);
    explain_add_step_head(k->x, out);
    explain_add_step(k->x, &k->step, k->at, k->caption.text, out);
    if (why != NULL || isnan(k->step.worth)) {
        text_buf_add(out, "%s\n",
                     why != NULL
                         ? why
                         : "?: the score was told before the oldest update that "
                           "the journal still has");
    }
}

static void add_pay_json(struct looking *k, struct text_buf *out)
{
    text_buf_add(out, ",\"paid\":{\"rank\":%d,\"serial\":%" PRIu64 ",", k->paid_rank,
                 k->last.serial);
    explain_add_terms_json(k->x, &k->last.row, k->last.replayed, out);
    text_buf_add(out, ",\"captions\":[");
    explain_add_known_json(&k->then, 0, &k->last.row, &k->verdicts, out);
    text_buf_add(out, "],\"step\":");
    k->step.caption = 0; // the one of this list
    explain_add_step_json(&k->step, k->at, out);
    text_buf_add(out, "}");
}

static void tell_json(struct looking *k)
{
    struct text_buf *out = &k->x->out, state = {0};

    add_state(k, &state);
    text_buf_add(out, "{\"caption\":");
    text_buf_add_json(out, k->caption.text);
    text_buf_add(out, ",\"reward\":\"%s\",\"visits\":%" PRIu64 ",\"state\":",
                 k->x->told.reward, k->visits);
    text_buf_add_json(out, bytes_text(state.data));
    text_buf_release(&state);
    text_buf_add(out, ",\"verdicts\":[");
    for (size_t i = 0; i < k->verdicts.count; i++) {
        text_buf_add(out, "%s", i > 0 ? "," : "");
        explain_verdict_json(&k->verdicts.verdict[i], out);
    }
    text_buf_add(out, "],\"scores\":[");
    for (size_t i = 0; i < k->said_count; i++) {
        text_buf_add(out, "%s{", i > 0 ? "," : "");
        if (explain_has_model(k->x)) {
            text_buf_add(out, "\"version\":%" PRIu64 ",", k->said[i].version);
        }
        text_buf_add(out, "\"update\":%" PRIu64 ",\"%s\":%.9g}", k->said[i].update,
                     explain_has_model(k->x) ? "score" : "r_int",
                     (double)k->said[i].score);
    }
    text_buf_add(out, "]");
    if (k->paid) {
        add_pay_json(k, out);
    }
    text_buf_add(out, "}\n");
}

enum status explain_caption(struct explain *x)
{
    const struct bytes text = bytes_text(x->caption);
    struct looking k = {
        .x = x, .caption = {.key = hash_128(text), .text = text}, .codec = codec_new()};

    enum status st = read_verdicts(&k);
    st = st == ST_OK ? read_ranks(&k) : st;
    if (st == ST_OK && k.visits == 0 && k.verdicts.count == 0 && !k.paid &&
        k.said_count == 0) {
        text_buf_add(&x->out, x->json ? "{\"caption\":" : "");
        text_buf_add_json(&x->out, text);
        text_buf_add(&x->out, x->json ? ",\"state\":\"it never came in this run\"}\n"
                                      : " never came in this run, to the byte\n");
        st = ST_NOTFOUND;
    } else if (st == ST_OK) {
        (x->json ? tell_json : tell)(&k);
    }
    explain_verdicts_release(&k.verdicts);
    mem_free(k.said);
    mem_free(k.serials);
    codec_free(k.codec);
    return st;
}
