/* Motif: a ranking model that minos fit made of a ledger, and that stays as it is. A caption
 * of score s pays
 *   z = (s - m) / sigma     m, sigma: of the captions that it was trained on
 *   min(z, 5) / 5 where z > 0 and z is above the given quantile of those, else 0
 * so that it pays at most 1, as the others do. No judge. */

#include <math.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "learner/reward/motif_dir.h"
#include "learner/reward/motif_fit.h"
#include "learner/reward/peers.h"
#include "learner/reward/reward_pays.h"
#include "learner/store/ledger.h"

enum {
    SCORES = 1 << 14,
    PASS =
        16 // texts: always as many, so that a score depends on the text alone, to the bit
};
static const float most = 5;

struct motif_score {
    struct hash128 key;
    float score;
    bool used;
};

struct motif {
    struct motif_about about;
    struct hash128 identity;
    struct capnet *net;
    float threshold;            // of z, never below 0
    struct motif_score *scores; // (SCORES); a slot is simply taken over
    bool failed;                // a score was no number
};

/* ---- what it pays ---- */

static float worth(struct motif *m, float score)
{
    const float z = (score - (float)m->about.mean) / (float)m->about.sigma;

    m->failed |= !isfinite(z);
    return z > m->threshold ? fminf(z, most) / most : 0;
}

/* Those of `which` (n <= PASS). */
static void score_pass(struct reward *r, float *score, const struct reward_rows *in,
                       const int *which, int n)
{
    struct motif *m = r->state;
    struct bytes text[PASS];

    for (int i = 0; i < PASS; i++) {
        text[i] = i < n ? in->text[which[i]] : bytes_of("", 0);
    }
    const float *out = capnet_forward(m->net, text, PASS, NULL);
    for (int i = 0; i < n; i++) {
        const struct hash128 key = in->key[which[i]];
        score[which[i]] = worth(m, out[i]);
        m->scores[key.lo % SCORES] =
            (struct motif_score){.key = key, .score = score[which[i]], .used = true};
        reward_note_score(r, key, score[which[i]]);
    }
}

static void score_motif(struct reward *r, float *score, const struct reward_rows *in)
{
    struct motif *m = r->state;
    int which[PASS], n = 0;

    for (int i = 0; i < in->texts; i++) {
        const struct motif_score *s = &m->scores[in->key[i].lo % SCORES];
        score[i] = 0;
        // what only a reset showed is never paid; what is replayed has no emissions
        if (in->text[i].len == 0 || (in->emissions[i] == 0 && in->replayed == NULL)) {
            continue;
        }
        if (s->used && hash_equal(s->key, in->key[i])) {
            score[i] = s->score;
            continue;
        }
        which[n++] = i;
        if (n == PASS) {
            score_pass(r, score, in, which, n);
            n = 0;
        }
    }
    if (n > 0) {
        score_pass(r, score, in, which, n);
    }
}

/* Nothing is fitted; but here, before the policy learns from it, a score that was no number
 * ends the run. */
static enum status check_motif(struct reward *r, uint64_t update)
{
    const struct motif *m = r->state;

    if (m->failed) {
        LOG_ERROR(
            "MOTIF-NAN",
            "a caption's score by the model in %s was not a number at update %llu",
            r->options.reward_model, (unsigned long long)update);
        return ST_CORRUPT;
    }
    return ST_OK;
}

/* ---- opening ---- */

/* What it was fitted for must be what the run is about. */
static enum status check_about(const struct reward *r)
{
    const struct motif *m = r->state;
    const char *env = r->options.env, *dir = r->options.reward_model;

    if (!ledger_same_environment(m->about.environment, env)) {
        LOG_ERROR("MOTIF-OTHER",
                  "the model in %s was fitted on captions of %s, this run plays %s",
                  dir, m->about.environment, env);
        return ST_INVALID;
    }
    if (!hash_equal(m->about.goal_digest, hash_128(r->options.goal))) {
        LOG_ERROR(
            "MOTIF-OTHER",
            "the model in %s was fitted for goal %s as its file was then; this run "
            "has another goal, or the file was changed",
            dir, m->about.goal);
        return ST_INVALID;
    }
    return ST_OK;
}

/* One model on all ranks. */
static enum status agree_on_model(const struct reward *r)
{
    const struct motif *m = r->state;
    bool same;

    TRY(peers_same_digest(&r->peers, m->identity, &same));
    if (!same) {
        LOG_ERROR("MOTIF-OTHER",
                  "%s is not the same model on all ranks, rank %d reads another",
                  r->options.reward_model, r->peers.index);
    }
    return same ? ST_OK : ST_INVALID;
}

/* What z must be above: the quantile, between two hundredths in a straight line, and the
 * mean. */
static float threshold_of(const struct motif_about *a, double q)
{
    const double at = q * (MOTIF_QUANTILES - 1);
    const int low = (int)at < MOTIF_QUANTILES - 1 ? (int)at : MOTIF_QUANTILES - 2;
    const double share = at - low;

    return fmaxf((float)((1 - share) * a->quantile[low] + share * a->quantile[low + 1]),
                 0);
}

static enum status open_motif(struct reward *r)
{
    struct motif *m = r->state = mem_new(1, sizeof(*m));
    const struct motif_about *a = &m->about;
    char right[MOTIF_RIGHT_MAX];

    if (r->options.reward_model == NULL || r->options.reward_model[0] == '\0') {
        LOG_ERROR("MOTIF-DIR",
                  "--reward=motif needs --reward-model=DIR, a directory that minos fit "
                  "made of a ledger");
        return ST_INVALID;
    }
    TRY(motif_dir_read(r->options.reward_model, PASS, &m->about, &m->net));
    m->identity = motif_dir_identity(&m->about);
    TRY(check_about(r));
    TRY(agree_on_model(r));
    m->threshold = threshold_of(a, r->options.motif_quantile);
    m->scores = mem_new(SCORES, sizeof(*m->scores));
    LOG_INFO("MOTIF-OPEN",
             "the model in %s was fitted on %llu labels for goal %s, %s; captions pay "
             "above %.2f deviations",
             r->options.reward_model, (unsigned long long)a->labels, a->goal,
             motif_fit_right(a->accuracy, a->compared, right), (double)m->threshold);
    return ST_OK;
}

static void close_motif(struct reward *r)
{
    struct motif *m = r->state;

    capnet_free(m->net);
    mem_free(m->scores);
    mem_free(m);
}

/* ---- checkpoint and report ---- */

static void save_motif(const struct reward *r, char **data, size_t *len)
{
    const struct motif *m = r->state;

    *len = sizeof(m->identity);
    *data = mem_new(*len, 1);
    memcpy(*data, &m->identity, *len);
}

static enum status load_motif(struct reward *r, struct bytes from)
{
    const struct motif *m = r->state;
    struct hash128 was;

    if (from.len != sizeof(was)) {
        LOG_ERROR("MOTIF-STATE", "%zu bytes are not what a checkpoint keeps of motif",
                  from.len);
        return ST_CORRUPT;
    }
    memcpy(&was, from.data, sizeof(was));
    if (!hash_equal(was, m->identity)) {
        LOG_ERROR("MOTIF-OTHER",
                  "the run was begun with another model than that in %s; give the same "
                  "again, or begin another run directory",
                  r->options.reward_model);
        return ST_INVALID;
    }
    return ST_OK;
}

static void report_motif(const struct reward *r, struct metrics_row *row, bool summary)
{
    const struct motif *m = r->state;
    char digest[33];

    if (summary) {
        hash_hex(m->identity, digest);
        metrics_text(row, "motif_model", r->options.reward_model);
        metrics_text(row, "motif_digest", digest);
        metrics_text(row, "text_net", motif_text_name(m->about.text));
        metrics_int(row, "motif_labels", (int64_t)m->about.labels);
        metrics_num(row, "motif_accuracy", m->about.accuracy);
        metrics_num(row, "motif_threshold", (double)m->threshold);
    }
}

const struct reward_kind reward_motif = {
    .name = "motif",
    .open = open_motif,
    .close = close_motif,
    .fit = check_motif,
    .score = score_motif,
    .pays = reward_pays_score,
    .in_words = "min(z, 5) / 5 where z = (score - mean) / sigma of its model.json is "
                "above 0 and --motif-quantile, else 0",
    .save = save_motif,
    .load = load_motif,
    .report = report_motif};
