#ifndef LEARNER_EXPLAIN_JOURNAL_H
#define LEARNER_EXPLAIN_JOURNAL_H
/* Walks a rank's journal and knows, at each batch that was paid, what the captions asked
 * for were worth to the run just then: the label in force, the model's score. One thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/wire/segment.h"
#include "learner/reward/reward.h"
#include "learner/store/keymap.h"
#include "learner/store/replay.h"
#include "learner/train/journal.h"

struct explain_caption {
    struct hash128 key;
    struct bytes text; // borrowed
    bool labelled, scored;
    float p, score;
    uint64_t label_serial;                // the ledger's
    uint64_t score_version, score_update; // of the model; where it was scored first
};

struct explain_walk;

struct explain_hooks {
    /* A segment of `serials` was paid; w->caption is as it was then. */
    void (*paid)(const struct explain_walk *w, const struct journal_row *row,
                 uint64_t serial, bool replayed);
    /* A caption got a score. NULL: nobody asks. */
    void (*scored)(const struct explain_walk *w, int caption);
    void *ctx;
};

struct explain_walk {
    struct explain_caption *caption; // (captions) of any order; moved along
    int captions;
    const uint64_t *serials; // (count) ascending
    size_t count;
    struct explain_hooks hooks;
    // what the rows say
    uint64_t rows, rolled_back; // used; of a future that a restart took back
    uint64_t first_update, last_update;
    uint64_t first_drawn, last_drawn; // serials, 0: none
    uint64_t drawn_after;  // update that first drew one above serials[0], or 0
    uint32_t start;        // of the learner, newest
    struct keymap *number; // inside
    enum status st;
};

/* Sets what the rows say. ST_CORRUPT, ST_VERSION (logged): a row cannot be read. */
MUST_USE enum status explain_walk_journal(struct replay_view *v,
                                          struct explain_walk *w);

/* The text of the segment that step t was paid for, and N_ep of it. */
int explain_paid_for(const struct journal_row *row, const struct segment_view *view,
                     int t, uint16_t *count);

/* What one step was paid. */
struct explain_step {
    int caption; // index of its text in the segment
    uint16_t count;
    bool silent;
    float env, worth; // the game's own; r_int of the caption, NAN: not known
    float ext, intrinsic, reward; // the last two NAN where worth is
};

/* Step t of a segment by what `row` says, and by its caption, which is explain_paid_for(). */
void explain_step(const struct reward_kind *kind, const struct journal_row *row,
                  const struct explain_caption *c, const struct segment_view *view,
                  int t, struct explain_step *out);

#endif
