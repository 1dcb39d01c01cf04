#ifndef LEARNER_INTAKE_MEMBERS_H
#define LEARNER_INTAKE_MEMBERS_H
/* Who is in the run: actors, their numbers and incarnations, ranks, windows, heartbeats.
 * Rank 0 names everybody; a rank takes segments of its own members only. What is told to
 * an actor goes out after the commit that makes it true (members_answer). I/O thread.
 *
 * window = next + max(0, 2E - waiting), never lowered: E environments begin E segments at
 * once, and a second E may be on the way, so what is stored and untrained of one actor
 * never exceeds 2E. */

#include <stdbool.h>
#include <stdint.h>

#include "common/wire/messages.h"
#include "learner/intake/io.h"
#include "learner/intake/post.h"
#include "learner/store/replay.h"

enum {
    MEMBERS_GONE_MS = 5000, // silence after which one is presumed gone
    MEMBERS_BEAT_MS = 1000
};

struct member {
    struct replay_member row; // as in the store; row.goodbye != 0: it left
    struct bus_peer peer;     // len 0: no hello in this start
    bool alive;               // heard of within MEMBERS_GONE_MS
    bool dirty;               // row must be written
    bool welcome, ack;        // to be sent after the commit
    bool wants_weights, go_back;
    uint8_t dropped;  // of the last segment that this ack is about
    uint64_t waiting; // stored, neither trained nor dropped
    uint64_t window;  // exclusive bound
    uint64_t told_window;
    struct version told_version;
    uint64_t heard_ms, sent_ms, gap_ms; // gap_ms: go_back was last said
    int next_of_peer;                   // chain of the peer table, -1 ends
};

struct members;

MUST_USE enum status members_open(const struct io_plan *plan, struct post *post,
                                  struct members **out);
void members_close(struct members *s);

/* By the routing id and what the header says; NULL: no hello in this start. */
struct member *members_find(struct members *s, const struct bus_peer *peer,
                            const struct frame_header *h);
struct member *members_at(struct members *s, int index);
int members_index(const struct members *s, const struct member *m);
int members_by_number(const struct members *s, uint32_t actor, uint32_t incarnation);

/* Any frame from it. */
void members_heard(struct members *s, struct member *m);
void members_on_hello(struct members *s, const struct bus_peer *peer,
                      const struct frame_header *h, struct bytes frame);
void members_on_goodbye(struct members *s, struct member *m, uint64_t seq);
void members_set_dirty(struct members *s, struct member *m); // its row must be written
/* After waiting or next_seq moved. */
void members_move_window(struct member *m);

/* Inside the poll's transaction: writes what is dirty. True in *any when something was. */
bool members_dirty(const struct members *s);
MUST_USE enum status members_put(struct members *s, struct replay *r);
/* True once after a new incarnation was given: sync before members_answer. */
bool members_take_named(struct members *s);
/* After the commit: welcomes, acks, notices, heartbeats; presumes the silent gone. */
void members_answer(struct members *s, struct version newest);
/* Answers FETCH, now or once there are weights. */
void members_send_weights(struct members *s, struct bus_blob *blob);

/* From now on: STOP to everybody, again each 500 ms; nobody joins. */
void members_stop(struct members *s);
/* Everybody said goodbye or is gone. */
bool members_drained(const struct members *s);

struct members_sums {
    uint32_t members, environments; // alive on this rank
    bool window_open;               // some of them may begin a segment
    uint64_t taken, dropped;        // this rank, over the run
    uint64_t refusals, lost;        // gone without goodbye in this start
};
void members_sum(const struct members *s, struct members_sums *out);

#endif
