#ifndef LEARNER_INTAKE_QUEUE_H
#define LEARNER_INTAKE_QUEUE_H
/* A bounded queue of small numbers with weights: the heaviest first, of equals who came
 * first. A number is in it once. One thread. */

#include <stdbool.h>
#include <stdint.h>

struct queue;

struct queue *queue_new(uint32_t most); // entries at a time
void queue_free(struct queue *q);       // NULL is fine
uint32_t queue_count(const struct queue *q);
bool queue_holds(const struct queue *q, uint32_t number);

/* Adds, or raises the weight of one that is in. False: full. */
bool queue_push(struct queue *q, uint32_t number, uint64_t weight);
/* False: empty. */
bool queue_pop_heaviest(struct queue *q, uint32_t *number);
bool queue_remove(struct queue *q, uint32_t number); // false: was not in

#endif
