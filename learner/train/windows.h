#ifndef LEARNER_TRAIN_WINDOWS_H
#define LEARNER_TRAIN_WINDOWS_H
/* Which trained segments are worth another look. A label that comes late marks the
 * window between its caption's first sight and its own arrival: what this rank trained in
 * those updates, the last one included, was trained without it. Segments are drawn
 * uniformly over ALL of the marked ones: drawing only those that hold the caption would
 * select outcomes, which V-trace does not correct. A mark is used up by one draw: the
 * gradient that was missed is made up for once. `uniform` draws from all that was trained
 * instead, however often: the control.
 *
 * A segment that acted with weights more than `age` updates old is not drawn any more.
 * Training thread; all memory is taken in windows_init(). */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/rng.h"
#include "common/base/status.h"
#include "learner/train/tallies.h"

/* A window that reaches further back is counted from there on. */
enum { WINDOWS_HISTORY = 4096 };

struct windows_options {
    bool uniform;
    uint64_t age;
    size_t room; // segments that are known at most; beyond it the oldest go
};

struct window_segment {
    uint64_t serial;
    uint64_t acted;  // update of the weights that acted, never above `update`
    uint64_t update; // at which it was trained
    bool marked;
};

struct windows {
    struct windows_options options;
    struct window_segment *ring; // (room) ascending by serial and update
    size_t first, count;
    uint32_t *trained; // (WINDOWS_HISTORY) segments by update, modulo
    uint64_t newest;   // last update that `trained` knows
    uint32_t *noted;   // (WINDOWS_HISTORY) labels since the last mark, by updates late
    bool some_noted;
    uint32_t *fit; // (room) scratch of a draw
};

void windows_init(struct windows *w, const struct windows_options *o);
void windows_release(struct windows *w);

/* A segment trained at `update`, which never falls. */
void windows_add(struct windows *w, uint64_t serial, uint64_t acted, uint64_t update,
                 struct tallies *t);
/* A label came so many updates after the first sight of its caption. */
void windows_note(struct windows *w, int64_t delay);
/* Marks the windows of what was noted, at the update at which it came. */
void windows_mark(struct windows *w, uint64_t update, struct tallies *t);
/* At most `want` segments that are not too old at `update`, each once, into `out`. */
int windows_draw(struct windows *w, int want, uint64_t update, struct rng *rng,
                 struct window_segment *out, struct tallies *t);

/* The whole but what is noted, for the checkpoint. Free *data with mem_free().
 * ST_CORRUPT (logged): not such bytes. With less room than before the oldest go. */
void windows_write(const struct windows *w, char **data, size_t *len);
MUST_USE enum status windows_read(struct windows *w, struct bytes b);

#endif
