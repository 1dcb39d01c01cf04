#ifndef COMMON_WIRE_JUDGEMENT_H
#define COMMON_WIRE_JUDGEMENT_H
/* What learner and judge say to each other, as plain structs. Decoded ones borrow their
 * bytes from the frame. schemas/README.md tells the same to writers in other languages. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"

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
enum { POSITION_UNKNOWN = -128 }; // of msg_verdict.position

/* Why a judge wants no questions now; those that soonest end come first. */
enum judge_pause {
    PAUSE_UNSAID = 0,
    PAUSE_SERVER = 1,
    PAUSE_BUDGET_HOUR = 2,
    PAUSE_BUDGET = 3,
    PAUSES = 4
};

struct msg_judge_hello {
    struct bytes name;  // backend: "rule"
    struct bytes model; // "" where there is none
    struct hash128 prompt_digest;
    bool can_rate, can_order;
    uint32_t order_most;  // largest K
    uint32_t deadline_ms; // its total deadline for one question
    uint32_t credits;     // questions it wants to hold; 0: none now
    bool wants_truth;
    struct bytes host;
    uint64_t pid, nonce;
    uint8_t
        pause; // enum judge_pause, where credits is 0; PAUSE_UNSAID what we do not know
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
    float label;      // rate: P(helpful) in [0,1]; comes as 0 unless kind is LABEL
    uint8_t captions; // of the question
    // order: rank of each caption, 0 best; equal = tie
    uint8_t order[ITEM_CAPTIONS_MAX];
    float confidence; // 0..1, NaN unknown
    uint32_t tokens_in, tokens_out;
    uint32_t latency_us;
    bool cached; // the judge had the answer already
    // The answer as text; may be empty. The codec keeps the first 64 KB.
    struct bytes raw;
    uint16_t requests;   // made to a server for this answer
    uint32_t cost_micro; // millionths of the price's currency
    bool estimated;      // the tokens are an estimate
    // Of a pair asked in both orders: 0 both agreed, 1 the first shown won both, -1 the
    // second shown did, else POSITION_UNKNOWN; comes so of all that is no pair.
    int8_t position;
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
