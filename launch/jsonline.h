#ifndef LAUNCH_JSONLINE_H
#define LAUNCH_JSONLINE_H
/* Reads single values out of the flat JSON objects that our own programs write
 * (progress.json, summary.json, describe). Not a parser: a key is found wherever it
 * stands first. Any thread. */

#include <stdbool.h>
#include <stddef.h>

/* False, and *out untouched, when the key is not there or holds no number. */
bool jsonline_number(const char *json, const char *key, double *out);
/* The string behind key, escapes left as they are; cut to `size`. */
bool jsonline_text(const char *json, const char *key, char *out, size_t size);

#endif
