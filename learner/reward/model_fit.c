/* The steps of a fit, what they are measured by, and when they rest. All that decides is a
 * sum over ranks, or the same on each. */

#include <math.h>
#include <string.h>

#include "common/base/log.h"
#include "common/nn/caploss.h"
#include "learner/reward/model_impl.h"

// What a version must gain on the best: less is chance, or a certainty that pays no more.
static const double gain_share = 0.01, gain_nats = 0.0005;
static const double grad_norm = 10; // of the mean gradient; the reference's, for orders

/* ---- passes ---- */

/* Items number[from..to) as far as they fit into `most` rows; returns where the next
 * begins and *items, how many it has. */
static int gather(struct model *m, int from, int to, int most, int *items)
{
    int rows = 0, n = 0;

    for (; from + n < to; n++) {
        struct labels_item it;
        labels_get(m->labels, m->number[from + n], &it);
        if (rows + it.captions > most) {
            break;
        }
        m->first[n] = rows;
        m->p[n] = it.p;
        for (int k = 0; k < it.captions; k++, rows++) {
            m->slot[rows] = m->begin[from + n] + k;
            m->text[rows] = it.text[k];
            m->place[rows] = it.place[k];
        }
    }
    m->first[n] = rows;
    *items = n;
    return from + n;
}

/* Summed loss of the pass, and its gradient by the outputs. */
static double loss_of(struct model *m, const float *out, int items)
{
    return m->head == CAPNET_RATE
               ? caploss_rate(m->dout, out, m->p, items)
               : caploss_order(m->dout, out, m->place, m->first, items);
}

/* ---- one step ---- */

static bool sums_over_ranks(const struct model *m, const struct model_fitter *f)
{
    return f->shared && m->peers.count > 1;
}

/* This rank's part of a minibatch into m->number; returns how many. Every rank draws all,
 * so that the stream stays the same, and so that it knows the texts of all. */
static int draw(struct model *m, struct model_fitter *f)
{
    const bool sums = sums_over_ranks(m, f);
    int mine = 0;

    m->all_texts = 0;
    for (int64_t i = 0; i < m->options.batch; i++) {
        const uint32_t n = labels_draw(m->labels, &f->rng, f->all, m->options.balance);
        if (!f->shared || i % m->peers.count == m->peers.index) {
            m->begin[mine] = m->all_texts;
            m->number[mine++] = n;
        }
        if (sums) {
            struct labels_item it;
            labels_get(m->labels, n, &it);
            for (int k = 0; k < it.captions; k++) {
                m->all[m->all_texts++] = it.text[k];
            }
        }
    }
    return mine;
}

/* The gradient of this rank's part of a minibatch. */
static void pass_back(struct model *m, struct model_fitter *f, int mine,
                      const uint64_t *drop)
{
    const bool sums = sums_over_ranks(m, f);
    int items;

    for (int at = 0; at < mine;) {
        at = gather(m, at, mine, MODEL_PASS, &items);
        const float *out = capnet_forward(f->net, m->text, m->first[items], drop);
        (void)loss_of(m, out, items);
        if (sums) {
            capnet_share_backward(f->net, m->dout, m->slot);
        } else {
            capnet_backward(f->net, m->dout);
        }
    }
}

/* The gradient of a minibatch, over all ranks where they share it. */
static enum status gradient(struct model *m, struct model_fitter *f)
{
    const bool sums = sums_over_ranks(m, f);
    const uint64_t drop = rng_next(&f->rng);
    const int mine = draw(m, f);
    float *part;

    if (!sums) {
        capnet_zero_grads(f->net);
        pass_back(m, f, mine, &drop);
        return ST_OK;
    }
    capnet_share_begin(f->net, m->all_texts);
    pass_back(m, f, mine, &drop);
    const size_t floats = capnet_share_part(f->net, &part);
    TRY(m->peers.sum(m->peers.ctx, part, floats));
    capnet_share_end(f->net, m->all);
    return ST_OK;
}

static enum status step(struct model *m, struct model_fitter *f)
{
    const struct params *w = capnet_params(f->net);
    double norm;

    TRY(gradient(m, f));
    if (adam_step(&f->adam, w->weights, w->grads, (double)m->options.batch,
                  m->options.lr, grad_norm, &norm) != ST_OK) {
        LOG_ERROR(
            "REWARD-NAN",
            "the gradient of the reward's model is not a number after %llu steps, "
            "going back to the last checkpoint",
            (unsigned long long)m->s.steps);
        return ST_CORRUPT;
    }
    capnet_weights_changed(f->net);
    return ST_OK;
}

/* The witness is rank 0's alone: its gradient is not worth a sum over ranks, and what it
 * measures all ranks hear. It goes along from the first label on, so that it is no beginner
 * when enough is held out to measure it by. */
static bool has_witness(const struct model *m)
{
    return m->options.held_out > 0 && labels_to_train(m->labels) > 0 &&
           m->peers.index == 0;
}

/* Steps of several updates are taken together: the first of them finds nothing of its
 * networks in the cache, and takes twice as long as those after it. Not of more than one
 * version; and the reference's schedule is what it is. */
static int64_t together(const struct model *m)
{
    const int64_t apart = m->options.version_updates;

    return m->options.bursts ? 1 : apart < MODEL_TOGETHER ? apart : MODEL_TOGETHER;
}

/* Gradient steps of this fit; `came`: labels since the last. */
static int64_t steps_due(const struct model *m, uint32_t came)
{
    const uint32_t labels = labels_count(m->labels);

    if (m->options.bursts) {
        return labels >= FITTING_BURST_LABELS ? 1 : (came > 0 ? FITTING_BURST : 0);
    }
    return !m->s.resting && labels >= MODEL_LABELS_LEAST
               ? m->options.steps * together(m)
               : 0;
}

/* The one network, then the other, for the cache's sake: neither hears of the other. */
static enum status steps(struct model *m, int64_t count)
{
    const bool witness = has_witness(m);

    for (int64_t i = 0; i < count; i++) {
        TRY(step(m, &m->fit));
        m->s.steps++;
    }
    for (int64_t i = 0; witness && i < count; i++) {
        TRY(step(m, &m->witness));
    }
    return ST_OK;
}

/* ---- measuring ---- */

/* Doubles alone: ranks add them up. */
struct measured {
    double items, loss;
    double judged, right; // ratings, or pairs that are no tie; the model on their side
    double decided,
        agreed;           // ratings, or orders not all tied; of those most of it right
    double hit, said, is; // ratings above 1/2: both, the model's, the labels'
    double bin[MODEL_BINS], bin_said[MODEL_BINS], bin_is[MODEL_BINS];
};

static void measure_rating(struct measured *s, double said, double is)
{
    const int bin = (int)fmin(said * MODEL_BINS, MODEL_BINS - 1);

    s->judged++;
    s->right += (said > 0.5) == (is > 0.5);
    s->hit += said > 0.5 && is > 0.5;
    s->said += said > 0.5;
    s->is += is > 0.5;
    s->bin[bin]++;
    s->bin_said[bin] += said;
    s->bin_is[bin] += is;
}

static void measure_order(struct measured *s, const struct model *m, const float *score,
                          int item)
{
    for (int a = m->first[item]; a < m->first[item + 1]; a++) {
        for (int b = a + 1; b < m->first[item + 1]; b++) {
            if (m->place[a] != m->place[b]) {
                s->judged++;
                s->right += (score[a] > score[b]) == (m->place[a] < m->place[b]);
            }
        }
    }
}

/* Of number[0..count), each rank its part: the caller has left the others' out. */
static enum status measure(struct model *m, struct capnet *net, int count,
                           struct measured *s)
{
    const int most = net == m->paid ? MODEL_SAY_PASS : MODEL_PASS;
    int items;

    *s = (struct measured){0};
    for (int at = 0; at < count;) {
        at = gather(m, at, count, most, &items);
        const float *out = capnet_forward(net, m->text, m->first[items], NULL);
        s->items += items;
        s->loss += loss_of(m, out, items);
        for (int i = 0; i < items; i++) {
            const double judged = s->judged, right = s->right;
            if (m->head == CAPNET_RATE) {
                measure_rating(s, (double)model_value(m, out + 2 * (size_t)i),
                               (double)m->p[i]);
            } else {
                measure_order(s, m, out, i);
            }
            s->decided += s->judged > judged;
            s->agreed += 2 * (s->right - right) > s->judged - judged;
        }
    }
    return m->peers.count > 1 ? m->peers.agree(m->peers.ctx, (double *)(void *)s,
                                               sizeof(*s) / sizeof(double))
                              : ST_OK;
}

/* What judges said since the last fit, against the version that pays. A label counts once,
 * however many pairs it has. */
static enum status measure_fresh(struct model *m)
{
    const uint32_t count = m->s.version > 0 ? m->fresh_count : 0;
    const uint32_t ranks = (uint32_t)m->peers.count;
    struct measured s;

    for (uint32_t at = 0; at < count; at += MODEL_MEASURED) {
        int mine = 0;
        for (uint32_t i = at; i < count && i < at + MODEL_MEASURED; i++) {
            if (i % ranks == (uint32_t)m->peers.index) {
                m->number[mine++] = m->fresh[i];
            }
        }
        TRY(measure(m, m->paid, mine, &s));
        m->s.fresh += (uint64_t)s.items;
        m->s.decided += (uint64_t)s.decided;
        m->s.agreed += (uint64_t)s.agreed;
        m->s.wrong += (uint64_t)(s.decided - s.agreed);
    }
    m->fresh_count = 0;
    return ST_OK;
}

static double expected_error(const struct measured *s)
{
    double sum = 0;

    for (int i = 0; i < MODEL_BINS; i++) {
        sum += fabs(s->bin_said[i] - s->bin_is[i]);
    }
    return s->judged > 0 ? sum / s->judged : NAN;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : NAN;
}

/* The newest held out, by the witness; where too few are, the newest of all. */
static enum status measure_held(struct model *m)
{
    struct model_state *k = &m->s;
    const bool held = k->held;
    struct measured s;
    int mine = 0;

    for (uint32_t i = 0; i < MODEL_MEASURED; i++) {
        const uint32_t n = labels_newest(m->labels, held, i);
        if (n == LABELS_NONE) {
            break;
        }
        if (held ? m->peers.index == 0 : (int)i % m->peers.count == m->peers.index) {
            m->number[mine++] = n;
        }
    }
    TRY(measure(m, held ? m->witness.net : m->fit.net, mine, &s));
    k->loss = ratio(s.loss, s.items);
    const bool rated = held && m->head == CAPNET_RATE;
    k->recall = rated ? ratio(s.hit, s.is) : NAN;
    k->precision = rated ? ratio(s.hit, s.said) : NAN;
    k->ece = rated ? expected_error(&s) : NAN;
    k->accuracy = held ? ratio(s.right, s.judged) : NAN;
    return ST_OK;
}

/* Mean change of what the probes are paid, of those that were there the last time. The
 * same on all ranks: each takes all of them, seldom. */
static void measure_drift(struct model *m)
{
    const uint32_t count = m->probe_of[0] + m->probe_of[1];
    struct bytes text[MODEL_SAY_PASS];
    float value[MODEL_SAY_PASS];
    double sum = 0;

    for (uint32_t at = 0, n; at < count; at += n) {
        for (n = 0; n < MODEL_SAY_PASS && at + n < count; n++) {
            text[n] = labels_text(m->labels, m->probe_text[at + n]);
        }
        model_values(m, value, text, (int)n);
        for (uint32_t i = 0; i < n; i++) {
            const float paid = m->worth(m->worth_ctx, value[i]);
            sum +=
                at + i < m->probes ? fabs((double)paid - (double)m->probe[at + i]) : 0;
            m->probe[at + i] = paid;
        }
    }
    m->s.drift = ratio(sum, m->probes);
    m->probes = count;
}

/* ---- when ---- */

/* Enough is held out from now on: a loss of what was learnt by heart is no bound for that of
 * what was not, and no reason to rest. */
static void change_yardstick(struct model *m)
{
    struct model_state *s = &m->s;

    if (!s->held && labels_held(m->labels) >= MODEL_HELD_LEAST &&
        labels_to_train(m->labels) >= MODEL_LABELS_LEAST) {
        s->held = 1;
        s->resting = 0;
        s->best = INFINITY;
        s->bad = 0;
    }
}

static void rest_or_go_on(struct model *m)
{
    struct model_state *s = &m->s;

    if (s->loss < (1 - gain_share) * s->best - gain_nats) {
        s->best = s->loss;
        s->bad = 0;
        return;
    }
    s->bad++;
    if (s->bad >= MODEL_PATIENCE) {
        s->resting = 1;
        s->came = s->wrong = 0;
    }
}

static void wake(struct model *m)
{
    struct model_state *s = &m->s;
    const uint64_t labels = labels_count(m->labels);
    // The gate opens with a version, which a fit that rests never makes.
    const bool owed = !s->open && model_labels_suffice(m);

    if (s->resting && s->came > 0 &&
        (owed || 64 * s->came >= labels || 256 * s->wrong >= labels)) {
        s->resting = 0;
        s->best = INFINITY;
        s->bad = 0;
    }
}

static enum status new_version(struct model *m, uint64_t update)
{
    struct model_state *s = &m->s;

    const bool due =
        s->version == 0 ? s->steps >= (uint64_t)m->options.gate_steps
                        : update >= s->published + (uint64_t)m->options.version_updates;
    if (s->steps == s->published_steps || !due) {
        return ST_OK;
    }
    TRY(measure_held(m));
    model_pay(m);
    s->version++;
    s->published = update;
    s->published_steps = s->steps;
    if (s->version % MODEL_PROBE_EVERY == 0) {
        measure_drift(m);
    }
    if (!m->options.bursts) {
        rest_or_go_on(m);
    }
    return ST_OK;
}

enum status model_fit_steps(struct model *m, uint64_t update)
{
    const uint64_t before = m->s.steps;
    const uint32_t came = m->fresh_count;

    m->figures->update_steps = 0;
    if (update % (uint64_t)together(m) != 0) {
        return ST_OK;
    }
    TRY(measure_fresh(m));
    change_yardstick(m);
    wake(m);
    TRY(steps(m, steps_due(m, came)));
    TRY(new_version(m, update));
    m->figures->update_steps = m->s.steps - before;
    return ST_OK;
}
