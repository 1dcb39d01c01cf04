#ifndef LEARNER_STORE_LEDGER_ROW_H
#define LEARNER_STORE_LEDGER_ROW_H
/* A ledger entry as the bytes of one database value, and back. The raw answer is
 * compressed (zstd) where that makes it smaller. One thread. */

#include "learner/store/ledger.h"

struct ledger_row; // scratch: compressor, buffers
struct ledger_row *ledger_row_new(void);
void ledger_row_free(struct ledger_row *s); // NULL is fine

/* The bytes hold until the next call with the same scratch. */
struct bytes ledger_row_pack(struct ledger_row *s, const struct ledger_entry *e);
/* ST_CORRUPT (not logged). What *out borrows holds as long as row and until the next call
 * with the same scratch. serial is the caller's to fill. */
MUST_USE enum status ledger_row_unpack(struct ledger_row *s, struct bytes row,
                                       struct ledger_entry *out);
/* Only what ledger_labels needs, without decompressing. False: not a training verdict. */
bool ledger_row_label(struct bytes row, struct hash128 goal_digest,
                      struct ledger_label *out);

#endif
