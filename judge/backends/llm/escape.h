#ifndef JUDGE_BACKENDS_LLM_ESCAPE_H
#define JUDGE_BACKENDS_LLM_ESCAPE_H
/* A caption as it may stand in a prompt: UTF-8 on one line, without a "<", a control byte
 * or a chat template's token, and such that the caption can be had back
 * (judge/prompts/README.md, "Captions are data"). Any thread. */

#include <stddef.h>

#include "common/base/bytes.h"

enum { ESCAPE_GROWTH = 4 }; // the most bytes that one byte becomes: "\x1b"

/* Writes at most ESCAPE_GROWTH * caption.len bytes and a 0; returns how many, without
 * the 0. */
size_t escape_caption(struct bytes caption, char *out);

#endif
