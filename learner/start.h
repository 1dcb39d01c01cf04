#ifndef LEARNER_START_H
#define LEARNER_START_H
/* Everything between the command line and the first update, and its reverse. A rank of the
 * learner as a whole; main.c owns its threads and loops. Main thread. */

#include <stdbool.h>

#include "common/base/checkpoint.h"
#include "learner/intake/io.h"
#include "learner/options.h"
#include "learner/report.h"
#include "learner/rundir.h"
#include "learner/train/train.h"

/* The goal file, of which judges get the bytes. */
struct start_goal {
    char name[OPTION_TEXT_MAX]; // "treasure"
    char *text;
    size_t len;
    struct hash128 digest;
};

/* What rank 0 finds out and tells all. Plain bytes: it travels as it is. */
struct start_plan {
    struct rundir dir;
    bool resumed, finished;
    struct checkpoint_manifest manifest; // resumed: to go on from
    char checkpoint[1024];               // its folder
};

struct learner {
    struct learner_options options;
    const struct clock *clock;
    struct ranks *ranks;
    struct start_goal goal;
    struct start_plan plan;
    char store[1024]; // the directory above store/ and ledger/
    bool elsewhere;   // which is not the run directory
    struct bus
        *bus; // filled before start_open(), or made there; freed by start_close()
    struct io_listener listener;
    char (*endpoints)[BUS_ENDPOINT_MAX]; // (ranks)
    char (*hosts)[64];                   // (ranks)
    struct io_spec spec;
    struct replay *replay;
    struct ledger *ledger;
    uint64_t relabel_serial; // as in io_plan
    struct rings rings;
    struct io_report *io_report;
    struct io *io;
    struct train train;
    struct report report;
};

/* Finds and reads what --goal names, or the task's own; mem_free(out->text) after ST_OK.
 * ST_INVALID (logged): there is none. */
MUST_USE enum status start_read_goal(const struct learner_options *o,
                                     struct start_goal *out);
/* options is filled; ranks are open. plan.finished: nothing is left to train, and nothing
 * but start_close() may be called. ST_INVALID: settings are wrong (exit code 2). ST_CLOSED:
 * a stop was asked while no actor had come yet. */
MUST_USE enum status start_open(struct learner *l);
/* The last of the training thread's work, beside the running I/O thread: tells actors and
 * judges to stop, waits for what they still send, writes the last checkpoint, and lets the
 * I/O thread end. Collective. */
MUST_USE enum status start_drain(struct learner *l);
/* Its two halves, before and after the wait. */
void start_drain_begin(struct learner *l);
MUST_USE enum status start_drain_end(struct learner *l);
/* After the threads have ended: syncs and closes the stores, then the last line of metrics
 * and the summary. Collective. */
MUST_USE enum status start_finish(struct learner *l);
/* After the threads have ended; also what a failed start_open() left. */
void start_close(struct learner *l);

#endif
