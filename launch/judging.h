#ifndef LAUNCH_JUDGING_H
#define LAUNCH_JUDGING_H
/* What of a plan concerns judging, checked before anything is made: environment, goal,
 * judge, labels of earlier runs. Each tells the user's mistake on stderr, ST_INVALID. Main
 * thread. */

#include "common/base/text.h"
#include "launch/plan.h"

/* Asks the actor's program about the task: *spec is its description, JSON. */
MUST_USE enum status judging_check_env(struct plan *p, struct text_buf *spec);
/* Fills p->goal; the task's own where none is given. */
MUST_USE enum status judging_check_goal(struct plan *p, const char *spec);
/* A goal given by path becomes absolute: the run may be gone on with from elsewhere. */
MUST_USE enum status judging_find_goal(struct plan *p);
/* Settings of a judge that is not chosen, on a command line that chooses none. */
MUST_USE enum status judging_check_words(const struct plan *p, int argc, char **argv);
/* Fills p->judges; a judge program's path becomes absolute. */
MUST_USE enum status judging_check_judge(struct plan *p, const char *spec);
/* Whether the file or directory is there that the reward needs; its path becomes
 * absolute. */
MUST_USE enum status judging_check_needs(struct plan *p);
/* Whether --labels-from names something usable. */
MUST_USE enum status judging_check_labels(const struct plan *p);

/* Whether a reward reads what judges say. */
bool judging_asks(const char *reward);

#endif
