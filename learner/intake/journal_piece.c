#include "learner/intake/journal_piece.h"

#include <string.h>

#include "common/base/mem.h"

bool journal_piece_add(struct journal_piece *j, const struct to_io *m,
                       struct bytes *row)
{
    if (j->len + m->journal.len > j->cap) { // grows to the largest row once
        const size_t cap = j->cap == 0 ? 4096 : 2 * j->cap;
        j->data = mem_grow(j->data, j->cap, cap, 1);
        j->cap = cap;
    }
    memcpy(j->data + j->len, m->journal.data, m->journal.len);
    j->len += m->journal.len;
    if (m->journal.last == 0) {
        return false;
    }
    *row = bytes_of(j->data, j->len);
    j->len = 0;
    return true;
}

void journal_piece_release(struct journal_piece *j)
{
    mem_free(j->data);
    *j = (struct journal_piece){0};
}
