#include "learner/train/ranks.h"

#include <limits.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/mpijob.h"
#include "learner/train/ranks_impl.h"

enum { TOKEN_TAG = 7 };

/* Pauses between two looks at the barrier: short at first, since most waits are, then up
 * to 1 ms, which costs an actor on the same core nothing. */
static const long first_pause_ns = 20000, longest_pause_ns = 1000000;
static const double warn_seconds = 10;
static const double late_seconds = 2;

struct mpi {
    MPI_Comm comm;
    bool job;          // mpijob finalizes
    MPI_Request *from; // (count) rank 0: who has come
    int *tokens;       // (count)
};

static enum status refused(const char *what, int rc)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int len = 0;

    MPI_Error_string(rc, text, &len);
    LOG_ERROR("RANKS-MPI", "cannot %s, %s", what, text);
    return ST_IO;
}

/* ---- a collective that stands still ---- */

static char hung_text[160];

/* A blocking collective cannot be given up from inside. The alarm ends the process
 * wherever it stands, so only write and _exit. */
static void on_alarm(int number)
{
    (void)number;
    (void)!write(STDERR_FILENO, hung_text, strlen(hung_text));
    _exit(EXIT_TRY_AGAIN);
}

static void watch_begin(const struct ranks *r)
{
    alarm((unsigned)(r->hang_seconds + 1));
}

static void watch_end(void)
{
    alarm(0);
}

static void watch_open(const struct ranks *r)
{
    struct sigaction act = {.sa_handler = on_alarm};

    snprintf(
        hung_text, sizeof(hung_text),
        "learner.%d ERROR RANKS-HUNG a collective stood still for %.0f s, ending to "
        "be started again\n",
        r->index, r->hang_seconds);
    sigemptyset(&act.sa_mask);
    CHECK(sigaction(SIGALRM, &act, NULL) == 0);
}

/* ---- MPI ---- */

/* Rank 0 can name who is missing, since each rank sends it a token on arrival. */
static void name_missing(const struct ranks *r, const struct mpi *m, double seconds)
{
    if (r->index != 0) {
        LOG_WARN("RANKS-LATE", "has waited %.0f s for the other ranks", seconds);
        return;
    }
    for (int i = 1; i < r->count; i++) {
        int here = 1;
        if (m->from[i] != MPI_REQUEST_NULL) {
            MPI_Request_get_status(m->from[i], &here, MPI_STATUS_IGNORE);
        }
        if (!here) {
            LOG_WARN("RANKS-LATE", "has waited %.0f s for rank %d", seconds, i);
        }
    }
}

static enum status send_tokens(struct ranks *r, struct mpi *m)
{
    int rc = MPI_SUCCESS;

    if (r->index != 0) {
        rc = MPI_Isend(&m->tokens[0], 1, MPI_INT, 0, TOKEN_TAG, m->comm, &m->from[0]);
        return rc == MPI_SUCCESS ? ST_OK : refused("send to rank 0", rc);
    }
    for (int i = 1; i < r->count && rc == MPI_SUCCESS; i++) {
        rc = MPI_Irecv(&m->tokens[i], 1, MPI_INT, i, TOKEN_TAG, m->comm, &m->from[i]);
    }
    return rc == MPI_SUCCESS ? ST_OK : refused("hear of other ranks", rc);
}

static enum status sleep_until(struct ranks *r, struct mpi *m, MPI_Request *barrier)
{
    const double start = clock_s(clock_system());
    double warned = 0;
    long pause = first_pause_ns;
    int done = 0;

    for (;;) {
        const int rc = MPI_Test(barrier, &done, MPI_STATUS_IGNORE);
        const double waited = clock_s(clock_system()) - start;
        if (rc != MPI_SUCCESS) {
            return refused("wait for the other ranks", rc);
        }
        if (done) {
            r->arrivals[r->index] = waited;
            r->waited += waited;
            return ST_OK;
        }
        if (waited > warned + warn_seconds) {
            warned = waited;
            name_missing(r, m, waited);
        }
        if (waited > r->hang_seconds) {
            LOG_ERROR("RANKS-HUNG",
                      "no answer from the other ranks for %.0f s, ending to be started "
                      "again",
                      waited);
            _exit(EXIT_TRY_AGAIN);
        }
        nanosleep(&(struct timespec){.tv_nsec = pause}, NULL);
        pause = pause * 3 / 2 < longest_pause_ns ? pause * 3 / 2 : longest_pause_ns;
    }
}

static enum status mpi_arrive(struct ranks *r)
{
    struct mpi *m = r->impl;
    MPI_Request barrier;

    TRY(send_tokens(r, m));
    int rc = MPI_Ibarrier(m->comm, &barrier);
    if (rc != MPI_SUCCESS) {
        return refused("meet the other ranks", rc);
    }
    TRY(sleep_until(r, m, &barrier));
    rc = MPI_Waitall(r->count, m->from, MPI_STATUSES_IGNORE);
    return rc == MPI_SUCCESS ? ST_OK : refused("hear of other ranks", rc);
}

static enum status mpi_sum_doubles(struct ranks *r, double *v, int n)
{
    const struct mpi *m = r->impl;

    watch_begin(r);
    const int rc = MPI_Allreduce(MPI_IN_PLACE, v, n, MPI_DOUBLE, MPI_SUM, m->comm);
    watch_end();
    return rc == MPI_SUCCESS ? ST_OK : refused("sum over ranks", rc);
}

static enum status mpi_sum_floats(struct ranks *r, float *v, size_t n)
{
    const struct mpi *m = r->impl;

    CHECK(n <= INT_MAX);
    watch_begin(r);
    const int rc = MPI_Allreduce(MPI_IN_PLACE, v, (int)n, MPI_FLOAT, MPI_SUM, m->comm);
    watch_end();
    return rc == MPI_SUCCESS ? ST_OK : refused("sum gradients over ranks", rc);
}

static enum status mpi_from_first(struct ranks *r, void *data, size_t bytes)
{
    const struct mpi *m = r->impl;

    CHECK(bytes <= INT_MAX);
    watch_begin(r);
    const int rc = MPI_Bcast(data, (int)bytes, MPI_BYTE, 0, m->comm);
    watch_end();
    return rc == MPI_SUCCESS ? ST_OK : refused("hear from rank 0", rc);
}

static enum status mpi_gather(struct ranks *r, struct bytes mine, uint8_t *out,
                              const size_t *lens)
{
    const struct mpi *m = r->impl;
    int counts[RANKS_MAX], begins[RANKS_MAX];
    size_t total = 0;

    for (int i = 0; i < r->count; i++) {
        counts[i] = (int)lens[i];
        begins[i] = (int)total;
        total += lens[i];
    }
    CHECK(total <= INT_MAX);
    watch_begin(r);
    const int rc = MPI_Allgatherv(mine.data, (int)mine.len, MPI_BYTE, out, counts,
                                  begins, MPI_BYTE, m->comm);
    watch_end();
    return rc == MPI_SUCCESS ? ST_OK : refused("gather from ranks", rc);
}

static void mpi_abort(struct ranks *r, int exit_code)
{
    MPI_Abort(((struct mpi *)r->impl)->comm, exit_code);
}

static void mpi_close(struct ranks *r)
{
    struct mpi *m = r->impl;

    mem_free(m->from);
    mem_free(m->tokens);
    if (!m->job) {
        watch_begin(r); // it waits for the other ranks
        MPI_Finalize();
        watch_end();
    }
    mem_free(m);
}

static const struct ranks_door mpi_door = {
    .arrive = mpi_arrive,
    .sum_doubles = mpi_sum_doubles,
    .sum_floats = mpi_sum_floats,
    .from_first = mpi_from_first,
    .gather = mpi_gather,
    .abort = mpi_abort,
    .close = mpi_close,
};

/* What mpirun, srun and other PMI launchers put into the environment. */
static bool launched_by_mpi(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") != NULL || getenv("PMIX_RANK") != NULL ||
           getenv("PMI_RANK") != NULL;
}

static enum status mpi_open(struct ranks *r, bool job)
{
    struct mpi *m = mem_new(1, sizeof(*m));
    int provided = MPI_THREAD_FUNNELED;
    int rc = MPI_SUCCESS;

    r->impl = m;
    m->job = job;
    m->comm = job ? *(const MPI_Comm *)mpijob_learners() : MPI_COMM_WORLD;
    if (!job) {
        rc = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    }
    if (rc != MPI_SUCCESS || provided < MPI_THREAD_FUNNELED) {
        LOG_ERROR("RANKS-MPI", "cannot start MPI with threads beside it");
        return ST_IO;
    }
    MPI_Comm_set_errhandler(m->comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(m->comm, &r->index);
    MPI_Comm_size(m->comm, &r->count);
    if (r->count > RANKS_MAX) {
        LOG_ERROR("RANKS-MPI", "%d ranks are too many, at most %d are allowed",
                  r->count, RANKS_MAX);
        return ST_IO;
    }
    m->from = mem_new((size_t)r->count, sizeof(*m->from));
    m->tokens = mem_new((size_t)r->count, sizeof(*m->tokens));
    for (int i = 0; i < r->count; i++) {
        m->from[i] = MPI_REQUEST_NULL;
    }
    // mpirun that is killed must not leave ranks behind that nobody knows of.
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    watch_open(r);
    r->door = &mpi_door;
    return ST_OK;
}

/* ---- all that is not MPI ---- */

enum status ranks_open(const struct ranks_options *o, struct ranks **out)
{
    struct ranks *r = mem_new(1, sizeof(*r));

    r->count = 1;
    r->hang_seconds = o->hang_seconds;
    if (o->job || launched_by_mpi()) {
        const enum status st = mpi_open(r, o->job);
        if (st != ST_OK) {
            mem_free(r->impl);
            mem_free(r);
            return st;
        }
    }
    r->arrivals = mem_new((size_t)r->count, sizeof(double));
    *out = r;
    return ST_OK;
}

void ranks_close(struct ranks *r)
{
    if (r == NULL) {
        return;
    }
    if (r->door != NULL) {
        r->door->close(r);
    }
    mem_free(r->arrivals);
    mem_free(r);
}

void ranks_abort(struct ranks *r, int exit_code)
{
    if (r != NULL && r->door != NULL) {
        r->door->abort(r, exit_code);
    }
    _exit(exit_code);
}

int ranks_index(const struct ranks *r)
{
    return r->index;
}

int ranks_count(const struct ranks *r)
{
    return r->count;
}

double ranks_waited(const struct ranks *r)
{
    return r->waited;
}

/* The one who waited least came last. Told once a second at most. */
static void name_late(struct ranks *r, const double *arrivals)
{
    static struct log_limit limit; // one rank per process, training thread only
    int first = 0, last = 0;
    uint64_t held;

    for (int i = 1; i < r->count; i++) {
        first = arrivals[i] > arrivals[first] ? i : first;
        last = arrivals[i] < arrivals[last] ? i : last;
    }
    if (arrivals[first] - arrivals[last] > late_seconds &&
        log_limit_pass(&limit, clock_ns(clock_system()), &held)) {
        LOG_INFO("RANKS-LATE", "rank %d came %.1f s after rank %d", last,
                 arrivals[first] - arrivals[last], first);
    }
}

enum status ranks_agree(struct ranks *r, double *v, int n)
{
    double all[RANKS_AGREE_MAX + RANKS_MAX];

    CHECK(n <= RANKS_AGREE_MAX);
    if (r->door == NULL) {
        return ST_OK;
    }
    TRY(r->door->arrive(r));
    memcpy(all, v, sizeof(double) * (size_t)n);
    memset(all + n, 0, sizeof(double) * (size_t)r->count);
    all[n + r->index] = r->arrivals[r->index];
    TRY(r->door->sum_doubles(r, all, n + r->count));
    memcpy(v, all, sizeof(double) * (size_t)n);
    if (r->index == 0) {
        name_late(r, all + n);
    }
    return ST_OK;
}

enum status ranks_sum(struct ranks *r, float *v, size_t n)
{
    if (r->door == NULL) {
        return ST_OK;
    }
    TRY(r->door->arrive(r));
    return r->door->sum_floats(r, v, n);
}

enum status ranks_share(struct ranks *r, void *data, size_t *len, size_t most)
{
    uint64_t bytes = *len;

    CHECK(r->index != 0 || bytes <= most);
    if (r->door == NULL) {
        return ST_OK;
    }
    TRY(r->door->arrive(r));
    TRY(r->door->from_first(r, &bytes, sizeof(bytes)));
    CHECK(bytes <= most);
    if (bytes > 0) {
        TRY(r->door->from_first(r, data, bytes));
    }
    *len = bytes;
    return ST_OK;
}

enum status ranks_collect(struct ranks *r, struct bytes mine, size_t most, uint8_t *out,
                          size_t *lens)
{
    double sizes[RANKS_MAX] = {0};

    CHECK(mine.len <= most);
    if (r->door == NULL) {
        memcpy(out, mine.data, mine.len);
        lens[0] = mine.len;
        return ST_OK;
    }
    TRY(r->door->arrive(r));
    sizes[r->index] = (double)mine.len;
    TRY(r->door->sum_doubles(r, sizes, r->count));
    for (int i = 0; i < r->count; i++) {
        lens[i] = (size_t)sizes[i];
    }
    return r->door->gather(r, mine, out, lens);
}
