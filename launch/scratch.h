#ifndef LAUNCH_SCRATCH_H
#define LAUNCH_SCRATCH_H
/* Where mpirun and the ranks of one run keep their sockets and shared memory. Killed ones
 * leave them behind, so they get a directory that minos sweeps: its name follows from
 * the run directory, and a later minos finds what an earlier, killed one left. */

#include <stdbool.h>

enum { SCRATCH_PATH_MAX = 128 };

/* Its path, whether it is there or not. */
bool scratch_path(const char *run_dir, char path[SCRATCH_PATH_MAX]);
/* Makes it anew, empty. For the one who holds the run directory's lock, while no ranks
 * run. False: not possible here, then MPI's own places serve. */
bool scratch_make(const char *run_dir, char path[SCRATCH_PATH_MAX]);
/* Removes it with what is in it; nothing to remove is fine. False: it said why not. */
bool scratch_remove(const char *run_dir);

#endif
