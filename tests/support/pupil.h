#ifndef TESTS_SUPPORT_PUPIL_H
#define TESTS_SUPPORT_PUPIL_H
/* A model of the reward that is taught by hand: captions of which those that speak of a key
 * are helpful. One thread. */

#include "tests/support/harness.h"

#include "learner/reward/model_impl.h"

enum { PUPIL_TEXTS = 64 }; // of one batch

extern const struct fitting_options pupil_usual;
extern const struct reward_peers pupil_alone;

struct pupil {
    struct fitting_figures figures;
    struct model *model;
    uint64_t update;
    int said; // captions labelled so far
};

/* Ends with model_close(). */
MUST_USE enum status pupil_begin(struct pupil *t, const struct fitting_options *o,
                                 const struct reward_peers *peers,
                                 enum capnet_head head);
/* Caption i: one in four, i % 4 == 0, speaks of a key. */
void pupil_caption(int i, char *out, size_t size);
void pupil_rate(struct pupil *t, int i, float p);
/* The order of captions i, i + 1, ... i + places - 1; equal places: a tie. */
void pupil_order(struct pupil *t, int i, const uint8_t *place, int places);
/* Updates with so many labels before each, as the captions say. */
MUST_USE enum status pupil_go_on(struct pupil *t, int updates, int labels_each);
/* What the version that pays says. */
float pupil_say(struct pupil *t, const char *text);

#endif
