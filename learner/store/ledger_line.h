#ifndef LEARNER_STORE_LEDGER_LINE_H
#define LEARNER_STORE_LEDGER_LINE_H
/* The ledger as JSON lines: a head that says whose it is, then one object per verdict,
 * lossless for all byte values (captions and answers are Latin-1 to JSON). Files of this
 * form come from anywhere: reading believes nothing. One thread. */

#include "learner/store/ledger.h"

enum { LEDGER_LINE_MAX = 1 << 20, LEDGER_LINE_DEPTH = 8 };

struct ledger_head {
    uint64_t run;
    char environment[LEDGER_ENVIRONMENT_MAX]; // "" is not known
};

/* With their line breaks. */
void ledger_line_write_head(const struct ledger_head *h, struct text_buf *out);
void ledger_line_write(const struct ledger_entry *e, struct text_buf *out);

struct ledger_line; // scratch: what was read last
struct ledger_line *ledger_line_new(void);
void ledger_line_free(struct ledger_line *s); // NULL is fine

/* The first line. ST_CORRUPT: ledger_line_why() tells; ST_VERSION: another schema,
 * likewise. Neither is logged. */
MUST_USE enum status ledger_line_read_head(struct ledger_line *s, struct bytes line,
                                           struct ledger_head *out);
/* Any other: *out holds until the next call. Refused are what is no JSON, nests deeper
 * than LEDGER_LINE_DEPTH, names a key twice or one of no meaning, lacks one, has a value
 * of another type or out of its range, an unknown kind, an answer of more than
 * LEDGER_RAW_MAX bytes, or a key that is not the hash of its captions. */
MUST_USE enum status ledger_line_read(struct ledger_line *s, struct bytes line,
                                      struct ledger_entry *out);
const char *ledger_line_why(const struct ledger_line *s);

const char *ledger_purpose_name(int purpose); // "label"; "unknown" for none
int ledger_purpose_of(const char *name);      // -1: none
int ledger_verdict_of(const char *name);      // likewise

#endif
