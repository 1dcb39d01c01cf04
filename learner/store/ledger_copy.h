#ifndef LEARNER_STORE_LEDGER_COPY_H
#define LEARNER_STORE_LEDGER_COPY_H
/* Verdicts from ledgers into another one, in one transaction: all or nothing. A copy keeps
 * where it was given first; the same verdict by two ways is taken once. Tools, and rank 0
 * at its start. */

#include "learner/store/ledger.h"

struct ledger_copied {
    uint64_t read;              // verdicts that the sources hold
    uint64_t taken;             // copied
    uint64_t labels;            // of those that train
    uint64_t known;             // there already, or in an earlier source
    uint64_t other_goal;        // not used: of another goal
    uint64_t other_environment; // not used: of another environment, or an unknown one
    uint64_t other_kind; // not used: orders where ratings are read, or vice versa
    uint64_t no_label;   // not used: no training verdict
};

/* Merges whole ledgers into `to`. Where several have a training verdict for a key and
 * goal, one trains: that of `to`, else of the first source that has one, there the newest;
 * the others are kept as verdicts that do not train. ST_INVALID (logged): of another
 * environment than `to`, or `to` itself. Others as ledger_source_scan(). */
MUST_USE enum status ledger_copy_all(struct ledger *to, const char *const *source,
                                     int sources, struct ledger_copied *out);
/* As it stands in the source: serials too, where it is the same run's. */
MUST_USE enum status ledger_copy_exact(struct ledger *to, const char *source,
                                       struct ledger_copied *out);
/* Which verdicts a run reads. */
struct ledger_wanted {
    struct hash128 goal_digest;
    uint8_t question_kind; // 0: of both kinds
};

/* The training verdicts of one goal, where the environment is that of `to`. `list`: names
 * of ledgers, separated by commas. A list that was taken once is not read again: *out is
 * zeros. ST_INVALID (logged): none of them can be used. */
MUST_USE enum status ledger_copy_labels(struct ledger *to, const char *list,
                                        const struct ledger_wanted *wanted,
                                        struct ledger_copied *out);
/* Whether there is a ledger for every name of the list. */
bool ledger_copy_finds(const char *list);
/* Whether ledger_copy_labels() would find any, for a ledger of that environment. Returns
 * as it does. */
MUST_USE enum status ledger_copy_check(const char *list, const char *environment,
                                       const struct ledger_wanted *wanted);

#endif
