#ifndef LEARNER_FEEDER_H
#define LEARNER_FEEDER_H
/* An actor that plays nothing: over a real socket it sends valid segments whose captions
 * nobody has seen before, as fast as its window opens or as it is told. For measuring, and
 * for tests of what a flood of new captions does to intake and judges.
 *
 * A segment is made from its sequence number alone, so that it can be sent again. One
 * thread; nothing is allocated after feeder_new(). */

#include "common/base/clock.h"
#include "common/wire/bus.h"
#include "common/wire/segment.h"

enum { FEEDER_CAPTIONS = 1 << 22, FEEDER_TEXT_MAX = 96 };

struct feeder;

struct feeder_plan {
    struct bus *bus;
    const struct clock *clock;
    const char *endpoint; // rank 0's, which must be its rank too
    const char *task;
    int actions, segment_steps, state_floats;
    uint32_t environments;
    uint64_t
        captions; // distinct ones in all, at most FEEDER_CAPTIONS; then it is silent
    int new_in_segment; // of them in each segment, at most segment_steps; 0: segments
                        // without captions, and no end
    // Writes the n-th caption, returns its length; NULL: feeder_caption().
    size_t (*caption)(uint64_t n, char out[FEEDER_TEXT_MAX]);
    uint64_t nonce;
};

struct feeder_counters {
    uint64_t segments, captions; // sent for the first time
    uint64_t acknowledged;       // segments
    uint64_t dropped;            // of these, as far as the acknowledgements tell
    double longest_ack_ms;       // from sending a segment to its acknowledgement
    bool joined, stopped;
};

/* The plan's pointers are borrowed. ST_INVALID (logged): not an endpoint. */
MUST_USE enum status feeder_new(const struct feeder_plan *plan, struct feeder **out);
void feeder_free(struct feeder *f); // NULL is fine
/* Takes what came; sends at most `most` segments that its window allows. ST_CLOSED: the
 * learner ended the run, and goodbye is said. ST_INVALID (logged): it refused. */
MUST_USE enum status feeder_step(struct feeder *f, int most);
/* Sleeps until a frame comes, at most timeout_ms. */
void feeder_wait(struct feeder *f, int timeout_ms);
struct feeder_counters *feeder_counters(struct feeder *f);
/* From now on so many distinct captions in all. */
void feeder_allow(struct feeder *f, uint64_t captions);

/* Writes the n-th caption, n < FEEDER_CAPTIONS; returns its length. No two are alike; they
 * are made of 192 words, so that each has a form of its own (asking.h). */
size_t feeder_caption(uint64_t n, char out[FEEDER_TEXT_MAX]);

#endif
