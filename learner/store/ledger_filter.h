#ifndef LEARNER_STORE_LEDGER_FILTER_H
#define LEARNER_STORE_LEDGER_FILTER_H
/* Which verdicts a tool is about. One thread. */

#include <regex.h>

#include "learner/store/ledger.h"

/* What is empty or negative lets everything through. */
struct ledger_filter {
    const char *text;  // in a caption or the raw answer
    const char *judge; // backend name, model, or NAME/MODEL
    const char *goal;  // name
    int verdict;       // enum verdict_kind
    int purpose;
    bool has_regex;
    regex_t regex; // as text
};

/* Extended POSIX. ST_INVALID (told on stderr). ledger_filter_release() after ST_OK. */
MUST_USE enum status ledger_filter_set_regex(struct ledger_filter *f,
                                             const char *regex);
void ledger_filter_release(struct ledger_filter *f);
bool ledger_filter_matches(const struct ledger_filter *f, const struct ledger_entry *e);

#endif
