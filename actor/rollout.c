#include "actor/rollout.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/nn/softmax.h"

/* Texts of one segment: what row 0 saw, one per step, one per reset inside. */
struct open_segment {
    uint8_t *chars, *colors; // (T, SEGMENT_CELLS)
    int32_t *stats;          // (T, SEGMENT_STATS)
    uint16_t *caption, *count;
    uint8_t *action, *flags;
    float *logp, *value, *reward; // (T) value in reward units
    float *intrinsic_value;       // (T), NULL with one value head
    float *state;                 // (H) before row 0
    uint16_t first_caption;
    uint8_t first_action, first_starts;
    float bootstrap, intrinsic_bootstrap;
    int texts, episodes;
    struct segment_text *text;       // (2T+1)
    uint64_t *text_hash;             // (2T+1)
    uint8_t *text_bytes;             // (2T+1, SEGMENT_TEXT_MAX)
    struct segment_episode *episode; // (T)
    char (*cause)[24];               // (T)
};

struct rollout {
    struct rollout_plan plan;
    int E, H, A, V, t; // V: value heads
    struct version version;
    struct rollout_moments moments[POLICY_HEADS_MAX];
    struct open_segment *segments; // (E)
    struct rng *chance;            // (E) action sampling
    float *state;                  // (E,H) before the coming step
    float *logits, *values;        // (E,A), (E,V)
    uint8_t *actions;              // (E)
    struct vecenv_step *steps;     // (E)
    // The final observations of episodes that the limit cut, as a batch of their own.
    float *final_state, *final_logits, *final_values;
    uint8_t *final_chars, *final_colors, *final_prev;
    int32_t *final_stats;
    uint32_t *final_index;
    struct bytes *final_captions;
    int *final_env;
};

static void segment_alloc(struct open_segment *s, int T_, int H, int V)
{
    const size_t T = (size_t)T_, texts = 2 * T + 1;

    s->chars = mem_new(T, SEGMENT_CELLS);
    s->colors = mem_new(T, SEGMENT_CELLS);
    s->stats = mem_new(T * SEGMENT_STATS, sizeof(int32_t));
    s->caption = mem_new(T, sizeof(uint16_t));
    s->count = mem_new(T, sizeof(uint16_t));
    s->action = mem_new(T, 1);
    s->flags = mem_new(T, 1);
    s->logp = mem_new(T, sizeof(float));
    s->value = mem_new(T, sizeof(float));
    s->reward = mem_new(T, sizeof(float));
    s->intrinsic_value = V > 1 ? mem_new(T, sizeof(float)) : NULL;
    s->state = mem_new((size_t)H, sizeof(float));
    s->text = mem_new(texts, sizeof(*s->text));
    s->text_hash = mem_new(texts, sizeof(uint64_t));
    s->text_bytes = mem_new(texts, SEGMENT_TEXT_MAX);
    s->episode = mem_new(T, sizeof(*s->episode));
    s->cause = mem_new(T, sizeof(*s->cause));
}

static void segment_release(struct open_segment *s)
{
    void *all[] = {
        s->intrinsic_value, s->chars,  s->colors, s->stats,     s->caption,
        s->count,           s->action, s->flags,  s->logp,      s->value,
        s->reward,          s->state,  s->text,   s->text_hash, s->text_bytes,
        s->episode,         s->cause};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        mem_free(all[i]);
    }
}

static void final_alloc(struct rollout *r)
{
    const size_t E = (size_t)r->E, H = (size_t)r->H;

    r->final_state = mem_new(E * H, sizeof(float));
    r->final_logits = mem_new(E * (size_t)r->A, sizeof(float));
    r->final_values = mem_new(E * (size_t)r->V, sizeof(float));
    r->final_chars = mem_new(E, SEGMENT_CELLS);
    r->final_colors = mem_new(E, SEGMENT_CELLS);
    r->final_prev = mem_new(E, 1);
    r->final_stats = mem_new(E * SEGMENT_STATS, sizeof(int32_t));
    r->final_index = mem_new(E, sizeof(uint32_t));
    r->final_captions = mem_new(E, sizeof(struct bytes));
    r->final_env = mem_new(E, sizeof(int));
    for (size_t e = 0; e < E; e++) {
        r->final_index[e] = (uint32_t)e;
    }
}

struct rollout *rollout_new(const struct rollout_plan *plan)
{
    struct rollout *r = mem_new(1, sizeof(*r));

    r->plan = *plan;
    r->E = vecenv_count(plan->games);
    r->H = policy_state_floats(plan->policy);
    r->A = policy_actions(plan->policy);
    r->V = policy_heads(plan->policy);
    for (int v = 0; v < r->V; v++) {
        r->moments[v].scale = 1;
    }
    const size_t E = (size_t)r->E;
    r->segments = mem_new(E, sizeof(*r->segments));
    r->chance = mem_new(E, sizeof(*r->chance));
    r->state = mem_new(E * (size_t)r->H, sizeof(float));
    r->logits = mem_new(E * (size_t)r->A, sizeof(float));
    r->values = mem_new(E * (size_t)r->V, sizeof(float));
    r->actions = mem_new(E, 1);
    r->steps = mem_new(E, sizeof(*r->steps));
    final_alloc(r);
    for (int e = 0; e < r->E; e++) {
        struct rng_stream s = plan->stream;
        segment_alloc(&r->segments[e], plan->T, r->H, r->V);
        s.role = RNG_ACTOR;
        s.env = (uint32_t)e;
        rng_init_stream(&r->chance[e], &s);
    }
    return r;
}

void rollout_free(struct rollout *r)
{
    if (r == NULL) {
        return;
    }
    for (int e = 0; e < r->E; e++) {
        segment_release(&r->segments[e]);
    }
    void *all[] = {r->segments,     r->chance,       r->state,       r->logits,
                   r->values,       r->actions,      r->steps,       r->final_state,
                   r->final_logits, r->final_values, r->final_chars, r->final_colors,
                   r->final_prev,   r->final_stats,  r->final_index, r->final_captions,
                   r->final_env};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        mem_free(all[i]);
    }
    mem_free(r);
}

void rollout_set_version(struct rollout *r, struct version version,
                         const struct rollout_moments *moments)
{
    r->version = version;
    memcpy(r->moments, moments, sizeof(*moments) * (size_t)r->V);
}

/* V of environment e, in reward units. */
static float value_of(const struct rollout *r, const float *values, int e, int head)
{
    const float v = values[e * r->V + head];
    return (float)((double)v * r->moments[head].scale + r->moments[head].mean);
}

/* The index of a caption in the segment's table; each distinct text stands there once. */
static uint16_t segment_text_index(struct open_segment *s, struct bytes text,
                                   int16_t event, int8_t truth, uint8_t strength)
{
    const uint64_t hash = hash_64(text);

    CHECK(text.len <= SEGMENT_TEXT_MAX);
    for (int i = 0; i < s->texts; i++) {
        if (s->text_hash[i] == hash && bytes_equal(s->text[i].text, text)) {
            if (s->text[i].truth < 0) { // seen first without its truth: a reset's
                s->text[i].event = event;
                s->text[i].truth = truth;
                s->text[i].strength = strength;
            }
            return (uint16_t)i;
        }
    }
    const int i = s->texts++;
    uint8_t *copy = s->text_bytes + (size_t)i * SEGMENT_TEXT_MAX;
    memcpy(copy, text.data, text.len);
    s->text_hash[i] = hash;
    s->text[i] =
        (struct segment_text){bytes_of(copy, text.len), event, truth, strength};
    return (uint16_t)i;
}

void rollout_begin(struct rollout *r)
{
    struct policy_input in;

    vecenv_input(r->plan.games, &in);
    for (int e = 0; e < r->E; e++) {
        struct open_segment *s = &r->segments[e];
        s->texts = 0;
        s->episodes = 0;
        s->first_caption = segment_text_index(s, in.captions[e], ENV_EVENT_NONE, -1, 0);
        s->first_action = in.prev_action[e];
        s->first_starts = vecenv_starts(r->plan.games, e);
        memcpy(s->state, r->state + (size_t)e * (size_t)r->H,
               sizeof(float) * (size_t)r->H);
    }
    r->t = 0;
}

/* Acts on what is seen: fills row t of every segment up to the action. */
static void act(struct rollout *r)
{
    const size_t t = (size_t)r->t;
    struct policy_input in;

    vecenv_input(r->plan.games, &in);
    policy_act(r->plan.policy, &in, r->E, r->state, r->logits, r->values);
    softmax_log(r->logits, r->logits, r->E, r->A);
    for (int e = 0; e < r->E; e++) {
        struct open_segment *s = &r->segments[e];
        const float *logp = r->logits + (size_t)e * (size_t)r->A;
        const int action = softmax_sample(logp, r->A, rng_float(&r->chance[e]));

        memcpy(s->chars + t * SEGMENT_CELLS, in.chars + (size_t)e * SEGMENT_CELLS,
               SEGMENT_CELLS);
        memcpy(s->colors + t * SEGMENT_CELLS, in.colors + (size_t)e * SEGMENT_CELLS,
               SEGMENT_CELLS);
        memcpy(s->stats + t * SEGMENT_STATS, in.stats + (size_t)e * SEGMENT_STATS,
               sizeof(int32_t) * SEGMENT_STATS);
        s->action[t] = (uint8_t)action;
        s->logp[t] = logp[action];
        s->value[t] = value_of(r, r->values, e, 0);
        if (r->V > 1) {
            s->intrinsic_value[t] = value_of(r, r->values, e, 1);
        }
        r->actions[e] = (uint8_t)action;
    }
}

/* Row t of a segment, what its action caused; true when the episode ended. */
static bool record_step(struct rollout *r, int e)
{
    struct open_segment *s = &r->segments[e];
    const struct vecenv_step *step = &r->steps[e];
    const int t = r->t;

    s->reward[t] = step->result.reward;
    s->flags[t] = step->result.terminated  ? SEGMENT_TERMINATED
                  : step->result.truncated ? SEGMENT_TRUNCATED
                                           : 0;
    s->caption[t] =
        segment_text_index(s, step->caption, step->event, step->truth, step->strength);
    s->count[t] = step->count;
    return s->flags[t] != 0;
}

static void copy_final(struct rollout *r, const struct policy_input *in, int e, int n)
{
    const size_t H = (size_t)r->H, from = (size_t)e, to = (size_t)n;

    memcpy(r->final_chars + to * SEGMENT_CELLS, in->chars + from * SEGMENT_CELLS,
           SEGMENT_CELLS);
    memcpy(r->final_colors + to * SEGMENT_CELLS, in->colors + from * SEGMENT_CELLS,
           SEGMENT_CELLS);
    memcpy(r->final_stats + to * SEGMENT_STATS, in->stats + from * SEGMENT_STATS,
           sizeof(int32_t) * SEGMENT_STATS);
    memcpy(r->final_state + to * H, r->state + from * H, sizeof(float) * H);
    r->final_prev[n] = in->prev_action[e];
    r->final_captions[n] = in->captions[e];
    r->final_env[n] = e;
}

/* V of the final observation of every episode that the limit cut in this step, with the
 * version that acted; their states are copies, so nothing else changes. */
static void value_finals(struct rollout *r)
{
    struct policy_input in;
    int n = 0;

    vecenv_input(r->plan.games, &in);
    for (int e = 0; e < r->E; e++) {
        if (r->segments[e].flags[r->t] == SEGMENT_TRUNCATED) {
            copy_final(r, &in, e, n++);
        }
    }
    if (n == 0) {
        return;
    }
    const struct policy_input finals = {r->final_chars,
                                        r->final_colors,
                                        r->final_stats,
                                        r->final_prev,
                                        r->final_index,
                                        r->final_captions,
                                        n};
    policy_act(r->plan.policy, &finals, n, r->final_state, r->final_logits,
               r->final_values);
    for (int i = 0; i < n; i++) {
        struct open_segment *s = &r->segments[r->final_env[i]];
        struct segment_episode *ended = &s->episode[s->episodes - 1];
        ended->final_value = value_of(r, r->final_values, i, 0);
        if (r->V > 1) {
            ended->intrinsic_final_value = value_of(r, r->final_values, i, 1);
        }
    }
}

static void record_episode(struct rollout *r, int e)
{
    struct open_segment *s = &r->segments[e];
    const int i = s->episodes++;
    struct env_summary sum;

    vecenv_summary(r->plan.games, e, &sum);
    memcpy(s->cause[i], sum.cause, sizeof(s->cause[i]));
    s->cause[i][sizeof(s->cause[i]) - 1] = 0;
    s->episode[i] = (struct segment_episode){
        .row = (uint16_t)r->t,
        .episode_return = vecenv_return(r->plan.games, e),
        .length = sum.length,
        .depth = sum.depth,
        .gold = sum.gold,
        .experience = sum.experience,
        .scout = sum.scout,
        .achievements = sum.achievements,
        .score = sum.score,
        .seed = sum.seed,
        .success = sum.success,
        .cause = bytes_text(s->cause[i]),
    };
}

/* After value_finals: the next episode begins, its state is zero, its first caption is
 * kept with the ended one. */
static enum status reset_ended(struct rollout *r, int e)
{
    struct open_segment *s = &r->segments[e];
    struct policy_input in;

    TRY(vecenv_reset(r->plan.games, e));
    vecenv_input(r->plan.games, &in);
    s->episode[s->episodes - 1].next_caption =
        segment_text_index(s, in.captions[e], ENV_EVENT_NONE, -1, 0);
    memset(r->state + (size_t)e * (size_t)r->H, 0, sizeof(float) * (size_t)r->H);
    return ST_OK;
}

/* V(o_T) with the acting version: a forward whose new state is thrown away. */
static void bootstrap(struct rollout *r)
{
    struct policy_input in;

    vecenv_input(r->plan.games, &in);
    memcpy(r->final_state, r->state, sizeof(float) * (size_t)r->E * (size_t)r->H);
    policy_act(r->plan.policy, &in, r->E, r->final_state, r->final_logits,
               r->final_values);
    for (int e = 0; e < r->E; e++) {
        r->segments[e].bootstrap = value_of(r, r->final_values, e, 0);
        if (r->V > 1) {
            r->segments[e].intrinsic_bootstrap = value_of(r, r->final_values, e, 1);
        }
    }
}

enum status rollout_step(struct rollout *r)
{
    bool ended = false;

    CHECK(r->t < r->plan.T);
    act(r);
    vecenv_step(r->plan.games, r->actions, r->steps);
    for (int e = 0; e < r->E; e++) {
        if (record_step(r, e)) {
            record_episode(r, e);
            ended = true;
        }
    }
    if (ended) {
        value_finals(r);
    }
    for (int e = 0; ended && e < r->E; e++) {
        if (r->segments[e].flags[r->t] != 0) {
            TRY(reset_ended(r, e));
        }
    }
    r->t++;
    if (r->t < r->plan.T) {
        return ST_OK;
    }
    bootstrap(r);
    return ST_FULL;
}

void rollout_segment(struct rollout *r, int e, struct segment_fill *out)
{
    const struct open_segment *s = &r->segments[e];

    CHECK(r->t == r->plan.T);
    *out = (struct segment_fill){
        .version = r->version,
        .T = r->plan.T,
        .state_floats = r->H,
        .texts = s->texts,
        .episodes = s->episodes,
        .chars = s->chars,
        .colors = s->colors,
        .stats = s->stats,
        .caption = s->caption,
        .count = s->count,
        .action = s->action,
        .logp = s->logp,
        .value = s->value,
        .reward = s->reward,
        .flags = s->flags,
        .state = s->state,
        .first_caption = s->first_caption,
        .first_action = s->first_action,
        .first_starts = s->first_starts,
        .bootstrap = s->bootstrap,
        .intrinsic_value = s->intrinsic_value,
        .intrinsic_bootstrap = s->intrinsic_bootstrap,
        .text = s->text,
        .episode = s->episode,
    };
}
