#ifndef LEARNER_STORE_LEDGER_SOURCE_H
#define LEARNER_STORE_LEDGER_SOURCE_H
/* A ledger to be read, in whatever form it is named: a run directory, a ledger directory,
 * or an exported file, NAME.jsonl. Every tool and setting that takes a ledger takes all
 * three. Nothing of it is written. One thread. */

#include "learner/store/ledger.h"

struct ledger_source;

/* ST_NOTFOUND (logged): there is no ledger; others as ledger_open_read() and
 * ledger_file_open(). */
MUST_USE enum status ledger_source_open(const char *name, struct ledger_source **out);
void ledger_source_close(struct ledger_source *s);             // NULL is fine
const char *ledger_source_path(const struct ledger_source *s); // where it was found
uint64_t ledger_source_run(const struct ledger_source *s);
const char *ledger_source_environment(const struct ledger_source *s); // "" = not known

/* As ledger_scan(). Serials of a file may come in any order. ST_CORRUPT (logged, with the
 * line number): a line is no verdict. */
MUST_USE enum status
ledger_source_scan(struct ledger_source *s, uint64_t from, uint64_t to,
                   bool (*each)(void *ctx, const struct ledger_entry *e), void *ctx);

/* Where the ledger of `name` lies, of at most `size`. ST_NOTFOUND (not logged). */
MUST_USE enum status ledger_source_find(const char *name, char *path, size_t size);

#endif
