#ifndef LEARNER_REWARD_MODEL_H
#define LEARNER_REWARD_MODEL_H
/* A caption network that is fitted while the run goes on: its labels, a budget of gradient
 * steps in each update, versions of the weights that pay, the gate and the ramp. What it
 * says is worth is the business of classify.c and rank.c. Training thread.
 *
 * Equal on all ranks: each takes the same labels at the same update and the same draws
 * from the same stream; a minibatch is shared out over the ranks and its gradient summed,
 * so that two ranks fit like one. Three networks: `fit` learns from all labels; `paid` is a
 * copy of it, made at most every version_updates updates, and is what scores come from; the
 * witness, on rank 0, takes the same steps without the labels held out, and is measured by
 * them: so that what is held out is paid as well as the rest. It does from the first label
 * on, long before MODEL_HELD_LEAST are held out.
 *
 * The gate opens with the first version after gate_labels labels, gate_class of each class
 * (of orders: that are not all tied) and gate_steps gradient steps; then the model's share
 * in what is paid rises from 0 to 1 within ramp_updates updates. It never closes again. With
 * all three 0 it is open from the start, when nothing is fitted yet: chance pays.
 *
 * The steps of MODEL_TOGETHER updates are taken together, of fewer where versions may come
 * closer: the first step finds the networks out of the caches.
 *
 * Fitting rests when the held-out loss of MODEL_PATIENCE versions in a row was no better
 * than the best (as long as too few are held out: the loss of the newest labels; the change
 * from the one to the other wakes it, and its best begins anew), and goes on when labels have
 * come: a 64th of what there is, or a 256th that the model has wrong, or those that the gate
 * has waited for. With `bursts` it never rests. */

#include "common/base/bytes.h"
#include "common/nn/capnet.h"
#include "learner/reward/fitting.h"

enum {
    MODEL_PATIENCE = 8,
    MODEL_TOGETHER = 8,     // updates whose gradient steps are taken in one of them
    MODEL_PROBES = 1024,    // captions whose drift is measured: the first 512 that help
                            // (stand above others in an order), the first 512 of others
    MODEL_PROBE_EVERY = 8,  // versions
    MODEL_HELD_LEAST = 16,  // labels held out, for a loss of them
    MODEL_LABELS_LEAST = 16 // to train on, before a fit begins
};

struct model;

struct model_plan {
    const struct fitting_options *options;
    const struct reward_peers *peers;
    enum capnet_head head;
    int most_texts;                  // of one batch
    struct fitting_figures *figures; // kept up to date here; outlives the model
    float (*worth)(const void *ctx,
                   float value); // what a caption of this value is paid
    const void *ctx;
};

/* ST_INVALID (logged): the label budget can never open the gate. */
MUST_USE enum status model_check(const struct fitting_options *o,
                                 enum capnet_head head);
/* ST_INVALID (logged): the same. */
MUST_USE enum status model_open(const struct model_plan *plan, struct model **out);
void model_close(struct model *m); // NULL is fine

void model_take_text(struct model *m, struct hash128 key, struct bytes text);
void model_take_label(struct model *m, const struct reward_label *label);
/* Once in an update, after its labels. Collective. ST_CORRUPT (logged): a gradient that is
 * no number. */
MUST_USE enum status model_fit(struct model *m, uint64_t update);
/* Of the last fit: share of the model in what is paid; 0 while the gate is closed. */
double model_ramp(const struct model *m);

/* out (texts) of the version that pays: P(helpful), or a score. An empty text gets 0. A
 * caption's value depends on its text and the version alone, to the bit. Those that were
 * not known are added to *scored (most_texts), whose number is returned. */
int model_say(struct model *m, float *out, const struct bytes *text,
              const struct hash128 *key, int texts, struct fitting_scored *scored);

/* XXH3 of what a resumed run goes on from: both networks, Adam's moments, the data order,
 * the gate. Equal on all ranks. */
uint64_t model_digest(const struct model *m);
/* For the checkpoint; free *data with mem_free(). ST_CORRUPT, ST_VERSION (logged). */
void model_save(const struct model *m, char **data, size_t *len);
MUST_USE enum status model_load(struct model *m, struct bytes b);

#endif
