/* ONI-classification: a network that has read the labelled captions says what each caption
 * is worth, those without a label included. It pays P(helpful) as retrieval pays a label's
 * p; until its gate is open the labels themselves pay, then the ramp goes over from them
 * to the network. */

#include <math.h>

#include "learner/reward/model.h"
#include "learner/reward/reward_pays.h"

static float worth(const void *reward, float p)
{
    return reward_worth(reward, p);
}

static enum status check_classify(const struct reward_options *o)
{
    return model_check(&o->fitting, CAPNET_RATE);
}

static enum status open_classify(struct reward *r)
{
    const struct model_plan plan = {.options = &r->options.fitting,
                                    .peers = &r->peers,
                                    .head = CAPNET_RATE,
                                    .most_texts = r->most_texts,
                                    .figures = &r->fitting,
                                    .worth = worth,
                                    .ctx = r};
    struct model *m;

    TRY(model_open(&plan, &m));
    r->state = m;
    return ST_OK;
}

static void close_classify(struct reward *r)
{
    model_close(r->state);
}

static void take_text(struct reward *r, struct hash128 key, struct bytes text)
{
    model_take_text(r->state, key, text);
}

static void take_label(struct reward *r, const struct reward_label *label,
                       uint64_t update)
{
    (void)update;
    if (label->captions == 1) {
        model_take_label(r->state, label);
    }
}

static enum status fit(struct reward *r, uint64_t update)
{
    return model_fit(r->state, update);
}

/* Of what the model and the label are worth. Never inlined: see reward_pay_row(). */
__attribute__((noinline)) static float mix(float model, float label, float ramp)
{
    return ramp < 1 ? label + ramp * (model - label) : model;
}

static float pays(const struct reward *r, const struct reward_known *k)
{
    const float label = k->labelled ? reward_worth(r, k->p) : 0.0F;

    if (k->ramp <= 0) {
        return label;
    }
    return k->scored ? mix(reward_worth(r, k->score), label, k->ramp) : NAN;
}

static void score_classify(struct reward *r, float *score, const struct reward_rows *in)
{
    const float ramp = (float)model_ramp(r->state);

    if (ramp <= 0) {
        reward_retrieval.score(r, score, in);
        return;
    }
    r->scored_count += model_say(r->state, score, in->text, in->key, in->texts,
                                 r->scored + r->scored_count);
    for (int i = 0; i < in->texts; i++) {
        const float label = ramp < 1 ? reward_label_worth(r, in->key[i]) : 0;
        score[i] = mix(reward_worth(r, score[i]), label, ramp);
    }
}

static uint64_t digest(const struct reward *r)
{
    return model_digest(r->state);
}

static void save(const struct reward *r, char **data, size_t *len)
{
    model_save(r->state, data, len);
}

static enum status load(struct reward *r, struct bytes b)
{
    return model_load(r->state, b);
}

const struct reward_kind reward_classify = {
    .name = "classify",
    .needs_labels = true,
    .needs_texts = true,
    .asks = REWARD_ASKS_RATE,
    .check = check_classify,
    .open = open_classify,
    .close = close_classify,
    .take_text = take_text,
    .take_label = take_label,
    .fit = fit,
    .score = score_classify,
    .pays = pays,
    .in_words =
        "W(p) of its score p; without a model W(label), and between by the ramp",
    .digest = digest,
    .save = save,
    .load = load};
