#ifndef LEARNER_INTAKE_ASKING_IMPL_H
#define LEARNER_INTAKE_ASKING_IMPL_H
/* Between asking.c (questions and leases) and asking_verdict.c (answers and the ledger). */

#include "learner/intake/asking.h"
#include "learner/intake/latency.h"
#include "learner/intake/queue.h"

enum { ASKING_ACKS_MOST = ASKING_GROUP_MOST + QUESTIONS_PER_FRAME };

struct lease {
    uint64_t id;             // of the question; 0 = free
    uint32_t caption, judge; // judge: its number
    uint16_t place;          // in the judges' list
    uint64_t deadline_ms, asked_ns;
};

struct due_ack {
    uint32_t judge;
    uint16_t place;
    bool holds; // counts against the judge's credit until it is acknowledged
    uint64_t question;
};

struct asking {
    const struct io_plan *plan;
    struct post *post;
    struct lexicon *captions;
    struct judges judges;
    struct queue *queue;
    struct lease *lease; // (ASKING_LEASES_MOST)
    uint16_t *spare;     // free leases
    uint32_t leases;     // live ones
    uint32_t *delayed;   // captions to be asked again later
    uint32_t delayed_count, delayed_cap;
    struct due_ack ack[ASKING_ACKS_MOST];
    int acks;
    /* Training verdicts in ledger order; [0, durable) may be handed over. */
    struct ring_verdict *offer;
    size_t offers, durable, offer_at, offer_cap;
    uint64_t group_ms, commit_ms, look_ms; // group_ms: since when one is pending
    uint64_t budget, given, pops; // given: training verdicts that were asked for here
    bool stopping;
    bool blocked; // a frame or record did not go out: not again before the next look
    struct latency latency;
    struct io_counters told;
    struct msg_questions out;
    struct msg_verdicts in;
};

/* A question is no longer held by its judge. */
void asking_free_lease(struct asking *a, struct lease *l);
/* Asked again after a while, or given up after ASKING_TRIES_MOST. */
void asking_delay(struct asking *a, uint32_t caption);
/* A training verdict, handed over once it is durable. */
void asking_add_offer(struct asking *a, const struct ring_verdict *v);
/* The group becomes durable, is acknowledged and may be handed over. */
MUST_USE enum status asking_commit(struct asking *a);

#endif
