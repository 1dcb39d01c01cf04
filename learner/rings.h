#ifndef LEARNER_RINGS_H
#define LEARNER_RINGS_H
/* All that crosses between a rank's two threads: two single-producer single-consumer
 * rings of small typed records. The I/O thread never blocks on a ring: what does not fit
 * stays in the store (segments) or is offered again (captions, texts, verdicts). Training waits
 * when to_io is full. Segments themselves stay in LMDB. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/hash.h"
#include "common/base/ring.h"
#include "common/wire/messages.h"

struct bus_blob;

/* A caption on its way to rank 0, or rank 0's answer about it. */
struct ring_caption {
    struct hash128 key; // xxh3-128 of the bytes
    uint32_t visits;    // emissions since it was last offered
    int8_t truth;
    uint8_t strength;
    uint8_t len;
    uint8_t text[SEGMENT_TEXT_MAX];
};

/* A label that may train: exactly one per key and goal. */
struct ring_verdict {
    struct hash128 key;               // of the item; of one caption: the caption's
    uint64_t ledger_serial;           // ascending
    float p;                          // rating: P(helpful)
    uint8_t kind;                     // VERDICT_LABEL or VERDICT_TIE
    uint8_t captions;                 // 1: a rating; K: an order
    uint8_t place[ITEM_CAPTIONS_MAX]; // order: 0 is best, equal = tie
    struct hash128 caption[ITEM_CAPTIONS_MAX]; // order: the captions'
};

/* The text of a caption that labels to come are about. */
struct ring_text {
    struct hash128 key;
    uint8_t len;
    uint8_t text[SEGMENT_TEXT_MAX];
};

enum to_training_kind {
    TO_TRAINING_STORED = 1, // segments up to `serial` are in the store
    TO_TRAINING_CAPTION,    // ranks > 0 and 0 alike: new or newly visited caption
    TO_TRAINING_TEXT,       // rank 0 only: before the first verdict that is about it,
                            // once in a start, where the reward reads texts
    TO_TRAINING_VERDICT,    // rank 0 only: goes to all ranks at an update boundary
    TO_TRAINING_BACKLOG,    // who produces: members, environments, open windows
    TO_TRAINING_STOP,       // a stop was asked here (signal, minos stop)
    TO_TRAINING_DRAINED,    // every member said goodbye or was given up
};

struct to_training {
    uint8_t kind;
    union {
        uint64_t serial;
        struct ring_caption caption;
        struct ring_verdict verdict;
        struct ring_text text;
        struct {
            uint32_t members, environments;
            bool window_open; // some member may still begin a segment
        } backlog;
    };
};

enum to_io_kind {
    TO_IO_TRAINED = 1,   // `serial` was part of an update
    TO_IO_DROPPED,       // `serial` was skipped for `reason`
    TO_IO_CHECKPOINTED,  // checkpoint with cursor `serial` is durable; `older` = cursor
                         // of the older one that is kept: eviction stays before it
    TO_IO_WEIGHTS,       // a new version's frame; ownership of one reference moves
    TO_IO_CAPTION,       // rank 0 only: a caption that came over MPI
    TO_IO_SCORES,        // rank 0 only: what the reward model makes of captions
    TO_IO_VERDICT_TAKEN, // rank 0 only: verdicts up to `serial` were applied by all
    TO_IO_JOURNAL,       // a piece of this update's journal row
    TO_IO_STOP,          // tell actors (and rank 0: judges) to stop and drain
    TO_IO_END,           // the last checkpoint is written: sync, close, return
};

enum { RING_JOURNAL_PIECE = 240, RING_SCORES = 12 };

struct to_io {
    uint8_t kind;
    union {
        struct {
            uint64_t serial, older;
            uint8_t reason; // enum drop_reason
        } segment;
        struct {
            struct bus_blob *blob;
            struct version version;
            uint64_t env_steps;
        } weights;
        struct ring_caption caption;
        uint64_t serial;
        struct {
            int count;
            float score[RING_SCORES];
            struct hash128 key[RING_SCORES];
        } scores;
        struct {
            uint64_t update;
            uint8_t last; // 1: the row is complete
            uint8_t len;
            uint8_t data[RING_JOURNAL_PIECE];
        } journal;
    };
};

struct rings {
    struct ring *to_training; // of struct to_training; I/O pushes
    struct ring *to_io;       // of struct to_io; training pushes
};

#endif
