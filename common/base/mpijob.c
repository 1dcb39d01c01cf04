#include "common/base/mpijob.h"

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/clock.h"
#include "common/base/log.h"

static MPI_Comm own = MPI_COMM_NULL;
static enum mpijob_role own_role;
static int own_index, own_count = 1;

enum status mpijob_open(enum mpijob_role role)
{
    int provided = 0;

    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS ||
        provided < MPI_THREAD_FUNNELED ||
        MPI_Comm_split(MPI_COMM_WORLD, (int)role, 0, &own) != MPI_SUCCESS ||
        MPI_Comm_rank(own, &own_index) != MPI_SUCCESS ||
        MPI_Comm_size(own, &own_count) != MPI_SUCCESS) {
        LOG_ERROR("MPI-JOIN", "cannot join the MPI job; was this started by mpirun");
        return ST_IO;
    }
    own_role = role;
    return ST_OK;
}

int mpijob_index(void)
{
    return own_index;
}

int mpijob_count(void)
{
    return own_count;
}

const void *mpijob_learners(void)
{
    return own != MPI_COMM_NULL && own_role == MPIJOB_LEARNER ? &own : NULL;
}

void mpijob_close(void)
{
    MPI_Request all_here;
    int done = 0;

    if (own == MPI_COMM_NULL) {
        return;
    }
    // MPI_Finalize waits for everybody and spins; an actor that is done early would keep
    // a core from the learner's last checkpoint.
    if (MPI_Ibarrier(MPI_COMM_WORLD, &all_here) == MPI_SUCCESS) {
        while (MPI_Test(&all_here, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done) {
            clock_sleep_ms(10);
        }
    }
    MPI_Comm_free(&own);
    MPI_Finalize();
}
