#ifndef COMMON_WIRE_MESSAGES_H
#define COMMON_WIRE_MESSAGES_H
/* The bodies of all messages but segments, as plain structs. Decoded ones borrow their
 * bytes from the frame. Those of judges are in judgement.h, which this includes.
 * schemas/README.md tells the same to writers in other languages. */

#include <stdbool.h>
#include <stdint.h>

#include "common/wire/judgement.h"
#include "common/wire/segment.h"

/* HELLO. A fresh actor has actor and incarnation 0 in the header; one that holds a number
 * and an incarnation repeats them there. */
struct msg_hello {
    struct bytes host;
    struct bytes task;    // "crypt-vault"
    uint64_t spec_digest; // of the environment's constants
    uint32_t environments;
    uint32_t actions;
    bool truth;             // its captions carry events
    int32_t wanted_id;      // --id, or -1
    uint64_t pid;           // with host: tells two live processes apart
    uint64_t nonce;         // drawn at start: the same process asks again with the same
    uint64_t first_unacked; // 0 = nothing produced yet
    uint8_t value_heads;    // the most that its policies may have; 1 from older builds
};

/* WELCOME: header has run, actor (1..), incarnation (1..). seq = window. */
struct msg_welcome {
    struct bytes endpoint; // of your rank; dial it and say hello there
    uint32_t rank;
    uint32_t segment_steps;
    struct bytes net;
    uint64_t seed;
    uint64_t window;   // highest sequence that may be BEGUN is window - 1
    uint64_t next_seq; // first sequence that the rank has not taken
    struct version newest;
    uint8_t count_key; // how N_ep counts captions: 0 exact, 1 digits masked
    uint8_t value_heads;
};

struct msg_refuse {
    struct bytes reason; // a sentence for the log
    bool final;          // do not ask again: exit 2
};

enum drop_reason {
    DROP_NONE = 0, // stored
    DROP_LAG,
    DROP_CORRUPT,
    DROP_SCHEMA,
    DROP_EVICTED,
    DROP_LOST_STORE,
    DROP_EVICTED_BEFORE_CHECKPOINT,
    DROP_REASONS
};

/* ACK: all sequences < header.seq are stored or dropped: forget them. Also the notice
 * that a new version exists or that the window moved. `dropped` tells of this answer's
 * last segment. */
struct msg_ack {
    uint64_t window;
    struct version newest;
    uint8_t dropped; // enum drop_reason
    bool go_back;    // a higher sequence came: send again from header.seq
};

/* WEIGHTS: one flat array; moments turn normalised values into reward units:
 * V = value * scale + mean. */
struct msg_weights {
    struct version version;
    uint64_t policy_digest;
    uint64_t env_steps; // trained so far, for logs
    double mean, scale;
    const float *weights; // (floats)
    uint64_t floats;
    double intrinsic_mean, intrinsic_scale; // of the second value head; else 0 and 1
};

#endif
