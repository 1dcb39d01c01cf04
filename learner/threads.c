#include "learner/threads.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/stop.h"

enum { IO_WAIT_MS = 50, SYNC_EVERY_MS = 3000 };

static void *io_thread(void *learner)
{
    struct learner *l = learner;
    enum status st;

    while ((st = io_step(l->io, IO_WAIT_MS)) == ST_OK) {
    }
    if (st != ST_CLOSED) {
        // The other threads cannot go on, nor can the other ranks: the launcher ends
        // them, and the run goes on from its last checkpoint.
        LOG_ERROR("IO-FAILED", "the I/O thread cannot go on, %s", status_name(st));
        _exit(EXIT_FAILED);
    }
    return NULL;
}

void threads_sync(struct replay *replay)
{
    const enum status st = io_sync_loop_step(replay);

    if (st != ST_OK) {
        // The kernel tells of a page that it could not write once and takes it for clean
        // afterwards: a later sync would succeed over what was lost, and the checkpoints
        // that are written meanwhile would evict what they count on.
        LOG_ERROR(
            "SYNC-FAILED",
            "the store could not be written to disk, %s: the run goes on from its "
            "last checkpoint",
            status_name(st));
        _exit(EXIT_FAILED);
    }
}

struct sync {
    struct replay *replay;
    int end; // eventfd
};

static void *sync_thread(void *sync)
{
    const struct sync *s = sync;
    struct pollfd fd = {.fd = s->end, .events = POLLIN};

    while (poll(&fd, 1, SYNC_EVERY_MS) == 0) {
        threads_sync(s->replay);
    }
    return NULL;
}

static enum status train(struct learner *l)
{
    while (!train_done(&l->train)) {
        TRY(train_step(&l->train));
        report_tick(&l->report, &l->train);
        if (stop_at_once()) {
            LOG_WARN("STOP-NOW", "stopped at once, without a last checkpoint");
            return ST_CLOSED;
        }
    }
    return start_drain(l);
}

enum status threads_run(struct learner *l)
{
    struct sync sync = {l->replay, eventfd(0, EFD_CLOEXEC)};
    const uint64_t one = 1;
    pthread_t io, helper;

    CHECK(sync.end >= 0 && pthread_create(&io, NULL, io_thread, l) == 0 &&
          pthread_create(&helper, NULL, sync_thread, &sync) == 0);
    const enum status st = train(l);
    if (st != ST_OK) {
        return st; // main ends the process, and its threads with it
    }
    CHECK(write(sync.end, &one, sizeof(one)) == (ssize_t)sizeof(one));
    CHECK(pthread_join(io, NULL) == 0 && pthread_join(helper, NULL) == 0);
    close(sync.end);
    return start_finish(l);
}
