#ifndef LEARNER_REWARD_MOTIF_FIT_H
#define LEARNER_REWARD_MOTIF_FIT_H
/* Fits a ranking model to labels that are all there: what minos fit does, and motif pays
 * by. An order counts as it is; ratings are compared: one helpful caption above one that is
 * not, drawn anew in each epoch, as many pairs as there are ratings. One thread. */

#include "learner/reward/labels.h"
#include "learner/reward/motif_dir.h"

enum {
    MOTIF_PATIENCE = 5, // epochs that did not lower the held-out loss to be seen
    MOTIF_RIGHT_MAX = 64
};

struct motif_fit_options {
    enum capnet_text text;
    int64_t epochs, batch; // batch: comparisons in a step
    double lr;
    uint64_t seed;
};

/* Prints nothing but its log. Fills the counts, the held-out figures and the statistics of
 * *about; *net is the epoch's of the least held-out loss, capnet_free() it. ST_INVALID
 * (logged): nothing to compare. ST_CORRUPT (logged): a gradient is no number, or the model
 * tells nothing apart. ST_CLOSED: a stop was asked. */
MUST_USE enum status motif_fit(const struct motif_fit_options *o,
                               const struct labels *labels, struct motif_about *about,
                               struct capnet **net);

/* "right about 0.998 of 4096 held-out pairs", or that there are none; gives `out`. */
const char *motif_fit_right(double accuracy, double compared,
                            char out[MOTIF_RIGHT_MAX]);

#endif
