#ifndef LEARNER_LABEL_CAPTIONS_H
#define LEARNER_LABEL_CAPTIONS_H
/* The captions of a run's stores, all ranks', as minos label asks about them: the most
 * visited first. One thread. */

#include "common/base/hash.h"
#include "common/base/status.h"
#include "learner/rings.h"

struct label_captions;

/* `dir`: a run directory, or the --store-dir of one. Read only; nothing of it is kept open.
 * ST_NOTFOUND (logged): there are no stores; others (logged) as replay_open_read(). */
MUST_USE enum status label_captions_open(const char *dir, struct label_captions **out);
void label_captions_close(struct label_captions *c); // NULL is fine
uint32_t label_captions_count(const struct label_captions *c);

/* Caption `number`, with the visits that its run counted. */
void label_captions_get(const struct label_captions *c, uint32_t number,
                        struct ring_caption *out);
/* Where captions are put in order: each is compared so many times at most (asking.h), and
 * is labelled when it was. Before the first label. */
void label_captions_want(struct label_captions *c, uint8_t compared);
/* Its training verdict has come. False: it had, or it is no caption of these. */
bool label_captions_label(struct label_captions *c, struct hash128 key);
bool label_captions_labelled(const struct label_captions *c, uint32_t number);
uint32_t label_captions_labels(const struct label_captions *c);
/* An order that trains has come, of these; some may be none of ours. */
void label_captions_order(struct label_captions *c, const struct hash128 *key,
                          int captions);
uint32_t label_captions_compared(const struct label_captions *c); // in an order
uint64_t label_captions_orders(const struct label_captions *c);

#endif
