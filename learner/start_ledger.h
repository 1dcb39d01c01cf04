#ifndef LEARNER_START_LEDGER_H
#define LEARNER_START_LEDGER_H
/* Rank 0's ledger at a start: opened, filled again where it was lost, given the labels of
 * earlier runs, and marked where all is to be asked anew. Main thread. */

#include "learner/store/ledger.h"

struct start_ledger {
    const char *path;  // directory, made when missing
    const char *lines; // the run's own file of verdicts; NULL: there is none
    uint64_t run;
    const char *environment;
    struct hash128 goal_digest;
    uint8_t question_kind;   // of the verdicts that are read; 0: of both kinds
    const char *labels_from; // ledgers, separated by commas; "": none
    bool relabel;
};

/* *relabel_serial: verdicts up to it do not keep captions from being asked. A relabelling
 * begins with the first start that asks for one, and goes on over restarts until a start
 * does not. ST_INVALID (logged): settings are wrong; ST_NOTFOUND likewise. */
MUST_USE enum status start_ledger_open(const struct start_ledger *plan,
                                       struct ledger **out, uint64_t *relabel_serial);

/* The kind of question whose answers this reward reads; 0: none or both. */
uint8_t start_ledger_kind_of(const char *reward);

/* `minos-learner labels --env=… --goal=… --labels-from=…`, argv[0] being the word: whether
 * those can be used. Exit code 0 or 2. */
int start_ledger_check_main(int argc, char **argv);

#endif
