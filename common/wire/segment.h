#ifndef COMMON_WIRE_SEGMENT_H
#define COMMON_WIRE_SEGMENT_H
/* A segment: T consecutive steps of one environment, as it travels and as it is stored.
 * struct segment_view borrows from the frame; struct segment_fill is what a writer hands
 * over. Rows are steps: row t holds what the policy saw before action t (crop, stats),
 * the action, and what the action caused (reward, caption, flags). Values and rewards
 * are in reward units. */

#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/status.h"
#include "common/wire/frame.h"

enum {
    SEGMENT_CELLS = 144, // crop 12 × 12, row-major, hero at row 6, column 6
    SEGMENT_STATS = 27,
    SEGMENT_STEPS_MAX = 512,
    SEGMENT_STATE_MAX = 1024,
    SEGMENT_TEXT_MAX = 255,
    SEGMENT_NO_ACTION = 255,
    SEGMENT_HEADS_MAX = 2,  // value heads of the policy that acted
    SEGMENT_TERMINATED = 1, // flags
    SEGMENT_TRUNCATED = 2
};

/* Which weights acted: compare start first, then update. */
struct version {
    uint32_t start;  // learner start count, 1..
    uint64_t update; // optimiser steps done
};

/* One distinct caption of the segment. */
struct segment_text {
    struct bytes text; // may be empty: the caption of a silent step
    int16_t event;     // -1 unknown
    int8_t truth;      // 1, 0, or -1 unknown
    uint8_t strength;  // 0..3
};

/* An episode that ended inside. Rows ascend. */
struct segment_episode {
    uint16_t row;          // its last step
    uint16_t next_caption; // text index that the following reset showed
    float final_value;     // V(final observation); used where row is truncated
    float episode_return;  // sum of environment rewards
    int32_t length, depth, gold, experience, scout;
    uint32_t achievements;
    float score;
    uint64_t seed;
    uint8_t success;
    struct bytes cause;          // ≤ 23 bytes
    float intrinsic_final_value; // 0 with one value head
};

struct segment_view {
    struct frame_header header; // run, actor, incarnation, seq
    uint32_t env;               // index in the actor
    struct version version;
    uint64_t seed; // run seed the actor used
    int T, state_floats, texts, episodes;
    const uint8_t *chars;    // (T, SEGMENT_CELLS)
    const uint8_t *colors;   // (T, SEGMENT_CELLS)
    const int32_t *stats;    // (T, SEGMENT_STATS)
    const uint16_t *caption; // (T) text index that action t caused
    const uint16_t *count;   // (T) times that caption has come in this episode, ≥ 1
    const uint8_t *action;   // (T)
    const float *logp;       // (T) behaviour log-probability
    const float *value;      // (T) behaviour value, reward units
    const float *reward;     // (T) environment reward
    const uint8_t *flags;    // (T)
    const float *state;      // (state_floats) recurrent state before row 0
    uint16_t first_caption;  // text index that row 0 saw
    uint8_t first_action;    // action before row 0, or SEGMENT_NO_ACTION
    uint8_t first_starts;    // 1: row 0 begins an episode (its state is zero)
    float bootstrap;         // V(observation after the last row), acting version
    // With two value heads what is above is of the environment's reward, and these of the
    // intrinsic one: (T), NULL with one head.
    const float *intrinsic_value;
    float intrinsic_bootstrap;
    const void *impl; // for segment_view_text / _episode
};

/* Entry i of the string table / list of ended episodes. i is checked (CHECK). */
struct segment_text segment_view_text(const struct segment_view *v, int i);
struct segment_episode segment_view_episode(const struct segment_view *v, int i);

/* What a writer gives; arrays are borrowed for the call. Same meanings as above. */
struct segment_fill {
    struct frame_header header;
    uint32_t env;
    struct version version;
    uint64_t seed;
    int T, state_floats, texts, episodes;
    const uint8_t *chars, *colors;
    const int32_t *stats;
    const uint16_t *caption, *count;
    const uint8_t *action;
    const float *logp, *value, *reward;
    const uint8_t *flags;
    const float *state;
    uint16_t first_caption;
    uint8_t first_action, first_starts;
    float bootstrap;
    const float *intrinsic_value; // NULL with one value head
    float intrinsic_bootstrap;
    const struct segment_text *text;       // (texts)
    const struct segment_episode *episode; // (episodes)
};

#endif
