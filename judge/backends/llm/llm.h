#ifndef JUDGE_BACKENDS_LLM_LLM_H
#define JUDGE_BACKENDS_LLM_LLM_H
/* Judges by a language model behind any server of OpenAI's protocol (judge/README.md). */

#include "judge/judge.h"

extern const struct judge_backend llm_backend;

#endif
