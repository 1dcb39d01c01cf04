#include "common/base/mpijob.h"

#include <limits.h>
#include <mpi.h>
#include <stddef.h>

#include "common/base/clock.h"
#include "common/base/log.h"

enum { LOOK_MS = 100, SAY_MS = 10000 };

static MPI_Comm own = MPI_COMM_NULL;
static MPI_Request end = MPI_REQUEST_NULL; // the broadcast that learner 0 begins last
static int first_learner, ended;
static bool over;
static uint64_t looked_ms;
static enum mpijob_role own_role;
static int own_index, own_count = 1;

/* Everybody but the first learner waits for its last word from the start. */
static bool listen_for_the_end(enum mpijob_role role)
{
    int self, mine;

    if (MPI_Comm_rank(MPI_COMM_WORLD, &self) != MPI_SUCCESS) {
        return false;
    }
    mine = role == MPIJOB_LEARNER ? self : INT_MAX;
    if (MPI_Allreduce(&mine, &first_learner, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD) !=
            MPI_SUCCESS ||
        first_learner == INT_MAX) {
        return false;
    }
    return self == first_learner || MPI_Ibcast(&ended, 1, MPI_INT, first_learner,
                                               MPI_COMM_WORLD, &end) == MPI_SUCCESS;
}

enum status mpijob_open(enum mpijob_role role)
{
    int provided = 0;

    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS ||
        provided < MPI_THREAD_FUNNELED ||
        MPI_Comm_split(MPI_COMM_WORLD, (int)role, 0, &own) != MPI_SUCCESS ||
        MPI_Comm_rank(own, &own_index) != MPI_SUCCESS ||
        MPI_Comm_size(own, &own_count) != MPI_SUCCESS || !listen_for_the_end(role)) {
        LOG_ERROR("MPI-JOIN", "cannot join the MPI job; was this started by mpirun, "
                              "with learners");
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

bool mpijob_over(void)
{
    const uint64_t now = clock_ms(clock_system());
    int done = 0;

    if (own == MPI_COMM_NULL || over || now - looked_ms < LOOK_MS) {
        return over;
    }
    looked_ms = now;
    over = end != MPI_REQUEST_NULL &&
           MPI_Test(&end, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done;
    return over;
}

static void wait_asleep(MPI_Request *request)
{
    uint64_t said = clock_ms(clock_system());
    int done = 0;

    while (MPI_Test(request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done) {
        const uint64_t now = clock_ms(clock_system());
        if (now - said >= SAY_MS) {
            said = now;
            LOG_WARN("MPI-WAITS", "has ended and waits for others of the MPI job");
        }
        clock_sleep_ms(10);
    }
}

void mpijob_close(int code)
{
    MPI_Request all_here;

    if (own == MPI_COMM_NULL) {
        return;
    }
    if (code != 0) {
        LOG_ERROR("MPI-FAILED", "this process ends the job: it failed with code %d",
                  code);
        MPI_Abort(MPI_COMM_WORLD, code);
    }
    if (own_role == MPIJOB_LEARNER && own_index == 0) {
        ended = 1;
        MPI_Ibcast(&ended, 1, MPI_INT, first_learner, MPI_COMM_WORLD, &end);
    }
    // MPI_Finalize waits for everybody and spins; an actor that is done early would keep
    // a core from the learner's last checkpoint.
    if (MPI_Ibarrier(MPI_COMM_WORLD, &all_here) == MPI_SUCCESS) {
        wait_asleep(&all_here);
    }
    wait_asleep(&end); // done by now, but the request must be given back
    MPI_Comm_free(&own);
    MPI_Finalize();
}
