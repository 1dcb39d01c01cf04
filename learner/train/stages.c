#include "learner/train/stages.h"

const char *train_stage_name(enum train_stage s)
{
    static const char *const names[STAGES] = {
        "draw_wait", "draw",  "gather",   "reward",  "forward",
        "vtrace",    "agree", "exchange", "fit",     "loss",
        "backward",  "sum",   "adam",     "publish", "checkpoint"};

    return names[s];
}
