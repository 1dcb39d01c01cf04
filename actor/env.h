#ifndef ACTOR_ENV_H
#define ACTOR_ENV_H
/* What an environment is. A kind is a constant struct of functions; a game is one
 * instance of it. actor/README.md walks through envs/bandit.c, the smallest one.
 *
 * Threads: everything from the actor's one thread. A kind may keep games in child
 * processes; send() then lets many of them work while the actor goes on. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/rng.h"
#include "common/base/status.h"

enum {
    ENV_ROWS = 24, // the terminal
    ENV_COLS = 80,
    ENV_STATS = 27,        // NLE's blstats order; what an environment lacks is 0
    ENV_CAPTION_MAX = 255, // bytes
    ENV_ACTIONS_MAX = 64,
    ENV_EVENT_NONE = -1
};

/* Index into stats: the order of NLE's blstats. */
enum env_stat {
    STAT_X,
    STAT_Y,
    STAT_STR25,
    STAT_STR125,
    STAT_DEX,
    STAT_CON,
    STAT_INT,
    STAT_WIS,
    STAT_CHA,
    STAT_SCORE,
    STAT_HP,
    STAT_HPMAX,
    STAT_DEPTH,
    STAT_GOLD,
    STAT_ENE,
    STAT_ENEMAX,
    STAT_AC,
    STAT_HD,
    STAT_XL,
    STAT_EXP,
    STAT_TIME,
    STAT_HUNGER,
    STAT_CAP,
    STAT_DNUM,
    STAT_DLEVEL,
    STAT_CONDITION,
    STAT_ALIGN
};

/* The screen and the line of text that a player sees. Owned by the game; holds until the
 * next call on that game. Row 0 is the caption's, rows 1..21 the map, 22 and 23 status;
 * the hero stands on (hero_row, hero_col) of the screen, so hero_row = y + 1. */
struct env_obs {
    uint8_t chars[ENV_ROWS][ENV_COLS];
    uint8_t colors[ENV_ROWS][ENV_COLS]; // 0..15, +16 = reverse video
    int32_t stats[ENV_STATS];
    int16_t hero_row, hero_col;
    uint8_t caption[ENV_CAPTION_MAX + 1]; // Latin-1 bytes; 0-terminated
    uint16_t caption_len;                 // 0 = nothing was said
    int16_t event; // hidden truth: what the caption tells of; ENV_EVENT_NONE if unknown
};

/* What one step did. `obs` is then the observation AFTER the step, the terminal one
 * included: the actor resets, not the environment. */
struct env_result {
    float reward;
    bool terminated; // the game is over (death, success); wins over truncated
    bool truncated;  // cut by the step limit; V of the final observation goes on
};

/* One episode, complete when a result ended it. */
struct env_summary {
    float score;    // environment's own score
    int32_t length; // steps
    int32_t depth;  // deepest level, 1 = the first
    int32_t gold;
    int32_t experience;    // experience points
    int32_t scout;         // cells seen, summed over levels
    uint32_t achievements; // bit set, crypt-free's twelve; 0 elsewhere
    uint64_t seed;
    bool success;   // the task's own success, of this episode
    char cause[24]; // "success", "limit", "bitten by a rat", "crashed"
};

struct env_spec {
    const char *task; // "crypt-vault"
    int actions;
    const char *const *action_names;
    int max_steps;
    bool captions;
    bool truth;      // obs.event is filled
    uint64_t digest; // changes when task constants change: actors of one run must agree
};

struct env; // one game; each kind embeds nothing, only its own struct behind this name

/* Constants of a task as name = value pairs, from conf/ or --env-options="rooms=2x2,…". */
struct env_options {
    const char *task;
    const char *overrides; // "" = the task's own constants
    const char *scratch;   // a private directory for games that need files; "" = none
    bool record;           // keep a ttyrec of each episode in scratch, where known
};

struct env_kind {
    const char *name;         // the family: "crypt"
    const char *const *tasks; // NULL-terminated
    /* The goal that a run of this task is judged by unless told otherwise. */
    const char *(*goal_of)(const char *task);

    /* Makes one game. ST_INVALID (logged): an override that does not exist or is out of
     * range; ST_NOTFOUND (logged): something it needs is not installed. */
    enum status (*open)(const struct env_options *options, struct env **out);
    void (*close)(struct env *e);
    const struct env_spec *(*spec)(const struct env *e);

    /* Starts an episode. The same stream gives the same game. The observation of the
     * start is ready in obs() afterwards. ST_IO: the game cannot be started. */
    enum status (*reset)(struct env *e, const struct rng_stream *stream);
    /* Hands the action over; returns at once. */
    void (*send)(struct env *e, int action);
    /* Waits for the step that send() began. A crashed or hung game gives a truncated
     * result with cause "crashed", never an error of the actor's. */
    void (*receive)(struct env *e, struct env_result *result);
    const struct env_obs *(*obs)(const struct env *e);
    /* The running or just ended episode. */
    void (*summary)(const struct env *e, struct env_summary *out);
    /* Truth of an event for this game's task: 1 progress, 0 not, and a strength 0..3
     * for ranking. Travels with the caption to judges that ask for it. NULL where
     * spec.truth is false. */
    int (*truth)(const struct env *e, int16_t event, int *strength);
};

/* The kind and check of a task's name. ST_NOTFOUND (logged with the nearest name). */
MUST_USE enum status env_find(const char *task, const struct env_kind **out);
/* All kinds, NULL-terminated (envs/registry.c). */
extern const struct env_kind *const env_kinds[];

#endif
