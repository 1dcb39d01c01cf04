/* The environment: an action becomes a key, the screen becomes an observation, a task's
 * rule becomes a reward. The process is game.h's, the keys in between are the shim's. */

#include "actor/envs/nethack/nethack.h"

#include <stdio.h>
#include <string.h>

#include "actor/envs/nethack/bottom.h"
#include "actor/envs/nethack/game.h"
#include "actor/envs/nethack/gamehome.h"
#include "actor/envs/nethack/nethack_tasks.h"
#include "actor/envs/nethack/xlog.h"
#include "actor/envs/overrides.h"
#include "actor/envs/screen.h"
#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"

enum {
    RULES_VERSION = 1, // part of the digest: of rewards, keys and captions
    DEPTHS = 64,       // NetHack has 53 at most
    OVERRIDES_MAX = 512,
    ROLE_MAX = 64,
    SCRATCH_MAX = PAGE_PATH_MAX - 112, // leaves room for a record's name
    START_STEPS_MAX =
        20, // questions that a start may ask, or its options file is wrong
    KEY_SPACE = ' '
};

static const float IDLE_PENALTY = -0.01f;
static const char ROLE_DEFAULT[] = "mon-hum-neu-mal"; // NLE's

struct constants {
    int32_t limit, actions, deadline_ms;
};

#define ROW(field_, name_, least_, most_, help_)                                       \
    {                                                                                  \
        .name = (name_), .offset = offsetof(struct constants, field_),                 \
        .least = (least_), .most = (most_), .help = (help_)                            \
    }
static const struct override_row constant_rows[] = {
    ROW(limit, "limit", 1, 1000000, "steps until an episode is cut"),
    ROW(actions, "actions", NETHACK_ACTIONS_NLE, NETHACK_ACTIONS, "23 or 28"),
    ROW(deadline_ms, "deadline-ms", 10, 600000,
        "a step longer than this is a hung game"),
};
#undef ROW
enum { CONSTANT_ROWS = sizeof(constant_rows) / sizeof(constant_rows[0]) };

struct nethack {
    struct env_spec spec;
    const struct nethack_task *task;
    struct constants constants;
    struct game game;
    struct env_obs obs;
    char scratch[SCRATCH_MAX]; // where records go
    bool record;

    // Of the episode.
    struct env_summary summary;
    int32_t gold_start;
    int32_t earned; // experience ever gained: a lost level takes it back, not the score
    int32_t score;  // as the screen shows it
    int32_t seen[DEPTHS]; // the most cells seen on a level of this depth
    bool asks;            // a question was left to the agent
    bool over;            // no step until reset
    bool running;         // send() handed a key over
};

static struct nethack *self(struct env *e)
{
    return (struct nethack *)e;
}

static const struct nethack *self_const(const struct env *e)
{
    return (const struct nethack *)e;
}

static const char *nethack_goal_of(const char *task)
{
    const struct nethack_task *t = nethack_task_find(task);

    CHECK(t != NULL);
    return t->judged_by;
}

/* Takes role=... out of the overrides, since it is the one that is no number. */
static enum status split_role(const char *task, const char *overrides,
                              char rest[OVERRIDES_MAX], char role[ROLE_MAX])
{
    size_t at = 0;

    rest[0] = '\0';
    if (strlen(overrides) >= OVERRIDES_MAX) {
        LOG_ERROR("ENV-OPTION", "%s: '%.40s...' is longer than %d bytes", task,
                  overrides, OVERRIDES_MAX - 1);
        return ST_INVALID;
    }
    while (*overrides != '\0') {
        const size_t len = strcspn(overrides, ",");
        if (strncmp(overrides, "role=", 5) == 0) {
            if (!text_format(role, ROLE_MAX, "%.*s", (int)len - 5, overrides + 5)) {
                LOG_ERROR("ENV-OPTION", "%s: role '%.40s...' is too long", task,
                          overrides + 5);
                return ST_INVALID;
            }
        } else {
            at += (size_t)snprintf(rest + at, OVERRIDES_MAX - at, "%s%.*s",
                                   at > 0 ? "," : "", (int)len, overrides);
        }
        overrides += len;
        overrides += *overrides == ',' ? 1 : 0;
    }
    return ST_OK;
}

static enum status read_options(const struct env_options *o,
                                const struct nethack_task *t, struct constants *c,
                                char role[ROLE_MAX])
{
    char rest[OVERRIDES_MAX];

    TRY(split_role(o->task, o->overrides, rest, role));
    TRY(overrides_apply(o->task, rest, constant_rows, CONSTANT_ROWS, c));
    if (c->actions != NETHACK_ACTIONS && c->actions != NETHACK_ACTIONS_NLE) {
        LOG_ERROR("ENV-OPTION", "%s: actions wants 23 (NLE's) or 28 (ONI's), got '%d'",
                  t->name, (int)c->actions);
        return ST_INVALID;
    }
    if (o->record && o->scratch[0] == '\0') {
        LOG_ERROR("NETHACK-RECORD",
                  "a ttyrec was asked for without a directory for it");
        return ST_INVALID;
    }
    if (strlen(o->scratch) >= SCRATCH_MAX) {
        LOG_ERROR("NETHACK-RECORD", "the directory %.60s... is longer than %d bytes",
                  o->scratch, SCRATCH_MAX - 1);
        return ST_INVALID;
    }
    return ST_OK;
}

static uint64_t digest_of(const struct nethack *n, const char *role)
{
    char text[256];

    (void)text_format(text, sizeof(text), "nethack %d %s limit %d actions %d role %s",
                      RULES_VERSION, n->task->name, (int)n->constants.limit,
                      (int)n->constants.actions, role);
    return hash_64(bytes_text(text));
}

static enum status nethack_open(const struct env_options *options, struct env **out)
{
    const struct nethack_task *task = nethack_task_find(options->task);
    const struct gamehome *home = NULL;
    const char *character[4];
    char role[ROLE_MAX];

    CHECK(task != NULL);
    strcpy(role, ROLE_DEFAULT);
    struct constants c = {
        .limit = 5000, .actions = task->actions, .deadline_ms = 10000};
    TRY(read_options(options, task, &c, role));
    TRY(nethack_character_parse(role, character));
    TRY(gamehome_hold(options->scratch, &home));
    struct nethack *n = mem_new(1, sizeof(*n));
    const enum status st = game_open(&n->game, home, character);
    if (st != ST_OK) {
        game_close(&n->game);
        mem_free(n);
        gamehome_release();
        return st;
    }
    n->task = task;
    n->constants = c;
    n->record = options->record;
    (void)text_format(n->scratch, sizeof(n->scratch), "%s", options->scratch);
    n->over = true;
    n->spec = (struct env_spec){
        .task = task->name,
        .actions = c.actions,
        .action_names = nethack_action_names,
        .max_steps = c.limit,
        .captions = true,
        .truth = false,
        .digest = digest_of(n, role),
    };
    *out = (struct env *)n;
    return ST_OK;
}

static void nethack_close(struct env *e)
{
    if (e != NULL) {
        game_close(&self(e)->game);
        mem_free(e);
        gamehome_release();
    }
}

static const struct env_spec *nethack_spec(const struct env *e)
{
    return &self_const(e)->spec;
}

/* Cells of the map that show anything: what the hero has seen and not forgotten. */
static int32_t cells_seen(const struct terminal *t)
{
    int32_t sum = 0;

    for (int r = 1; r < ENV_ROWS - 2; r++) {
        uint8_t in_row = 0; // at most 80: one byte, so that the loop becomes vectors
        for (int c = 0; c < ENV_COLS; c++) {
            in_row = (uint8_t)(in_row + (t->chars[r][c] != ' '));
        }
        sum += in_row;
    }
    return sum;
}

static void take_caption(struct nethack *n)
{
    const struct keys *k = &n->game.page->keys;
    struct env_obs *o = &n->obs;

    o->caption_len = k->caption_len;
    memcpy(o->caption, k->caption, sizeof(o->caption));
    o->event = ENV_EVENT_NONE;
}

/* The page, which is ours, becomes the observation. */
static void observe(struct nethack *n)
{
    const struct page *p = n->game.page;
    struct env_obs *o = &n->obs;
    struct env_summary *s = &n->summary;

    memcpy(o->chars, p->screen.chars, sizeof(o->chars));
    memcpy(o->colors, p->screen.colors, sizeof(o->colors));
    take_caption(n);
    n->asks = p->keys.kept;
    const bool shown = bottom_read(&p->screen, o->stats);
    const int32_t depth = o->stats[STAT_DEPTH];
    s->depth = depth > s->depth ? depth : s->depth;
    s->gold = o->stats[STAT_GOLD];
    if (o->stats[STAT_EXP] > s->experience) {
        n->earned += o->stats[STAT_EXP] - s->experience;
    }
    s->experience = o->stats[STAT_EXP];
    // In a question the cursor is the question's; the hero stays where he was.
    if (p->prompt == DEMAND_COMMAND) {
        o->hero_row = p->screen.row;
        o->hero_col = p->screen.col;
        o->stats[STAT_X] = o->hero_col;
        o->stats[STAT_Y] = o->hero_row - 1;
        if (shown && depth >= 0 && depth < DEPTHS) {
            const int32_t seen = cells_seen(&p->screen);
            if (seen > n->seen[depth]) {
                s->scout += seen - n->seen[depth];
                n->seen[depth] = seen;
            }
        }
    }
    n->score = nethack_score(n->earned, s->depth, s->gold - n->gold_start);
    o->stats[STAT_SCORE] = n->score;
    s->score = (float)n->score;
}

static void record_name(const struct nethack *n, const struct rng_stream *s,
                        char out[PAGE_PATH_MAX])
{
    out[0] = '\0';
    if (n->record) {
        (void)text_format(out, PAGE_PATH_MAX, "%s/%s-%u-%u-%u-%06llu.ttyrec",
                          n->scratch, n->task->name, (unsigned)s->index,
                          (unsigned)s->incarnation, (unsigned)s->env,
                          (unsigned long long)s->episode);
    }
}

/* What it says for itself: on stderr, or in the last lines of the screen. */
static void last_words(const struct nethack *n, char *out, size_t size)
{
    enum { LINES = 3 };
    const struct terminal *t = &n->game.page->screen;
    size_t at = 0;
    int from = ENV_ROWS;

    game_complaint(&n->game, out, size);
    if (out[0] != '\0') {
        return;
    }
    for (int lines = 0; from > 0 && lines < LINES;) {
        from--;
        lines += t->chars[from][0] != ' ' ? 1 : 0;
    }
    for (int r = from; r < ENV_ROWS; r++) {
        char row[ENV_COLS + 1];
        (void)text_format(row, sizeof(row), "%.80s", (const char *)t->chars[r]);
        const char *line = text_trim(row);
        if (line[0] != '\0' && at < size) {
            at +=
                (size_t)snprintf(out + at, size - at, "%s%s", at > 0 ? " " : "", line);
        }
    }
}

/* It did not come to its first command. */
static enum status cannot_start(struct nethack *n, enum game_state state)
{
    char words[3 * ENV_COLS];

    if (state == GAME_HUNG) {
        LOG_ERROR("NETHACK-START", "a game did not start within %d ms",
                  (int)n->constants.deadline_ms);
        return ST_IO;
    }
    last_words(n, words, sizeof(words));
    game_stop(&n->game);
    LOG_ERROR("NETHACK-START", "a game %s at its start: %s",
              state == GAME_READY  ? "asks something"
              : state == GAME_OVER ? "ended"
                                   : "crashed",
              words);
    return ST_IO;
}

static enum status nethack_reset(struct env *e, const struct rng_stream *stream)
{
    struct nethack *n = self(e);
    char record[PAGE_PATH_MAX];
    struct rng rng;

    rng_init_stream(&rng, stream);
    record_name(n, stream, record);
    n->over = true;
    n->running = false;
    // The game then draws what rng_next() would.
    TRY(game_start(&n->game, rng.state, record));
    n->summary = (struct env_summary){.seed = rng.state};
    n->earned = 0;
    memset(n->seen, 0, sizeof(n->seen));
    memset(&n->obs, 0, sizeof(n->obs));
    enum game_state state = game_wait(&n->game, (uint32_t)n->constants.deadline_ms);
    for (int i = 0; state == GAME_READY && i < START_STEPS_MAX; i++) {
        if (n->game.page->prompt == DEMAND_COMMAND &&
            bottom_read(&n->game.page->screen, n->obs.stats)) {
            n->gold_start = n->obs.stats[STAT_GOLD];
            observe(n);
            n->over = false;
            return ST_OK;
        }
        game_send(&n->game, KEY_SPACE);
        state = game_wait(&n->game, (uint32_t)n->constants.deadline_ms);
    }
    return cannot_start(n, state);
}

static void nethack_send(struct env *e, int action)
{
    struct nethack *n = self(e);

    CHECK(!n->over && !n->running && action >= 0 && action < n->constants.actions);
    game_send(&n->game,
              nethack_task_key(action, n->asks, (const char *)n->obs.caption));
    n->running = true;
}

static void end(struct nethack *n, const char *cause)
{
    n->over = true;
    (void)text_format(n->summary.cause, sizeof(n->summary.cause), "%s", cause);
}

/* The hero died. What the game writes about itself is exact: points known to nobody
 * before (things identified), the tax on gold. */
static void end_of_game(struct nethack *n)
{
    struct xlog x;

    take_caption(n);
    screen_caption(&n->obs, (const char *)n->obs.caption, n->obs.caption_len,
                   ENV_EVENT_NONE);
    if (!xlog_read(n->game.dir, &x)) {
        end(n, "ended");
        return;
    }
    n->summary.score = (float)x.points;
    if (x.deepest > n->summary.depth) {
        n->summary.depth = x.deepest;
    }
    end(n, x.death);
}

/* The game is no more and nobody died: the last observation stays. */
static void end_of_process(struct nethack *n, enum game_state state)
{
    const bool hung = state == GAME_HUNG;

    LOG_WARN("NETHACK-LOST",
             "a game %s after %d steps, seed %016llx, the episode is cut",
             hung ? "hung" : "crashed", (int)n->summary.length,
             (unsigned long long)n->summary.seed);
    screen_caption(&n->obs, "", 0, ENV_EVENT_NONE);
    end(n, hung ? "hung" : "crashed");
}

/* NetHackScore of NLE: what the score grew by, and a little less where no time passed. */
static float score_reward(const struct nethack *n, int32_t score_before,
                          int32_t time_before)
{
    const float grown = (float)(n->score - score_before);

    return n->obs.stats[STAT_TIME] == time_before ? grown + IDLE_PENALTY : grown;
}

static void step_done(struct nethack *n, struct env_result *result)
{
    const int32_t score_before = n->score;
    const int32_t time_before = n->obs.stats[STAT_TIME];

    observe(n);
    if (n->task->goal == GOAL_SCORE) {
        result->reward = score_reward(n, score_before, time_before);
    }
    if (nethack_task_done(n->task, &n->obs)) {
        result->reward = NETHACK_REWARD;
        result->terminated = true;
        n->summary.success = true;
        end(n, "success");
    } else if (n->summary.length >= n->constants.limit) {
        result->truncated = true;
        end(n, "limit");
    }
}

static void nethack_receive(struct env *e, struct env_result *result)
{
    struct nethack *n = self(e);

    CHECK(n->running);
    n->running = false;
    *result = (struct env_result){.reward = 0};
    const enum game_state state =
        game_wait(&n->game, (uint32_t)n->constants.deadline_ms);
    n->summary.length++;
    if (state == GAME_READY) {
        step_done(n, result);
    } else if (state == GAME_OVER) {
        end_of_game(n);
        result->terminated = true;
    } else {
        end_of_process(n, state);
        result->truncated = true;
    }
}

static const struct env_obs *nethack_obs(const struct env *e)
{
    return &self_const(e)->obs;
}

static void nethack_summary(const struct env *e, struct env_summary *out)
{
    *out = self_const(e)->summary;
}

pid_t nethack_pid(const struct env *e)
{
    return self_const(e)->game.pid;
}

const struct env_kind env_nethack = {
    .name = "nethack",
    .tasks = nethack_task_names,
    .goal_of = nethack_goal_of,
    .open = nethack_open,
    .close = nethack_close,
    .spec = nethack_spec,
    .reset = nethack_reset,
    .send = nethack_send,
    .receive = nethack_receive,
    .obs = nethack_obs,
    .summary = nethack_summary,
    .truth = NULL,
};
