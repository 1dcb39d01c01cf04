#ifndef LEARNER_INTAKE_INTAKE_H
#define LEARNER_INTAKE_INTAKE_H
/* Segments on their way into the store: one transaction per poll, straight from the
 * frame. A rank takes only the next sequence of an incarnation; a lower one is
 * acknowledged again, a higher one answered with go_back. Knows which member each
 * untrained serial belongs to. I/O thread. */

#include <stdbool.h>
#include <stdint.h>

#include "learner/intake/io.h"
#include "learner/intake/lexicon.h"
#include "learner/intake/members.h"
#include "learner/intake/post.h"

struct intake;

/* A caption that so many rows emitted: it came (again). */
typedef void intake_met(void *ctx, uint32_t caption, uint32_t visits);

MUST_USE enum status intake_open(const struct io_plan *plan, struct post *post,
                                 struct members *members, struct lexicon *captions,
                                 intake_met *met, void *ctx, struct intake **out);
void intake_close(struct intake *in); // NULL is fine

/* The poll's transaction, begun by the first who writes. */
MUST_USE enum status intake_begin(struct intake *in);
MUST_USE enum status intake_on_segment(struct intake *in, struct member *m,
                                       const struct frame_header *h,
                                       struct bytes frame);
/* Whether intake_commit has anything to do. */
bool intake_pending(const struct intake *in);
/* Ends the poll: members and new captions are written too, then the commit. */
MUST_USE enum status intake_commit(struct intake *in);

/* Training has trained or skipped all up to `serial`. */
void intake_handled(struct intake *in, uint64_t serial);
void intake_set_update(struct intake *in, uint64_t update);
uint64_t intake_waiting(const struct intake *in);
void intake_report(const struct intake *in, struct io_counters *out);

#endif
