#ifndef ACTOR_ENVS_NETHACK_GAMEHOME_H
#define ACTOR_ENVS_NETHACK_GAMEHOME_H
/* Where the games of this process live: a copy of the installed binary in memory, and a
 * private directory on tmpfs with one folder per game. Nothing outlives the process: what
 * a killed one left is removed by the next that starts. The driver's thread. */

#include "common/base/status.h"

enum { GAMEHOME_PATH_MAX = 400 };

struct gamehome {
    char dir[GAMEHOME_PATH_MAX];  // of this process; a folder per game below it
    char shim[GAMEHOME_PATH_MAX]; // what LD_PRELOAD names
    int binary;                   // memfd of the game; executed as /proc/self/fd/N
};

/* The process's one home: made by the first call, removed when every caller has let go.
 * `scratch` serves where /dev/shm does not; "" = /tmp. ST_NOTFOUND (logged): NetHack or
 * the shim is not installed; ST_IO (logged). */
MUST_USE enum status gamehome_hold(const char *scratch, const struct gamehome **out);
void gamehome_release(void);
/* A new folder for one game, path without a slash at its end. */
MUST_USE enum status gamehome_make_folder(char out[GAMEHOME_PATH_MAX]);

#endif
