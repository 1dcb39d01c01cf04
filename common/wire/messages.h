#ifndef COMMON_WIRE_MESSAGES_H
#define COMMON_WIRE_MESSAGES_H
/* The bodies of all messages but segments, as plain structs. Decoded ones borrow their
 * bytes from the frame. schemas/README.md tells the same to writers in other languages. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/hash.h"
#include "common/wire/segment.h"

/* ---- actors ---- */

/* HELLO. A fresh actor has actor == 0 && incarnation == 0 in the header. One that holds a
 * number and an incarnation repeats them there. */
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
};

/* ---- judges ---- */

enum question_kind { QUESTION_RATE = 1, QUESTION_ORDER = 2 };
enum question_purpose {
    PURPOSE_LABEL = 0,
    PURPOSE_CONSISTENCY = 1,
    PURPOSE_CANARY = 2,
    PURPOSE_PROBE = 3
};
enum verdict_kind {
    VERDICT_LABEL = 1,
    VERDICT_TIE = 2,
    VERDICT_ABSTAIN = 3,
    VERDICT_UNPARSEABLE = 4,
    VERDICT_TIMEOUT = 5,
    VERDICT_REFUSED = 6,
    VERDICT_OVERLOAD = 7,
    VERDICT_KINDS = 8
};
const char *verdict_kind_name(enum verdict_kind k);

enum { ITEM_CAPTIONS_MAX = 8, QUESTIONS_PER_FRAME = 64 };

struct msg_judge_hello {
    struct bytes name;  // backend: "rule"
    struct bytes model; // "" where there is none
    struct hash128 prompt_digest;
    bool can_rate, can_order;
    uint32_t order_most;  // largest K
    uint32_t deadline_ms; // its total deadline for one question
    uint32_t credits;     // questions it wants to hold
    bool wants_truth;
    struct bytes host;
    uint64_t pid, nonce;
};

struct msg_judge_welcome {
    struct bytes goal; // name
    struct hash128 goal_digest;
    struct bytes goal_text;   // the whole goal file
    uint32_t credits;         // granted
    struct bytes environment; // task, for the choice of a rule file
};

struct msg_question {
    uint64_t id; // unique in the run
    uint8_t kind, purpose;
    uint32_t lease_ms; // answer within this time
    int captions;      // 1 for rate, K for order
    struct bytes caption[ITEM_CAPTIONS_MAX];
    int8_t truth[ITEM_CAPTIONS_MAX]; // -1 unless this judge wants the truth
    uint8_t strength[ITEM_CAPTIONS_MAX];
};

struct msg_verdict {
    uint64_t question;
    uint8_t kind;     // enum verdict_kind
    float label;      // rate: P(helpful) in [0,1]
    uint8_t captions; // of the question
    uint8_t
        order[ITEM_CAPTIONS_MAX]; // order: rank of each caption, 0 best; equal = tie
    float confidence;             // 0..1, NaN unknown
    uint32_t tokens_in, tokens_out;
    uint32_t latency_us;
    bool cached;      // the judge had the answer already
    struct bytes raw; // the answer as text, ≤ 64 KB; may be empty
};

/* Lists travel in one frame. */
struct msg_questions {
    int count;
    struct msg_question question[QUESTIONS_PER_FRAME];
};
struct msg_verdicts {
    int count;
    struct msg_verdict verdict[QUESTIONS_PER_FRAME];
};
struct msg_verdict_ack {
    int count;
    uint64_t question[QUESTIONS_PER_FRAME];
};

#endif
