#ifndef LEARNER_STORE_LEDGER_H
#define LEARNER_STORE_LEDGER_H
/* The ledger: the append-only record of every verdict with its provenance; rank 0 only.
 * Its own LMDB environment with default durability: a verdict that was acknowledged is on
 * disk. Writes from rank 0's I/O thread; a second read-only handle for tools, in another
 * process (LMDB must not be opened twice in one). */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"
#include "common/wire/messages.h"

struct ledger;

struct ledger_entry {
    uint64_t serial;  // ascending from 1
    uint64_t time_ms; // calendar
    uint64_t question;
    struct hash128 key; // of the item's bytes (one caption: of the caption)
    struct hash128 goal_digest, prompt_digest;
    struct bytes goal, judge, model; // "treasure", "rule", ""
    uint8_t question_kind, purpose, verdict_kind;
    bool late;   // its lease had run out
    bool trains; // the one training verdict of its key and goal
    float label, confidence;
    uint8_t captions;
    struct bytes caption[ITEM_CAPTIONS_MAX]; // in the order shown
    uint8_t order[ITEM_CAPTIONS_MAX];
    uint32_t tokens_in, tokens_out, latency_us;
    uint32_t cost_micro; // millionths of the price's currency
    uint16_t requests;   // that it took; 0 where a judge makes none
    bool estimated;      // the tokens were not reported but estimated
    int8_t position;     // as in struct msg_verdict
    struct bytes raw;    // zstd inside, plain here; ≤ 64 KB
    /* Where a copied verdict was given first: "RUN/SERIAL", 16 hex digits and a decimal;
     * empty: here. */
    struct bytes origin;
};

/* A label that may train. */
struct ledger_label {
    struct hash128 key;
    uint64_t serial;
    float p;
    uint8_t kind; // VERDICT_LABEL or VERDICT_TIE
};

enum { LEDGER_SCHEMA = 2, LEDGER_ENVIRONMENT_MAX = 64, LEDGER_RAW_MAX = 65536 };

/* ST_VERSION (logged): of another schema; ST_INVALID (logged): of another run. Reading:
 * ST_NOTFOUND (not logged): there is none. */
MUST_USE enum status ledger_open(const char *path, uint64_t run, struct ledger **out);
MUST_USE enum status ledger_open_read(const char *path, struct ledger **out);
void ledger_close(struct ledger *l); // commits what is pending; NULL is fine
uint64_t ledger_run(const struct ledger *l);
const char *ledger_path(const struct ledger *l);

/* The environment and task whose captions were judged, "crypt-vault"; "" is not known.
 * Verdicts hold for all tasks of one environment: the first word of the name. */
const char *ledger_environment(const struct ledger *l);
bool ledger_same_environment(const char *a, const char *b);
/* As part of the open group, for good. ST_INVALID (logged): it is of another one. */
MUST_USE enum status ledger_put_environment(struct ledger *l, const char *name);
/* A text of the caller's under `name`, as part of the open group; *out is cut to `size`,
 * "" where there is none. */
MUST_USE enum status ledger_put_note(struct ledger *l, const char *name,
                                     const char *text);
MUST_USE enum status ledger_get_note(struct ledger *l, const char *name, char *out,
                                     size_t size);

/* What a question is about, whatever the order shown: the hash of one caption's bytes; of
 * several the hash of their sorted hashes. 0 for none. */
struct hash128 ledger_item_key(const struct bytes *caption, int captions);
/* Likewise, of two captions and more by their hashes. */
struct hash128 ledger_set_key(const struct hash128 *caption, int captions);

/* What is asked about several captions, until its answer is there: a question's id does
 * not tell them, and the answer may outlive this start. As part of the open group. */
MUST_USE enum status ledger_put_asked(struct ledger *l, uint64_t question,
                                      const struct hash128 *caption, int captions);
/* The question is answered, or forgotten; one that is not there is fine. */
MUST_USE enum status ledger_drop_asked(struct ledger *l, uint64_t question);
/* Commits what is pending first. */
MUST_USE enum status ledger_scan_asked(struct ledger *l,
                                       void (*each)(void *ctx, uint64_t question,
                                                    const struct hash128 *caption,
                                                    int captions),
                                       void *ctx);

/* Adds to the group that the next commit makes durable; fills entry->serial. */
MUST_USE enum status ledger_append(struct ledger *l, struct ledger_entry *entry);
/* The same under the serial that it has already, above the top. */
MUST_USE enum status ledger_put_serial(struct ledger *l,
                                       const struct ledger_entry *entry);
/* Group commit with fsync. Verdicts may be acknowledged and trained only after it. */
MUST_USE enum status ledger_commit(struct ledger *l);
/* Nothing of the open group was ever there. */
void ledger_abandon(struct ledger *l);
int ledger_pending(const struct ledger *l);
uint64_t ledger_top(const struct ledger *l); // highest serial, committed or pending

/* Calls `each` for serials from..to (0 = to the end), ascending; stops when it returns
 * false. Entries borrow until it returns. */
MUST_USE enum status ledger_scan(struct ledger *l, uint64_t from, uint64_t to,
                                 bool (*each)(void *ctx, const struct ledger_entry *e),
                                 void *ctx);
/* As ledger_scan, for the training verdicts of one goal: what training reads at start,
 * up to its checkpoint's ledger serial. */
MUST_USE enum status
ledger_labels(struct ledger *l, struct hash128 goal_digest, uint64_t from, uint64_t to,
              bool (*each)(void *ctx, const struct ledger_label *v), void *ctx);
/* Appends entries that path does not hold yet, as lines of ledger_line.h, with fsync; a
 * torn last line is cut. */
MUST_USE enum status ledger_export(struct ledger *l, const char *path);
/* Takes from such a file what the ledger lacks (a store that was lost): entries above its
 * top, serials kept; lines that are no verdicts are passed over (logged). A missing file
 * has none. *taken = how many. ST_INVALID (logged): it is another run's. */
MUST_USE enum status ledger_restore(struct ledger *l, const char *path,
                                    uint64_t *taken);

#endif
