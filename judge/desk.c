#include "judge/desk.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"

void desk_init(struct desk *d, int size)
{
    CHECK(size >= 1);
    *d = (struct desk){.slots = mem_new((size_t)size, sizeof(*d->slots)),
                       .queue = mem_new((size_t)size, sizeof(*d->queue)),
                       .size = size};
}

void desk_release(struct desk *d)
{
    mem_free(d->slots);
    mem_free(d->queue);
    *d = (struct desk){0};
}

void desk_clear(struct desk *d)
{
    for (int i = 0; i < d->size; i++) {
        d->slots[i].state = DESK_FREE;
    }
    d->head = d->waiting = d->answered = d->sent = 0;
}

static void enqueue(struct desk *d, const struct desk_slot *s)
{
    CHECK(d->waiting < d->size);
    d->queue[(d->head + d->waiting) % d->size] = (int)(s - d->slots);
    d->waiting++;
}

static struct desk_slot *free_slot(struct desk *d)
{
    for (int i = 0; i < d->size; i++) {
        if (d->slots[i].state == DESK_FREE) {
            return &d->slots[i];
        }
    }
    return NULL;
}

struct desk_slot *desk_take(struct desk *d, const struct msg_question *q,
                            uint64_t now_ns)
{
    struct desk_slot *s = free_slot(d);

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
    for (int i = 0; i < d->size; i++) {
        if (d->slots[i].state != DESK_FREE && d->slots[i].question.id == question) {
            return &d->slots[i];
        }
    }
    return NULL;
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
    s->state = DESK_ANSWERED;
    s->cached = cached;
    s->answered_ns = now_ns;
    d->answered++;
}

struct desk_slot *desk_unsent(struct desk *d, int *from)
{
    for (; *from < d->size; (*from)++) {
        if (d->slots[*from].state == DESK_ANSWERED) {
            return &d->slots[(*from)++];
        }
    }
    return NULL;
}

void desk_mark_sent(struct desk *d, struct desk_slot *s)
{
    CHECK(s->state == DESK_ANSWERED);
    s->state = DESK_SENT;
    d->answered--;
    d->sent++;
}

void desk_send_again(struct desk *d)
{
    for (int i = 0; i < d->size; i++) {
        if (d->slots[i].state == DESK_SENT) {
            d->slots[i].state = DESK_ANSWERED;
            d->answered++;
            d->sent--;
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
        d->answered--;
    } else {
        d->sent--;
    }
    s->state = DESK_FREE;
}
