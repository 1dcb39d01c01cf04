/* ONI-retrieval: the exact caption's label pays, what has none pays nothing. */

#include "learner/reward/reward_pays.h"

static void score_retrieval(struct reward *r, float *score,
                            const struct reward_rows *in)
{
    for (int i = 0; i < in->texts; i++) {
        score[i] = reward_label_worth(r, in->key[i]);
    }
}

static float pays(const struct reward *r, const struct reward_known *k)
{
    return k->labelled ? reward_worth(r, k->p) : 0.0F;
}

const struct reward_kind reward_retrieval = {.name = "retrieval",
                                             .needs_labels = true,
                                             .asks = REWARD_ASKS_RATE,
                                             .score = score_retrieval,
                                             .pays = pays,
                                             .in_words =
                                                 "W(p) of its label p, 0 without one"};
