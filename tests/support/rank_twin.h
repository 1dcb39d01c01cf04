#ifndef TESTS_SUPPORT_RANK_TWIN_H
#define TESTS_SUPPORT_RANK_TWIN_H
/* The I/O side of learner ranks on the in-memory bus under a turned clock, with scripted
 * actors, judges and a scripted training side. One thread. */

#include "tests/support/harness.h"

#include "common/base/clock.h"
#include "common/wire/bus.h"
#include "common/wire/codec.h"
#include "common/wire/seqfile.h"
#include "learner/intake/io.h"
#include "learner/intake/io_report.h"
#include "learner/store/counts.h"
#include "learner/store/ledger.h"
#include "learner/store/replay.h"
#include "tests/support/wire_samples.h"

enum { TWIN_RANKS = 2, TWIN_RUN = 4711, TWIN_LABELS = 4096 };

/* One rank: what main.c holds, and what training would keep. */
struct twin_rank {
    struct io_listener listener;
    struct rings rings;
    struct io_report *report;
    struct replay *replay;
    struct ledger *ledger;
    struct io *io; // NULL: not running
    struct io_counters counters;
    // training's side
    uint64_t top, cursor, ledger_serial;
    struct counts counts;
    bool drained, stop, window_open;
    uint32_t members;
    int captions; // TO_TRAINING_CAPTION taken
    struct ring_caption caption;
    int labels;
    struct ring_verdict label[TWIN_LABELS];
    int texts;
    struct ring_text text[TWIN_LABELS];
    int texts_before[TWIN_LABELS]; // how many had come when the label came
};

struct twin {
    struct clock clock;
    struct bus *bus;
    char dir[512];
    uint32_t ranks, start;
    int segment_steps, state_floats;
    int value_heads;
    uint64_t store_bytes, label_budget, label_budget_hour, relabel_serial;
    double consistency_share;
    bool newest_first, failure_zero, resend;
    bool unlabelled;    // the reward needs no labels
    bool needs_texts;   // it reads captions' texts
    int order_captions; // it asks to put so many in order; 0: for ratings
    struct twin_rank rank[TWIN_RANKS];
    char endpoints[TWIN_RANKS][BUS_ENDPOINT_MAX];
    char hosts[TWIN_RANKS][64];
};

void twin_init(struct twin *t, uint32_t ranks);
void twin_init_shape(struct twin *t, int segment_steps, int state_floats); // one rank
void twin_release(struct twin *t);
/* Opens all ranks at their old ports. Training goes on from the last twin_checkpoint. */
void twin_start(struct twin *t);
/* Closes all ranks; what training had done since the last checkpoint is forgotten. */
void twin_end(struct twin *t);
/* Turns the clock by ms in steps of 10, with a poll of every rank after each. */
void twin_run_ms(struct twin *t, uint64_t ms);
void twin_poll(struct twin *t); // without turning the clock
/* Trains up to n waiting segments of the rank. Returns how many. */
int twin_train(struct twin *t, uint32_t rank, int n);
void twin_checkpoint(struct twin *t); // a real one, under dir
void twin_weights(struct twin *t, uint64_t update);
void twin_stop(struct twin *t); // TO_IO_STOP to all
/* A peer's socket; role 'a' or 'j'. */
struct bus_socket *twin_dial(struct twin *t, const char *endpoint, char role,
                             uint64_t nonce);

/* A scripted actor: says hello, takes what comes, sends what it is told. */
struct twin_actor {
    struct twin *t;
    struct bus_socket *root, *socket; // rank 0's and the own rank's; may be the same
    struct codec *codec;
    struct seqfile *seqfile;
    char host[64];
    uint64_t nonce;
    uint32_t number, incarnation, rank, environments;
    uint64_t next, window, produced; // next: first unacknowledged
    struct version newest;
    int welcomes, refusals, acks, go_backs, whos, stops, weights;
    uint8_t dropped; // of the last ack
    bool final;
    char reason[512];
    const char *caption; // of its segments; NULL: the sample's
};
void actor_init(struct twin_actor *a, struct twin *t, uint64_t nonce, const char *host);
void actor_release(struct twin_actor *a);
void actor_hello(struct twin_actor *a, int wanted_id);
void actor_send(struct twin_actor *a, uint64_t seq); // that segment, whatever it is
void actor_bare(struct twin_actor *a, enum frame_kind kind, uint64_t seq);
void actor_poll(struct twin_actor *a);
/* Produces while the window is open, at most n; sends each. Returns how many. */
int actor_produce(struct twin_actor *a, int n);
/* hello, poll, and the redirect to its rank. */
void actor_join(struct twin_actor *a, int wanted_id);

struct twin_judge {
    struct twin *t;
    struct bus_socket *socket;
    struct codec *codec;
    uint64_t nonce;
    uint32_t number, deadline_ms, credits;
    enum judge_pause pause;
    const char *name; // "rule"
    bool wants_truth, only_orders;
    uint32_t order_most; // captions that it can put in order; 0: 2 of only_orders
    bool final;          // of the last refusal
    char reason[512];
    int welcomes, whos, refusals, stops, questions, acks;
    uint64_t id[TWIN_LABELS];   // of the questions, as they came
    char text[TWIN_LABELS][64]; // of the first caption
    int captions[TWIN_LABELS];
    struct hash128 key[TWIN_LABELS][ITEM_CAPTIONS_MAX]; // of the captions as shown
    int8_t truth[TWIN_LABELS];
    uint8_t purpose[TWIN_LABELS];
};
void judge_init(struct twin_judge *j, struct twin *t, uint64_t nonce);
void judge_release(struct twin_judge *j);
void judge_hello(struct twin_judge *j);
void judge_poll(struct twin_judge *j);
void judge_answer(struct twin_judge *j, uint64_t id, enum verdict_kind kind, float p);
/* label or tie: the places of the captions as shown. */
void judge_order_them(struct twin_judge *j, uint64_t id, enum verdict_kind kind,
                      const uint8_t *place, int captions);
void judge_bare(struct twin_judge *j, enum frame_kind kind);

#endif
