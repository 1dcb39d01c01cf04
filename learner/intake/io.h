#ifndef LEARNER_INTAKE_IO_H
#define LEARNER_INTAKE_IO_H
/* The I/O thread of a learner rank: all sockets, the only writer of the store, on rank 0
 * also the ledger and the judges. It meets the training thread in the two rings and in
 * the store, and nowhere else; main.c owns the loop:
 *
 *     while ((st = io_step(io, 50)) == ST_OK) {}     // ST_CLOSED: TO_IO_END was taken
 *
 * Order at start: io_listen on every rank (rank 0 writes RUN/address), on a fresh run
 * io_await_spec_step on rank 0, then the store is opened, then io_open, then the threads. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/wire/bus.h"
#include "common/wire/messages.h"
#include "learner/rings.h"

struct counts;
struct io;
struct io_report;
struct ledger;
struct replay;

struct io_listener {
    struct bus *bus; // borrowed
    struct bus_socket *socket;
    char endpoint[BUS_ENDPOINT_MAX];
};

struct io_listen_plan {
    struct bus *bus;
    const char *addr;      // "127.0.0.1"
    const char *advertise; // NULL: as addr
    int port;              // rank 0's; rank r asks for the r-th after it; 0 = any
    bool strict;           // the user named the port: no other will do
    uint32_t rank;
    const char *run_dir;
};

/* Binds; rank 0 then writes RUN/address, "ENDPOINT\n". ST_IO (logged): the port is in
 * use. */
MUST_USE enum status io_listen(const struct io_listen_plan *plan,
                               struct io_listener *out);
void io_listener_close(struct io_listener *l); // after io_close, before bus_free

/* Rank 0, once a second or so: makes a file RUN/control/stop a stop, and removes it. */
void io_look_for_stop(const char *run_dir);

/* What the first actor's hello tells of the environment. */
struct io_spec {
    char task[64];
    int actions;
    uint64_t spec_digest;
};

/* Rank 0 of a fresh run: looks for the first valid hello whose task is `task`, at most
 * timeout_ms. It is not answered: the actor repeats it each second. Other tasks are
 * refused for good. ST_AGAIN: not yet; ST_CLOSED: a stop was asked. */
MUST_USE enum status io_await_spec_step(struct io_listener *l, const char *task,
                                        int timeout_ms, struct io_spec *out);

/* Everything is borrowed until io_close. */
struct io_plan {
    struct io_listener *listener;
    const struct clock *clock;
    struct rings rings;
    struct io_report *report;
    struct replay *replay; // this rank's, open for writing
    struct ledger *ledger; // rank 0's; NULL elsewhere
    const char *run_dir;
    bool ledger_elsewhere; // append new verdicts to RUN/ledger/verdicts.jsonl too
    uint64_t run;
    uint32_t start; // learner start count, 1..
    uint32_t rank, ranks;
    const char (*endpoints)[BUS_ENDPOINT_MAX]; // (ranks)
    const char (*hosts)[64];                   // (ranks)
    struct io_spec spec;
    const char *net;
    int segment_steps, state_floats, value_heads;
    uint64_t seed;
    uint8_t count_key; // 0 exact, 1 digits masked
    const char *goal;  // name; rank 0
    struct hash128 goal_digest;
    struct bytes goal_text;
    const char *reward; // its name
    bool needs_labels;  // the reward reads them: else judges are asked nothing
    bool needs_texts;   // verdicts come after the texts that they are about
    bool asks_order;    // judges are asked to order captions, not to rate one
    int order_captions; // so many at a time, 2 to ITEM_CAPTIONS_MAX
    uint64_t label_budget, label_budget_hour; // 0 = none
    double
        consistency_share; // of questions that ask a judge again what it has labelled
    double judge_alarm;    // share of failing verdicts that is told of
    bool newest_first;     // asked about first is what came last; no schedule
    bool resend;           // what comes while a judge is asked about it is asked again
    bool failure_zero;     // timeout and unparseable are labels 0 (of an order: ties)
    /* --relabel: verdicts up to this serial do not keep their captions from being asked;
     * 0 = all do. */
    uint64_t relabel_serial;
    /* From the checkpoint that training goes on from; all 0 and NULL without one. */
    uint64_t cursor, older_cursor, ledger_serial;
    const struct counts *counts; // of this rank
};

MUST_USE enum status io_open(const struct io_plan *plan, struct io **out);
/* One poll: waits at most timeout_ms for frames, the ring or a signal, and handles what
 * there is. ST_CLOSED: training said TO_IO_END; anything else: the rank cannot go on. */
MUST_USE enum status io_step(struct io *io, int timeout_ms);
/* Saves captions, commits the ledger, exports it; stores and listener stay open. */
void io_close(struct io *io); // NULL is fine

/* One round of the helper thread: mdb_env_sync and reader_check. Call every few seconds
 * and once after the I/O thread has ended. */
MUST_USE enum status io_sync_loop_step(struct replay *r);

#endif
