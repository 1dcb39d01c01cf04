#ifndef LEARNER_EXPLAIN_IMPL_H
#define LEARNER_EXPLAIN_IMPL_H
/* What the parts of minos explain share; nobody else. */

#include "common/base/file.h"
#include "common/base/option.h"
#include "learner/explain_journal.h"
#include "learner/explain_verdicts.h"
#include "learner/rundir.h"

struct explain {
    char run_dir[OPTION_TEXT_MAX], store_dir[OPTION_TEXT_MAX];
    char caption[OPTION_TEXT_MAX], segment[OPTION_TEXT_MAX];
    bool json;
    int rank;        // of --segment
    uint64_t serial; // likewise
    struct rundir_told told;
    const struct reward_kind *kind;
    struct text_buf out;
};

/* One time that a segment was paid. */
struct explain_pay {
    struct journal_row row; // its numbers; what it borrowed is gone
    uint64_t serial;
    bool replayed;
    struct explain_caption *caption; // as it was then; the pay's own
};

/* ST_NOTFOUND (logged): no store of this rank can be seen from here. */
MUST_USE enum status explain_open_rank(const struct explain *x, int rank,
                                       struct replay **replay,
                                       struct replay_view **view);
/* ST_NOTFOUND: nothing of that name; x->out then says so. */
MUST_USE enum status explain_segment(struct explain *x);
MUST_USE enum status explain_caption(struct explain *x);

/* Where the ledger knows a later label that was in force, it counts: a label that training
 * took just before it ended stands in no row. */
void explain_merge_label(struct explain_caption *c, int number,
                         const struct journal_row *row,
                         const struct explain_verdicts *v);
/* How a batch was paid: a line or two for people, members of a JSON object. */
void explain_add_terms(const struct explain *x, const struct journal_row *row,
                       bool replayed, struct text_buf *out);
void explain_add_terms_json(const struct explain *x, const struct journal_row *row,
                            bool replayed, struct text_buf *out);
/* A caption's label, who gave it, and its score, as the row was paid by them. */
void explain_add_known(const struct explain *x, const struct explain_caption *c,
                       int number, const struct journal_row *row,
                       const struct explain_verdicts *v, struct text_buf *out);
void explain_add_known_json(const struct explain_caption *c, int number,
                            const struct journal_row *row,
                            const struct explain_verdicts *v, struct text_buf *out);
/* A row of the table of steps, and its head: with what the reward pays by, and no more. */
void explain_add_step_head(const struct explain *x, struct text_buf *out);
void explain_add_step(const struct explain *x, const struct explain_step *s, int t,
                      struct bytes text, struct text_buf *out);
void explain_add_step_json(const struct explain_step *s, int t, struct text_buf *out);
/* Whether a model that is fitted says what captions are worth: there are versions, a gate
 * and a ramp, and a score is not yet what is paid. */
bool explain_has_model(const struct explain *x);
/* In one sentence, why the run's reward is not known to the journal; NULL: it is. */
const char *explain_why_not(const struct explain *x);

#endif
