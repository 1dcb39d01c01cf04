#ifndef LEARNER_REWARD_PEERS_H
#define LEARNER_REWARD_PEERS_H
/* What ranks that read the same files must agree on. Training thread. */

#include <stdbool.h>

#include "learner/reward/fitting.h"

/* Whether all ranks brought the same digest. Collective. */
MUST_USE enum status peers_same_digest(const struct reward_peers *p,
                                       struct hash128 digest, bool *same);

#endif
