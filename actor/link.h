#ifndef ACTOR_LINK_H
#define ACTOR_LINK_H
/* An actor's side of the wire: joining, the window, segments until they are acknowledged
 * (go-back-N), weights by version and fetch, heartbeats, goodbye. Knows no games and no
 * policy. One owner thread; nothing here waits but link_wait.
 *
 * Joining: hello to rank 0 → welcome with number, incarnation, rank and endpoint; another
 * rank is dialled and told hello too. Whoever hears nothing for 3 s, or is asked `who`,
 * says hello to rank 0 again; a welcome resets everything outstanding. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/wire/bus.h"
#include "common/wire/codec.h"

struct link;

struct link_plan {
    struct bus *bus;                 // borrowed
    const struct clock *clock;       // borrowed
    char endpoint[BUS_ENDPOINT_MAX]; // rank 0's
    char address_file[512]; // RUN/address, read again before each dial; "" = none
    char run_dir[512];      // RUN, whose id alone is joined; "" = any
    char seq_dir[512];      // RUN/actors, for the count of what was produced; "" = none
    char task[64], host[64];
    uint64_t spec_digest, nonce, pid;
    uint32_t environments, actions;
    bool truth;
    int32_t wanted_id; // -1 = any
    uint64_t max_frame;
};

/* What the run is, from the welcome. */
struct link_run {
    uint64_t run, seed;
    uint32_t actor, incarnation, rank;
    int segment_steps;
    char net[16];
    uint8_t count_key;
    uint8_t value_heads;
};

MUST_USE enum status link_open(const struct link_plan *plan, struct link **out);
void link_close(struct link *l); // NULL is fine

/* Takes what came, sends what is due. ST_OK; ST_CLOSED: the learner asked to stop;
 * ST_INVALID (logged): refused for good; ST_VERSION (logged): the learner now runs
 * something else than this actor was built for: start anew. */
MUST_USE enum status link_step(struct link *l);
/* Waits for a frame or a signal, at most timeout_ms. */
void link_wait(struct link *l, int timeout_ms);

bool link_joined(const struct link *l);
/* Valid once joined for the first time; numbers stay for life. */
const struct link_run *link_run(const struct link *l);

/* May `count` segments be begun now? When not, says why in the log each 10 s. */
bool link_may_begin(struct link *l, int count);
/* Weights that came and were not taken yet; borrowed until link_drop_weights. False when
 * there are none. */
bool link_weights(struct link *l, struct msg_weights *out);
void link_drop_weights(struct link *l);

/* Sends a complete segment under the next sequence (sets s->header and seed) and keeps it
 * until it is acknowledged. CHECKs that link_may_begin allowed it. */
void link_put_segment(struct link *l, struct segment_fill *s);
uint64_t link_produced(const struct link *l);
uint64_t link_unacked(const struct link *l);
/* Nothing more comes: told to the learner once everything is acknowledged, or now. */
void link_goodbye(struct link *l);

#endif
