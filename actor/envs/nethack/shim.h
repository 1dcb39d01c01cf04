#ifndef ACTOR_ENVS_NETHACK_SHIM_H
#define ACTOR_ENVS_NETHACK_SHIM_H
/* Between the files of the preload shim. Inside the game's process; one thread. */

#include <stdint.h>
#include <stdio.h>

#include "actor/envs/nethack/page.h"

/* Seen by the game in place of libc's function of that name. */
#define SHIM_HOOK __attribute__((visibility("default")))

/* NULL in a process that was started without a page: every hook then is libc's. */
extern struct page *shim_page;

/* A stream of splitmix64 bytes seeded with page->seed; each open begins where the last
 * one ended, as the device would. */
FILE *shim_random_open(void);

#endif
