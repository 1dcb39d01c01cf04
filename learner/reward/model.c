#include "learner/reward/model_impl.h"

#include <math.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

enum {
    INIT_INDEX = 1,
    DRAW_INDEX,
    WITNESS_INDEX
};                     // streams of chance; the policy's is 0
enum { WARN_AT = 16 }; // times the labels that the gate needs, all alike

/* ---- the gate ---- */

/* A rating is helpful or not; of orders those count that say something. */
static uint32_t least_class(const struct model *m)
{
    const uint32_t yes = labels_of_class(m->labels, true);
    const uint32_t no = labels_of_class(m->labels, false);

    return m->head == CAPNET_SCORE || yes < no ? yes : no;
}

bool model_labels_suffice(const struct model *m)
{
    return labels_count(m->labels) >= (uint64_t)m->options.gate_labels &&
           least_class(m) >= (uint64_t)m->options.gate_class;
}

/* Once: a gate that stays closed is nothing to find out by oneself. */
static void warn_of_gate(struct model *m)
{
    const struct fitting_options *o = &m->options;
    const uint64_t labels = labels_count(m->labels);
    const bool spent = o->label_budget > 0 && labels >= (uint64_t)o->label_budget;
    const bool one_sided = labels > 0 && labels >= WARN_AT * (uint64_t)o->gate_labels &&
                           least_class(m) < (uint64_t)o->gate_class;

    if (m->s.warned || model_labels_suffice(m) || !(spent || one_sided)) {
        return;
    }
    m->s.warned = 1;
    LOG_WARN("REWARD-GATE",
             "the gate of the reward's model is closed: %llu labels, of which %u are "
             "%s and %u are not; it opens at %lld labels and %lld %s%s",
             (unsigned long long)labels, labels_of_class(m->labels, true),
             m->head == CAPNET_SCORE ? "decided" : "helpful",
             labels_of_class(m->labels, false), (long long)o->gate_labels,
             (long long)o->gate_class,
             m->head == CAPNET_SCORE ? "that are decided" : "of each class",
             spent ? ", and the label budget is spent" : "");
}

static void move_gate(struct model *m, uint64_t update)
{
    struct model_state *s = &m->s;

    if (s->open) {
        return;
    }
    if (model_labels_suffice(m) && s->version > 0 && s->published == update &&
        s->steps >= (uint64_t)m->options.gate_steps) {
        s->open = 1;
        s->opened = update;
        LOG_INFO("REWARD-OPEN",
                 "the reward's model pays from now on: %u labels, %llu gradient steps",
                 labels_count(m->labels), (unsigned long long)s->steps);
        return;
    }
    warn_of_gate(m);
}

static double ramp_at(const struct model *m, uint64_t update)
{
    const double all = (double)m->options.ramp_updates;

    if (!m->s.open) {
        return 0;
    }
    // The next batch is the first that it pays.
    return all > 0 ? fmin((double)(update - m->s.opened + 1) / all, 1) : 1;
}

double model_ramp(const struct model *m)
{
    return m->s.ramp;
}

enum status model_fit(struct model *m, uint64_t update)
{
    TRY(model_fit_steps(m, update));
    move_gate(m, update);
    m->s.ramp = ramp_at(m, update);
    model_show(m);
    return ST_OK;
}

void model_show(struct model *m)
{
    const struct fitting_options *o = &m->options;
    const struct model_state *s = &m->s;
    struct fitting_figures *f = m->figures;

    f->on = true;
    f->open = s->open;
    f->ramp = s->ramp;
    f->published = s->published;
    f->labels = labels_count(m->labels);
    f->of_class[0] = labels_of_class(m->labels, false);
    f->of_class[1] = labels_of_class(m->labels, true);
    f->held = labels_held(m->labels);
    f->need_labels = (uint64_t)o->gate_labels;
    f->need_class = (uint64_t)o->gate_class;
    f->need_steps = (uint64_t)o->gate_steps;
    f->orders = m->head == CAPNET_SCORE;
    f->version = s->version;
    f->resting = s->resting;
    f->chance = m->fit.rng.state;
    f->loss = s->loss;
    f->recall = s->recall;
    f->precision = s->precision;
    f->ece = s->ece;
    f->accuracy = s->accuracy;
    f->fresh = s->fresh;
    f->decided = s->decided;
    f->agreed = s->agreed;
    f->drift = s->drift;
    if (f->steps != s->steps || f->digest == 0) {
        const struct params *w = capnet_params(m->fit.net);
        f->digest = hash_64(bytes_of(w->weights, w->floats * sizeof(float)));
    }
    f->steps = s->steps;
}

/* ---- what it says ---- */

float model_value(const struct model *m, const float *out)
{
    return m->head == CAPNET_RATE ? 1.0F / (1.0F + expf(out[0] - out[1])) : out[0];
}

void model_values(struct model *m, float *value, const struct bytes *text, int n)
{
    const int outputs = capnet_outputs(m->paid);
    struct bytes pass[MODEL_SAY_PASS];

    // Passes of one shape: a sum of products must not depend on how many captions of a
    // batch were known already, else a resumed run would part from the one that went on.
    for (int done = 0; done < n; done += MODEL_SAY_PASS) {
        for (int i = 0; i < MODEL_SAY_PASS; i++) {
            pass[i] = done + i < n ? text[done + i] : bytes_of("", 0);
        }
        const float *out = capnet_forward(m->paid, pass, MODEL_SAY_PASS, NULL);
        for (int i = 0; i < MODEL_SAY_PASS && done + i < n; i++) {
            value[done + i] = model_value(m, out + (size_t)i * (size_t)outputs);
        }
    }
}

static struct model_said *said_of(struct model *m, struct hash128 key)
{
    return &m->cache[key.lo % MODEL_CACHE];
}

/* Scores the captions which[0..n) of the batch. */
static void say_anew(struct model *m, float *out, const struct bytes *text,
                     const struct hash128 *key, const int *which, int n,
                     struct fitting_scored *scored)
{
    struct bytes some[MODEL_SAY_PASS];
    float value[MODEL_SAY_PASS];

    for (int i = 0; i < n; i++) {
        some[i] = text[which[i]];
    }
    model_values(m, value, some, n);
    for (int i = 0; i < n; i++) {
        const struct hash128 k = key[which[i]];
        *said_of(m, k) = (struct model_said){k, (uint32_t)m->s.version, value[i]};
        out[which[i]] = value[i];
        scored[i] = (struct fitting_scored){k, value[i]};
    }
}

int model_say(struct model *m, float *out, const struct bytes *text,
              const struct hash128 *key, int texts, struct fitting_scored *scored)
{
    int which[MODEL_SAY_PASS], n = 0, count = 0;

    for (int i = 0; i < texts; i++) {
        const struct model_said *s = said_of(m, key[i]);
        if (text[i].len == 0) {
            out[i] = 0;
        } else if (s->version == (uint32_t)m->s.version && hash_equal(s->key, key[i])) {
            out[i] = s->value;
        } else {
            which[n++] = i;
        }
        if (n == MODEL_SAY_PASS || (n > 0 && i == texts - 1)) {
            say_anew(m, out, text, key, which, n, scored + count);
            count += n;
            n = 0;
        }
    }
    m->figures->scored += (uint64_t)count;
    return count;
}

/* ---- opening ---- */

enum status model_check(const struct fitting_options *o, enum capnet_head head)
{
    const int64_t classes = head == CAPNET_RATE ? 2 * o->gate_class : o->gate_class;
    const int64_t need = o->gate_labels > classes ? o->gate_labels : classes;

    if (o->label_budget == 0 || o->labels_come) {
        return ST_OK;
    }
    if (o->label_budget < need) {
        LOG_ERROR(
            "REWARD-GATE",
            "a label budget of %lld can never open the gate of the reward's model, "
            "which needs %lld labels (--gate-labels, --gate-class)",
            (long long)o->label_budget, (long long)need);
        return ST_INVALID;
    }
    if (o->label_budget < MODEL_LABELS_LEAST && !o->bursts) {
        LOG_ERROR("REWARD-GATE",
                  "a label budget of %lld can teach the reward's model nothing, a fit "
                  "begins with %d labels",
                  (long long)o->label_budget, MODEL_LABELS_LEAST);
        return ST_INVALID;
    }
    return ST_OK;
}

/* Texts of a minibatch, at most. */
static int most_of_batch(const struct model *m)
{
    const int captions = m->head == CAPNET_SCORE ? ITEM_CAPTIONS_MAX : 1;

    return (int)m->options.batch * captions;
}

static void alloc(struct model *m)
{
    const size_t items =
        m->options.batch > MODEL_MEASURED ? (size_t)m->options.batch : MODEL_MEASURED;
    m->fresh_room = MODEL_FRESH;
    m->fresh = mem_new(m->fresh_room, sizeof(*m->fresh));
    m->probe = mem_new(MODEL_PROBES, sizeof(*m->probe));
    m->probe_text = mem_new(MODEL_PROBES, sizeof(*m->probe_text));
    m->cache = mem_new(MODEL_CACHE, sizeof(*m->cache));
    m->number = mem_new(items, sizeof(*m->number));
    m->begin = mem_new(items, sizeof(*m->begin));
    if (m->peers.count > 1) {
        m->all = mem_new((size_t)most_of_batch(m), sizeof(*m->all));
        capnet_share_open(m->fit.net, most_of_batch(m));
    }
    m->text = mem_new(MODEL_PASS, sizeof(*m->text));
    m->slot = mem_new(MODEL_PASS, sizeof(*m->slot));
    m->p = mem_new(MODEL_PASS, sizeof(*m->p));
    m->dout = mem_new(MODEL_PASS * 2, sizeof(*m->dout));
    m->place = mem_new(MODEL_PASS, 1);
    m->first = mem_new(MODEL_PASS + 1, sizeof(*m->first));
}

/* Both begin alike: the same weights, and each its own stream of labels. */
static void open_fitter(struct model *m, struct model_fitter *f, uint32_t draws)
{
    const struct fitting_options *o = &m->options;
    const enum capnet_text text =
        strcmp(o->text_net, "cnn") == 0 ? CAPNET_CNN : CAPNET_NGRAM;
    const bool *touched;
    size_t rows, cols;
    struct rng rng;

    f->net = capnet_new(text, m->head, MODEL_PASS, true);
    rng_init_stream(&rng, &(struct rng_stream){
                              .seed = o->seed, .role = RNG_INIT, .index = INIT_INDEX});
    capnet_init_weights(f->net, &rng);
    adam_init(&f->adam, capnet_params(f->net)->floats);
    capnet_table(f->net, &rows, &cols, &touched);
    adam_set_table(&f->adam, rows, cols, touched);
    rng_init_stream(&f->rng, &(struct rng_stream){
                                 .seed = o->seed, .role = RNG_LEARNER, .index = draws});
}

enum status model_open(const struct model_plan *plan, struct model **out)
{
    const struct fitting_options *o = plan->options;

    TRY(model_check(o, plan->head));
    struct model *m = mem_new(1, sizeof(*m));
    m->options = *o;
    m->peers = *plan->peers;
    m->head = plan->head;
    m->most_texts = plan->most_texts;
    m->figures = plan->figures;
    m->worth = plan->worth;
    m->worth_ctx = plan->ctx;
    open_fitter(m, &m->fit, DRAW_INDEX);
    m->fit.all = m->fit.shared = true;
    open_fitter(m, &m->witness, WITNESS_INDEX);
    m->paid = capnet_new(strcmp(o->text_net, "cnn") == 0 ? CAPNET_CNN : CAPNET_NGRAM,
                         plan->head, MODEL_SAY_PASS, false);
    m->labels = labels_new(o->held_out);
    m->s.best = INFINITY;
    m->s.loss = m->s.recall = m->s.precision = m->s.ece = NAN;
    m->s.accuracy = m->s.drift = NAN;
    m->s.open = o->gate_labels == 0 && o->gate_class == 0 && o->gate_steps == 0;
    m->s.ramp = ramp_at(m, 0);
    alloc(m);
    model_pay(m);
    model_show(m);
    *out = m;
    return ST_OK;
}

void model_close(struct model *m)
{
    if (m == NULL) {
        return;
    }
    void *all[] = {m->fresh, m->probe, m->probe_text, m->cache, m->number,
                   m->begin, m->all,   m->text,       m->slot,  m->p,
                   m->dout,  m->place, m->first};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        mem_free(all[i]);
    }
    capnet_free(m->fit.net);
    adam_release(&m->fit.adam);
    capnet_free(m->witness.net);
    adam_release(&m->witness.adam);
    capnet_free(m->paid);
    labels_free(m->labels);
    mem_free(m);
}

size_t model_floats(const struct model *m)
{
    return capnet_params(m->fit.net)->floats;
}

void model_pay(struct model *m)
{
    memcpy(capnet_params(m->paid)->weights, capnet_params(m->fit.net)->weights,
           model_floats(m) * sizeof(float));
    capnet_weights_changed(m->paid);
}

void model_make_fresh_room(struct model *m, uint32_t count)
{
    uint32_t room = m->fresh_room;

    while (room < count) {
        room *= 2;
    }
    if (room > m->fresh_room) {
        m->fresh = mem_grow(m->fresh, m->fresh_room, room, sizeof(*m->fresh));
        m->fresh_room = room;
    }
}

void model_take_text(struct model *m, struct hash128 key, struct bytes text)
{
    labels_take_text(m->labels, key, text);
}

static bool is_probe(const struct model *m, uint32_t text)
{
    for (uint32_t i = 0; i < m->probe_of[0] + m->probe_of[1]; i++) {
        if (m->probe_text[i] == text) {
            return true;
        }
    }
    return false;
}

/* Half of the places wait for captions that help: what is met first helps nobody, pays
 * nothing and never drifts. Of K in an order these are the ones at its top. */
static void choose_probes(struct model *m, uint32_t number)
{
    struct labels_item it;

    labels_get(m->labels, number, &it);
    for (int i = 0; i < it.captions; i++) {
        const bool helps = it.helpful && (it.captions == 1 || it.place[i] == 0);
        if (it.text[i].len > 0 && m->probe_of[helps] < MODEL_PROBES / 2 &&
            !is_probe(m, it.text_number[i])) {
            m->probe_text[m->probe_of[0] + m->probe_of[1]] = it.text_number[i];
            m->probe_of[helps]++;
        }
    }
}

void model_take_label(struct model *m, const struct reward_label *label)
{
    const uint32_t number = labels_take(m->labels, label);

    if (number == LABELS_NONE) {
        return;
    }
    choose_probes(m, number);
    m->s.came++;
    model_make_fresh_room(m, m->fresh_count + 1);
    m->fresh[m->fresh_count++] = number;
}
