#ifndef LAUNCH_OWNED_H
#define LAUNCH_OWNED_H
/* Settings that some rewards alone read: one that stands on the command line of a run with
 * another reward can have no effect, and is refused; so is --fit-steps with another schedule
 * than that of a budget. What a preset or a file says is not asked: it may serve several
 * rewards. */

#include "launch/plan.h"

/* ST_INVALID (printed): a setting of another reward or schedule, or --text-net is not the
 * model's. */
MUST_USE enum status owned_check(const struct plan *p, int argc, char **argv);

#endif
