#ifndef LEARNER_INTAKE_FORMS_H
#define LEARNER_INTAKE_FORMS_H
/* The form of a caption: what it says, less what it happens to be about. Captions of one
 * form are fillings of it, and a label of one tells of the others.
 *
 *   digits           #    "You take # gold pieces."
 *   quoted text      "…"
 *   rare words       *    runs of them are one
 *
 * A word is rare where it stands in a slot: a place at which, between the same words, 8
 * different ones have stood ("You hit the mangy *"). It is rare, too, when it has never
 * been met before, at a place where 64 captions have said as much; and when there is no room
 * for it among the WORDS that occur in the most distinct captions. So a stream of endless
 * novelty makes a handful of forms whatever it consists of, and a kind of message that is
 * new is a form of its own.
 *
 * Deterministic: the form follows from the captions that came before, in their order. It is
 * told once, when the caption is new, and stays: words that become rare later change the
 * forms of later captions alone. All tables are bounded and taken at forms_new(). One
 * thread. */

#include <stdint.h>

#include "common/base/bytes.h"

enum {
    FORMS_MOST = 16384, // what comes then belongs to the last
    FORMS_WORDS = 4096,
    FORMS_SLOT_WORDS = 8,  // that make a place a slot
    FORMS_TEXT_MOST = 1024 // bytes of a form's text, with its 0
};

struct forms;

struct forms *forms_new(void);
void forms_free(struct forms *f); // NULL is fine

/* The form of a caption that has not been met: 0, 1, ... below FORMS_MOST. Counts its
 * words. */
uint32_t forms_of(struct forms *f, struct bytes caption);
uint32_t forms_count(const struct forms *f);
/* As forms_of() wrote it the last time; for tests and people. */
const char *forms_text(const struct forms *f);

#endif
