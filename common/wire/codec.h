#ifndef COMMON_WIRE_CODEC_H
#define COMMON_WIRE_CODEC_H
/* Structs to frames and back. The only file that knows FlatBuffers (codec.cc, C++ without
 * exceptions or RTTI) lies behind this header.
 *
 * Encoding: into the codec's own reused buffer; the returned bytes (header included) hold
 * until the next encode with the same codec. One codec per thread.
 * Decoding: header, then the official verifier, then the meaning (lengths against each
 * other, values against ranges). Frames need 8-byte alignment at FRAME_HEADER: a decode
 * of a frame that is not aligned copies it into the codec's scratch first, so decoded
 * structs hold until the next decode of a small frame with the same codec.
 * ST_CORRUPT: the verifier or a range refused it; codec_reason() says which. ST_VERSION:
 * another table version. Nothing is logged here. */

#include "common/wire/messages.h"

#ifdef __cplusplus
extern "C" {
#endif

struct codec;
struct codec *codec_new(void);
void codec_free(struct codec *c); // NULL is fine
/* Why the last decode failed: a static string such as "captions: index out of range". */
const char *codec_reason(const struct codec *c);

/* What decode_segment holds a segment to, beside its own consistency. 0 = any. */
struct codec_limits {
    int T, state_floats, actions, value_heads;
};

struct bytes codec_encode_segment(struct codec *c, const struct segment_fill *s);
MUST_USE enum status codec_decode_segment(struct codec *c, struct bytes frame,
                                          const struct codec_limits *limits,
                                          struct segment_view *out);

struct bytes codec_encode_hello(struct codec *c, const struct frame_header *h,
                                const struct msg_hello *m);
struct bytes codec_encode_welcome(struct codec *c, const struct frame_header *h,
                                  const struct msg_welcome *m);
/* For actors and judges. */
struct bytes codec_encode_refuse(struct codec *c, const struct frame_header *h,
                                 const struct msg_refuse *m);
struct bytes codec_encode_ack(struct codec *c, const struct frame_header *h,
                              const struct msg_ack *m);
struct bytes codec_encode_weights(struct codec *c, const struct frame_header *h,
                                  const struct msg_weights *m);
struct bytes codec_encode_judge_hello(struct codec *c, const struct frame_header *h,
                                      const struct msg_judge_hello *m);
struct bytes codec_encode_judge_welcome(struct codec *c, const struct frame_header *h,
                                        const struct msg_judge_welcome *m);
struct bytes codec_encode_questions(struct codec *c, const struct frame_header *h,
                                    const struct msg_questions *m);
struct bytes codec_encode_verdicts(struct codec *c, const struct frame_header *h,
                                   const struct msg_verdicts *m);
struct bytes codec_encode_verdict_ack(struct codec *c, const struct frame_header *h,
                                      const struct msg_verdict_ack *m);
/* FETCH, BEAT, GOODBYE, WHO, STOP: the header alone. */
struct bytes codec_encode_bare(struct codec *c, const struct frame_header *h);

MUST_USE enum status codec_decode_hello(struct codec *c, struct bytes frame,
                                        struct msg_hello *out);
MUST_USE enum status codec_decode_welcome(struct codec *c, struct bytes frame,
                                          struct msg_welcome *out);
MUST_USE enum status codec_decode_refuse(struct codec *c, struct bytes frame,
                                         struct msg_refuse *out);
MUST_USE enum status codec_decode_ack(struct codec *c, struct bytes frame,
                                      struct msg_ack *out);
MUST_USE enum status codec_decode_weights(struct codec *c, struct bytes frame,
                                          struct msg_weights *out);
MUST_USE enum status codec_decode_judge_hello(struct codec *c, struct bytes frame,
                                              struct msg_judge_hello *out);
MUST_USE enum status codec_decode_judge_welcome(struct codec *c, struct bytes frame,
                                                struct msg_judge_welcome *out);
MUST_USE enum status codec_decode_questions(struct codec *c, struct bytes frame,
                                            struct msg_questions *out);
MUST_USE enum status codec_decode_verdicts(struct codec *c, struct bytes frame,
                                           struct msg_verdicts *out);
MUST_USE enum status codec_decode_verdict_ack(struct codec *c, struct bytes frame,
                                              struct msg_verdict_ack *out);

#ifdef __cplusplus
}
#endif

#endif
