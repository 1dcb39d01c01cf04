#include "common/wire/codec_check.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
    NAME_MOST = 255,        // host, task, net, name, model, goal, endpoint
    REASON_MOST = 1024,     // of a refusal
    GOAL_MOST = 1 << 20,    // a goal file
    RAW_MOST = 65536,       // a judge's answer as text
    CAUSE_MOST = 23,        // of an episode's end
    COLORS = 32,            // 16 colours, plain and reverse
    CREDITS_MOST = 65536,   // questions that one judge may hold
    DEADLINE_MOST = 3600000 // ms: an hour, for a person
};

/* A log-probability may exceed 0 by rounding, not by more. */
static const float logp_most = 1e-3f;

#define NEED(cond, fault)                                                              \
    do {                                                                               \
        if (!(cond)) {                                                                 \
            return (fault);                                                            \
        }                                                                              \
    } while (0)

static bool length_in(struct bytes s, size_t least, size_t most)
{
    return s.len >= least && s.len <= most;
}

/* On the bits, so that it becomes a vector loop: an exponent of all ones is infinity or
 * not a number. */
static bool all_finite(const float *v, size_t n)
{
    uint32_t bad = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, v + i, sizeof(bits));
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return bad == 0;
}

static const char *limits_fault(const struct segment_view *v,
                                const struct codec_limits *l)
{
    NEED(l->T == 0 || v->T == l->T, "steps: not this run's segment length");
    NEED(l->state_floats == 0 || v->state_floats == l->state_floats,
         "state: not this network's length");
    NEED(l->value_heads == 0 || (v->intrinsic_value != NULL) == (l->value_heads == 2),
         "intrinsic_value: not this run's number of value heads");
    return NULL;
}

static const char *rows_fault(const struct segment_view *v, int actions)
{
    const size_t cells = (size_t)v->T * SEGMENT_CELLS;
    unsigned colors = 0;
    int ended = 0;

    for (size_t i = 0; i < cells; i++) {
        colors |= v->colors[i];
    }
    NEED(colors < COLORS, "colors: out of range");
    for (int t = 0; t < v->T; t++) {
        NEED(v->caption[t] < v->texts, "caption: index out of range");
        NEED(v->count[t] >= 1, "count: is 0");
        NEED(v->action[t] < actions, "action: out of range");
        NEED(v->logp[t] <= logp_most, "logp: above 0, or not a number");
        NEED(v->flags[t] <= (SEGMENT_TERMINATED | SEGMENT_TRUNCATED),
             "flags: out of range");
        ended += v->flags[t] != 0;
    }
    NEED(all_finite(v->logp, (size_t)v->T), "logp: not finite");
    NEED(all_finite(v->value, (size_t)v->T), "value: not finite");
    NEED(all_finite(v->reward, (size_t)v->T), "reward: not finite");
    NEED(v->intrinsic_value == NULL || all_finite(v->intrinsic_value, (size_t)v->T),
         "intrinsic_value: not finite");
    NEED(ended == v->episodes, "episode: not one for each row with a flag");
    return NULL;
}

static const char *start_fault(const struct segment_view *v, int actions)
{
    NEED(v->version.start >= 1, "start: is 0");
    NEED(all_finite(v->state, (size_t)v->state_floats), "state: not finite");
    NEED(v->first_caption < v->texts, "first_caption: index out of range");
    NEED(v->first_action < actions || v->first_action == SEGMENT_NO_ACTION,
         "first_action: out of range");
    NEED(v->first_starts <= 1, "first_starts: out of range");
    NEED(isfinite(v->bootstrap), "bootstrap: not finite");
    NEED(isfinite(v->intrinsic_bootstrap), "intrinsic_bootstrap: not finite");
    for (int i = 0; v->first_starts == 1 && i < v->state_floats; i++) {
        NEED(v->state[i] == 0, "state: not zero where an episode begins");
    }
    return NULL;
}

static const char *texts_fault(const struct segment_view *v)
{
    for (int i = 0; i < v->texts; i++) {
        const struct segment_text t = segment_view_text(v, i);
        NEED(t.text.len <= SEGMENT_TEXT_MAX, "text: longer than 255 bytes");
        NEED(t.event >= -1, "event: out of range");
        NEED(t.truth >= -1 && t.truth <= 1, "truth: out of range");
        NEED(t.strength <= 3, "strength: out of range");
    }
    return NULL;
}

static const char *episodes_fault(const struct segment_view *v)
{
    int last = -1;

    for (int i = 0; i < v->episodes; i++) {
        const struct segment_episode e = segment_view_episode(v, i);
        NEED(e.row < v->T, "row: out of range");
        NEED(e.row > last, "row: not ascending");
        NEED(v->flags[e.row] != 0, "row: has no flag");
        last = e.row;
        NEED(e.next_caption < v->texts, "next_caption: index out of range");
        NEED(isfinite(e.final_value), "final_value: not finite");
        NEED(isfinite(e.intrinsic_final_value), "intrinsic_final_value: not finite");
        NEED(isfinite(e.episode_return), "episode_return: not finite");
        NEED(isfinite(e.score), "score: not finite");
        NEED(e.length >= 1, "length: below 1");
        NEED(e.success <= 1, "success: out of range");
        NEED(e.cause.len <= CAUSE_MOST, "cause: longer than 23 bytes");
    }
    return NULL;
}

const char *codec_check_segment(const struct segment_view *v,
                                const struct codec_limits *limits)
{
    const bool bound = limits != NULL && limits->actions > 0;
    const int actions = bound ? limits->actions : SEGMENT_NO_ACTION;
    const char *fault = limits != NULL ? limits_fault(v, limits) : NULL;

    fault = fault != NULL ? fault : rows_fault(v, actions);
    fault = fault != NULL ? fault : start_fault(v, actions);
    fault = fault != NULL ? fault : texts_fault(v);
    return fault != NULL ? fault : episodes_fault(v);
}

const char *codec_check_hello(const struct msg_hello *m)
{
    NEED(length_in(m->host, 1, NAME_MOST), "host: not 1 to 255 bytes");
    NEED(length_in(m->task, 1, NAME_MOST), "task: not 1 to 255 bytes");
    NEED(m->environments >= 1 && m->environments <= UINT16_MAX,
         "environments: out of range");
    NEED(m->actions >= 1 && m->actions <= SEGMENT_NO_ACTION, "actions: out of range");
    NEED(m->wanted_id >= -1, "wanted_id: out of range");
    NEED(m->value_heads >= 1, "value_heads: is 0");
    return NULL;
}

const char *codec_check_welcome(const struct msg_welcome *m)
{
    NEED(length_in(m->endpoint, 1, NAME_MOST), "endpoint: not 1 to 255 bytes");
    NEED(m->segment_steps >= 1 && m->segment_steps <= SEGMENT_STEPS_MAX,
         "segment_steps: out of range");
    NEED(length_in(m->net, 1, NAME_MOST), "net: not 1 to 255 bytes");
    NEED(m->count_key <= 1, "count_key: out of range");
    NEED(m->value_heads >= 1 && m->value_heads <= SEGMENT_HEADS_MAX,
         "value_heads: out of range");
    return NULL;
}

const char *codec_check_refuse(const struct msg_refuse *m)
{
    NEED(length_in(m->reason, 0, REASON_MOST), "reason: longer than 1024 bytes");
    return NULL;
}

const char *codec_check_ack(const struct msg_ack *m)
{
    NEED(m->dropped < DROP_REASONS, "dropped: out of range");
    return NULL;
}

const char *codec_check_weights(const struct msg_weights *m)
{
    NEED(m->version.start >= 1, "start: is 0");
    NEED(isfinite(m->mean), "mean: not finite");
    NEED(isfinite(m->scale) && m->scale > 0, "scale: not above 0");
    NEED(isfinite(m->intrinsic_mean), "intrinsic_mean: not finite");
    NEED(isfinite(m->intrinsic_scale) && m->intrinsic_scale > 0,
         "intrinsic_scale: not above 0");
    NEED(m->floats >= 1, "weights: none");
    NEED(all_finite(m->weights, m->floats), "weights: not finite");
    return NULL;
}

const char *codec_check_judge_hello(const struct msg_judge_hello *m)
{
    NEED(length_in(m->name, 1, NAME_MOST), "name: not 1 to 255 bytes");
    NEED(length_in(m->model, 0, NAME_MOST), "model: longer than 255 bytes");
    NEED(m->can_rate || m->can_order, "can_rate: neither this nor can_order");
    NEED(!m->can_order || (m->order_most >= 2 && m->order_most <= ITEM_CAPTIONS_MAX),
         "order_most: not 2 to 8");
    NEED(m->deadline_ms >= 1 && m->deadline_ms <= DEADLINE_MOST,
         "deadline_ms: out of range");
    NEED(m->credits <= CREDITS_MOST, "credits: out of range");
    NEED(length_in(m->host, 1, NAME_MOST), "host: not 1 to 255 bytes");
    return NULL;
}

const char *codec_check_judge_welcome(const struct msg_judge_welcome *m)
{
    NEED(length_in(m->goal, 1, NAME_MOST), "goal: not 1 to 255 bytes");
    NEED(length_in(m->goal_text, 0, GOAL_MOST), "goal_text: longer than 1 MB");
    NEED(m->credits <= CREDITS_MOST, "credits: out of range");
    NEED(length_in(m->environment, 1, NAME_MOST), "environment: not 1 to 255 bytes");
    return NULL;
}

const char *codec_check_question(const struct msg_question *q)
{
    NEED(q->kind == QUESTION_RATE || q->kind == QUESTION_ORDER,
         "kind: neither rate nor order");
    NEED(q->kind == QUESTION_ORDER ? q->captions >= 2 : q->captions == 1,
         "caption: one to rate, two or more to order");
    NEED(q->purpose <= PURPOSE_PROBE, "purpose: out of range");
    NEED(q->lease_ms >= 1, "lease_ms: is 0");
    for (int i = 0; i < q->captions; i++) {
        NEED(q->caption[i].len <= SEGMENT_TEXT_MAX, "caption: longer than 255 bytes");
        NEED(q->truth[i] >= -1 && q->truth[i] <= 1, "truth: out of range");
        NEED(q->strength[i] <= 3, "strength: out of range");
    }
    return NULL;
}

const char *codec_check_verdict(const struct msg_verdict *v, int ranks)
{
    const bool label = v->kind == VERDICT_LABEL, tie = v->kind == VERDICT_TIE;

    NEED(v->kind >= VERDICT_LABEL && v->kind < VERDICT_KINDS, "kind: out of range");
    NEED(!tie || v->captions >= 2, "kind: a tie of one caption");
    // NaN fails both comparisons.
    NEED(!(label && v->captions == 1) || (v->label >= 0 && v->label <= 1),
         "label: not 0 to 1");
    NEED(!(label && v->captions >= 2) || ranks == v->captions, "order: missing");
    for (int i = 0; i < ranks; i++) {
        NEED(v->order[i] < v->captions, "order: rank out of range");
        NEED(!tie || v->order[i] == v->order[0], "order: a tie with unequal ranks");
    }
    NEED(isnan(v->confidence) || (v->confidence >= 0 && v->confidence <= 1),
         "confidence: not 0 to 1");
    NEED(v->raw.len <= RAW_MOST, "raw: longer than 65536 bytes");
    NEED((v->position >= -1 && v->position <= 1) || v->position == POSITION_UNKNOWN,
         "position: not -1, 0, 1 or -128");
    return NULL;
}
