#ifndef COMMON_WIRE_RUNID_H
#define COMMON_WIRE_RUNID_H
/* Which run a directory is of, for actors and judges that see it: while their learner is
 * down, somebody else's may listen at its port. */

#include <stdbool.h>
#include <stdint.h>

/* The id in RUN/run.json. False: there is none yet. */
bool runid_read(const char *run_dir, uint64_t *out);

#endif
