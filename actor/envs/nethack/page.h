#ifndef ACTOR_ENVS_NETHACK_PAGE_H
#define ACTOR_ENVS_NETHACK_PAGE_H
/* What a game's process and its driver share: one mapped file, `page` in the game's
 * private directory, and the hand-over by one word and futex(2). Built into both the
 * driver and the preload shim of one tree; `version` says so.
 *
 * Threads: at any moment the page belongs to the side that `turn` names; the words of
 * the hand-over are the only ones that both may touch. */

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "actor/envs/nethack/demand.h"
#include "actor/envs/nethack/keys.h"
#include "actor/envs/nethack/terminal.h"

enum { PAGE_VERSION = 1, PAGE_PATH_MAX = 512 };

#define PAGE_VARIABLE                                                                  \
    "MINOS_NETHACK_PAGE" // the path of the page, in the game's environment

enum page_turn { PAGE_GAME = 0, PAGE_DRIVER = 1 };

struct page {
    uint32_t version; // PAGE_VERSION, by the driver
    // By the driver, before the start.
    int32_t parent;             // the driver's process id
    uint64_t seed;              // of the stream that the game reads as /dev/urandom
    int64_t time;               // what time() says, all episode long
    char dir[PAGE_PATH_MAX];    // stands in for /var/games/nethack/; ends in '/'
    char record[PAGE_PATH_MAX]; // ttyrec to write; "" = none

    // The hand-over. The words of each waiter lie apart from the data.
    _Alignas(64) _Atomic uint32_t turn;
    _Atomic uint32_t driver_sleeps; // a wake is wanted when the turn changes
    _Atomic uint32_t over;          // the game left by itself

    // By the driver, with the turn.
    _Alignas(64) uint8_t key;
    // By the game, with the turn.
    uint8_t prompt; // enum demand, of what is left to the agent
    struct keys keys;
    struct terminal screen;
};

static inline long page_futex(_Atomic uint32_t *word, int op, uint32_t value,
                              const struct timespec *timeout)
{
    return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

/* The game's side: gives the page to the driver. The store of `turn` before the load of
 * `driver_sleeps` (and the driver's opposite order) needs sequential consistency: else
 * both could miss each other and the driver would sleep out its time. */
static inline void page_to_driver(struct page *p)
{
    atomic_store(&p->turn, PAGE_DRIVER);
    if (atomic_load(&p->driver_sleeps) != 0) {
        page_futex(&p->turn, FUTEX_WAKE, 1, NULL);
    }
}

/* The game's side: sleeps until it has the turn. */
static inline void page_await_game(struct page *p)
{
    while (atomic_load(&p->turn) != PAGE_GAME) {
        page_futex(&p->turn, FUTEX_WAIT, PAGE_DRIVER, NULL);
    }
}

/* The driver's side: gives the page to the game, which always sleeps by then. */
static inline void page_to_game(struct page *p)
{
    atomic_store(&p->turn, PAGE_GAME);
    page_futex(&p->turn, FUTEX_WAKE, 1, NULL);
}

static inline bool page_is_drivers(struct page *p)
{
    return atomic_load(&p->turn) == PAGE_DRIVER;
}

/* The driver's side: sleeps until it has the turn, at most `ms`. */
static inline bool page_await_driver(struct page *p, long ms)
{
    const struct timespec limit = {ms / 1000, (ms % 1000) * 1000000};

    if (page_is_drivers(p)) {
        return true;
    }
    atomic_store(&p->driver_sleeps, 1);
    page_futex(&p->turn, FUTEX_WAIT, PAGE_GAME, &limit);
    atomic_store(&p->driver_sleeps, 0);
    return page_is_drivers(p);
}

#endif
