#ifndef JUDGE_BACKENDS_SIM_H
#define JUDGE_BACKENDS_SIM_H
/* A judge for experiments: it is told the environment's hidden truth about each caption
 * and answers with it, or with labels drawn by chance; as well, as soon and as often as
 * its knobs let it (judge/backends/sim/knobs.h). */

#include "judge/backends/sim/noise.h"
#include "judge/judge.h"

extern const struct judge_backend sim_backend;

/* Empty captions and quoted writing (no end of it, each text new) are never drawn. */
bool sim_left_out(const struct judge_caption *c);
/* Permuted: whether `c` is labelled helpful: not left out, and drawn below `share`. Every
 * judge of a run draws the same. */
bool sim_drawn(const struct judge_caption *c, uint64_t seed, double share);

#endif
