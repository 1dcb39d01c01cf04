#include "actor/envs/crypt/crypt.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "actor/envs/crypt/dungeon.h"
#include "actor/envs/screen.h"
#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/mem.h"

/* One step, always in this order: the hero's action with what it says, the monsters,
 * healing and hunger, the turn, death, success, the limit. Success beats death, and death
 * the limit. The last observation and caption stand until the actor resets. */

static const char *const action_names[CRYPT_ACTIONS] = {
    "north",         "east",          "south",
    "west",          "northeast",     "southeast",
    "southwest",     "northwest",     "far-north",
    "far-east",      "far-south",     "far-west",
    "far-northeast", "far-southeast", "far-southwest",
    "far-northwest", "down",          "up",
    "pickup",        "search"};

static struct crypt *self(struct env *e)
{
    return (struct crypt *)e;
}

static const struct crypt *self_const(const struct env *e)
{
    return (const struct crypt *)e;
}

/* Task and constants, and the number of these rules: raise it when a game would go
 * another way, so that actors of different builds do not mix. */
static uint64_t digest_of(const struct task *t)
{
    enum { RULES_VERSION = 1 };
    const uint32_t version = RULES_VERSION;
    struct hash_state *h = hash_begin();

    hash_add(h, bytes_of(&version, sizeof(version)));
    hash_add(h, bytes_text(t->name));
    hash_add(h, bytes_of(&t->c, sizeof(t->c)));
    return hash_end(h).lo;
}

static enum status crypt_open(const struct env_options *options, struct env **out)
{
    struct task task;

    TRY(tasks_make(options, &task));
    struct crypt *g = mem_new(1, sizeof(*g));
    g->task = task;
    g->over = true;
    g->spec = (struct env_spec){
        .task = task.name,
        .actions = CRYPT_ACTIONS,
        .action_names = action_names,
        .max_steps = task.c.limit,
        .captions = true,
        .truth = true,
        .digest = digest_of(&task),
    };
    *out = (struct env *)g;
    return ST_OK;
}

static void crypt_close(struct env *e)
{
    mem_free(e);
}

static const struct env_spec *crypt_spec(const struct env *e)
{
    return &self_const(e)->spec;
}

/* Everything of an episode follows from 32 bits, shown in its summary: below 2^31 in
 * training, from 2^31 on in evaluation, so that no level is met in both. */
static uint64_t level_seed(const struct rng_stream *stream)
{
    struct rng r;

    rng_init_stream(&r, stream);
    uint64_t seed = rng_next(&r) >> 33;
    return stream->role == RNG_EVAL ? seed | UINT64_C(1) << 31 : seed;
}

static enum status crypt_reset(struct env *e, const struct rng_stream *stream)
{
    struct crypt *g = self(e);
    uint64_t seed = level_seed(stream);

    rng_init_stream(&g->game, &(struct rng_stream){.seed = seed, .role = RNG_ENV});
    rng_init_stream(&g->text, &(struct rng_stream){.seed = seed, .role = RNG_TEXT});
    g->summary = (struct env_summary){.seed = seed};
    g->hp = g->task.c.hp;
    g->nutrition = g->task.c.nutrition;
    g->turn = 1;
    g->exp = g->gold = g->kills = 0;
    g->paid = 0;
    g->carries_key = g->over = g->success = false;
    g->last_hurt = ENV_EVENT_NONE;
    g->inscription = (uint32_t)rng_next(&g->text);
    g->inscriptions = 0;
    screen_clear(&g->obs);
    screen_text(&g->obs, ENV_ROWS - 2, 0, "Delver the Seeker", COLOR_GRAY);
    level_make(g, 1);
    vision_enter_level(g);
    captions_begin(g);
    vision_objects(g);
    vision_monsters(g);
    // What lies in the first room is drawn and not announced.
    captions_begin(g);
    captions_note(g, EV_ENTER);
    captions_write(g);
    draw_place(g);
    g->status_stale = true;
    draw_status(g);
    return ST_OK;
}

static void crypt_send(struct env *e, int action)
{
    struct crypt *g = self(e);

    CHECK(!g->over && action >= 0 && action < CRYPT_ACTIONS);
    g->action = action;
}

static void heal_and_hunger(struct crypt *g)
{
    enum { HUNGRY_AT = 99, STARVE_TURNS = 8 };

    if (g->hp > 0 && g->hp < g->task.c.hp && g->turn % g->task.c.regen == 0) {
        g->hp++;
        g->status_stale = true;
    }
    if (!g->task.c.hunger) {
        return;
    }
    g->nutrition--;
    if (g->nutrition == HUNGRY_AT) {
        captions_note(g, EV_HUNGRY);
    }
    if (g->nutrition <= 0 && g->turn % STARVE_TURNS == 0) {
        g->hp--;
        g->last_hurt = EV_DEATH_HUNGER;
        g->status_stale = true;
    }
}

static void note_death(struct crypt *g)
{
    if (g->last_hurt == EV_DEATH_BITE) {
        captions_note_monster(g, EV_DEATH_BITE, g->killer_kind, g->killer_adjective);
    } else {
        captions_note(g, (enum crypt_event)g->last_hurt);
    }
}

static void write_cause(struct crypt *g, bool dead)
{
    char *cause = g->summary.cause;
    size_t size = sizeof(g->summary.cause);
    const char *kind = words_kinds[g->killer_kind];

    if (g->success) {
        (void)snprintf(cause, size, "success");
    } else if (!dead) {
        (void)snprintf(cause, size, "limit");
    } else if (g->last_hurt == EV_DEATH_BITE) {
        (void)snprintf(cause, size, "bitten by %s %s",
                       strchr("aeiou", kind[0]) != NULL ? "an" : "a", kind);
    } else {
        (void)snprintf(cause, size, "%s",
                       g->last_hurt == EV_DEATH_TRAP ? "a trap" : "hunger");
    }
}

static float reward_of(struct crypt *g)
{
    enum { PER_EXP = 4, PER_LEVEL = 50 };

    if (g->task.kind == TASK_FREE) {
        return 0;
    }
    if (g->task.kind != TASK_SCORE) {
        return g->success ? (float)g->task.c.prize : 0;
    }
    int32_t score = g->gold + PER_EXP * g->exp + PER_LEVEL * (g->depth - 1);
    int32_t won = score - g->paid;
    g->paid = score;
    return (float)won;
}

static void crypt_receive(struct env *e, struct env_result *result)
{
    struct crypt *g = self(e);

    captions_begin(g);
    draw_lift(g);
    move_act(g);
    vision_objects(g);
    monsters_act(g);
    vision_monsters(g);
    heal_and_hunger(g);
    captions_ambient(g);
    g->turn++;
    g->summary.length++;

    bool dead = g->hp <= 0;
    if (dead) {
        note_death(g);
    }
    *result = (struct env_result){
        .reward = reward_of(g),
        .terminated = g->success || dead,
        .truncated = !g->success && !dead && g->summary.length >= g->task.c.limit,
    };
    g->summary.score += result->reward;
    g->over = result->terminated || result->truncated;
    if (g->over) {
        write_cause(g, dead);
    }
    captions_write(g);
    draw_place(g);
    draw_status(g);
}

static const struct env_obs *crypt_obs(const struct env *e)
{
    return &self_const(e)->obs;
}

static int count_bits(uint32_t bits)
{
    int n = 0;

    for (; bits != 0; bits &= bits - 1) {
        n++;
    }
    return n;
}

static void crypt_summary(const struct env *e, struct env_summary *out)
{
    const struct crypt *g = self_const(e);

    *out = g->summary;
    out->depth = g->depth;
    out->gold = g->gold;
    out->experience = g->exp;
    out->success = g->success;
    if (g->task.kind == TASK_FREE) {
        out->score = (float)count_bits(g->summary.achievements);
    } else {
        out->achievements = 0;
    }
}

static int crypt_truth(const struct env *e, int16_t event, int *strength)
{
    return captions_truth((int)self_const(e)->task.kind, event, strength);
}

const struct env_kind env_crypt = {
    .name = "crypt",
    .tasks = tasks_names,
    .goal_of = tasks_goal_of,
    .open = crypt_open,
    .close = crypt_close,
    .spec = crypt_spec,
    .reset = crypt_reset,
    .send = crypt_send,
    .receive = crypt_receive,
    .obs = crypt_obs,
    .summary = crypt_summary,
    .truth = crypt_truth,
};
