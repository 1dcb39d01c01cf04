#ifndef LEARNER_REWARD_MODEL_IMPL_H
#define LEARNER_REWARD_MODEL_IMPL_H
/* What model.c (scores, gate), model_fit.c and model_save.c share; nobody else. */

#include "common/base/rng.h"
#include "common/nn/adam.h"
#include "learner/reward/labels.h"
#include "learner/reward/model.h"

enum {
    MODEL_PASS = 256,    // rows of a pass that fits or measures
    MODEL_SAY_PASS = 16, // of one that pays: always as many, filled up with empty texts
    MODEL_FRESH = 1024,  // labels between two fits that there is room for at first
    MODEL_MEASURED = 1024,
    MODEL_CACHE = 1 << 16, // captions whose score is kept
    MODEL_BINS = 10
};

struct model_said {
    struct hash128 key;
    uint32_t version; // 0: empty
    float value;
};

/* A network on its way. */
struct model_fitter {
    struct capnet *net;
    struct adam adam;
    struct rng rng; // draws its labels
    bool all;       // of all labels; false: of those not held out
    bool shared;    // each minibatch is shared out over the ranks
};

/* What a checkpoint keeps beside weights, moments and labels. No padding. */
struct model_state {
    uint64_t steps, version;
    uint64_t published, published_steps; // update and steps of the last version
    uint64_t opened;                     // update, once `open`
    double best, loss, ramp;
    uint64_t fresh, decided, agreed;
    uint64_t came, wrong; // labels since fitting rests
    uint32_t bad;         // versions in a row that were no better
    uint8_t resting, open, warned;
    uint8_t held; // the loss is of labels held out
    double recall, precision, ece, accuracy, drift;
};
_Static_assert(sizeof(struct model_state) == 13 * 8 + 4 + 4 + 5 * 8, "no padding");

struct model {
    struct fitting_options options;
    struct reward_peers peers;
    enum capnet_head head;
    int most_texts;
    struct fitting_figures *figures;
    float (*worth)(const void *ctx, float value);
    const void *worth_ctx;
    struct model_state s;
    struct model_fitter fit, witness;
    struct capnet *paid;
    struct labels *labels;
    uint32_t *fresh; // (fresh_room) labels that came since the last fit
    uint32_t fresh_count, fresh_room;
    uint32_t probe_of[2];     // chosen so far: of captions that do not help, that do
    uint32_t *probe_text;     // (MODEL_PROBES) their numbers among the texts
    uint32_t probes;          // of probe, filled
    float *probe;             // (MODEL_PROBES) what they were paid
    struct model_said *cache; // (MODEL_CACHE)
    // a pass: rows of items one after the other
    uint32_t *number; // (batch or MODEL_MEASURED) items of this rank
    int *begin; // (batch) of each: its first text's number in the batch of all ranks
    struct bytes *all; // (batch, ITEM_CAPTIONS_MAX) texts of that batch; NULL: one rank
    int all_texts;
    struct bytes *text;
    int *slot;       // (MODEL_PASS) of each text: its number in that batch
    float *p, *dout; // (MODEL_PASS), (MODEL_PASS, outputs)
    uint8_t *place;
    int *first; // (MODEL_PASS + 1)
};

/* Fresh labels, gradient steps, a version where one is due. */
MUST_USE enum status model_fit_steps(struct model *m, uint64_t update);
/* For the gate. */
bool model_labels_suffice(const struct model *m);
/* So that `count` labels can wait for a fit. */
void model_make_fresh_room(struct model *m, uint32_t count);
/* Adam's and the networks' floats. */
size_t model_floats(const struct model *m);
void model_pay(struct model *m);                            // paid := fit
void model_show(struct model *m);                           // figures from the state
float model_value(const struct model *m, const float *out); // of one row of outputs
/* Values (n) of any texts by the version that pays. */
void model_values(struct model *m, float *value, const struct bytes *text, int n);

#endif
