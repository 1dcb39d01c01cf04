#include <math.h>

#include "common/base/check.h"
#include "judge/judge.h"

void judge_rate(struct judge_verdict *v, double p)
{
    // NaN fails both comparisons.
    if (!(p >= 0 && p <= 1)) {
        v->kind = VERDICT_UNPARSEABLE;
        return;
    }
    v->kind = VERDICT_LABEL;
    v->label = (float)p;
}

void judge_order(struct judge_verdict *v, const double *score, int captions)
{
    bool tie = true;

    CHECK(captions >= 2 && captions <= ITEM_CAPTIONS_MAX);
    for (int i = 0; i < captions; i++) {
        if (isnan(score[i])) {
            v->kind = VERDICT_UNPARSEABLE;
            return;
        }
    }
    for (int i = 0; i < captions; i++) {
        uint8_t better = 0;
        for (int k = 0; k < captions; k++) {
            better = (uint8_t)(better + (score[k] > score[i]));
        }
        v->order[i] = better;
        tie = tie && better == 0;
    }
    v->kind = tie ? VERDICT_TIE : VERDICT_LABEL;
}
