#ifndef JUDGE_BACKENDS_RULE_H
#define JUDGE_BACKENDS_RULE_H
/* Judges by a file of patterns with strengths (judge/goals/README.md): no network, no
 * model. Rates: helpful where the strength is above 0. Orders by strength. */

#include "judge/judge.h"

extern const struct judge_backend rule_backend;

#endif
