#ifndef LEARNER_INTAKE_PAIRS_H
#define LEARNER_INTAKE_PAIRS_H
/* Which captions are put beside one that is to be compared. Never one of its own form
 * (forms.h), nor two of one form beside each other. One half of the time
 *
 *   the most uncertain: the largest 4 q (1 - q) (1 - t t'), where q = 1 / (1 + e^(s' - s))
 *   is the chance by the scores s, s' of the reward model that the one beats the other, and
 *   t, t' = (1 + ties) / (2 + orders) of the two forms, whose product stands for the chance
 *   that they are equals: of the nearest by score, and of some drawn at random;
 *   one of another quartile of the scores, drawn so that a form of many captions has no
 *   more of a chance than a form of few.
 *
 * While there is no score: another form at random, and of it the one that came more often
 * of two. Uniform pairs are nearly all ties where little is progress.
 *
 * Bounded: `most` captions, of each form an eighth at most; a new one takes the place of
 * one of its own form, drawn at random. One thread. */

#include <stdbool.h>
#include <stdint.h>

struct pairs;

/* How one was chosen. */
enum pairs_how { PAIRS_BY_FORM, PAIRS_BY_UNCERTAINTY, PAIRS_BY_QUARTILE, PAIRS_HOWS };

struct pairs_caption {
    uint32_t number; // names it; small
    uint32_t form;
    uint64_t visits;
    float score; // NAN: none yet
};

struct pairs *pairs_new(uint32_t most, uint64_t seed);
void pairs_free(struct pairs *p); // NULL is fine
uint32_t pairs_count(const struct pairs *p);

/* It may be put beside others from now on, or has other visits or another score. */
void pairs_put(struct pairs *p, const struct pairs_caption *c);
void pairs_remove(struct pairs *p, uint32_t number); // one that is not there is fine
/* An order that one of this form was part of: whether all were equals. */
void pairs_outcome(struct pairs *p, uint32_t form, bool tie);

/* What may be asked: whether `next` may stand beside the `count` chosen so far. */
typedef bool pairs_fits(void *ctx, const uint32_t *chosen, int count, uint32_t next);

/* Fills chosen[1..want) beside the one that is given, chosen[0] = its number. False: there
 * is nothing that fits; *how is set otherwise, for the last one. */
bool pairs_choose(struct pairs *p, const struct pairs_caption *first, int want,
                  pairs_fits *fits, void *ctx, uint32_t *chosen, enum pairs_how *how);

#endif
