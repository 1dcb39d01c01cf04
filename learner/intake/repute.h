#ifndef LEARNER_INTAKE_REPUTE_H
#define LEARNER_INTAKE_REPUTE_H
/* What is known of each judge's answers in this start: how many of which kind, whether it
 * says the same when a caption it has labelled is asked again (purpose consistency), and
 * whether the place of a caption in a pair sways it. A judge is its backend's name and its
 * model, as in the ledger: several processes of one are one. One thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/hash.h"
#include "common/wire/judgement.h"
#include "learner/intake/io_report.h"

enum { REPUTE_SAMPLE = 64, REPUTE_AGE_MS = 30000 };

/* A caption that the judge labelled, or an item that it ordered, to be asked again. */
struct repute_sample {
    uint32_t caption; // its number, or the item's, + 1; 0 = free
    float p;
    uint8_t place[ITEM_CAPTIONS_MAX]; // of an item
    uint64_t time_ms;
};

struct repute_one {
    struct hash128 prompt_digest;
    struct io_judge told;
    double differences; // summed |p - p'|
    struct repute_sample sample[REPUTE_SAMPLE];
    uint32_t samples; // labels looked at
};

struct repute {
    struct repute_one one[IO_JUDGES_TOLD];
    int count;
    uint32_t stride; // each so many labels one may be asked again
};

/* share: of questions that are asked again; 0: none. */
void repute_init(struct repute *r, double share);
/* The judge's row; the last is shared by all that find no other. Another prompt makes
 * another judge of it: what it said before is not asked again. */
struct repute_one *repute_of(struct repute *r, const char *name, const char *model,
                             struct hash128 prompt_digest);
/* check: asked for consistency, so that it is no label. */
void repute_verdict(struct repute_one *o, const struct msg_verdict *v, bool check);
/* It labelled that caption; place: of an item's captions, else NULL. */
void repute_label(const struct repute *r, struct repute_one *o,
                  const struct repute_sample *s, const uint8_t *place);
/* Something of its own to ask it again, REPUTE_AGE_MS after its label. False: none. */
bool repute_again(struct repute_one *o, uint64_t now_ms, struct repute_sample *out);
/* What it said the second time. Orders agree where each two captions stand to each other
 * as before; they differ by the share of those that do not. */
void repute_compare(struct repute_one *o, float before, float now);
void repute_compare_orders(struct repute_one *o, const uint8_t *before,
                           const uint8_t *now, int captions);

#endif
