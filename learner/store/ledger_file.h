#ifndef LEARNER_STORE_LEDGER_FILE_H
#define LEARNER_STORE_LEDGER_FILE_H
/* A file of ledger lines, read from its beginning, one verdict after another. One
 * thread. */

#include "learner/store/ledger_line.h"

struct ledger_file;

/* Reads the head. ST_NOTFOUND (not logged): there is none; ST_CORRUPT, ST_VERSION
 * (logged): it is no ledger, or of another schema; ST_IO (logged). */
MUST_USE enum status ledger_file_open(const char *path, struct ledger_file **out);
void ledger_file_close(struct ledger_file *f); // NULL is fine
const struct ledger_head *ledger_file_head(const struct ledger_file *f);

/* *out holds until the next call. ST_NOTFOUND: that was all; ST_CORRUPT (not logged):
 * ledger_file_line() is no verdict, ledger_file_why() says why not, the next call reads
 * on; ST_IO (logged). */
MUST_USE enum status ledger_file_next(struct ledger_file *f, struct ledger_entry *out);
uint64_t ledger_file_line(const struct ledger_file *f); // from 1
const char *ledger_file_why(const struct ledger_file *f);

#endif
