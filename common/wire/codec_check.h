#ifndef COMMON_WIRE_CODEC_CHECK_H
#define COMMON_WIRE_CODEC_CHECK_H
/* What values a decoded message may hold. The verifier guards memory, codec_read.cc the
 * shape; this is the meaning. Every function returns NULL, or a static sentence that
 * names the first field that is wrong. Any thread. */

#include "common/wire/codec.h"

/* limits may be NULL: any. */
const char *codec_check_segment(const struct segment_view *v,
                                const struct codec_limits *limits);
const char *codec_check_hello(const struct msg_hello *m);
const char *codec_check_welcome(const struct msg_welcome *m);
const char *codec_check_refuse(const struct msg_refuse *m);
const char *codec_check_ack(const struct msg_ack *m);
const char *codec_check_weights(const struct msg_weights *m);
const char *codec_check_judge_hello(const struct msg_judge_hello *m);
const char *codec_check_judge_welcome(const struct msg_judge_welcome *m);
const char *codec_check_question(const struct msg_question *q);
/* ranks: how many entries of `order` came. */
const char *codec_check_verdict(const struct msg_verdict *v, int ranks);

#endif
