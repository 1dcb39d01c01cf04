#ifndef LEARNER_STORE_AUDIT_H
#define LEARNER_STORE_AUDIT_H
/* The balance of segments per (actor, incarnation) over sequence numbers, from what lies
 * on disk: sequence files, stores of all ranks, the newest valid checkpoint. Every term is
 * counted where it happens, none by subtraction but for what lies above the last taken
 * sequence: that is in flight while its actor lives, lost with the actor once it ended
 * without goodbye, and an imbalance after a goodbye. A hole at or below it always is one.
 * Beside a running learner the terms come from different moments: audit a stopped run. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"
#include "common/wire/messages.h"

struct audit_row {
    uint32_t actor, incarnation, rank;
    uint64_t produced; // the highest sequence known to anyone + 1
    uint64_t taken;    // sequences below it reached the rank
    uint64_t waiting, trained;
    uint64_t dropped[DROP_REASONS]; // all places together
    uint64_t lost_with_actor, in_flight;
    int64_t missing; // taken but nowhere (> 0), or counted twice (< 0); 0 = balanced
    bool alive, goodbye;
};

struct audit {
    struct audit_row *rows; // ascending by actor, incarnation
    int count;
    struct audit_row total;
    uint64_t update; // of the checkpoint; 0 with checkpoint false
    bool checkpoint; // one was found
    bool balances;
};

/* store_dir "" = run_dir. ST_IO, ST_CORRUPT, ST_VERSION (logged): something there cannot
 * be read; ST_NOTFOUND (logged): run_dir holds no run, or the store of one of its ranks
 * is lost or lies on another host. audit_release() after ST_OK. */
MUST_USE enum status audit_run(const char *run_dir, const char *store_dir,
                               struct audit *out);
void audit_release(struct audit *a);
/* A table for people, one JSON object for programs. */
void audit_print(const struct audit *a, struct text_buf *out);
void audit_json(const struct audit *a, struct text_buf *out);

/* `minos-learner audit --run-dir=DIR [--store-dir=DIR] [--json]`: exit code 0 only if all
 * balances. */
int audit_main(int argc, char **argv);
/* `minos-learner ledger list|grep|stats|export|import|merge LEDGER ...`. */
int ledger_main(int argc, char **argv);

#endif
