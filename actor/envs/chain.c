#include "actor/envs/chain.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "actor/envs/overrides.h"
#include "actor/envs/screen.h"
#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/mem.h"

/* Landings 1..length-1 above the floor and the top: `up` climbs one, `down` falls back to
 * the floor. Reaching the top pays `prize` and ends the episode; every step pays `pay`.
 * Always up: prize + length * pay after `length` steps. Always down: limit * pay, cut by
 * the limit, so that the value of the last observation is pay / (1 - gamma). */

enum chain_event { CHAIN_START, CHAIN_CLIMB, CHAIN_FALL, CHAIN_TOP };

struct constants {
    int32_t length, limit, pay, prize;
};

#define ROW(field_, least_, most_, help_)                                              \
    {                                                                                  \
        .name = #field_, .offset = offsetof(struct constants, field_),                 \
        .least = (least_), .most = (most_), .help = (help_)                            \
    }
static const struct override_row constant_rows[] = {
    ROW(length, 1, 9, "climbs from the floor to the top"),
    ROW(limit, 1, 100000, "steps until the episode is cut"),
    ROW(pay, -100, 100, "reward of every step"),
    ROW(prize, -100, 100, "reward of reaching the top"),
};
#undef ROW
enum { CONSTANT_ROWS = sizeof(constant_rows) / sizeof(constant_rows[0]) };

static const char *const action_names[CHAIN_ACTIONS] = {"up", "down"};
static const char *const tasks[] = {"chain", NULL};
static const char *const ordinals[9] = {"first", "second",  "third",  "fourth", "fifth",
                                        "sixth", "seventh", "eighth", "ninth"};

struct chain {
    struct constants constants;
    struct env_spec spec;
    struct env_obs obs;
    struct env_summary summary;
    int height; // landings climbed
    int action;
    bool over;
};

static struct chain *self(struct env *e)
{
    return (struct chain *)e;
}

static const struct chain *self_const(const struct env *e)
{
    return (const struct chain *)e;
}

static const char *chain_goal_of(const char *task)
{
    (void)task;
    return "exploration";
}

static enum status chain_open(const struct env_options *options, struct env **out)
{
    struct constants c = {.length = 5, .limit = 20, .pay = 0, .prize = 50};

    TRY(overrides_apply(options->task, options->overrides, constant_rows, CONSTANT_ROWS,
                        &c));
    struct chain *b = mem_new(1, sizeof(*b));
    b->constants = c;
    b->over = true;
    b->spec = (struct env_spec){
        .task = tasks[0],
        .actions = CHAIN_ACTIONS,
        .action_names = action_names,
        .max_steps = c.limit,
        .captions = true,
        .truth = true,
        .digest = hash_64(bytes_of(&c, sizeof(c))),
    };
    *out = (struct env *)b;
    return ST_OK;
}

static void chain_close(struct env *e)
{
    mem_free(e);
}

static const struct env_spec *chain_spec(const struct env *e)
{
    return &self_const(e)->spec;
}

static void say(struct chain *b, const char *text, enum chain_event event)
{
    screen_caption(&b->obs, text, strlen(text), (int16_t)event);
}

/* The landing's number left and right of the hero, and his height in the stats: every
 * landing looks different. */
static void draw(struct chain *b)
{
    struct env_obs *o = &b->obs;
    uint8_t digit = (uint8_t)('0' + b->height);

    o->stats[STAT_Y] = o->hero_row - 1;
    o->stats[STAT_X] = o->hero_col;
    o->stats[STAT_TIME] = b->summary.length;
    o->stats[STAT_HP] = b->height;
    screen_put(o, o->hero_row, o->hero_col - 1, digit, COLOR_YELLOW);
    screen_put(o, o->hero_row, o->hero_col, '@', COLOR_WHITE);
    screen_put(o, o->hero_row, o->hero_col + 1, digit, COLOR_YELLOW);
}

static enum status chain_reset(struct env *e, const struct rng_stream *stream)
{
    struct chain *b = self(e);

    // Nothing here is drawn by chance; the seed is kept so that summaries tell it.
    b->summary = (struct env_summary){.depth = 1, .seed = stream->seed};
    b->height = 0;
    b->over = false;
    screen_clear(&b->obs);
    b->obs.hero_row = 11;
    b->obs.hero_col = 38;
    say(b, "You stand at the foot of a ladder.", CHAIN_START);
    draw(b);
    return ST_OK;
}

static void chain_send(struct env *e, int action)
{
    struct chain *b = self(e);

    CHECK(!b->over && action >= 0 && action < CHAIN_ACTIONS);
    b->action = action;
}

static void climb(struct chain *b)
{
    char line[ENV_COLS + 1];

    b->height++;
    if (b->height == b->constants.length) {
        say(b, "You reach the top of the ladder.", CHAIN_TOP);
        return;
    }
    (void)snprintf(line, sizeof(line), "You climb to the %s landing.",
                   ordinals[b->height - 1]);
    say(b, line, CHAIN_CLIMB);
}

static void chain_receive(struct env *e, struct env_result *result)
{
    struct chain *b = self(e);

    if (b->action == CHAIN_UP) {
        climb(b);
    } else {
        b->height = 0;
        say(b, "You slide back to the floor.", CHAIN_FALL);
    }
    b->summary.length++;
    b->summary.success = b->height == b->constants.length;
    *result = (struct env_result){
        .reward =
            (float)(b->constants.pay + (b->summary.success ? b->constants.prize : 0)),
        .terminated = b->summary.success,
        .truncated = !b->summary.success && b->summary.length >= b->constants.limit,
    };
    b->summary.score += result->reward;
    b->over = result->terminated || result->truncated;
    if (b->over) {
        strcpy(b->summary.cause, result->terminated ? "success" : "limit");
    }
    draw(b);
}

static const struct env_obs *chain_obs(const struct env *e)
{
    return &self_const(e)->obs;
}

static void chain_summary(const struct env *e, struct env_summary *out)
{
    *out = self_const(e)->summary;
}

static int chain_truth(const struct env *e, int16_t event, int *strength)
{
    (void)e;
    *strength = event == CHAIN_TOP ? 3 : event == CHAIN_CLIMB ? 1 : 0;
    return event == CHAIN_CLIMB || event == CHAIN_TOP;
}

const struct env_kind env_chain = {
    .name = "chain",
    .tasks = tasks,
    .goal_of = chain_goal_of,
    .open = chain_open,
    .close = chain_close,
    .spec = chain_spec,
    .reset = chain_reset,
    .send = chain_send,
    .receive = chain_receive,
    .obs = chain_obs,
    .summary = chain_summary,
    .truth = chain_truth,
};
