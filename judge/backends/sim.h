#ifndef JUDGE_BACKENDS_SIM_H
#define JUDGE_BACKENDS_SIM_H
/* A judge for experiments: it is told the environment's hidden truth about each caption
 * and answers with it, or with labels drawn by chance. */

#include "judge/judge.h"

extern const struct judge_backend sim_backend;

/* Permuted: whether `c` is labelled helpful when a share of all captions is. By its text
 * and the seed alone, so that every judge of a run draws the same. Empty captions and
 * quoted writing (no end of it, each text new) are never drawn. */
bool sim_drawn(const struct judge_caption *c, uint64_t seed, double share);

#endif
