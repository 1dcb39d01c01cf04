/* ONI-ranking: a network gives each caption a score s, such that of two captions the judge
 * prefers a to b with chance 1 / (1 + e^(s_b - s_a)) (Bradley and Terry 1952; of more than
 * two in an order, Plackett and Luce). Scores have no zero and no unit, so they pay by
 * where they lie among all that is said: with m and sigma of the captions that come, each
 * as often as it comes,
 *   z = (s - m) / sigma,   r_int = min(z, 5) / 5 where z > 1/2, else 0.
 * Nothing is paid before the gate is open. With --rank-pay=raw r_int = s, as the reference
 * released it: without a zero, below it, too. */

#include <math.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "learner/reward/model.h"
#include "learner/reward/reward_pays.h"

static const double horizon =
    1e6; // steps of the environment that m and sigma look back on
static const float least_z = 0.5F, most_z = 5.0F;
static const double least_sigma = 1e-6; // below it all captions are worth the same

/* Doubles alone: ranks add them up. */
struct said {
    double rows, count, sum, squares; // of captions that are not empty, by emissions
};

struct rank_state {
    struct model *model;
    struct said batch;           // of this rank, since the last update
    double count, first, second; // of all ranks, fading: emissions, s, s^2
    double mean, sigma;
};

/* ---- what a score pays ---- */

/* Never inlined: see reward_pay_row(). */
__attribute__((noinline)) static float worth_among(float score, double mean,
                                                   double sigma)
{
    if (!(sigma > least_sigma)) {
        return 0;
    }
    const float z = (float)(((double)score - mean) / sigma);
    return z > least_z ? fminf(z, most_z) / most_z : 0;
}

static float worth(const void *reward, float score)
{
    const struct reward *r = reward;
    const struct rank_state *k = r->state;

    if (r->options.rank_raw) {
        return score;
    }
    return k == NULL ? 0 : worth_among(score, k->mean, k->sigma);
}

static float pays(const struct reward *r, const struct reward_known *k)
{
    if (k->ramp <= 0) {
        return 0;
    }
    if (!k->scored) {
        return NAN;
    }
    return k->ramp *
           (r->options.rank_raw ? k->score : worth_among(k->score, k->mean, k->sigma));
}

static void score_rank(struct reward *r, float *score, const struct reward_rows *in)
{
    struct rank_state *k = r->state;
    const float ramp = (float)model_ramp(k->model);

    if (ramp <= 0) {
        memset(score, 0, sizeof(float) * (size_t)in->texts);
        return;
    }
    r->scored_count += model_say(k->model, score, in->text, in->key, in->texts,
                                 r->scored + r->scored_count);
    for (int i = 0; i < in->texts; i++) {
        k->batch.rows += in->emissions[i]; // the empty text's, too: fresh rows
        if (in->text[i].len > 0) {
            const double n = in->emissions[i], s = (double)score[i];
            k->batch.count += n;
            k->batch.sum += n * s;
            k->batch.squares += n * s * s;
        }
        score[i] = ramp * worth(r, score[i]);
    }
}

/* ---- m and sigma ---- */

/* After the batch was paid: what pays must not depend on what is paid. */
static void move_moments(struct rank_state *k, const struct said *all)
{
    const double keep = fmax(1 - all->rows / horizon, 0);

    k->count = keep * k->count + all->count;
    k->first = keep * k->first + all->sum;
    k->second = keep * k->second + all->squares;
    if (k->count > 0) {
        k->mean = k->first / k->count;
        k->sigma = sqrt(fmax(k->second / k->count - k->mean * k->mean, 0));
    }
}

static enum status fit(struct reward *r, uint64_t update)
{
    struct rank_state *k = r->state;

    if (r->fitting.open) { // on all ranks or on none
        if (r->peers.count > 1) {
            TRY(r->peers.agree(r->peers.ctx, (double *)(void *)&k->batch,
                               sizeof(k->batch) / sizeof(double)));
        }
        move_moments(k, &k->batch);
        k->batch = (struct said){0};
    }
    TRY(model_fit(k->model, update));
    r->fitting.mean = k->mean;
    r->fitting.sigma = k->sigma;
    return ST_OK;
}

/* ---- opening, labels ---- */

static enum status check_rank(const struct reward_options *o)
{
    return model_check(&o->fitting, CAPNET_SCORE);
}

static enum status open_rank(struct reward *r)
{
    const struct model_plan plan = {.options = &r->options.fitting,
                                    .peers = &r->peers,
                                    .head = CAPNET_SCORE,
                                    .most_texts = r->most_texts,
                                    .figures = &r->fitting,
                                    .worth = worth,
                                    .ctx = r};
    struct model *m;

    TRY(model_open(&plan, &m));
    struct rank_state *k = mem_new(1, sizeof(*k));
    k->model = m;
    r->state = k;
    return ST_OK;
}

static void close_rank(struct reward *r)
{
    struct rank_state *k = r->state;

    model_close(k->model);
    mem_free(k);
}

static void take_text(struct reward *r, struct hash128 key, struct bytes text)
{
    struct rank_state *k = r->state;

    model_take_text(k->model, key, text);
}

static void take_label(struct reward *r, const struct reward_label *label,
                       uint64_t update)
{
    struct rank_state *k = r->state;

    (void)update;
    if (label->captions > 1) {
        model_take_label(k->model, label);
    }
}

/* ---- the checkpoint ---- */

struct head {
    char magic[8];
    double moments[5];
};
static const char magic_text[8] = "minornk1";

static void fill_head(const struct rank_state *k, struct head *h)
{
    *h = (struct head){.moments = {k->count, k->first, k->second, k->mean, k->sigma}};
    memcpy(h->magic, magic_text, sizeof(h->magic));
}

static uint64_t digest(const struct reward *r)
{
    const struct rank_state *k = r->state;
    const uint64_t model = model_digest(k->model);
    struct hash_state *s = hash_begin();
    struct head h;

    fill_head(k, &h);
    hash_add(s, bytes_of(&model, sizeof(model)));
    hash_add(s, bytes_of(&h, sizeof(h)));
    return hash_end(s).lo;
}

static void save(const struct reward *r, char **data, size_t *len)
{
    const struct rank_state *k = r->state;
    struct head h;
    size_t model_len;
    char *model;

    fill_head(k, &h);
    model_save(k->model, &model, &model_len);
    *len = sizeof(h) + model_len;
    *data = mem_new(*len, 1);
    memcpy(*data, &h, sizeof(h));
    memcpy(*data + sizeof(h), model, model_len);
    mem_free(model);
}

static enum status load(struct reward *r, struct bytes b)
{
    struct rank_state *k = r->state;
    struct head h = {0};

    if (b.len >= sizeof(h)) {
        memcpy(&h, b.data, sizeof(h));
    }
    if (memcmp(h.magic, magic_text, sizeof(h.magic)) != 0 || !isfinite(h.moments[3]) ||
        !isfinite(h.moments[4])) {
        LOG_ERROR("REWARD-MODEL", "%zu bytes are not a checkpoint's ranking", b.len);
        return ST_CORRUPT;
    }
    TRY(model_load(k->model,
                   bytes_of((const char *)b.data + sizeof(h), b.len - sizeof(h))));
    k->count = h.moments[0];
    k->first = h.moments[1];
    k->second = h.moments[2];
    r->fitting.mean = k->mean = h.moments[3];
    r->fitting.sigma = k->sigma = h.moments[4];
    k->batch = (struct said){0}; // a checkpoint comes after a fit
    return ST_OK;
}

const struct reward_kind reward_rank = {
    .name = "rank",
    .needs_labels = true,
    .needs_texts = true,
    .asks = REWARD_ASKS_ORDER,
    .check = check_rank,
    .open = open_rank,
    .close = close_rank,
    .take_text = take_text,
    .take_label = take_label,
    .fit = fit,
    .score = score_rank,
    .pays = pays,
    .in_words = "min(z, 5) / 5 where z = (score - mean) / deviation > 0.5, else 0",
    .digest = digest,
    .save = save,
    .load = load};
