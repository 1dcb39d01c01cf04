#include "learner/reward/motif_fit.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "common/nn/caploss.h"
#include "learner/reward/motif_fit_impl.h"

enum {
    FEW_LABELS = 64, // a warning below
    TELL_MS = 2000,
    TEST_LEAST = 16 // held-out comparisons, for an epoch to be chosen by them
};
static const double grad_norm = 10; // of the mean gradient; the reference's, for orders
static const double better = 0.999; // of the best loss: less is chance
static const double gain = 1e-4;    // of the held-out loss: less is not waited for

/* ---- what there is ---- */

static void list_add(struct fit_list *l, uint32_t number)
{
    l->number[l->count++] = number;
}

static void sort_labels(struct fit *f)
{
    const uint32_t n = labels_count(f->labels);
    struct fit_list *const all[] = {&f->rate[0][0], &f->rate[0][1], &f->rate[1][0],
                                    &f->rate[1][1], &f->order[0],   &f->order[1]};
    struct motif_about *a = f->about;
    struct labels_item it;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        all[i]->number = mem_new(n, sizeof(uint32_t));
    }
    a->labels = n;
    for (uint32_t i = 0; i < n; i++) {
        labels_get(f->labels, i, &it);
        a->held += it.held;
        if (it.captions > 1) {
            a->orders++;
            a->ties += !it.helpful;
            list_add(&f->order[it.held], i);
        } else {
            a->rates++;
            a->helpful += it.helpful;
            list_add(&f->rate[it.helpful][it.held], i);
        }
    }
}

/* Some comparison must have a winner among what is not held out. */
static enum status check_labels(const struct fit *f)
{
    const struct motif_about *a = f->about;
    struct labels_item it;
    bool told = f->rate[0][0].count > 0 && f->rate[1][0].count > 0;

    for (uint32_t i = 0; i < f->order[0].count && !told; i++) {
        labels_get(f->labels, f->order[0].number[i], &it);
        told = it.helpful;
    }
    if (told) {
        if (a->labels < FEW_LABELS) {
            LOG_WARN("FIT-FEW",
                     "%" PRIu64 " labels are few: a model of them knows little",
                     a->labels);
        }
        return ST_OK;
    }
    if (a->labels == 1) {
        LOG_ERROR("FIT-LABELS", "there is 1 label, and nothing to compare it with");
    } else if (a->orders == a->ties && (a->helpful == 0 || a->helpful == a->rates)) {
        LOG_ERROR("FIT-LABELS",
                  "of %" PRIu64 " ratings %" PRIu64 " are helpful, and %" PRIu64
                  " of %" PRIu64 " orders are ties: nothing is above anything else",
                  a->rates, a->helpful, a->ties, a->orders);
    } else {
        LOG_ERROR("FIT-LABELS",
                  "of %" PRIu64
                  " labels all that tell one caption from another are held "
                  "out; a smaller --held-out, or more labels",
                  a->labels);
    }
    return ST_INVALID;
}

/* ---- an epoch ---- */

uint32_t fit_draw(struct rng *rng, const struct fit_list *l)
{
    return l->number[rng_below(rng, l->count)];
}

/* Orders, and as many pairs as ratings, in an order of chance. */
static void draw_epoch(struct fit *f)
{
    const struct fit_list *yes = &f->rate[1][0], *no = &f->rate[0][0];

    f->items = 0;
    for (uint32_t i = 0; i < f->order[0].count; i++) {
        const uint32_t n = f->order[0].number[i];
        f->item[f->items++] = (struct fit_item){n, n};
    }
    if (yes->count > 0 && no->count > 0) {
        for (uint32_t i = 0; i < yes->count + no->count; i++) {
            const uint32_t a = fit_draw(&f->rng, yes), b = fit_draw(&f->rng, no);
            f->item[f->items++] = (struct fit_item){a, b};
        }
    }
    for (uint32_t i = f->items; i > 1; i--) {
        const uint32_t k = rng_below(&f->rng, i);
        const struct fit_item swap = f->item[i - 1];
        f->item[i - 1] = f->item[k];
        f->item[k] = swap;
    }
}

uint32_t fit_gather(struct fit *f, const struct fit_item *items, uint32_t from,
                    uint32_t to, int *taken)
{
    struct labels_item it;
    int rows = 0;

    for (*taken = 0; from < to; from++, ++*taken) {
        const struct fit_item *x = &items[from];
        labels_get(f->labels, x->better, &it);
        const int captions = x->better == x->worse ? it.captions : 2;
        if (rows + captions > FIT_ROWS) {
            break;
        }
        f->first[*taken] = rows;
        if (x->better == x->worse) {
            memcpy(&f->text[rows], it.text, sizeof(it.text[0]) * (size_t)captions);
            memcpy(&f->place[rows], it.place, (size_t)captions);
        } else {
            f->text[rows] = it.text[0];
            f->place[rows] = 0;
            labels_get(f->labels, x->worse, &it);
            f->text[rows + 1] = it.text[0];
            f->place[rows + 1] = 1;
        }
        rows += captions;
    }
    f->first[*taken] = rows;
    return from;
}

static enum status step(struct fit *f, uint32_t from, uint32_t to, double *loss)
{
    struct params *w = capnet_params(f->net);
    const uint64_t drop = rng_next(&f->rng);
    double norm;
    int taken;

    capnet_zero_grads(f->net);
    for (uint32_t at = from; at < to;) {
        at = fit_gather(f, f->item, at, to, &taken);
        const float *out = capnet_forward(f->net, f->text, f->first[taken], &drop);
        *loss += caploss_order(f->dout, out, f->place, f->first, taken);
        capnet_backward(f->net, f->dout);
    }
    if (adam_step(&f->adam, w->weights, w->grads, (double)(to - from), f->options.lr,
                  grad_norm, &norm) != ST_OK) {
        LOG_ERROR("FIT-NAN",
                  "the gradient is not a number after %" PRIu64
                  " steps; a smaller --lr than %g",
                  f->about->steps, f->options.lr);
        return ST_CORRUPT;
    }
    capnet_weights_changed(f->net);
    f->about->steps++;
    return ST_OK;
}

static enum status epoch(struct fit *f, double *loss)
{
    const uint32_t batch = (uint32_t)f->options.batch;

    draw_epoch(f);
    *loss = 0;
    for (uint32_t at = 0; at < f->items; at += batch) {
        stop_poll();
        if (stop_asked()) {
            return ST_CLOSED;
        }
        const uint32_t to = f->items - at > batch ? at + batch : f->items;
        TRY(step(f, at, to, loss));
    }
    *loss /= f->items;
    return ST_OK;
}

/* ---- all of them ---- */

static double ratio(double a, double b)
{
    return b > 0 ? a / b : (double)NAN;
}

static void remember(struct fit *f, uint64_t number, const struct fit_measured *m)
{
    const struct params *w = capnet_params(f->net);
    struct motif_about *a = f->about;

    memcpy(f->best, w->weights, sizeof(float) * w->floats);
    a->epochs = number;
    a->loss = ratio(m->loss, m->items);
    a->accuracy = ratio(m->right, m->compared);
    a->compared = m->compared;
}

/* Whether this one is the best so far: by the held-out loss, or the last where too little
 * is held out. */
static bool is_best(struct fit *f, const struct fit_measured *m)
{
    if (f->tests < TEST_LEAST) {
        return true;
    }
    const double loss = m->loss / m->items;
    const bool best = loss < better * f->best_loss;
    f->best_loss = best ? loss : f->best_loss;
    return best;
}

/* Whether it is worth to go on: what falls from 1e-5 to 1e-6 orders captions as before. */
static bool gains(struct fit *f, const struct fit_measured *m)
{
    if (f->tests < TEST_LEAST) {
        return true;
    }
    const double loss = m->loss / m->items;
    const bool gained = !(loss > f->gained_loss - gain);
    f->gained_loss = gained ? loss : f->gained_loss;
    return gained;
}

const char *motif_fit_right(double accuracy, double compared, char out[MOTIF_RIGHT_MAX])
{
    if (compared > 0) {
        (void)text_format(out, MOTIF_RIGHT_MAX,
                          "right about %.3f of %.0f held-out pairs", accuracy,
                          compared);
    } else {
        (void)text_format(out, MOTIF_RIGHT_MAX,
                          "tried on nothing, no pair is held out");
    }
    return out;
}

/* At most one line in TELL_MS, and one at the end. */
static void tell(struct fit *f, int64_t number, bool last, double loss,
                 const struct fit_measured *m)
{
    const uint64_t now = clock_ms(clock_system());
    char right[MOTIF_RIGHT_MAX], held[32] = "";

    if (m->items > 0) {
        (void)text_format(held, sizeof(held), " held out %.4f,", m->loss / m->items);
    }
    if (last || now - f->told_ms >= TELL_MS) {
        f->told_ms = now;
        LOG_INFO("FIT-EPOCH", "epoch %" PRId64 " of %" PRId64 ", loss %.4f,%s %s",
                 number, f->options.epochs, loss, held,
                 motif_fit_right(ratio(m->right, m->compared), m->compared, right));
    }
}

static enum status run_epochs(struct fit *f)
{
    struct fit_measured m;
    double loss;
    int64_t worse = 0;

    for (int64_t i = 1; i <= f->options.epochs && worse < MOTIF_PATIENCE; i++) {
        TRY(epoch(f, &loss));
        fit_measure(f, &m);
        worse = gains(f, &m) ? 0 : worse + 1;
        if (is_best(f, &m)) {
            remember(f, (uint64_t)i, &m);
        }
        tell(f, i, i == f->options.epochs || worse == MOTIF_PATIENCE, loss, &m);
    }
    struct params *w = capnet_params(f->net);
    memcpy(w->weights, f->best, sizeof(float) * w->floats);
    capnet_weights_changed(f->net);
    return fit_statistics(f);
}

static void open_net(struct fit *f)
{
    struct rng rng;
    const bool *touched;
    size_t rows, cols;

    f->net = capnet_new(f->options.text, CAPNET_SCORE, FIT_ROWS, true);
    rng_init_stream(&rng, &(struct rng_stream){.seed = f->options.seed,
                                               .role = RNG_INIT,
                                               .index = 1}); // 0 is the policy
    capnet_init_weights(f->net, &rng);
    adam_init(&f->adam, capnet_params(f->net)->floats);
    capnet_table(f->net, &rows, &cols, &touched);
    adam_set_table(&f->adam, rows, cols, touched);
    f->best = mem_new(capnet_params(f->net)->floats, sizeof(float));
    f->best_loss = f->gained_loss = (double)INFINITY;
}

static void release(struct fit *f)
{
    for (int i = 0; i < 2; i++) {
        mem_free(f->order[i].number);
        mem_free(f->rate[i][0].number);
        mem_free(f->rate[i][1].number);
    }
    adam_release(&f->adam);
    mem_free(f->best);
    mem_free(f->item);
    mem_free(f->test);
    capnet_free(f->net);
    mem_free(f);
}

enum status motif_fit(const struct motif_fit_options *o, const struct labels *labels,
                      struct motif_about *about, struct capnet **net)
{
    struct fit *f = mem_new(1, sizeof(*f));

    f->options = *o;
    f->labels = labels;
    f->about = about;
    about->text = o->text;
    about->lr = o->lr;
    about->seed = o->seed;
    rng_init_stream(&f->rng,
                    &(struct rng_stream){.seed = o->seed, .role = RNG_LEARNER});
    sort_labels(f);
    enum status st = check_labels(f);
    if (st == ST_OK) {
        open_net(f);
        f->item = mem_new((size_t)about->labels, sizeof(*f->item));
        fit_choose_tests(f);
        st = run_epochs(f);
    }
    if (st == ST_OK) {
        *net = f->net;
        f->net = NULL;
    }
    release(f);
    return st;
}
