/* Answers to questions that put captions in order. */
#include <string.h>

#include "learner/intake/asking_impl.h"

static bool is_order(const struct msg_verdict *v)
{
    return v->kind == VERDICT_LABEL || v->kind == VERDICT_TIE;
}

/* Places without gaps in them that mean nothing: how many are better. All equal is a tie. */
static void settle_places(struct msg_verdict *v, uint8_t place[ITEM_CAPTIONS_MAX])
{
    bool tie = true;

    memset(place, 0, ITEM_CAPTIONS_MAX);
    for (int i = 0; is_order(v) && i < v->captions; i++) {
        for (int k = 0; k < v->captions; k++) {
            place[i] = (uint8_t)(place[i] + (v->order[k] < v->order[i]));
        }
        tie = tie && place[i] == 0;
    }
    if (is_order(v)) {
        v->kind = tie ? VERDICT_TIE : VERDICT_LABEL;
    }
}

float asking_share_beaten(const uint8_t *place, int captions, int which)
{
    int beaten = 0;

    for (int k = 0; k < captions; k++) {
        beaten += place[k] > place[which];
    }
    return (float)beaten / (float)(captions - 1);
}

void asking_count_compared(struct caption *p, float beaten)
{
    p->judged = true;
    p->compared++;
    p->label += (beaten - p->label) / (float)p->compared;
}

static void settle(struct asking *a, uint32_t number, struct caption *p)
{
    if (p->compared < ASKING_COMPARED_MOST) {
        return;
    }
    pairs_remove(a->pairs, number);
    if (p->state != CAPTION_ASKED) {
        (void)schedule_remove(a->schedule, number);
        a->told.captions_given_up -= p->state == CAPTION_GIVEN_UP;
        p->state = CAPTION_LABELLED;
    }
}

/* j NULL: a tie that no judge has said. */
static void take_order(struct asking *a, const struct judge *j, uint32_t number,
                       const uint8_t *place)
{
    const uint64_t now = post_now_ms(a->post);
    const uint32_t *caption = items_captions(a->items, number);
    const int K = a->plan->order_captions;
    const struct repute_sample sample = {.caption = number + 1, .time_ms = now};
    bool tie = true;

    for (int i = 0; i < K; i++) {
        tie = tie && place[i] == 0;
    }
    for (int i = 0; i < K; i++) {
        struct caption *p = lexicon_at(a->captions, caption[i]);
        const float beaten = asking_share_beaten(place, K, i);
        if (p->form == 0) {
            asking_know_form(a, p);
        }
        asking_count_compared(p, beaten);
        schedule_label(a->schedule, p->form - 1u, beaten);
        pairs_outcome(a->pairs, p->form - 1u, tie);
        if (lexicon_truth(p) == 1 && p->met_ms != 0) {
            latency_add(&a->progress_delay, (now - p->met_ms) * 1000000u);
            p->met_ms = 0; // its first order counts
        }
        settle(a, caption[i], p);
    }
    a->told.orders_tied += tie;
    if (j != NULL) {
        repute_label(&a->repute,
                     repute_of(&a->repute, j->name, j->model, j->prompt_digest),
                     &sample, place);
    }
}

void asking_offer_order(struct asking *a, const struct ledger_entry *e)
{
    struct ring_verdict v = {.key = e->key,
                             .ledger_serial = e->serial,
                             .p = 0.5f,
                             .kind = e->verdict_kind,
                             .captions = e->captions};

    for (int i = 0; i < e->captions; i++) {
        v.caption[i] = hash_128(e->caption[i]);
        v.place[i] = e->order[i];
    }
    asking_add_offer(a, &v);
}

/* An answer that is no order: the caption that was due waits for another set, after a
 * while, as asking_verdict.c says; a set that a judge does not want is not asked again. */
static void take_failure(struct asking *a, uint32_t number, const struct msg_verdict *v)
{
    struct item *item = items_at(a->items, number);
    const uint32_t first = items_captions(a->items, number)[item->first];

    item->done = v->kind == VERDICT_REFUSED || v->kind == VERDICT_ABSTAIN;
    if (lexicon_at(a->captions, first)->state == CAPTION_ASKED) {
        asking_delay(a, first, v->kind != VERDICT_OVERLOAD);
    }
}

static void end_first(struct asking *a, uint32_t number)
{
    const struct item *item = items_at(a->items, number);
    const uint32_t first = items_captions(a->items, number)[item->first];
    struct caption *p = lexicon_at(a->captions, first);

    if (p->state == CAPTION_ASKED) {
        p->state = CAPTION_NEW; // waits again when it comes again
        settle(a, first, p);
    }
}

/* An answer as it came. */
struct answer {
    int64_t number; // of the item; -1: nobody knows what was asked
    bool live;      // its lease had not run out
    bool ours;      // and was given in this start
};

static enum status record(struct asking *a, const struct judge *j,
                          struct msg_verdict *v, const struct answer *w)
{
    const int64_t number = w->number;
    const bool again = (v->question & ASKING_AGAIN_BIT) != 0;
    const bool whole = number >= 0 && asking_item_is_whole(a, (uint32_t)number);
    struct ledger_entry e;

    uint8_t place[ITEM_CAPTIONS_MAX];
    settle_places(v, place);
    asking_fill_entry(a, j, v, &e);
    e.late = !w->live;
    if (whole) {
        const struct item *item = items_at(a->items, (uint32_t)number);
        e.key = item->key;
        e.captions = (uint8_t)a->plan->order_captions;
        memcpy(e.order, place, sizeof(e.order));
        for (int i = 0; i < e.captions; i++) {
            const struct caption *p =
                lexicon_at(a->captions, items_captions(a->items, (uint32_t)number)[i]);
            e.caption[i] = bytes_of(p->text, p->len);
        }
        e.trains = is_order(v) && !item->done && !again;
    }
    const bool zero = whole && w->live && !again &&
                      !items_at(a->items, (uint32_t)number)->done &&
                      asking_is_zero(a, v->kind);
    TRY(ledger_append(a->plan->ledger, &e));
    asking_count_verdict(a, j, v, e.late);
    if (e.trains || zero || (again && is_order(v))) {
        allowance_add(&a->allowance, post_now_ms(a->post), 0);
    }
    if (e.trains || zero) {
        items_at(a->items, (uint32_t)number)->done = true;
        a->told.labels++;
        e.verdict_kind = zero ? VERDICT_TIE : e.verdict_kind;
        asking_offer_order(a, &e);
        take_order(a, zero ? NULL : j, (uint32_t)number, place);
    } else if (whole && w->ours && !is_order(v) && !again) {
        take_failure(a, (uint32_t)number, v);
    }
    if (whole && w->ours && !again) {
        end_first(a, (uint32_t)number);
    }
    return ST_OK;
}

enum status asking_on_order(struct asking *a, struct judge *j, struct msg_verdict *v,
                            bool *holds)
{
    struct answer w = {.number = items_find_question(a->items, v->question)};

    if (w.number >= 0) {
        struct item *item = items_at(a->items, (uint32_t)w.number);
        struct lease *l = item->lease != 0 ? &a->lease[item->lease - 1] : NULL;
        w.live = l != NULL && l->id == v->question;
        if (!w.live && item->answered == (uint16_t)v->question) {
            a->told.verdicts_repeated++; // its acknowledgement was lost
            return ST_OK;
        }
        item->answered = (uint16_t)v->question;
        if (w.live) {
            w.ours = l->judge != 0;
            asking_take_lease(a, j, l, v, holds);
        }
    }
    TRY(ledger_drop_asked(a->plan->ledger, v->question));
    return record(a, j, v, &w);
}
