#ifndef LEARNER_EXPLAIN_VERDICTS_H
#define LEARNER_EXPLAIN_VERDICTS_H
/* What a run's ledger holds about some captions: verdicts with who gave them. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"
#include "common/wire/messages.h"
#include "learner/store/keymap.h"

enum { EXPLAIN_NAME_MAX = 96 };

struct explain_verdict {
    int caption; // which of those asked for
    uint64_t serial, time_ms;
    uint8_t kind, purpose, captions; // captions: 1 a rating, more an order
    uint8_t place;                   // order: of this caption, 0 is best
    bool trains, late;
    float p;
    uint32_t tokens_in, tokens_out;
    struct hash128 prompt_digest;
    char judge[EXPLAIN_NAME_MAX], model[EXPLAIN_NAME_MAX], origin[40];
};

struct explain_verdicts {
    struct explain_verdict *verdict; // ascending by serial
    size_t count, cap;
    bool missing; // there is no ledger
};

/* Of the goal, about captions whose key `number` numbers. release() whatever it returned. */
MUST_USE enum status explain_verdicts_read(struct explain_verdicts *v,
                                           const char *run_dir, const char *goal,
                                           const struct keymap *number);
void explain_verdicts_release(struct explain_verdicts *v);

/* The rating in force for a caption where verdicts up to `serial` were taken; NULL: none. */
const struct explain_verdict *explain_verdicts_label(const struct explain_verdicts *v,
                                                     int caption, uint64_t serial);
const struct explain_verdict *explain_verdicts_at(const struct explain_verdicts *v,
                                                  int caption, uint64_t serial);
/* One line for people, without a line break; one JSON object. */
void explain_verdict_print(const struct explain_verdict *v, struct text_buf *out);
void explain_verdict_json(const struct explain_verdict *v, struct text_buf *out);

#endif
