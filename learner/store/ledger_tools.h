#ifndef LEARNER_STORE_LEDGER_TOOLS_H
#define LEARNER_STORE_LEDGER_TOOLS_H
/* The words of `minos ledger` that write a ledger; they print what they did. */

#include "common/base/status.h"

/* One exported file, or any other ledger, into the ledger at `out` as it stands, or into a
 * new one; all of it or nothing. What `out` may be: a ledger directory, or a run directory
 * that has one. ST_INVALID, ST_CORRUPT, ST_VERSION, ST_NOTFOUND (logged). */
MUST_USE enum status ledger_tools_import(const char *source, const char *out);
/* Several into one; see ledger_copy_all(). */
MUST_USE enum status ledger_tools_merge(const char *const *source, int sources,
                                        const char *out);

#endif
