#include "judge/answer.h"

#include <string.h>

#include "common/base/log.h"
#include "judge/options.h"

enum { ASK_NS = 100 * 1000000 }; // of answering before the link is looked at again

static const double deadline_s = 10, deadline_least_s = 0.001; // the hello speaks in ms

static uint64_t deadline_of(const struct judge_options *options,
                            const struct judge_backend *backend)
{
    const double own = backend->deadline_s > 0 ? backend->deadline_s : deadline_s;
    const double s = options->deadline > 0 ? options->deadline : own;

    return (uint64_t)((s > deadline_least_s ? s : deadline_least_s) * 1e9);
}

void answer_init(struct answer *a, const struct judge_options *options,
                 const struct judge_backend *backend, const struct clock *clock)
{
    *a = (struct answer){.options = options,
                         .backend = backend,
                         .clock = clock,
                         .deadline_ns = deadline_of(options, backend),
                         .cache = cache_new((int)options->cache)};
}

static void close_backend(struct answer *a)
{
    if (a->open && a->backend->close != NULL) {
        a->backend->close(a->self);
    }
    a->open = false;
    a->self = NULL;
    goal_release(&a->goal);
    cache_clear(a->cache);
}

void answer_release(struct answer *a)
{
    close_backend(a);
    cache_free(a->cache);
    a->cache = NULL;
}

struct hash128 answer_prompt(const struct answer *a)
{
    if (!a->open) {
        return (struct hash128){0, 0};
    }
    if (a->backend->prompt != NULL) {
        return a->backend->prompt(a->self);
    }
    return hash_128(bytes_text(a->goal.view.text));
}

const char *answer_model(const struct answer *a)
{
    return a->open && a->backend->model != NULL ? a->backend->model(a->self) : "";
}

void answer_kinds(const struct answer *a, bool *rate, bool *order, uint32_t *order_most)
{
    *rate = a->backend->can_rate;
    *order = a->backend->can_order;
    *order_most = *order ? ITEM_CAPTIONS_MAX : 0;
    if (a->open && a->backend->kinds != NULL) {
        a->backend->kinds(a->self, rate, order, order_most);
    }
}

uint32_t answer_credits(const struct answer *a)
{
    const uint32_t most = (uint32_t)a->options->credits;

    if (a->backend->credits == NULL) {
        return most;
    }
    if (!a->open) {
        return 0; // it says how many once it knows the goal
    }
    const uint32_t wanted = a->backend->credits(a->self);
    return wanted < most ? wanted : most;
}

enum judge_pause answer_pause(const struct answer *a)
{
    return a->open && a->backend->pause != NULL ? a->backend->pause(a->self)
                                                : PAUSE_UNSAID;
}

enum status answer_turn(struct answer *a)
{
    a->turning = false;
    if (!a->open || a->backend->turn == NULL) {
        return ST_OK;
    }
    const enum status st = a->backend->turn(a->self);
    a->turning = st == ST_OK;
    return st == ST_AGAIN ? ST_OK : st;
}

bool answer_stop(struct answer *a)
{
    a->stopping = true;
    return a->open && a->backend->stop != NULL && a->backend->stop(a->self);
}

static void drop(struct answer *a, struct desk_slot *slot)
{
    if (slot->asked && a->open && a->backend->drop != NULL) {
        a->backend->drop(a->self, slot->question.id);
    }
    slot->asked = false;
}

void answer_drop_all(struct answer *a, struct desk *d)
{
    for (int i = 0; i < d->size; i++) {
        if (d->slots[i].state == DESK_WAITING) {
            drop(a, &d->slots[i]);
        }
    }
}

/* --goal holds a judge to one goal, by name or by a file's path. */
static bool goal_accepted(const struct answer *a, struct bytes name)
{
    const char *given = a->options->goal, *slash = strrchr(given, '/');
    const char *base = slash != NULL ? slash + 1 : given;
    size_t len = strlen(base);

    if (len > 5 && strcmp(base + len - 5, ".goal") == 0) {
        len -= 5;
    }
    return given[0] == '\0' || bytes_equal(bytes_of(base, len), name);
}

enum status answer_open(struct answer *a, const struct msg_judge_welcome *w)
{
    const struct judge_setup setup = {
        .goal = &a->goal.view, .options = a->options, .clock = a->clock};

    if (a->open && hash_equal(a->goal_digest, w->goal_digest) &&
        bytes_equal(bytes_text(a->goal.task), w->environment)) {
        return ST_OK;
    }
    close_backend(a);
    if (!goal_accepted(a, w->goal)) {
        LOG_ERROR("JUDGE-GOAL", "the run's goal is %.*s, this judge is for %s only",
                  (int)w->goal.len, (const char *)w->goal.data, a->options->goal);
        return ST_INVALID;
    }
    TRY(goal_init(&a->goal, w->goal, w->environment, w->goal_text));
    if (a->backend->open != NULL) {
        const enum status st = a->backend->open(&setup, &a->self);
        if (st != ST_OK) {
            goal_release(&a->goal);
            return st;
        }
    }
    a->open = true;
    a->goal_digest = w->goal_digest;
    return ST_OK;
}

/* A backend may be anybody's: what it says is checked like bytes from outside. */
static bool verdict_whole(const struct judge_question *q, const struct judge_verdict *v)
{
    const bool label = v->kind == VERDICT_LABEL, tie = v->kind == VERDICT_TIE;

    if (v->kind < VERDICT_LABEL || v->kind >= VERDICT_KINDS ||
        v->raw_len > JUDGE_RAW_MAX || v->confidence < 0 || v->confidence > 1 ||
        (v->position != POSITION_UNKNOWN && (v->position < -1 || v->position > 1))) {
        return false;
    }
    if (q->captions == 1) {
        return !tie && (!label || (v->label >= 0 && v->label <= 1));
    }
    for (int i = 0; i < q->captions && (label || tie); i++) {
        if (v->order[i] >= q->captions || (tie && v->order[i] != v->order[0])) {
            return false;
        }
    }
    return true;
}

static bool can_do(const struct answer *a, const struct judge_question *q)
{
    uint32_t most;
    bool rate, order;

    answer_kinds(a, &rate, &order, &most);
    return q->kind == QUESTION_RATE ? rate : order && (uint32_t)q->captions <= most;
}

/* ST_AGAIN: under way. */
static enum status answer_one(struct answer *a, struct desk *d, struct desk_slot *slot)
{
    struct judge_question *q = &slot->question;
    struct judge_verdict *v = &slot->verdict;
    const bool may_repeat = q->purpose == PURPOSE_LABEL;
    const struct hash128 key = cache_key(q);
    bool cached = false;

    if (a->stopping && !slot->asked) {
        return ST_AGAIN; // goodbye gives it back
    }
    q->taken_ns = slot->taken_ns;
    q->deadline_ns = slot->taken_ns + a->deadline_ns;
    if (may_repeat && cache_get(a->cache, key, v)) {
        drop(a, slot);
        cached = true;
        a->counters.from_cache++;
    } else if (clock_ns(a->clock) >= q->deadline_ns) {
        drop(a, slot);
        v->kind = VERDICT_TIMEOUT;
        a->counters.timeouts++;
    } else if (!can_do(a, q)) {
        drop(a, slot);
        v->kind = VERDICT_REFUSED;
    } else {
        const enum status st = a->backend->ask(a->self, q, v);
        slot->asked = st == ST_AGAIN;
        if (st == ST_AGAIN) {
            return ST_AGAIN;
        }
        if (st != ST_OK) {
            v->kind = VERDICT_REFUSED;
        } else if (!verdict_whole(q, v)) {
            // Nothing of it goes on: one wrong value and a whole frame is refused.
            v->kind = VERDICT_UNPARSEABLE;
            v->label = v->confidence = 0;
            memset(v->order, 0, sizeof(v->order));
            v->position = POSITION_UNKNOWN;
            v->raw_len = 0;
        }
        if (may_repeat) {
            cache_put(a->cache, key, v);
        }
    }
    desk_answer(d, slot, cached, clock_ns(a->clock));
    a->counters.answers++;
    return ST_OK;
}

/* Each waiting question once, while the time lasts. */
bool answer_waiting(struct answer *a, struct desk *d)
{
    const uint64_t start = clock_ns(a->clock);
    bool some = false;

    a->underway = false;
    for (int left = d->waiting; left > 0; left--) {
        struct desk_slot *slot = desk_next(d);
        if (answer_one(a, d, slot) == ST_AGAIN) {
            desk_put_back(d, slot);
            a->underway = true;
        } else {
            some = true;
        }
        if (clock_ns(a->clock) - start >= ASK_NS) {
            break;
        }
    }
    return some;
}
