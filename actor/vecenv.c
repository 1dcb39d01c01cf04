#include "actor/vecenv.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/mem.h"

/* How often each caption has come in one episode: open addressing by the hash of its
 * key, emptied in O(1) by a new stamp. */
struct counts {
    uint64_t *hash;  // (slots)
    uint32_t *stamp; // (slots) the episode it belongs to
    uint16_t *count; // (slots)
    uint32_t slots;  // power of two, > 2 * most captions of an episode
    uint32_t now;
};

struct game {
    struct env *env;
    struct counts counts;
    uint64_t episode;
    float episode_return;
    bool starts, over;
};

struct vecenv {
    struct vecenv_plan plan;
    int E;
    struct game *games;
    uint8_t *chars, *colors; // (E, POLICY_CELLS)
    int32_t *stats;          // (E, ENV_STATS)
    uint8_t *prev_action;    // (E)
    uint32_t *caption_index; // (E) 0..E-1
    struct bytes *captions;  // (E)
};

struct bytes vecenv_mask_digits(struct bytes caption, uint8_t *out)
{
    const uint8_t *text = caption.data;
    size_t len = 0;

    for (size_t i = 0; i < caption.len; i++) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        if (digit && len > 0 && out[len - 1] == '#') {
            continue;
        }
        out[len++] = digit ? '#' : text[i];
    }
    return bytes_of(out, len);
}

static void counts_init(struct counts *c, int most)
{
    c->slots = 64;
    while (c->slots < 2u * (uint32_t)most + 2u) {
        c->slots *= 2;
    }
    c->hash = mem_new(c->slots, sizeof(*c->hash));
    c->stamp = mem_new(c->slots, sizeof(*c->stamp));
    c->count = mem_new(c->slots, sizeof(*c->count));
    c->now = 1;
}

static void counts_release(struct counts *c)
{
    mem_free(c->hash);
    mem_free(c->stamp);
    mem_free(c->count);
}

static uint16_t counts_add(struct counts *c, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (c->slots - 1);

    while (c->stamp[at] == c->now && c->hash[at] != hash) {
        at = (at + 1) & (c->slots - 1);
    }
    if (c->stamp[at] != c->now) {
        c->stamp[at] = c->now;
        c->hash[at] = hash;
        c->count[at] = 0;
    }
    if (c->count[at] < UINT16_MAX) {
        c->count[at]++;
    }
    return c->count[at];
}

static uint16_t count_caption(struct vecenv *v, struct game *g, struct bytes caption)
{
    uint8_t masked[ENV_CAPTION_MAX + 1];

    if (v->plan.count_key == COUNT_DIGITS_MASKED) {
        caption = vecenv_mask_digits(caption, masked);
    }
    return counts_add(&g->counts, hash_64(caption));
}

/* The crop is centred on the hero: screen row - 6, column - 6; what lies outside the
 * screen is a black space. */
static void see(struct vecenv *v, int e)
{
    const struct env_obs *obs = v->plan.kind->obs(v->games[e].env);
    uint8_t *chars = v->chars + (size_t)e * POLICY_CELLS;
    uint8_t *colors = v->colors + (size_t)e * POLICY_CELLS;
    const int top = obs->hero_row - POLICY_HERO, left = obs->hero_col - POLICY_HERO;
    const int from = left < 0 ? -left : 0;
    const int to = left + POLICY_CROP > ENV_COLS ? ENV_COLS - left : POLICY_CROP;

    memset(chars, ' ', POLICY_CELLS);
    memset(colors, 0, POLICY_CELLS);
    for (int r = 0; r < POLICY_CROP && from < to; r++) {
        const int row = top + r;
        if (row < 0 || row >= ENV_ROWS) {
            continue;
        }
        const size_t len = (size_t)(to - from);
        memcpy(chars + r * POLICY_CROP + from, &obs->chars[row][left + from], len);
        memcpy(colors + r * POLICY_CROP + from, &obs->colors[row][left + from], len);
    }
    memcpy(v->stats + (size_t)e * ENV_STATS, obs->stats, sizeof(obs->stats));
    v->captions[e] = bytes_of(obs->caption, obs->caption_len);
}

enum status vecenv_reset(struct vecenv *v, int e)
{
    struct game *g = &v->games[e];
    struct rng_stream stream = v->plan.stream;

    stream.env = stream.role == RNG_EVAL ? 0 : (uint32_t)e;
    stream.episode = g->episode++;
    TRY(v->plan.kind->reset(g->env, &stream));
    g->counts.now++;
    g->episode_return = 0;
    g->starts = true;
    g->over = false;
    v->prev_action[e] = POLICY_NO_ACTION;
    see(v, e);
    return ST_OK;
}

void vecenv_set_episode(struct vecenv *v, int e, uint64_t episode)
{
    v->games[e].episode = episode;
}

static void alloc_rows(struct vecenv *v)
{
    const size_t E = (size_t)v->E;

    v->games = mem_new(E, sizeof(*v->games));
    v->chars = mem_new(E, POLICY_CELLS);
    v->colors = mem_new(E, POLICY_CELLS);
    v->stats = mem_new(E * ENV_STATS, sizeof(int32_t));
    v->prev_action = mem_new(E, 1);
    v->caption_index = mem_new(E, sizeof(uint32_t));
    v->captions = mem_new(E, sizeof(struct bytes));
    for (size_t e = 0; e < E; e++) {
        v->caption_index[e] = (uint32_t)e;
    }
}

enum status vecenv_open(const struct vecenv_plan *plan, struct vecenv **out)
{
    struct vecenv *v = mem_new(1, sizeof(*v));
    enum status st = ST_OK;

    v->plan = *plan;
    v->E = plan->envs;
    alloc_rows(v);
    for (int e = 0; e < v->E; e++) {
        struct game *g = &v->games[e];
        st = plan->kind->open(&plan->options, &g->env);
        if (st != ST_OK) {
            goto out;
        }
        counts_init(&g->counts, plan->kind->spec(g->env)->max_steps);
        st = vecenv_reset(v, e);
        if (st != ST_OK) {
            goto out;
        }
    }
    *out = v;
    return ST_OK;
out:
    vecenv_close(v);
    return st;
}

void vecenv_close(struct vecenv *v)
{
    if (v == NULL) {
        return;
    }
    for (int e = 0; e < v->E; e++) {
        if (v->games[e].env != NULL) {
            v->plan.kind->close(v->games[e].env);
        }
        counts_release(&v->games[e].counts);
    }
    mem_free(v->games);
    mem_free(v->chars);
    mem_free(v->colors);
    mem_free(v->stats);
    mem_free(v->prev_action);
    mem_free(v->caption_index);
    mem_free(v->captions);
    mem_free(v);
}

int vecenv_count(const struct vecenv *v)
{
    return v->E;
}

const struct env_spec *vecenv_spec(const struct vecenv *v)
{
    return v->plan.kind->spec(v->games[0].env);
}

void vecenv_input(struct vecenv *v, struct policy_input *out)
{
    *out = (struct policy_input){
        .chars = v->chars,
        .colors = v->colors,
        .stats = v->stats,
        .prev_action = v->prev_action,
        .caption = v->caption_index,
        .captions = v->captions,
        .U = v->E,
    };
}

bool vecenv_starts(const struct vecenv *v, int e)
{
    return v->games[e].starts;
}

static void after_step(struct vecenv *v, int e, uint8_t action, struct vecenv_step *s)
{
    const struct env_kind *kind = v->plan.kind;
    struct game *g = &v->games[e];

    kind->receive(g->env, &s->result);
    see(v, e);
    const struct env_obs *obs = kind->obs(g->env);
    int strength = 0;
    s->caption = v->captions[e];
    s->event = obs->event;
    s->truth = -1;
    if (kind->truth != NULL && obs->event != ENV_EVENT_NONE) {
        s->truth = (int8_t)kind->truth(g->env, obs->event, &strength);
    }
    s->strength = (uint8_t)strength;
    s->count = count_caption(v, g, s->caption);
    g->episode_return += s->result.reward;
    g->starts = false;
    g->over = s->result.terminated || s->result.truncated;
    v->prev_action[e] = action;
}

void vecenv_step(struct vecenv *v, const uint8_t *actions, struct vecenv_step *steps)
{
    // All games get their action before the first is waited for: those in child
    // processes then work side by side.
    for (int e = 0; e < v->E; e++) {
        CHECK(!v->games[e].over);
        v->plan.kind->send(v->games[e].env, actions[e]);
    }
    for (int e = 0; e < v->E; e++) {
        after_step(v, e, actions[e], &steps[e]);
    }
}

void vecenv_summary(const struct vecenv *v, int e, struct env_summary *out)
{
    v->plan.kind->summary(v->games[e].env, out);
}

float vecenv_return(const struct vecenv *v, int e)
{
    return v->games[e].episode_return;
}

const struct env_obs *vecenv_obs(const struct vecenv *v, int e)
{
    return v->plan.kind->obs(v->games[e].env);
}
