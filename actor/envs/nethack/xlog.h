#ifndef ACTOR_ENVS_NETHACK_XLOG_H
#define ACTOR_ENVS_NETHACK_XLOG_H
/* The line that NetHack writes into xlogfile when a game ends. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xlog {
    int64_t points; // the game's own final score
    int32_t deepest;
    char death[96]; // "killed by a jackal"
};

/* The last line of `dir`/xlogfile. False: the game wrote none (it was saved, or died of
 * something else than the player's character). */
bool xlog_read(const char *dir, struct xlog *out);
/* Of one line without its line break; what is missing stays 0 or "". */
void xlog_parse(const char *line, struct xlog *out);

#endif
