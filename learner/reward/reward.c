#include "learner/reward/reward.h"

#include <math.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "learner/reward/reward_pays.h"

static void score_none(struct reward *r, float *score, const struct reward_rows *in)
{
    (void)r;
    memset(score, 0, sizeof(float) * (size_t)in->texts);
}

static float pays_none(const struct reward *r, const struct reward_known *k)
{
    (void)r;
    (void)k;
    return 0;
}

static const struct reward_kind reward_none = {
    .name = "none", .score = score_none, .pays = pays_none};

static const struct reward_kind *const kinds[] = {
    &reward_none,      // one in a line
    &reward_retrieval, //
    &reward_classify,  //
    &reward_rank,      //
    &reward_count,     //
    &reward_rnd,       //
    &reward_bow,       //
    &reward_motif,     //
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

enum reward_asks reward_asks_of(const char *kind)
{
    for (int i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i]->name, kind) == 0) {
            return kinds[i]->asks;
        }
    }
    return REWARD_ASKS_NOTHING;
}

const struct reward_kind *reward_find(const char *name)
{
    const char *names[KINDS];

    for (int i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i]->name, name) == 0) {
            return kinds[i];
        }
        names[i] = kinds[i]->name;
    }
    const char *meant = text_nearest(name, names, KINDS);
    LOG_ERROR("REWARD-KIND", "no reward is named %s%s%s", name,
              meant != NULL ? ", did you mean " : "", meant != NULL ? meant : "");
    return NULL;
}

enum status reward_check(const struct reward_options *o)
{
    const struct reward_kind *kind = reward_find(o->kind);

    return kind == NULL ? ST_INVALID : kind->check != NULL ? kind->check(o) : ST_OK;
}

void reward_init_arithmetic(struct reward *r, const struct reward_kind *kind,
                            const struct reward_options *o)
{
    *r = (struct reward){.options = *o, .kind = kind};
    for (int n = 1; n < REWARD_POWERS; n++) {
        r->power[n] = (float)pow(n, -o->beta);
    }
}

enum status reward_init(struct reward *r, const struct reward_options *o,
                        const struct reward_peers *peers, int most_texts)
{
    const struct reward_kind *kind = reward_find(o->kind);

    *r = (struct reward){0};
    if (kind == NULL) {
        return ST_INVALID;
    }
    reward_init_arithmetic(r, kind, o);
    r->peers = *peers;
    caption_table_init(&r->table, r->kind->needs_visits ? CAPTION_TABLE_VISITS
                                                        : CAPTION_TABLE_DELAYS);
    r->most_texts = most_texts;
    r->score = mem_new((size_t)most_texts, sizeof(float));
    r->scored = mem_new((size_t)most_texts, sizeof(*r->scored));
    return r->kind->open != NULL ? r->kind->open(r) : ST_OK;
}

void reward_release(struct reward *r)
{
    if (r->state != NULL) {
        r->kind->close(r);
    }
    caption_table_release(&r->table);
    mem_free(r->score);
    mem_free(r->scored);
    *r = (struct reward){0};
}

float reward_worth(const struct reward *r, float p)
{
    const struct reward_options *o = &r->options;

    return o->hard ? (p > (float)o->eta ? 1.0F : 0.0F)
                   : (o->raw ? p : fmaxf(0.0F, 2.0F * p - 1.0F));
}

float reward_label_worth(const struct reward *r, struct hash128 key)
{
    const struct caption_entry *e = caption_table_find(&r->table, key);

    return e != NULL && e->labelled ? reward_worth(r, e->p) : 0.0F;
}

/* Returns the updates since this rank met the caption, or -1. */
static int64_t label_caption(struct reward *r, struct hash128 key, float p,
                             uint64_t update)
{
    const bool known = caption_table_find(&r->table, key) != NULL;
    struct caption_entry *e = caption_table_add(&r->table, key, update);

    if (!known) {
        e->first_update = CAPTION_UNMET;
    }
    caption_table_label(&r->table, e, p, update);
    return e->first_update != CAPTION_UNMET ? (int64_t)(update - e->first_update) : -1;
}

static int64_t take_rating(struct reward *r, const struct reward_label *l,
                           uint64_t update)
{
    // A tie between one caption and itself does not exist; p of a tie is 1/2.
    return label_caption(r, l->key, l->kind == VERDICT_LABEL ? l->p : 0.5F, update);
}

/* An order labels its captions where orders are what is asked: elsewhere it must not hide
 * a rating. */
static int64_t take_order(struct reward *r, const struct reward_label *l,
                          uint64_t update)
{
    int64_t delay = -1;

    for (int i = 0; r->kind->asks == REWARD_ASKS_ORDER && i < l->captions; i++) {
        const int64_t since = label_caption(r, l->caption[i], 0.5F, update);
        delay = since >= 0 && (delay < 0 || since < delay) ? since : delay;
    }
    return delay;
}

int64_t reward_take_label(struct reward *r, const struct reward_label *label,
                          uint64_t update)
{
    const int64_t delay = label->captions == 1 ? take_rating(r, label, update)
                                               : take_order(r, label, update);

    r->version++;
    if (r->kind->take_label != NULL) {
        r->kind->take_label(r, label, update);
    }
    return delay;
}

void reward_take_text(struct reward *r, struct hash128 key, struct bytes text)
{
    if (r->kind->take_text != NULL) {
        r->kind->take_text(r, key, text);
    }
}

enum status reward_fit(struct reward *r, uint64_t update)
{
    return r->kind->fit != NULL ? r->kind->fit(r, update) : ST_OK;
}

void reward_add_visits(struct reward *r, struct hash128 key, uint64_t emissions,
                       uint64_t update)
{
    struct caption_entry *e = caption_table_add(&r->table, key, update);

    e->visits = (e->visits + emissions) & (((uint64_t)1 << 34) - 1);
}

int reward_age_bin(uint64_t updates)
{
    const int bin = (int)(2 * log2(1 + (double)updates));

    return bin < REWARD_AGES ? bin : REWARD_AGES - 1;
}

/* Notes first sights, and what share of what comes is labelled. */
static void meet(struct reward *r, struct reward_sums *sums,
                 const struct reward_rows *in, uint64_t update)
{
    for (int i = 0; i < in->texts; i++) {
        // What only a reset showed is never paid. Where visits are counted, all ranks have
        // just added the captions of all, and nothing is new here.
        if (in->text[i].len == 0 || in->emissions[i] == 0) {
            continue;
        }
        struct caption_entry *e = caption_table_add(&r->table, in->key[i], update);
        if (e->first_update == CAPTION_UNMET) {
            e->first_update = update & CAPTION_UNMET;
        }
        sums->captions += in->emissions[i];
        if (e->labelled) {
            sums->labelled += in->emissions[i];
            sums->label_age[reward_age_bin(update - e->label_update)] +=
                in->emissions[i];
        }
        sums->helpful += e->labelled && e->p > 0.5F ? in->emissions[i] : 0;
    }
}

/* Never inlined: the compiler may join products and sums differently where it stands among
 * others, and what minos explain computes again must be equal to the bit. */
__attribute__((noinline)) void reward_pay_row(const struct reward *r, float env_reward,
                                              uint16_t count, bool silent, float score,
                                              float *ext, float *intrinsic)
{
    const struct reward_options *o = &r->options;
    const float clip = (float)o->clip;
    const float paid = fminf(fmaxf((float)o->scale * env_reward, -clip), clip);
    const float often =
        count < REWARD_POWERS ? r->power[count] : powf(count, -(float)o->beta);

    *ext = (float)o->a_ext * paid;
    *intrinsic = r->kind->score_rows != NULL ? (float)o->a_int * score
                 : silent                    ? 0.0F
                                             : (float)o->a_int * score * often;
}

void reward_note_score(struct reward *r, struct hash128 key, float score)
{
    if (r->scored_count < r->most_texts) {
        r->scored[r->scored_count++] = (struct fitting_scored){key, score};
    }
}

float reward_pays_score(const struct reward *r, const struct reward_known *k)
{
    (void)r;
    return k->scored ? k->score : NAN;
}

void reward_apply_apart(struct reward *r, float *reward, float *intrinsic,
                        struct reward_sums *sums, const struct reward_rows *in,
                        uint64_t update)
{
    *sums = (struct reward_sums){0};
    r->scored_count = 0;
    meet(r, sums, in, update);
    const bool by_row = r->kind->score_rows != NULL;
    if (by_row) {
        r->kind->score_rows(r, r->score, in, update);
    } else {
        r->kind->score(r, r->score, in);
    }
    for (int row = 0; row < in->rows; row++) {
        const uint32_t text = in->paid_caption[row];
        float ext, in_;
        reward_pay_row(r, in->env_reward[row], in->count[row], in->text[text].len == 0,
                       r->score[by_row ? (uint32_t)row : text], &ext, &in_);
        if (intrinsic == reward) {
            reward[row] = ext + in_;
        } else {
            reward[row] = ext;
            intrinsic[row] = in_;
        }
        if (in->replayed != NULL && in->replayed[row] != 0) {
            continue;
        }
        sums->rows++;
        sums->ext += (double)ext;
        sums->ext2 += (double)(ext * ext);
        sums->ext_size += fabs((double)ext);
        sums->in += (double)in_;
        sums->in2 += (double)(in_ * in_);
        sums->in_size += fabs((double)in_);
    }
    // Of a version that pays: behind a closed gate, or before the first one, none does.
    if (r->fitting.version > 0 && r->fitting.ramp > 0) {
        sums->model_lag[reward_age_bin(update - r->fitting.published)] += sums->rows;
    }
}

void reward_apply(struct reward *r, float *reward, struct reward_sums *sums,
                  const struct reward_rows *in, uint64_t update)
{
    reward_apply_apart(r, reward, reward, sums, in, update);
}
