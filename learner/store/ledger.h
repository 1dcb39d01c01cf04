#ifndef LEARNER_STORE_LEDGER_H
#define LEARNER_STORE_LEDGER_H
/* The ledger: the append-only record of every verdict with its provenance; rank 0 only.
 * Its own LMDB environment with default durability: a verdict that was acknowledged is on
 * disk. Writes from rank 0's I/O thread; a second read-only handle for tools. */

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

MUST_USE enum status ledger_open(const char *path, uint64_t run, struct ledger **out);
MUST_USE enum status ledger_open_read(const char *path, struct ledger **out);
void ledger_close(struct ledger *l); // commits what is pending; NULL is fine

/* Adds to the group that the next commit makes durable; fills entry->serial. */
MUST_USE enum status ledger_append(struct ledger *l, struct ledger_entry *entry);
/* The same under the serial that it has already, above the top. */
MUST_USE enum status ledger_put_serial(struct ledger *l,
                                       const struct ledger_entry *entry);
/* Group commit with fsync. Verdicts may be acknowledged and trained only after it. */
MUST_USE enum status ledger_commit(struct ledger *l);
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
/* One entry as a JSON line, lossless for all 256 byte values. */
void ledger_json(const struct ledger_entry *e, struct text_buf *out);

/* Appends entries that path does not hold yet, with fsync; a torn last line is cut. */
MUST_USE enum status ledger_export(struct ledger *l, const char *path);
/* Takes from such a file what the ledger lacks (a store that was lost): entries above its
 * top, serials kept. A missing file has none. *taken = how many. */
MUST_USE enum status ledger_import(struct ledger *l, const char *path, uint64_t *taken);

#endif
