#include "judge/desk.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"

void desk_init(struct desk *d, int size)
{
    int buckets = 1;

    CHECK(size >= 1);
    while (buckets < 2 * size) {
        buckets *= 2;
    }
    *d = (struct desk){.slots = mem_new((size_t)size, sizeof(*d->slots)),
                       .queue = mem_new((size_t)size, sizeof(*d->queue)),
                       .bucket = mem_new((size_t)buckets, sizeof(*d->bucket)),
                       .size = size,
                       .buckets = buckets};
    desk_clear(d);
}

void desk_release(struct desk *d)
{
    mem_free(d->slots);
    mem_free(d->queue);
    mem_free(d->bucket);
    *d = (struct desk){0};
}

void desk_clear(struct desk *d)
{
    memset(d->bucket, 0, (size_t)d->buckets * sizeof(*d->bucket));
    for (int i = 0; i < d->size; i++) {
        d->slots[i].state = DESK_FREE;
        d->slots[i].next = i + 1 < d->size ? i + 2 : 0;
    }
    d->spare = 1;
    d->head = d->waiting = d->answered = d->sent = d->oldest = d->newest = 0;
}

static int number_of(const struct desk *d, const struct desk_slot *s)
{
    return (int)(s - d->slots) + 1;
}

/* Ids are hashes of captions with a count of attempts below. */
static int *bucket_of(struct desk *d, uint64_t question)
{
    const uint64_t mixed = (question ^ (question >> 29)) * 0x9e3779b97f4a7c15u;

    return &d->bucket[(mixed >> 32) & (uint64_t)(d->buckets - 1)];
}

static void enqueue(struct desk *d, const struct desk_slot *s)
{
    CHECK(d->waiting < d->size);
    d->queue[(d->head + d->waiting) % d->size] = (int)(s - d->slots);
    d->waiting++;
}

/* From the free ones to those that are found by `question`. NULL: none is free. */
static struct desk_slot *enter(struct desk *d, uint64_t question)
{
    int *bucket = bucket_of(d, question);

    if (d->spare == 0) {
        return NULL;
    }
    struct desk_slot *s = &d->slots[d->spare - 1];
    d->spare = s->next;
    s->next = *bucket;
    *bucket = number_of(d, s);
    return s;
}

static void leave(struct desk *d, struct desk_slot *s)
{
    int *at = bucket_of(d, s->question.id);

    while (*at != number_of(d, s)) {
        at = &d->slots[*at - 1].next;
    }
    *at = s->next;
    s->next = d->spare;
    d->spare = number_of(d, s);
    s->state = DESK_FREE;
}

/* To the answered ones, as the newest. */
static void link_answered(struct desk *d, struct desk_slot *s)
{
    s->before = d->newest;
    s->behind = 0;
    *(d->newest != 0 ? &d->slots[d->newest - 1].behind : &d->oldest) = number_of(d, s);
    d->newest = number_of(d, s);
    s->state = DESK_ANSWERED;
    d->answered++;
}

static void unlink_answered(struct desk *d, struct desk_slot *s)
{
    *(s->before != 0 ? &d->slots[s->before - 1].behind : &d->oldest) = s->behind;
    *(s->behind != 0 ? &d->slots[s->behind - 1].before : &d->newest) = s->before;
    d->answered--;
}

struct desk_slot *desk_take(struct desk *d, const struct msg_question *q,
                            uint64_t now_ns)
{
    struct desk_slot *s = enter(d, q->id);

    if (s == NULL) {
        return NULL;
    }
    CHECK(q->captions >= 1 && q->captions <= ITEM_CAPTIONS_MAX);
    s->question = (struct judge_question){.id = q->id,
                                          .kind = (enum question_kind)q->kind,
                                          .purpose = (enum question_purpose)q->purpose,
                                          .captions = q->captions,
                                          .caption = s->caption};
    for (int i = 0; i < q->captions; i++) {
        struct judge_caption *c = &s->caption[i];
        const size_t len = q->caption[i].len;
        CHECK(len <= SEGMENT_TEXT_MAX);
        if (len > 0) {
            memcpy(c->text, q->caption[i].data, len);
        }
        c->text[len] = '\0';
        c->len = (uint8_t)len;
        c->truth = q->truth[i];
        c->strength = q->strength[i];
    }
    // raw is not cleared: raw_len says how much of it holds.
    s->verdict.kind = VERDICT_ABSTAIN;
    s->verdict.label = 0;
    s->verdict.confidence = NAN;
    s->verdict.tokens_in = s->verdict.tokens_out = 0;
    s->verdict.cost_micro = s->verdict.requests = 0;
    s->verdict.estimated = false;
    s->verdict.position = POSITION_UNKNOWN;
    s->verdict.raw_len = 0;
    memset(s->verdict.order, 0, sizeof(s->verdict.order));
    s->state = DESK_WAITING;
    s->asked = false;
    s->taken_ns = now_ns;
    enqueue(d, s);
    return s;
}

struct desk_slot *desk_find(struct desk *d, uint64_t question)
{
    int at = *bucket_of(d, question);

    while (at != 0 && d->slots[at - 1].question.id != question) {
        at = d->slots[at - 1].next;
    }
    return at != 0 ? &d->slots[at - 1] : NULL;
}

struct desk_slot *desk_next(struct desk *d)
{
    if (d->waiting == 0) {
        return NULL;
    }
    struct desk_slot *s = &d->slots[d->queue[d->head]];
    d->head = (d->head + 1) % d->size;
    d->waiting--;
    return s;
}

void desk_put_back(struct desk *d, struct desk_slot *s)
{
    enqueue(d, s);
}

void desk_answer(struct desk *d, struct desk_slot *s, bool cached, uint64_t now_ns)
{
    CHECK(s->state == DESK_WAITING);
    s->cached = cached;
    s->answered_ns = now_ns;
    link_answered(d, s);
}

struct desk_slot *desk_unsent(struct desk *d, const struct desk_slot *from)
{
    const int at = from != NULL ? from->behind : d->oldest;

    return at != 0 ? &d->slots[at - 1] : NULL;
}

void desk_mark_sent(struct desk *d, struct desk_slot *s)
{
    CHECK(s->state == DESK_ANSWERED);
    unlink_answered(d, s);
    s->state = DESK_SENT;
    d->sent++;
}

void desk_mark_unsent(struct desk *d, struct desk_slot *s)
{
    CHECK(s->state == DESK_SENT);
    d->sent--;
    link_answered(d, s);
}

void desk_send_again(struct desk *d)
{
    for (int i = 0; i < d->size; i++) {
        if (d->slots[i].state == DESK_SENT) {
            desk_mark_unsent(d, &d->slots[i]);
        }
    }
}

void desk_forget(struct desk *d, uint64_t question)
{
    struct desk_slot *s = desk_find(d, question);

    // One that still waits is not forgotten by a stray word: it is still owed.
    if (s == NULL || s->state == DESK_WAITING) {
        return;
    }
    if (s->state == DESK_ANSWERED) {
        unlink_answered(d, s);
    } else {
        d->sent--;
    }
    leave(d, s);
}

struct msg_verdict desk_verdict(const struct desk_slot *slot)
{
    const struct judge_verdict *v = &slot->verdict;
    const uint64_t us = (slot->answered_ns - slot->taken_ns) / 1000;
    struct msg_verdict out = {
        .question = slot->question.id,
        .kind = (uint8_t)v->kind,
        .label = v->label,
        .captions = (uint8_t)slot->question.captions,
        .confidence = v->confidence,
        .tokens_in = v->tokens_in,
        .tokens_out = v->tokens_out,
        .latency_us = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX,
        .cached = slot->cached,
        .requests = v->requests,
        .cost_micro = v->cost_micro,
        .estimated = v->estimated,
        .position = v->position,
        .raw = bytes_of(v->raw, v->raw_len),
    };

    memcpy(out.order, v->order, sizeof(out.order));
    return out;
}
