/* Novelty: every caption pays 1/sqrt(n), n = its emissions over the whole run and all
 * ranks, this batch's included, so that the first one pays at most 1. */

#include <math.h>

#include "learner/reward/reward_pays.h"

static void score_count(struct reward *r, float *score, const struct reward_rows *in)
{
    for (int i = 0; i < in->texts; i++) {
        const struct caption_entry *e = caption_table_find(&r->table, in->key[i]);
        const double n = e != NULL && e->visits > 0 ? (double)e->visits : 1;
        score[i] = (float)(1 / sqrt(n));
        if (in->text[i].len > 0) {
            reward_note_score(r, in->key[i], score[i]);
        }
    }
}

const struct reward_kind reward_count = {
    .name = "count",
    .needs_visits = true,
    .score = score_count,
    .pays = reward_pays_score,
    .in_words = "1 / sqrt(n), n = times that it came in the whole run"};
