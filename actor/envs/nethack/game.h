#ifndef ACTOR_ENVS_NETHACK_GAME_H
#define ACTOR_ENVS_NETHACK_GAME_H
/* One game's process: start, hand a key over, wait for its turn to end, notice when it
 * died or hangs, stop it and clean up. Knows nothing of scores or tasks. The driver's
 * thread. */

#include <stdint.h>
#include <sys/types.h>

#include "actor/envs/nethack/gamehome.h"
#include "actor/envs/nethack/page.h"

enum game_state {
    GAME_READY, // it waits for a key; the page is ours
    GAME_OVER,  // it ended by itself; the page shows the last of it
    GAME_CRASHED,
    GAME_HUNG // it gave no answer in time, and was killed
};

struct game {
    const struct gamehome *home;
    struct page *page;
    pid_t pid; // 0 = none runs
    char dir[GAMEHOME_PATH_MAX];
    char preload[GAMEHOME_PATH_MAX + 16], options[GAMEHOME_PATH_MAX + 24],
        page_path[GAMEHOME_PATH_MAX + 32]; // of its environment
};

/* Makes the folder, the page and the options file. `character` is role, race, gender and
 * alignment as the options file wants them, checked by the caller. After a failure
 * game_close() still has to be called. */
MUST_USE enum status game_open(struct game *g, const struct gamehome *home,
                               const char *const character[4]);
void game_close(struct game *g); // stops it; a game that was not opened is fine

/* Starts a new game, first stopping the one that runs. `record`: a ttyrec to write, ""
 * = none. Does not wait for it. ST_IO (logged). */
MUST_USE enum status game_start(struct game *g, uint64_t seed, const char *record);
/* Only after game_wait() said GAME_READY. Returns at once. */
void game_send(struct game *g, uint8_t key);
/* Waits for the key just sent, or for the start, at most `deadline_ms`. In all states but
 * GAME_READY no process is left. */
enum game_state game_wait(struct game *g, uint32_t deadline_ms);
/* Kills it, takes its exit status and removes its files; nothing when none runs. */
void game_stop(struct game *g);
/* The first line that it wrote to stderr, for an error; "" = none. */
void game_complaint(const struct game *g, char *out, size_t size);

#endif
