#ifndef JUDGE_DESK_H
#define JUDGE_DESK_H
/* What lies on a judge's desk: questions that wait for an answer, and answers that wait
 * to be sent and then for the learner's word that its ledger has them. Bounded by the
 * credit. One thread; nothing is allocated after desk_init(). */

#include "judge/judge.h"

enum desk_state { DESK_FREE, DESK_WAITING, DESK_ANSWERED, DESK_SENT };

/* One question and, from DESK_ANSWERED on, its verdict. */
struct desk_slot {
    enum desk_state state;
    int next; // of those with the same id hash, or of the free ones; + 1, 0 ends
    int before, behind; // in DESK_ANSWERED, oldest first; + 1, 0 ends
    bool cached;
    bool asked; // the backend has it under way
    struct judge_question question;
    struct judge_caption caption[ITEM_CAPTIONS_MAX];
    struct judge_verdict verdict;
    uint64_t taken_ns, answered_ns;
};

/* Slots are found by id, and free and answered ones by lists, so that nothing that is
 * done for each question looks at all of them. */
struct desk {
    struct desk_slot *slots;
    int *queue;  // (size) ring of waiting slots, oldest first
    int *bucket; // (buckets) slot + 1 by a hash of the id, 0 none
    int size, buckets, head, waiting, answered, sent;
    int spare, oldest, newest; // lists: free; answered; + 1, 0 none
};

void desk_init(struct desk *d, int size);
void desk_release(struct desk *d);
void desk_clear(struct desk *d);
/* Copies the question. NULL: the desk is full. */
struct desk_slot *desk_take(struct desk *d, const struct msg_question *q,
                            uint64_t now_ns);
struct desk_slot *desk_find(struct desk *d, uint64_t question); // NULL: not here
/* The longest waiting question leaves the queue; NULL when none waits. The caller then
 * says desk_put_back() or desk_answer(). */
struct desk_slot *desk_next(struct desk *d);
void desk_put_back(struct desk *d, struct desk_slot *s); // to the end of the queue
void desk_answer(struct desk *d, struct desk_slot *s, bool cached, uint64_t now_ns);
/* The oldest answer that is not sent yet, or the one behind `from`; NULL when there is
 * none. */
struct desk_slot *desk_unsent(struct desk *d, const struct desk_slot *from);
void desk_mark_sent(struct desk *d, struct desk_slot *s);
/* It was sent and did not arrive. */
void desk_mark_unsent(struct desk *d, struct desk_slot *s);
/* The link is new: what was sent may be lost and is to be sent again. */
void desk_send_again(struct desk *d);
void desk_forget(struct desk *d, uint64_t question); // acknowledged

/* An answered one as it travels; its raw text is borrowed. */
struct msg_verdict desk_verdict(const struct desk_slot *slot);

#endif
