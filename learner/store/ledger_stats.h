#ifndef LEARNER_STORE_LEDGER_STATS_H
#define LEARNER_STORE_LEDGER_STATS_H
/* What a ledger holds, by who judged and for which goal. For tools; one thread. */

#include "learner/store/ledger.h"

struct ledger_stats;

struct ledger_stats *ledger_stats_new(void);
void ledger_stats_free(struct ledger_stats *s); // NULL is fine
void ledger_stats_add(struct ledger_stats *s, const struct ledger_entry *e);
/* A table for people, one JSON object for programs; each ends with a line break. */
void ledger_stats_print(struct ledger_stats *s, struct text_buf *out);
void ledger_stats_json(struct ledger_stats *s, struct text_buf *out);

#endif
