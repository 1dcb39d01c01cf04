#ifndef TESTS_SUPPORT_WIRE_SAMPLES_H
#define TESTS_SUPPORT_WIRE_SAMPLES_H
/* One valid message of every kind with every field set to something of its own, for the
 * codec's tests and as seeds of its fuzzing. */

#include "common/wire/codec.h"

enum { SAMPLE_T = 8, SAMPLE_STATE = 6, SAMPLE_ACTIONS = 28 };

/* A segment and the arrays that it points to; change either, then encode. */
struct sample_segment {
    struct segment_fill fill;
    uint8_t chars[SAMPLE_T * SEGMENT_CELLS], colors[SAMPLE_T * SEGMENT_CELLS];
    int32_t stats[SAMPLE_T * SEGMENT_STATS];
    uint16_t caption[SAMPLE_T], count[SAMPLE_T];
    uint8_t action[SAMPLE_T], flags[SAMPLE_T];
    float logp[SAMPLE_T], value[SAMPLE_T], reward[SAMPLE_T], state[SAMPLE_STATE];
    float intrinsic[SAMPLE_T];
    struct segment_text text[4];
    struct segment_episode episode[2];
};
void sample_segment_init(struct sample_segment *s);      // of one value head
void sample_segment_two_heads(struct sample_segment *s); // after init

struct frame_header sample_header(uint8_t kind);
struct msg_hello sample_hello(void);
struct msg_welcome sample_welcome(void);
struct msg_refuse sample_refuse(void);
struct msg_ack sample_ack(void);
struct msg_weights sample_weights(void);
struct msg_judge_hello sample_judge_hello(void);
struct msg_judge_welcome sample_judge_welcome(void);
void sample_questions(struct msg_questions *out); // one to rate, one to order
void sample_verdicts(struct msg_verdicts *out);   // one of each kind
struct msg_verdict_ack sample_verdict_ack(void);

/* The sample of kind `kind` as a frame; valid until the next encode with c. */
struct bytes sample_frame(struct codec *c, uint8_t kind);
/* The kinds that have a body, ended by 0. */
extern const uint8_t sample_kinds[];

/* Decodes with the decoder of `kind` and reads every byte that the result lends;
 * returns a checksum through *sum, so that no read is left out. */
enum status sample_decode_all(struct codec *c, uint8_t kind, struct bytes frame,
                              const struct codec_limits *limits, uint64_t *sum);

#endif
