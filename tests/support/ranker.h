#ifndef TESTS_SUPPORT_RANKER_H
#define TESTS_SUPPORT_RANKER_H
/* Labels given by hand, and ranking models that are fitted to them. One thread. */

#include "tests/support/harness.h"

#include "learner/reward/motif_fit.h"

enum { RANKER_TEXTS = 4 };

extern struct labels *ranker_labels;
extern const struct motif_fit_options ranker_options;

/* No labels; so many of those to come are held out. */
void ranker_begin(double held_out);
/* An order of up to RANKER_TEXTS, the place of each; a rating: one, and p. */
void ranker_label(int captions, const char *const text[], const uint8_t *place,
                  float p);
void ranker_rate(const char *text, float p);
void ranker_order(const char *first, const char *second, uint8_t a, uint8_t b);
/* 40 helpful and 80 other captions, each of a form of its own. */
void ranker_rate_many(void);
/* For goal "mine" with the text "my goal", of captions of crypt-vault. */
MUST_USE enum status ranker_fit(struct motif_about *about, struct capnet **net);
void ranker_score(struct capnet *net, const char *const *text, float *out, int n);

#endif
