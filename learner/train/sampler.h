#ifndef LEARNER_TRAIN_SAMPLER_H
#define LEARNER_TRAIN_SAMPLER_H
/* Which segments the next batch is made of: fresh ones, oldest first, each once. Serials
 * have no holes, so the cursor (the last serial drawn or skipped) says it all. What acted
 * with weights too old is skipped and counted. Training thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/wire/codec.h"
#include "learner/store/counts.h"
#include "learner/store/replay.h"
#include "learner/train/inbox.h"
#include "learner/train/tallies.h"

struct sampler_options {
    int want;   // segments of a full batch
    int replay; // replayed ones beside them, at most
    uint64_t max_lag;
    double draw_timeout; // seconds that a batch may wait to be full
    struct codec_limits limits;
};

struct sampler {
    struct sampler_options options;
    struct replay *replay;
    struct replay_view *view;
    struct inbox *inbox;
    struct ring *to_io;
    const struct clock *clock;
    struct codec *codec;
    struct counts counts; // holds the cursor
    bool idle;            // the last batch of all ranks was empty: do not spin
    double waited;        // seconds, since the start
    uint64_t bytes;       // of the segments drawn, since the start
    // of the batch at hand
    int drawn, replayed;
    /* (want + replay) into the store until sampler_release_views(): the fresh ones that
     * were drawn, then the replayed ones. */
    struct segment_view *views;
    uint64_t *serials; // (want)
    uint64_t *lags;    // (want)
};

MUST_USE enum status sampler_init(struct sampler *s, const struct sampler_options *o,
                                  struct replay *replay, struct inbox *inbox,
                                  struct ring *to_io, const struct clock *clock);
void sampler_release(struct sampler *s);
/* Closes the view; no draw may follow. */
void sampler_leave_store(struct sampler *s);

/* Whether a draw would return at once. Reads the inbox. */
bool sampler_ready(struct sampler *s);
/* Waits for a full batch or the reasons not to (the timeout, a stop, nobody who may
 * produce), then draws what is there, even nothing. `update` = optimiser steps done.
 * Dropped serials are told to the I/O thread and counted. */
MUST_USE enum status sampler_draw(struct sampler *s, uint64_t update,
                                  struct tallies *tallies);
/* Adds a trained segment to the batch, behind the fresh ones. ST_NOTFOUND: the store does
 * not hold it any more, or not whole. */
MUST_USE enum status sampler_replay(struct sampler *s, uint64_t serial);
/* The segments are copied: lets go of the store's pages, tells the I/O thread that the
 * drawn ones are part of an update, and counts them. */
void sampler_release_views(struct sampler *s);

/* Pushes to the I/O thread; waits, asleep, while its ring is full. */
void sampler_tell(struct ring *to_io, const struct to_io *m);

#endif
