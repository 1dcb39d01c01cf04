#include "learner/intake/queue.h"

#include <stddef.h>

#include "common/base/mem.h"

struct entry {
    uint32_t number;
    uint64_t weight, arrival;
    int heap; // its place there
};

struct queue {
    struct entry *entry; // (most)
    int *heap;           // (most) entries by weight
    int *spare;          // (most) free entries
    int *where;          // (numbers) entry + 1 of a number, 0 = not in
    uint32_t most, count, numbers;
    uint64_t arrivals;
};

struct queue *queue_new(uint32_t most)
{
    struct queue *q = mem_new(1, sizeof(*q));

    q->most = most;
    q->entry = mem_new(most, sizeof(*q->entry));
    q->heap = mem_new(most, sizeof(*q->heap));
    q->spare = mem_new(most, sizeof(*q->spare));
    for (uint32_t i = 0; i < most; i++) {
        q->spare[i] = (int)(most - 1 - i);
    }
    return q;
}

void queue_free(struct queue *q)
{
    if (q != NULL) {
        mem_free(q->entry);
        mem_free(q->heap);
        mem_free(q->spare);
        mem_free(q->where);
        mem_free(q);
    }
}

uint32_t queue_count(const struct queue *q)
{
    return q->count;
}

bool queue_holds(const struct queue *q, uint32_t number)
{
    return number < q->numbers && q->where[number] != 0;
}

static bool before(const struct queue *q, int a, int b)
{
    const struct entry *x = &q->entry[a], *y = &q->entry[b];

    return x->weight != y->weight ? x->weight > y->weight : x->arrival < y->arrival;
}

static void place(struct queue *q, uint32_t at, int entry)
{
    q->heap[at] = entry;
    q->entry[entry].heap = (int)at;
}

static void rise(struct queue *q, uint32_t at)
{
    const int entry = q->heap[at];

    while (at > 0 && before(q, entry, q->heap[(at - 1) / 2])) {
        place(q, at, q->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(q, at, entry);
}

static void sink(struct queue *q, uint32_t at)
{
    const int entry = q->heap[at];

    for (uint32_t child = 2 * at + 1; child < q->count; child = 2 * at + 1) {
        if (child + 1 < q->count && before(q, q->heap[child + 1], q->heap[child])) {
            child++;
        }
        if (!before(q, q->heap[child], entry)) {
            break;
        }
        place(q, at, q->heap[child]);
        at = child;
    }
    place(q, at, entry);
}

/* Room to find `number` by; doubles, so it is rare. */
static void know_number(struct queue *q, uint32_t number)
{
    uint32_t cap = q->numbers == 0 ? 1024 : q->numbers;

    while (cap <= number) {
        cap *= 2;
    }
    if (cap > q->numbers) {
        q->where = mem_grow(q->where, q->numbers, cap, sizeof(*q->where));
        q->numbers = cap;
    }
}

bool queue_push(struct queue *q, uint32_t number, uint64_t weight)
{
    if (queue_holds(q, number)) {
        struct entry *e = &q->entry[q->where[number] - 1];
        if (weight > e->weight) {
            e->weight = weight;
            rise(q, (uint32_t)e->heap);
        }
        return true;
    }
    if (q->count == q->most) {
        return false;
    }
    know_number(q, number);
    const int at = q->spare[q->most - 1 - q->count];
    q->entry[at] =
        (struct entry){.number = number, .weight = weight, .arrival = q->arrivals++};
    q->where[number] = at + 1;
    place(q, q->count++, at);
    rise(q, q->count - 1);
    return true;
}

static void take_out(struct queue *q, int at)
{
    const struct entry e = q->entry[at];
    const uint32_t hole = (uint32_t)e.heap;

    q->where[e.number] = 0;
    q->count--;
    q->spare[q->most - 1 - q->count] = at;
    if (hole < q->count) {
        const int moved = q->heap[q->count];
        place(q, hole, moved);
        rise(q, hole);
        sink(q, (uint32_t)q->entry[moved].heap);
    }
}

bool queue_pop_heaviest(struct queue *q, uint32_t *number)
{
    if (q->count == 0) {
        return false;
    }
    *number = q->entry[q->heap[0]].number;
    take_out(q, q->heap[0]);
    return true;
}

bool queue_remove(struct queue *q, uint32_t number)
{
    if (!queue_holds(q, number)) {
        return false;
    }
    take_out(q, q->where[number] - 1);
    return true;
}
