#ifndef JUDGE_BACKENDS_LLM_KEY_H
#define JUDGE_BACKENDS_LLM_KEY_H
/* The key of a language model's server: from the environment alone, and nowhere to be
 * read again: the process allows no dump, and what the server says is scrubbed of it
 * before it is logged or stored.
 *
 * Threads: one. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/status.h"

enum { KEY_MAX = 4096 };

struct key {
    char text[KEY_MAX + 1]; // "" = none
    size_t len;
};

/* Takes the variable's value out of the environment: the first call wipes it there, later
 * ones get it again. `name` "" is OPENAI_API_KEY, and a missing one is no key;
 * ST_INVALID (logged): the variable that was named is not set, or holds what no header
 * may. Nobody may dump or trace this process from then on. */
MUST_USE enum status key_take(const char *name, struct key *out);
void key_forget(struct key *k);
/* Overwrites each occurrence with '*', also with its slashes escaped as JSON may have
 * them, and a beginning of it that the end of `text` cuts off. */
void key_scrub(const struct key *k, char *text, size_t len);

#endif
