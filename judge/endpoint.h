#ifndef JUDGE_ENDPOINT_H
#define JUDGE_ENDPOINT_H
/* Where a judge's learner listens. */

#include <stdbool.h>

#include "common/wire/bus.h"
#include "judge/options.h"

/* --learner, or what RUN/address says now: it may be written late or change. False: there
 * is nothing to be read yet. */
bool endpoint_read(const struct judge_options *o, char out[BUS_ENDPOINT_MAX]);

#endif
