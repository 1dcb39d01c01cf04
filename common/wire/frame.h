#ifndef COMMON_WIRE_FRAME_H
#define COMMON_WIRE_FRAME_H
/* Every message is ONE ZeroMQ frame: a fixed header of 32 bytes, then a FlatBuffer (or
 * nothing). Little-endian. The header alone says who sent it and which segment it is, so
 * that an ack or a drop needs no decoding. Stored segments keep it: the bytes stored are
 * the bytes sent. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/status.h"

enum { FRAME_HEADER = 32, FRAME_PROTOCOL = 1 };

enum frame_kind {
    // actor → learner
    FRAME_HELLO = 1, // to rank 0: who am I; to the own rank: I am back
    FRAME_SEGMENT = 2,
    FRAME_FETCH = 3,   // seq: nothing; asks for the newest weights
    FRAME_BEAT = 4,    // both ways, no body, each second when nothing else was sent
    FRAME_GOODBYE = 5, // seq = last sequence + 1 that was begun: nothing more comes
    // learner → actor
    FRAME_WELCOME = 6,
    FRAME_REFUSE = 7,
    FRAME_ACK = 8, // of segments, with window and newest version; also the notice
    FRAME_WEIGHTS = 9,
    FRAME_WHO = 10,  // "hello?": I do not know you in this start
    FRAME_STOP = 11, // end in order
    // judge → learner
    FRAME_JUDGE_HELLO = 20,
    FRAME_VERDICTS = 21,
    // learner → judge
    FRAME_JUDGE_WELCOME = 22,
    FRAME_QUESTIONS = 23,
    FRAME_VERDICT_ACK = 24,
};

struct frame_header {
    uint8_t kind;
    uint64_t run;         // 0 until welcomed
    uint32_t actor;       // actor or judge number, from the welcome; 0 before
    uint32_t incarnation; // from the welcome; 0 before
    uint64_t seq;
};

void frame_write_header(const struct frame_header *h, uint8_t out[FRAME_HEADER]);
/* ST_CORRUPT: too short, wrong magic or unknown kind. ST_VERSION: another protocol.
 * Never logs: the caller counts and limits. */
MUST_USE enum status frame_read_header(struct bytes frame, struct frame_header *out);

#endif
