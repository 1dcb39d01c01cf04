#ifndef JUDGE_BACKENDS_LLM_REPLY_H
#define JUDGE_BACKENDS_LLM_REPLY_H
/* What a request that has ended means for its shot. For traffic.c. */

#include "judge/backends/llm/traffic.h"

/* Accounts for the request, then answers the shot, puts it back to be sent again, or
 * fails it. The shot's handle is free again. */
void reply_take(struct traffic *t, struct inquiry *q, struct shot *s,
                const struct http_result *r);
/* A request of which nothing will be heard any more: its question counts as paid. */
void reply_give_up(struct traffic *t, struct inquiry *q, struct shot *s);

#endif
