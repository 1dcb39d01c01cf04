#ifndef LEARNER_INTAKE_ASKING_H
#define LEARNER_INTAKE_ASKING_H
/* Rank 0 asks judges about captions and writes what they answer into the ledger.
 *
 * Where the reward reads ratings, each caption is asked once per goal, in the order of
 * schedule.h. Where it reads orders, the caption that is due is put beside others as
 * pairs.h says, each set once (items.h), each caption in ASKING_COMPARED_MOST of them at
 * most; it is due again when it comes again, the later the more often it was. A question is
 * held by one judge under a lease, and is asked elsewhere only when the lease has run out. A
 * verdict is appended to the ledger; only after the group's commit is it acknowledged and
 * handed to training. Nobody waits for an answer. A share of the questions asks a judge again
 * about what it has labelled, for its consistency alone.
 *
 * A question's id is the caption key's upper 48 low bits and a 16-bit attempt (8 bits of the
 * start, 1 of the purpose, 7 that count), so that an answer which outlives a start of the
 * learner still finds its caption; of several captions it is the item's key, and what they
 * are is in the ledger until the answer comes. */

#include <stdbool.h>
#include <stdint.h>

#include "learner/intake/io.h"
#include "learner/intake/judges.h"
#include "learner/intake/lexicon.h"
#include "learner/intake/post.h"

enum {
    ASKING_GROUP_MS = 20, // verdicts of this long, or so many, share one fsync
    ASKING_GROUP_MOST = 1024,
    ASKING_QUEUE_MOST = 65536,
    ASKING_RECENCY = 256, // updates after which what comes no more is half as urgent
    ASKING_LEASES_MOST = 8192,
    ASKING_TRIES_MOST = 6, // failed answers before a caption is given up in this start
    ASKING_COMPARED_MOST = 8,
    ASKING_PAIRS_MOST = 1 << 17 // captions that may be put beside others
};

struct asking;

MUST_USE enum status asking_open(const struct io_plan *plan, struct post *post,
                                 struct lexicon *captions, struct asking **out);
/* Commits what is pending. NULL is fine. */
void asking_close(struct asking *a);

struct judges *asking_judges(struct asking *a);
/* This caption came (again), so many times. */
void asking_met(struct asking *a, uint32_t caption, uint32_t visits);
/* What the reward model makes of a caption; for the choice of what is compared. */
void asking_take_score(struct asking *a, struct hash128 key, float score);
MUST_USE enum status asking_on_verdicts(struct asking *a, struct judge *j,
                                        struct bytes frame);
/* It leaves by itself: what it held is asked elsewhere at once. */
void asking_on_goodbye(struct asking *a, struct judge *j);
/* Leases, retries, questions, the group commit, verdicts to training. ST_IO, ST_FULL
 * (logged): the ledger cannot be written. */
MUST_USE enum status asking_step(struct asking *a);
/* No more questions; answers are still taken. */
void asking_stop(struct asking *a);
/* What judges answered becomes durable, is acknowledged and may be handed over: by the
 * thread of asking_step(), which began it, before another may close. */
MUST_USE enum status asking_commit(struct asking *a);
/* ms until asking_step has something due, at most `most`. */
int asking_due_ms(const struct asking *a, int most);
/* Adds this module's figures. */
void asking_report(const struct asking *a, struct io_counters *out);

#endif
