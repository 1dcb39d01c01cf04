#ifndef LAUNCH_TOPOLOGY_H
#define LAUNCH_TOPOLOGY_H
/* How many ranks, actors and environments suit the cores of this machine. Pure: cores in,
 * counts out. Any thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/status.h"

struct topology {
    int64_t ranks, actors, envs; // 0 = choose; envs is per actor
    int64_t envs_total;          // of all actors together, where envs is to be chosen
    int64_t batch, segment_steps;
    int cores;
    bool games_apart; // the games are processes of their own, which an actor waits for
};

int topology_cores(void); // that this process may use
/* Fills the zeros. ST_INVALID (one error on stderr): fewer actors than ranks, or a
 * batch that the ranks cannot share in whole segments. */
MUST_USE enum status topology_choose(struct topology *t);
/* Segments that may be under way over a batch's own: the windows of all actors, in
 * batches. Between 2 and 8 is healthy. */
double topology_windows(const struct topology *t);

#endif
