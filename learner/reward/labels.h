#ifndef LEARNER_REWARD_LABELS_H
#define LEARNER_REWARD_LABELS_H
/* What a fitted reward learns from: the texts of captions, and labels of them (ratings of
 * one, orders of several), each key's last one, in the order of their arrival. Equal on
 * all ranks, since all take the same labels at the same update. Training thread. Grows by
 * doubling; nothing else allocates.
 *
 * A share of the FORMS is held out: a network that never trains on them tells how well one
 * like it judges what it has not seen. Form = the text in lower case, digits `#`,
 * quoted text `"`: a function of the text alone, so that all ranks and all runs hold out
 * the same (learner/intake/forms.h knows more kinds, by what came before). */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/rng.h"
#include "common/base/status.h"
#include "common/wire/judgement.h"
#include "learner/reward/fitting.h"

enum { LABELS_TEXT_MOST = 255, LABELS_NONE = UINT32_MAX };

struct labels;

/* One label, as a fit sees it. */
struct labels_item {
    int captions;                         // 1: a rating; K: an order
    bool held;                            // out
    bool helpful;                         // p > 1/2; of an order: not all are tied
    float p;                              // of a rating
    struct bytes text[ITEM_CAPTIONS_MAX]; // borrowed until the next text or label comes
    uint32_t text_number[ITEM_CAPTIONS_MAX]; // for labels_text()
    uint8_t place[ITEM_CAPTIONS_MAX];
};

/* held_out: share of the labels to hold out, about; 0 = none. */
struct labels *labels_new(double held_out);
void labels_free(struct labels *l); // NULL is fine

/* A text that is known already is left alone. */
void labels_take_text(struct labels *l, struct hash128 key, struct bytes text);
/* The label's number; a key that has one is labelled anew under the same. LABELS_NONE: the
 * text of a caption is not known (logged once). */
uint32_t labels_take(struct labels *l, const struct reward_label *label);

uint32_t labels_count(const struct labels *l);
/* Of all: helpful or not; to train on; held out. */
uint32_t labels_of_class(const struct labels *l, bool helpful);
uint32_t labels_to_train(const struct labels *l);
uint32_t labels_held(const struct labels *l);

void labels_get(const struct labels *l, uint32_t number, struct labels_item *out);
/* One by chance, of those to train on or of all; there must be one. A share `helpful` of the
 * draws is of helpful ones alone, where there are any. */
uint32_t labels_draw(const struct labels *l, struct rng *rng, bool all, double helpful);
/* The i-th newest of those held out, or of those to train on; LABELS_NONE: fewer. */
uint32_t labels_newest(const struct labels *l, bool held, uint32_t i);
/* The text of number i in order of arrival; .len = 0: fewer. */
struct bytes labels_text(const struct labels *l, uint32_t i);

/* The form of a text into out (LABELS_TEXT_MOST); returns its length. */
size_t labels_form(struct bytes text, uint8_t *out);

/* The whole, for the checkpoint; free *data with mem_free(). ST_CORRUPT (logged): not such
 * bytes; l is then as new. */
void labels_write(const struct labels *l, char **data, size_t *len);
MUST_USE enum status labels_read(struct labels *l, struct bytes b);

#endif
