#ifndef LEARNER_INTAKE_ASKING_IMPL_H
#define LEARNER_INTAKE_ASKING_IMPL_H
/* Between asking.c (leases and the step), asking_question.c (questions),
 * asking_captions.c (which captions wait), asking_verdict.c (answers and the ledger),
 * asking_order.c (both for several captions) and asking_report.c. */

#include "learner/intake/alarm.h"
#include "learner/intake/allowance.h"
#include "learner/intake/asking.h"
#include "learner/intake/items.h"
#include "learner/intake/latency.h"
#include "learner/intake/pairs.h"
#include "learner/intake/repute.h"
#include "learner/intake/schedule.h"
#include "learner/store/ledger.h"

enum {
    ASKING_ACKS_MOST = ASKING_GROUP_MOST + QUESTIONS_PER_FRAME,
    ASKING_RESENT_MOST = 64, // --resend-in-flight: of one caption; ids must not meet
    ASKING_AGAIN_BIT = 0x80  // of an attempt: asked with purpose consistency
};

struct lease {
    uint64_t id;             // of the question; 0 = free
    uint32_t caption, judge; // the one that was due; the judge's number, 0: of an
                             // earlier start
    uint32_t item;           // + 1; 0: a rating
    uint16_t place;          // in the judges' list
    uint64_t deadline_ms, asked_ns;
    bool again;                              // for consistency
    float before;                            // what the judge said the first time
    uint8_t before_place[ITEM_CAPTIONS_MAX]; // likewise, of an item
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
    struct items *items; // NULL: ratings are asked
    struct pairs *pairs; // likewise
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
    double again_due;   // questions that ask again, owed
    uint64_t alarm_ms;  // told of last
    bool may_ask;       // the allowance is not used up
    bool asked_pending; // what is asked is in the open group
    enum status failed; // of the ledger, while asking
    bool budget_told, hour_told;
    bool stopping;
    bool blocked; // a frame or record did not go out: not again before the next look
    struct latency latency, progress_delay;
    struct io_counters told;
    struct msg_questions out;
    struct msg_verdicts in;
};

/* j NULL: of an earlier start. The caller fills in what it is about. */
struct lease *asking_new_lease(struct asking *a, const struct judge *j, uint64_t id,
                               bool again);
uint16_t asking_lease_number(const struct asking *a, const struct lease *l); // + 1
/* A question is no longer held by its judge. */
void asking_free_lease(struct asking *a, struct lease *l);
/* Asked again after a while; where the answer counts as a try, given up after
 * ASKING_TRIES_MOST. */
void asking_delay(struct asking *a, uint32_t caption, bool counts);
void asking_give_up(struct asking *a, struct caption *p);
void asking_requeue(struct asking *a, uint32_t caption); // it waits again at once
void asking_look_at_delayed(struct asking *a, uint64_t now);
void asking_know_form(struct asking *a, struct caption *p); // once for each

/* ---- asking_question.c ---- */

uint16_t asking_next_attempt(const struct asking *a, uint16_t before, bool again);
/* In the frame that is being filled; it has no captions yet. */
struct msg_question *asking_new_question(struct asking *a, const struct judge *j,
                                         const struct lease *l,
                                         enum question_kind kind);
void asking_add_caption(struct msg_question *q, const struct judge *j,
                        const struct caption *p);
void asking_ask_judges(struct asking *a);

/* ---- asking_verdict.c ---- */

void asking_fill_entry(const struct asking *a, const struct judge *j,
                       const struct msg_verdict *v, struct ledger_entry *e);
void asking_count_verdict(struct asking *a, const struct judge *j,
                          const struct msg_verdict *v, bool late);
/* --failure-label=0: what could not be read or came too late trains as a label 0 of the
 * caption (of several: as a tie), as the reference has it. The ledger keeps what it was. */
bool asking_is_zero(const struct asking *a, uint8_t verdict_kind);
/* Its lease ends; *holds: it counts against the judge's credit until acknowledged. */
void asking_take_lease(struct asking *a, struct judge *j, struct lease *l,
                       const struct msg_verdict *v, bool *holds);

/* ---- asking_order*.c; only where a->items is there ---- */

bool asking_may_compare(const struct caption *p); // with one more set
/* Likewise, because of itself: not once more where all of its form have lost or won. */
bool asking_is_due(const struct asking *a, const struct caption *p);
void asking_offer_pair(struct asking *a,
                       uint32_t caption); // it may stand beside others
/* Asks j about the caption and others, as long as there are any. */
void asking_ask_order(struct asking *a, struct judge *j, uint32_t first);
/* Once more about an item that j has ordered. False: it cannot be. */
bool asking_ask_order_again(struct asking *a, struct judge *j,
                            const struct repute_sample *s);
void asking_free_item(struct asking *a, uint32_t number); // with its lease
/* Whether the item's captions are still those that it was made of. */
bool asking_item_is_whole(struct asking *a, uint32_t number);
float asking_share_beaten(const uint8_t *place, int captions,
                          int which); // of the others
void asking_count_compared(struct caption *p, float beaten);
void asking_offer_order(struct asking *a, const struct ledger_entry *e);
MUST_USE enum status asking_on_order(struct asking *a, struct judge *j,
                                     struct msg_verdict *v, bool *holds);
/* `old`: of before --relabel. */
void asking_load_order(struct asking *a, const struct ledger_entry *e, bool old);
MUST_USE enum status asking_load_asked(struct asking *a);

/* ---- at the start ---- */

/* What the ledger knows, then what the lexicon does. ST_IO, ST_CORRUPT (logged). */
MUST_USE enum status asking_load_ledger(struct asking *a);
void asking_load_captions(struct asking *a);
/* A training verdict, handed over once it is durable. */
void asking_add_offer(struct asking *a, const struct ring_verdict *v);

#endif
