#ifndef LEARNER_INTAKE_LEXICON_H
#define LEARNER_INTAKE_LEXICON_H
/* Every distinct caption that this rank has met, by xxh3-128 of its bytes: its text, how
 * often it came, when first and last, what the game says of it, and how far its label is.
 * New ones are written with the segment that brought them, counts now and then. Numbers
 * (0, 1, ...) name captions within this process only. I/O thread.
 *
 * Bounded: beyond LEXICON_MAX of them, 1/64 of that many are forgotten at a time, here and
 * in the store: none that a judge holds or has answered (the state is neither NEW nor
 * QUEUED, or a verdict about it trains), first those that came once at most, then twice,
 * four times, ...; of these the one met last longest ago first. What comes again is new.
 * Memory grows by chunks with the captions met: 150 to 400 bytes each, so 0.3 to 0.8 GB at
 * most. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "learner/store/replay.h"

enum {
    LEXICON_MAX = 1 << 21,
    LEXICON_STORE_BYTES = 512 // of --store-mb for each: fewer in a smaller store
};

/* How far the label is; rank 0. */
enum caption_state {
    CAPTION_NEW,      // not asked (not waiting, no judge has it)
    CAPTION_QUEUED,   // waits for a judge
    CAPTION_ASKED,    // a judge holds it, with a live lease
    CAPTION_DELAYED,  // failed; is asked again later
    CAPTION_LABELLED, // has its training verdict
    CAPTION_GIVEN_UP  // refused, abstained or failed too often: not asked again
};

struct caption {
    struct hash128 key;
    const uint8_t *text; // stays where it is
    uint8_t len;         // 0: the number is free
    uint8_t strength;    // the largest met
    uint8_t state;       // enum caption_state
    uint8_t tries;       // failed answers
    bool dirty;          // counts are newer than the store's
    bool fresh;          // not in the store yet
    bool judged;         // some verdict that trains is about it: never forgotten
    bool told;           // its text went to training in this start
    uint16_t attempt;    // of the question asked last
    uint16_t lease;      // of asking.c, + 1; 0 = none
    uint16_t answered;   // attempt that was answered last, 0 = none
    uint16_t form;       // of schedule.h, + 1; 0 = not known yet
    uint8_t compared;    // orders that train and that it is part of
    uint8_t under_way;   // likewise, that a judge is asked about
    bool scored;         // the reward model has told a score
    float label;         // LABELLED: P(helpful); compared: share of the others beaten
    float score;
    uint32_t yes, no; // votes of the game's truth
    uint32_t next;    // of those that are fresh, or of the free numbers; + 1, 0 ends
    uint64_t visits;  // emissions
    uint64_t offered; // visits told to rank 0; ranks > 0
    uint64_t first, last; // updates at which it was met
    uint64_t ready_ms;    // DELAYED: when to ask again
    uint64_t met_ms;      // first sight in this start; 0 = met before it
};

struct lexicon;

/* A caption as a store has it, for tools; the text lies in the row. */
struct lexicon_row {
    struct bytes text;
    uint64_t visits;
    int truth; // 1, 0, or -1
    int strength;
};
/* False: the row is damaged. */
bool lexicon_read_row(struct bytes row, struct lexicon_row *out);

MUST_USE enum status lexicon_open(struct replay *r, struct lexicon **out);
void lexicon_close(struct lexicon *c); // NULL is fine; lexicon_save first

/* Called with a caption's number before it is forgotten. */
void lexicon_on_forget(struct lexicon *c, void (*forget)(void *ctx, uint32_t number),
                       void *ctx);
void lexicon_set_most(struct lexicon *c, uint32_t most); // for tests; <= LEXICON_MAX

uint32_t lexicon_count(const struct lexicon *c); // all numbers are below; some are free
uint32_t lexicon_known(const struct lexicon *c); // captions
struct caption *lexicon_at(struct lexicon *c, uint32_t number);
/* -1: not known. */
int64_t lexicon_find(const struct lexicon *c, struct hash128 key);
/* The first met of those whose key has these upper 48 low bits, as a question's id has
 * them; -1: none. */
int64_t lexicon_find_prefix(const struct lexicon *c, uint64_t prefix);

/* Met `visits` times more. Makes it when new, which may forget others. -1: empty, too
 * long, or the table is full of what must not be forgotten (counted). */
int64_t lexicon_meet(struct lexicon *c, struct bytes text, struct hash128 key,
                     uint64_t visits, int truth, int strength, uint64_t update);
int lexicon_truth(const struct caption *c); // the majority: 1, 0, or -1
uint64_t lexicon_full(const struct lexicon *c);

/* Inside a transaction: writes those that are new since the last call, and deletes what
 * was forgotten. */
bool lexicon_any_new(const struct lexicon *c);
MUST_USE enum status lexicon_put_new(struct lexicon *c, struct replay *r);
/* Writes changed counts of at most `most` captions, going round; true in *all when
 * nothing changed is left. */
MUST_USE enum status lexicon_save(struct lexicon *c, struct replay *r, uint32_t most,
                                  bool *all);

#endif
