#ifndef LEARNER_START_NET_H
#define LEARNER_START_NET_H
/* Where the ranks listen, and what the first actor tells of its environment. Main thread,
 * collective. */

#include "learner/start.h"

/* Binds, and tells every rank's endpoint and host to all. ST_IO (logged): the port is in
 * use; ST_INVALID (logged): no address that other hosts could dial. */
MUST_USE enum status start_net_listen(struct learner *l);
/* The environment's actions and digest: a checkpoint's, else from the first hello that
 * rank 0 hears. ST_CLOSED: a stop was asked meanwhile. */
MUST_USE enum status start_net_spec(struct learner *l);

#endif
