#ifndef LEARNER_INTAKE_SCHEDULE_H
#define LEARNER_INTAKE_SCHEDULE_H
/* Which caption is asked about next. No I/O, no clock: time is counted in updates.
 *
 * 1. A caption whose form (forms.h) has no label and no question under way.
 * 2. Fillings of forms that are known.
 * 3. What came once, of a form with 16 labels that are all alike.
 * Within each the largest of visits x uncertainty x recency comes first: uncertainty
 * 4p(1-p), p = (1 + positive labels of the form) / (2 + its labels), shared by the form's
 * questions under way and the next; recency halves with each `recency` updates in which the
 * caption has not come. Each fifth question goes to the caption that has waited longest,
 * those of 3 left out.
 *
 * Bounded: `most` captions wait, of each form an eighth of that at most. What comes then
 * takes the place of its form's longest waiting, else of the longest waiting of all.
 *
 * A form keeps a heap of its captions, whose order no label changes, and the forms lie in a
 * heap of their own: a label moves one form, however many captions wait. One thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"

enum {
    SCHEDULE_SETTLED = 16,      // equal labels after which a form holds no surprise
    SCHEDULE_LONGEST_EVERY = 5, // each so many questions goes to the longest waiting
    SCHEDULE_NOBODY = UINT32_MAX & INT32_MAX
};

struct schedule;

/* A caption that is to be asked about. */
struct schedule_item {
    uint32_t number; // names it; small
    uint32_t form;
    uint64_t visits, last; // emissions; update at which it came last
};

struct schedule *schedule_new(uint32_t most, double recency);
void schedule_free(struct schedule *s); // NULL is fine

/* From now on the caption that came last is asked first, and nothing else decides: as the
 * reference does. */
void schedule_newest_first(struct schedule *s);

/* Of a caption that is new: once for each. */
uint32_t schedule_form(struct schedule *s, struct bytes caption);
uint32_t schedule_forms(const struct schedule *s); // how many there are
uint32_t schedule_count(const struct schedule *s); // captions that wait

/* It waits from now on, or moves up when it does already. Returns the number of the one
 * that had to go for it, or SCHEDULE_NOBODY. */
uint32_t schedule_put(struct schedule *s, const struct schedule_item *item);
bool schedule_remove(struct schedule *s, uint32_t number); // false: did not wait

/* The next to ask, which then counts as under way. False: nobody waits. */
bool schedule_next(struct schedule *s, uint32_t *number);
/* The longest waiting, for one that takes long over it; of the last kind where no more than
 * `keep` others wait. */
bool schedule_longest(struct schedule *s, uint32_t keep, uint32_t *number);
/* A question of this form is no longer under way, whatever came of it. */
void schedule_end(struct schedule *s, uint32_t form);
/* It has labels enough, all alike: another filling would tell nothing new. */
bool schedule_is_settled(const struct schedule *s, uint32_t form);
/* A label of a caption of this form. */
void schedule_label(struct schedule *s, uint32_t form, float p);

#endif
