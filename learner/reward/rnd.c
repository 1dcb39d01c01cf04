/* Random network distillation (Burda et al. 2018): a step pays what the predictor does not
 * yet know of what the policy saw at it (rnd_net.h), over the running deviation of the
 * discounted return of that (rnd_returns.h). No caption is read.
 *
 * It pays for the observation that a step acts on. The paper pays for the one it leads to:
 * that is the next row's, so that the return of an episode that never ends is the same
 * up to a factor gamma and what the very first observation pays; only what the screen shows
 * after a death is paid by nobody, for no segment holds it.
 *
 * Inputs are normalised by running moments and clipped to +-5; until WARM_ROWS rows were
 * seen nothing is learnt and nothing paid, and until as many errors more were seen nothing
 * is paid. Moments are plain means over all rows, from HORIZON rows on running ones. A quarter of
 * a batch's rows, drawn anew for each, trains the predictor: one step of Adam on the sum over
 * all ranks. The gradient is taken while rows are scored, with their activations at hand. */

#include <math.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/nn/adam.h"
#include "learner/reward/reward.h"
#include "learner/reward/rnd_net.h"
#include "learner/reward/rnd_returns.h"

enum { INPUTS = RND_NET_INPUTS, ROWS = RND_NET_ROWS, WARM_ROWS = 8192 };
static const double horizon = 1e6, least_variance = 1e-4, most_gamma = 0.999;
static const float most_input = 5, share_trained = 0.25F;
static const char magic_text[8] = "minosRN1";

/* What ranks add up: doubles alone. */
struct rnd_sums {
    double rows, scored, trained; // seen; with an error; in the gradient
    double error, clipped;        // inputs at the bound
    double input[INPUTS], input2[INPUTS];
    struct rnd_returns returns;
};
_Static_assert(sizeof(struct rnd_sums) % sizeof(double) == 0, "doubles alone");

/* What the checkpoint holds beside the weights; equal on all ranks. */
struct rnd_kept {
    double rows, scored; // seen by the moments, at most `horizon`
    double input[INPUTS], input2[INPUTS];
    struct rnd_returns returns;
    double error, clipped; // of the last batch, for the report
    uint64_t steps;        // of T, in a segment
    uint64_t adam_steps;
};

struct rnd {
    struct rnd_net *net;
    struct adam adam;
    struct rnd_kept kept;
    struct rnd_sums mine;
    float mean[INPUTS], factor[INPUTS]; // of kept: z = (x - mean) factor
    double deviation;                   // of returns, of kept
    bool scored;                        // rows since the last fit()
    float *x;                           // (ROWS, INPUTS)
};

static double gamma_of(const struct reward *r)
{
    return fmin(r->options.gamma, most_gamma); // 1 has no return to speak of
}

static void derive(const struct reward *r, struct rnd *d)
{
    const struct rnd_kept *k = &d->kept;

    for (int i = 0; i < INPUTS; i++) {
        const double variance = k->input2[i] - k->input[i] * k->input[i];
        d->mean[i] = (float)k->input[i];
        d->factor[i] = (float)(1 / sqrt(fmax(variance, 0) + least_variance));
    }
    d->deviation = k->scored > 0
                       ? rnd_returns_deviation(&k->returns, (int)k->steps, gamma_of(r))
                       : 0;
}

static enum status open_rnd(struct reward *r)
{
    struct rnd *d = mem_new(1, sizeof(*d));

    r->state = d;
    d->net = rnd_net_new(r->options.seed);
    adam_init(&d->adam, rnd_net_predictor(d->net)->floats);
    d->x = mem_new((size_t)ROWS * INPUTS, sizeof(float));
    params_zero_grads(rnd_net_predictor(d->net));
    derive(r, d);
    return ST_OK;
}

static void close_rnd(struct reward *r)
{
    struct rnd *d = r->state;

    rnd_net_free(d->net);
    adam_release(&d->adam);
    mem_free(d->x);
    mem_free(d);
    r->state = NULL;
}

/* ---- scoring ---- */

/* Row n of x, by its place in the batch. */
static void normalise(struct rnd *d, float *restrict x, bool learns)
{
    struct rnd_sums *s = &d->mine;
    int clipped = 0;

    for (size_t i = 0; learns && i < INPUTS; i++) {
        const double v = (double)x[i];
        s->input[i] += v;
        s->input2[i] += v * v;
    }
    for (size_t i = 0; i < INPUTS; i++) {
        const float z = (x[i] - d->mean[i]) * d->factor[i];
        clipped += z > most_input || z < -most_input;
        x[i] = z > most_input ? most_input : z < -most_input ? -most_input : z;
    }
    s->rows += learns ? 1 : 0;
    s->clipped += learns ? clipped : 0;
}

static bool is_fresh(const struct reward_rows *in, size_t row)
{
    return in->replayed == NULL || in->replayed[row] == 0;
}

/* Rows first..first+N: those that train come first, so that their activations lie together.
 * Returns how many. */
static int choose(int row[ROWS], const struct reward_rows *in, struct rng *rng,
                  int first, int N)
{
    int chosen = 0, last = N;

    for (int i = 0; i < N; i++) {
        const bool drawn = rng_float(rng) < share_trained;
        if (drawn && is_fresh(in, (size_t)first + (size_t)i)) {
            row[chosen++] = first + i;
        } else {
            row[--last] = first + i;
        }
    }
    return chosen;
}

/* Some rows, the first `train` of which train the predictor. */
static void score_some(struct rnd *d, float *score, const struct reward_rows *in,
                       const int row[ROWS], int N, int train)
{
    float error[ROWS];

    for (int n = 0; n < N; n++) {
        const size_t at = (size_t)row[n];
        float *x = d->x + (size_t)n * INPUTS;
        rnd_net_look(d->net, x, in->chars + at * POLICY_CELLS,
                     in->colors + at * POLICY_CELLS, in->stats + at * POLICY_STATS);
        normalise(d, x, is_fresh(in, at));
    }
    if (d->kept.rows < WARM_ROWS) {
        return;
    }
    rnd_net_forward(d->net, error, d->x, N);
    for (int n = 0; n < N; n++) {
        score[row[n]] = error[n];
    }
    rnd_net_backward(d->net, train);
    d->mine.trained += train;
}

/* The returns of fresh segments. */
static void add_returns(struct rnd *d, const float *score, const struct reward_rows *in,
                        double gamma)
{
    for (int piece = 0; piece < in->B; piece += in->piece) {
        const int B = in->B - piece < in->piece ? in->B - piece : in->piece;
        for (int b = 0; b < B; b++) {
            const size_t row = (size_t)piece * (size_t)in->T + (size_t)b;
            if (is_fresh(in, row)) {
                rnd_returns_add(&d->mine.returns, score + row, in->T, B, gamma);
            }
        }
    }
}

/* Errors become pay; what is learnt from them is added up. */
static void settle(const struct reward *r, struct rnd *d, float *score,
                   const struct reward_rows *in)
{
    const bool paid = d->kept.scored >= WARM_ROWS && d->deviation > 0;
    const float factor = paid ? (float)(1 / d->deviation) : 0;

    add_returns(d, score, in, gamma_of(r));
    for (size_t i = 0; i < (size_t)in->rows; i++) {
        if (is_fresh(in, i)) {
            d->mine.error += (double)score[i];
            d->mine.scored++;
        }
        score[i] *= factor;
    }
}

static void score_rnd(struct reward *r, float *score, const struct reward_rows *in,
                      uint64_t update)
{
    struct rnd *d = r->state;
    struct rng rng;
    int row[ROWS];

    // Episode 0 of this stream drew the networks; env 0 of the role is another's.
    rng_init_stream(&rng, &(struct rng_stream){.seed = r->options.seed,
                                               .role = RNG_LEARNER,
                                               .index = (uint32_t)r->peers.index,
                                               .env = 1,
                                               .episode = update + 1});
    memset(score, 0, sizeof(float) * (size_t)in->rows);
    for (int first = 0; first < in->rows; first += ROWS) {
        const int N = in->rows - first < ROWS ? in->rows - first : ROWS;
        const int train = choose(row, in, &rng, first, N);
        score_some(d, score, in, row, N, train);
    }
    d->kept.steps = (uint64_t)in->T; // on a rank without rows, too: equal on all
    d->scored = true;
    if (d->kept.rows >= WARM_ROWS) {
        settle(r, d, score, in);
    }
}

/* ---- learning ---- */

static void move_mean(double *mean, double sum, double n, double weight)
{
    *mean += weight * (sum / n - *mean);
}

static void move_moments(const struct reward *r, struct rnd *d)
{
    const struct rnd_sums *s = &d->mine;
    struct rnd_kept *k = &d->kept;

    if (s->rows > 0) {
        k->rows = fmin(k->rows + s->rows, horizon);
        for (int i = 0; i < INPUTS; i++) {
            move_mean(&k->input[i], s->input[i], s->rows, s->rows / k->rows);
            move_mean(&k->input2[i], s->input2[i], s->rows, s->rows / k->rows);
        }
        k->clipped = s->clipped / s->rows / INPUTS;
    }
    if (s->scored > 0) {
        k->scored = fmin(k->scored + s->scored, horizon);
        const double weight = s->scored / k->scored;
        move_mean(&k->returns.p, s->returns.p, s->scored, weight);
        move_mean(&k->returns.gp, s->returns.gp, s->scored, weight);
        move_mean(&k->returns.p2, s->returns.p2, s->scored, weight);
        k->error = s->error / s->scored;
    }
    derive(r, d);
}

/* One step for each batch that was scored; passes of one batch over the policy are no new
 * rows to learn from. */
static enum status fit_rnd(struct reward *r, uint64_t update)
{
    struct rnd *d = r->state;
    struct params *p = rnd_net_predictor(d->net);
    const bool alone = r->peers.count <= 1;
    double norm;

    if (!d->scored) {
        return ST_OK;
    }
    d->scored = false;
    if (!alone) {
        TRY(r->peers.agree(r->peers.ctx, (double *)(void *)&d->mine,
                           (int)(sizeof(d->mine) / sizeof(double))));
    }
    if (d->mine.trained > 0) {
        if (!alone) {
            TRY(r->peers.sum(r->peers.ctx, p->grads, p->floats));
        }
        if (adam_step(&d->adam, p->weights, p->grads, d->mine.trained,
                      r->options.rnd_lr, 0, &norm) != ST_OK) {
            LOG_ERROR("REWARD-RND",
                      "the gradient of rnd's predictor is not a number at update %llu, "
                      "going back to the last checkpoint",
                      (unsigned long long)update);
            return ST_CORRUPT;
        }
        rnd_net_weights_changed(d->net);
        params_zero_grads(p);
    }
    move_moments(r, d);
    d->mine = (struct rnd_sums){0};
    return ST_OK;
}

/* ---- the checkpoint: magic, struct rnd_kept, drawn weights, learnt ones, two moments ---- */

/* Calls for each block of the state in its order. */
static size_t each_block(struct rnd *d, char *out, const char *in)
{
    const struct params *t = rnd_net_target(d->net), *p = rnd_net_predictor(d->net);
    const size_t learnt = p->floats * sizeof(float);
    const struct {
        void *data;
        size_t bytes;
    } block[] = {{&d->kept, sizeof(d->kept)},
                 {t->weights, t->floats * sizeof(float)},
                 {p->weights, learnt},
                 {d->adam.first, learnt},
                 {d->adam.second, learnt}};
    size_t at = 0;

    for (size_t i = 0; i < sizeof(block) / sizeof(block[0]); i++) {
        if (out != NULL) {
            memcpy(out + at, block[i].data, block[i].bytes);
        } else if (in != NULL) {
            memcpy(block[i].data, in + at, block[i].bytes);
        }
        at += block[i].bytes;
    }
    return at;
}

static void save_rnd(const struct reward *r, char **data, size_t *len)
{
    struct rnd *d = r->state;

    d->kept.adam_steps = d->adam.steps;
    *len = sizeof(magic_text) + each_block(d, NULL, NULL);
    *data = mem_new(*len, 1);
    memcpy(*data, magic_text, sizeof(magic_text));
    each_block(d, *data + sizeof(magic_text), NULL);
}

static uint64_t digest_rnd(const struct reward *r)
{
    char *data;
    size_t len;

    save_rnd(r, &data, &len);
    const uint64_t digest = hash_64(bytes_of(data, len));
    mem_free(data);
    return digest;
}

static bool all_finite(const float *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i])) {
            return false;
        }
    }
    return true;
}

static bool kept_is_sound(const struct rnd_kept *k)
{
    double sum = k->returns.p + k->returns.gp + k->returns.p2;

    for (int i = 0; i < INPUTS; i++) {
        sum += k->input[i] + k->input2[i];
    }
    return isfinite(sum) && k->rows >= 0 && k->scored >= 0 && k->steps <= INT32_MAX;
}

static enum status load_rnd(struct reward *r, struct bytes b)
{
    struct rnd *d = r->state;
    const char *at = b.data;
    const struct params *t = rnd_net_target(d->net), *p = rnd_net_predictor(d->net);

    if (b.len != sizeof(magic_text) + each_block(d, NULL, NULL) ||
        memcmp(at, magic_text, sizeof(magic_text)) != 0) {
        LOG_ERROR("REWARD-RND", "%zu bytes are not a checkpoint of this program's rnd",
                  b.len);
        return ST_VERSION;
    }
    each_block(d, NULL, at + sizeof(magic_text));
    if (!kept_is_sound(&d->kept) || !all_finite(t->weights, t->floats) ||
        !all_finite(p->weights, p->floats) || !all_finite(d->adam.first, p->floats) ||
        !all_finite(d->adam.second, p->floats)) {
        LOG_ERROR("REWARD-RND", "a number of the checkpoint's rnd is not finite");
        return ST_CORRUPT;
    }
    d->adam.steps = d->kept.adam_steps;
    rnd_net_weights_changed(d->net);
    derive(r, d);
    return ST_OK;
}

static void report_rnd(const struct reward *r, struct metrics_row *m, bool summary)
{
    const struct rnd *d = r->state;

    (void)summary;
    metrics_num(m, "rnd_error", d->kept.error);
    metrics_num(m, "rnd_scale", d->deviation);
    metrics_num(m, "rnd_clipped", d->kept.clipped);
    metrics_int(m, "rnd_fit_steps", (int64_t)d->adam.steps);
}

const struct reward_kind reward_rnd = {.name = "rnd",
                                       .endless = true,
                                       .open = open_rnd,
                                       .close = close_rnd,
                                       .fit = fit_rnd,
                                       .score_rows = score_rnd,
                                       .digest = digest_rnd,
                                       .save = save_rnd,
                                       .load = load_rnd,
                                       .report = report_rnd};
