#ifndef LEARNER_INTAKE_JOURNAL_PIECE_H
#define LEARNER_INTAKE_JOURNAL_PIECE_H
/* Puts the pieces of one update's journal row together again. I/O thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "learner/rings.h"

struct journal_piece {
    uint8_t *data;
    size_t len, cap;
};

/* True: m was the last piece and *row is whole, until the next add. Begin with {0}. */
bool journal_piece_add(struct journal_piece *j, const struct to_io *m,
                       struct bytes *row);
void journal_piece_release(struct journal_piece *j);

#endif
