#ifndef LEARNER_INTAKE_ASKING_IMPL_H
#define LEARNER_INTAKE_ASKING_IMPL_H
/* Between asking.c (questions and leases), asking_captions.c (which captions wait),
 * asking_verdict.c (answers and the ledger) and asking_report.c. */

#include "learner/intake/alarm.h"
#include "learner/intake/allowance.h"
#include "learner/intake/asking.h"
#include "learner/intake/latency.h"
#include "learner/intake/repute.h"
#include "learner/intake/schedule.h"

enum {
    ASKING_ACKS_MOST = ASKING_GROUP_MOST + QUESTIONS_PER_FRAME,
    ASKING_AGAIN_BIT = 0x80 // of an attempt: asked with purpose consistency
};

struct lease {
    uint64_t id;             // of the question; 0 = free
    uint32_t caption, judge; // judge: its number
    uint16_t place;          // in the judges' list
    uint64_t deadline_ms, asked_ns;
    bool again;   // for consistency
    float before; // what the judge said the first time
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
    struct schedule *schedule;
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
    struct allowance allowance;
    struct alarm alarm;
    struct repute repute;
    double again_due;  // questions that ask again, owed
    uint64_t alarm_ms; // told of last
    bool may_ask;      // the allowance is not used up
    bool budget_told, hour_told;
    bool stopping;
    bool blocked; // a frame or record did not go out: not again before the next look
    struct latency latency, progress_delay;
    struct io_counters told;
    struct msg_questions out;
    struct msg_verdicts in;
};

/* A question is no longer held by its judge. */
void asking_free_lease(struct asking *a, struct lease *l);
/* Asked again after a while; where the answer counts as a try, given up after
 * ASKING_TRIES_MOST. */
void asking_delay(struct asking *a, uint32_t caption, bool counts);
void asking_give_up(struct asking *a, struct caption *p);
void asking_requeue(struct asking *a, uint32_t caption); // it waits again at once
void asking_look_at_delayed(struct asking *a, uint64_t now);
void asking_know_form(struct asking *a, struct caption *p); // once for each
/* What the ledger knows, then what the lexicon does. ST_IO, ST_CORRUPT (logged). */
MUST_USE enum status asking_load_ledger(struct asking *a);
void asking_load_captions(struct asking *a);
/* A training verdict, handed over once it is durable. */
void asking_add_offer(struct asking *a, const struct ring_verdict *v);

#endif
