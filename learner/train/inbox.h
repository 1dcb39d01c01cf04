#ifndef LEARNER_TRAIN_INBOX_H
#define LEARNER_TRAIN_INBOX_H
/* What the I/O thread told the training thread, sorted by what is done with it: the ring
 * to_training is emptied here and nowhere else. Training thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "learner/rings.h"

enum {
    INBOX_CAPTIONS = 3000, // what fits into one exchange of 1 MB; the rest comes again
    INBOX_TEXTS = 2048,
    INBOX_VERDICTS = 8192
};

struct inbox {
    struct ring *ring;
    uint64_t top; // segments up to this serial are in the store
    uint32_t members, environments;
    bool window_open; // some member may still begin a segment
    bool stop, drained;
    int captions, texts, verdicts; // waiting to be exchanged
    struct ring_caption *caption;  // (INBOX_CAPTIONS)
    struct ring_text *text;        // (INBOX_TEXTS)
    struct ring_verdict *verdict;  // (INBOX_VERDICTS) ascending by ledger serial
    bool held;                     // a text or verdict that did not fit waits in `next`
    struct to_training next;
};

void inbox_init(struct inbox *i, struct ring *to_training);
void inbox_release(struct inbox *i);

/* Takes all that waits. Captions beyond the room are left out (the I/O thread offers them
 * again); texts and verdicts beyond it stop the reading until there is room, so that no
 * verdict overtakes its texts. */
void inbox_read(struct inbox *i);
/* Sleeps until something comes, at most timeout_ms. A stop comes as a record too. */
void inbox_wait(struct inbox *i, int timeout_ms);

#endif
