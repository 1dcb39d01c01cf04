#ifndef LEARNER_INTAKE_OFFERS_H
#define LEARNER_INTAKE_OFFERS_H
/* Captions of a rank > 0 on their way to rank 0, through training and MPI: one is offered
 * when it is new and again each time its visits have doubled, those with the most new
 * visits first. I/O thread. */

#include "common/base/ring.h"
#include "learner/intake/lexicon.h"

struct offers;

struct offers *offers_new(struct lexicon *captions, struct ring *to_training);
void offers_free(struct offers *o); // NULL is fine
void offers_met(struct offers *o, uint32_t caption);
/* Training has exchanged what it held: there is room again. */
void offers_next_update(struct offers *o);
/* Into the ring, as much as training keeps until its next update. */
void offers_push(struct offers *o);

#endif
