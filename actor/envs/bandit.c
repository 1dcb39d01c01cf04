#include "actor/envs/bandit.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "actor/envs/overrides.h"
#include "actor/envs/screen.h"
#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/mem.h"

/* Six levers and a strongbox. One lever, the same in every episode, draws a bolt; eight
 * drawn bolts open the box: reward 50, the episode is over. The best return is 50, after
 * 8 steps; pulling at random opens it in about one episode of 25 (binomial, 24 pulls). */

enum { LEVERS = 6, REWARD_SUCCESS = 50 };

/* What a caption tells of. */
enum bandit_event { BANDIT_START, BANDIT_NOTHING, BANDIT_BOLT, BANDIT_OPEN };

struct constants {
    int32_t best, bolts, limit;
};

#define ROW(field_, least_, most_, help_)                                              \
    {                                                                                  \
        .name = #field_, .offset = offsetof(struct constants, field_),                 \
        .least = (least_), .most = (most_), .help = (help_)                            \
    }
static const struct override_row constant_rows[] = {
    ROW(best, 1, LEVERS, "the lever that draws a bolt"),
    ROW(bolts, 1, 8, "bolts to draw"),
    ROW(limit, 1, 100000, "pulls until the episode is cut"),
};
#undef ROW
enum { CONSTANT_ROWS = sizeof(constant_rows) / sizeof(constant_rows[0]) };

static const char *const action_names[LEVERS] = {"lever-1", "lever-2", "lever-3",
                                                 "lever-4", "lever-5", "lever-6"};
static const char *const tasks[] = {"bandit", NULL};
static const char *const ordinals[8] = {"first", "second", "third",   "fourth",
                                        "fifth", "sixth",  "seventh", "eighth"};
static const char *const nothings[] = {
    "The lever snaps back.", "Dust falls from the ceiling.",
    "Something clicks far away.", "Nothing happens."};

struct bandit {
    struct constants constants;
    struct env_spec spec;
    struct env_obs obs;
    struct rng rng;
    struct env_summary summary;
    int drawn;  // bolts
    int action; // handed over by send()
    bool over;
};

static struct bandit *self(struct env *e)
{
    return (struct bandit *)e;
}

static const struct bandit *self_const(const struct env *e)
{
    return (const struct bandit *)e;
}

static const char *bandit_goal_of(const char *task)
{
    (void)task;
    return "treasure";
}

static enum status bandit_open(const struct env_options *options, struct env **out)
{
    struct constants c = {.best = 5, .bolts = 8, .limit = 24};

    TRY(overrides_apply(options->task, options->overrides, constant_rows, CONSTANT_ROWS,
                        &c));
    struct bandit *b = mem_new(1, sizeof(*b));
    b->constants = c;
    b->over = true;
    b->spec = (struct env_spec){
        .task = tasks[0],
        .actions = LEVERS,
        .action_names = action_names,
        .max_steps = c.limit,
        .captions = true,
        .truth = true,
        .digest = hash_64(bytes_of(&c, sizeof(c))),
    };
    *out = (struct env *)b;
    return ST_OK;
}

static void bandit_close(struct env *e)
{
    mem_free(e);
}

static const struct env_spec *bandit_spec(const struct env *e)
{
    return &self_const(e)->spec;
}

static void say(struct bandit *b, const char *text, enum bandit_event event)
{
    screen_caption(&b->obs, text, strlen(text), (int16_t)event);
}

/* What changes from step to step; the rest of the screen is drawn at reset. */
static void draw(struct bandit *b)
{
    char line[ENV_COLS + 1];

    (void)snprintf(line, sizeof(line), "Bolts:%d T:%-8d", b->drawn,
                   (int)b->summary.length);
    screen_text(&b->obs, ENV_ROWS - 1, 0, line, COLOR_GRAY);
    b->obs.stats[STAT_SCORE] = b->drawn;
    b->obs.stats[STAT_TIME] = b->summary.length;
}

static enum status bandit_reset(struct env *e, const struct rng_stream *stream)
{
    struct bandit *b = self(e);
    enum { ROOM_ROW = 11, ROOM_COL = 38 };

    rng_init_stream(&b->rng, stream);
    b->summary = (struct env_summary){.depth = 1, .seed = b->rng.state};
    b->drawn = 0;
    b->over = false;
    screen_clear(&b->obs);
    b->obs.hero_row = ROOM_ROW;
    b->obs.hero_col = ROOM_COL;
    b->obs.stats[STAT_X] = ROOM_COL;
    b->obs.stats[STAT_Y] = ROOM_ROW - 1;
    screen_put(&b->obs, ROOM_ROW, ROOM_COL, '@', COLOR_WHITE);
    screen_put(&b->obs, ROOM_ROW + 2, ROOM_COL, '&', COLOR_YELLOW);
    for (int i = 0; i < LEVERS; i++) {
        screen_put(&b->obs, ROOM_ROW - 2, ROOM_COL - LEVERS / 2 + i, '/', COLOR_BROWN);
    }
    say(b, "Six levers and a strongbox.", BANDIT_START);
    draw(b);
    return ST_OK;
}

static void bandit_send(struct env *e, int action)
{
    struct bandit *b = self(e);

    CHECK(!b->over && action >= 0 && action < LEVERS);
    b->action = action;
}

static void pull(struct bandit *b)
{
    char line[ENV_COLS + 1];
    uint32_t count = sizeof(nothings) / sizeof(nothings[0]);

    if (b->action != b->constants.best - 1) {
        say(b, nothings[rng_below(&b->rng, count)], BANDIT_NOTHING);
        return;
    }
    b->drawn++;
    if (b->drawn == b->constants.bolts) {
        say(b, "The last bolt slides back and the strongbox opens.", BANDIT_OPEN);
        return;
    }
    (void)snprintf(line, sizeof(line), "The %s bolt slides back.",
                   ordinals[b->drawn - 1]);
    say(b, line, BANDIT_BOLT);
}

static void bandit_receive(struct env *e, struct env_result *result)
{
    struct bandit *b = self(e);

    pull(b);
    b->summary.length++;
    b->summary.success = b->drawn == b->constants.bolts;
    *result = (struct env_result){
        .reward = b->summary.success ? REWARD_SUCCESS : 0,
        .terminated = b->summary.success,
        // Success wins: an episode is never both over and cut.
        .truncated = !b->summary.success && b->summary.length >= b->constants.limit,
    };
    b->summary.score += result->reward;
    b->over = result->terminated || result->truncated;
    if (b->over) {
        strcpy(b->summary.cause, result->terminated ? "success" : "limit");
    }
    draw(b);
}

static const struct env_obs *bandit_obs(const struct env *e)
{
    return &self_const(e)->obs;
}

static void bandit_summary(const struct env *e, struct env_summary *out)
{
    *out = self_const(e)->summary;
}

static int bandit_truth(const struct env *e, int16_t event, int *strength)
{
    (void)e;
    *strength = event == BANDIT_OPEN ? 3 : event == BANDIT_BOLT ? 2 : 0;
    return event == BANDIT_BOLT || event == BANDIT_OPEN;
}

const struct env_kind env_bandit = {
    .name = "bandit",
    .tasks = tasks,
    .goal_of = bandit_goal_of,
    .open = bandit_open,
    .close = bandit_close,
    .spec = bandit_spec,
    .reset = bandit_reset,
    .send = bandit_send,
    .receive = bandit_receive,
    .obs = bandit_obs,
    .summary = bandit_summary,
    .truth = bandit_truth,
};
