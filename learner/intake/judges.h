#ifndef LEARNER_INTAKE_JUDGES_H
#define LEARNER_INTAKE_JUDGES_H
/* The judges that are attached to rank 0: who they are, their credit, their heartbeats.
 * I/O thread of rank 0. */

#include <stdbool.h>
#include <stdint.h>

#include "learner/intake/io.h"
#include "learner/intake/post.h"

enum {
    JUDGES_MAX = 64,
    JUDGES_GONE_MS = 5000, // silence after which nothing more is asked of one
    JUDGES_BEAT_MS = 1000,
    JUDGES_CREDITS_MAX = 1024,
    JUDGES_LEASE_EXTRA_MS = 5000 // beyond the judge's own deadline
};

struct judge {
    uint32_t number; // 1.., never given twice in a start; 0 = free
    struct bus_peer peer;
    char name[256], model[256], host[256];
    struct hash128 prompt_digest;
    uint64_t pid, nonce;
    uint32_t deadline_ms, credits, holding; // holding: live leases
    enum judge_pause pause;                 // why its credits are 0
    bool fit;                               // it can answer what the reward needs
    bool wants_truth, alive;
    bool deaf; // a frame to it did not go out: no questions before the next look
    uint64_t heard_ms, sent_ms;
    /* Its speed: answers and seconds with questions, both fading over some 10 s; how long
     * an answer takes; since when it owes one. */
    double answers, busy_s, latency_ms;
    uint64_t owing_ms,
        since_ms;    // since_ms: seconds with questions are counted up to then
    double hold;     // questions it may hold: its credit, fewer after time-outs
    double too_many; // how many it held when it had too little time for them; 0 = never
    uint64_t late_ms;       // when that fell last
    uint32_t in_time, late; // of its last 64 or so questions
};

struct judges {
    const struct io_plan *plan;
    struct post *post;
    struct judge list[JUDGES_MAX];
    uint32_t numbers; // given so far
    uint64_t look_ms; // of the last judges_step()
    bool stopping;
};

void judges_init(struct judges *s, const struct io_plan *plan, struct post *post);
/* NULL: no hello in this start. */
struct judge *judges_find(struct judges *s, const struct bus_peer *peer,
                          const struct frame_header *h);
/* A hello again with the same nonce refreshes name, model and digest and keeps leases. */
void judges_on_hello(struct judges *s, const struct bus_peer *peer,
                     const struct frame_header *h, struct bytes frame);
void judges_heard(struct judges *s, struct judge *j);
/* Heartbeats; presumes the silent gone. */
void judges_step(struct judges *s);
void judges_stop(struct judges *s); // STOP to all; newcomers get it too
/* No living judge owes an answer or waits for its acknowledgement. */
bool judges_drained(const struct judges *s);
/* What the judge does with a question that is to be asked next. */
struct judges_turn {
    struct judge *judge; // NULL: nobody can take any
    uint32_t most;       // questions, at least 1
    bool slow;           // it gets the longest waiting, not the most urgent
    uint32_t keep;       // slow: what the others can hold
};
/* Whose turn it is while `waiting` captions wait: the living one with the most room. Where
 * fewer wait than there is room for, each gets its part by speed. One that takes more than
 * twice as long as the fastest (and half a second) comes last, and only while more wait
 * than the others can hold. */
struct judges_turn judges_next(const struct judges *s, uint32_t waiting);
/* A question went to it, or an answer came of one asked latency_ms ago. */
void judges_asked(struct judges *s, struct judge *j);
void judges_answered(struct judges *s, struct judge *j, double latency_ms);
/* It had no time for one. Where that is more than a fifth of the last, it holds half as
 * many from now on, then one more each time that it has answered as many as it holds, and
 * slowly near where it was too many. At most once in its deadline, in which all that it
 * holds may come to the same end. */
void judges_late(struct judges *s, struct judge *j);
/* A question counts against its credit, or no longer does. */
void judges_hold(struct judges *s, struct judge *j);
void judges_let_go(struct judges *s, struct judge *j);
/* Answers/s while it has questions; 0 unknown. To be told even where there were too few, or
 * too long ago, to decide anything by. */
double judges_speed(const struct judge *j);
double judges_speed_told(const struct judge *j);
/* Whether judges_next() would name one. */
bool judges_any_free(const struct judges *s, uint32_t waiting);
uint32_t judges_alive(const struct judges *s);
uint32_t judges_pausing(const struct judges *s); // of those: want no questions now
/* What those wait for that will soonest want some. */
enum judge_pause judges_pause(const struct judges *s);

#endif
