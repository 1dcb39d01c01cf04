/* ONI-retrieval: the exact caption's label pays, what has none pays nothing. */

#include <math.h>

#include "learner/reward/reward.h"

/* max(0, 2p - 1): an even chance is worth nothing, a sure one 1, and a hard label of 0 or
 * 1 pays itself, as in the reference. */
static void score_retrieval(struct reward *r, float *score,
                            const struct reward_rows *in)
{
    for (int i = 0; i < in->texts; i++) {
        const struct caption_entry *e = caption_table_find(&r->table, in->key[i]);
        score[i] = e != NULL && e->labelled ? fmaxf(0.0F, 2.0F * e->p - 1.0F) : 0.0F;
    }
}

const struct reward_kind reward_retrieval = {.name = "retrieval",
                                             .needs_labels = true,
                                             .asks = REWARD_ASKS_RATE,
                                             .score = score_retrieval};
