/* Questions that put several captions in order: which, and how they are asked. */
#include <math.h>
#include <string.h>

#include "learner/intake/asking_impl.h"

/* ---- what may be asked ---- */

bool asking_may_compare(const struct caption *p)
{
    return p->len > 0 && p->state != CAPTION_GIVEN_UP &&
           p->compared + p->under_way < ASKING_COMPARED_MOST;
}

bool asking_is_due(const struct asking *a, const struct caption *p)
{
    return asking_may_compare(p) &&
           (p->compared == 0 || !schedule_is_settled(a->schedule, p->form - 1u));
}

static struct pairs_caption pairs_caption_of(uint32_t number, const struct caption *p)
{
    return (struct pairs_caption){.number = number,
                                  .form = p->form - 1u,
                                  .visits = p->visits,
                                  .score = p->scored ? p->score : NAN};
}

void asking_offer_pair(struct asking *a, uint32_t caption)
{
    const struct caption *p = lexicon_at(a->captions, caption);

    if (p->form != 0 && asking_may_compare(p)) {
        const struct pairs_caption c = pairs_caption_of(caption, p);
        pairs_put(a->pairs, &c);
    }
}

void asking_take_score(struct asking *a, struct hash128 key, float score)
{
    const int64_t number = lexicon_find(a->captions, key);

    if (number >= 0 && isfinite(score)) {
        struct caption *p = lexicon_at(a->captions, (uint32_t)number);
        p->scored = true;
        p->score = score;
        asking_offer_pair(a, (uint32_t)number);
    }
}

static struct hash128 key_of_set(struct asking *a, const uint32_t *caption, int count)
{
    struct hash128 key[ITEM_CAPTIONS_MAX];

    for (int i = 0; i < count; i++) {
        key[i] = lexicon_at(a->captions, caption[i])->key;
    }
    return ledger_set_key(key, count);
}

/* A set is asked about once; again only where that gave no verdict. */
static bool fits(void *asking, const uint32_t *chosen, int count, uint32_t next)
{
    struct asking *a = asking;
    uint32_t all[ITEM_CAPTIONS_MAX];

    if (!asking_may_compare(lexicon_at(a->captions, next))) {
        return false;
    }
    if (count + 1 < a->plan->order_captions) {
        return true;
    }
    memcpy(all, chosen, (size_t)count * sizeof(all[0]));
    all[count] = next;
    const struct hash128 key = key_of_set(a, all, count + 1);
    const int64_t number = items_find_question(a->items, key.lo);
    if (number < 0) {
        return !items_full(a->items);
    }
    const struct item *item = items_at(a->items, (uint32_t)number);
    return hash_equal(item->key, key) && !item->done && item->lease == 0;
}

/* ---- asking ---- */

/* Shown by their hashes: neither the one that is due nor the better one has a place of its
 * own, and the same set is always shown alike. */
static void sort_shown(struct asking *a, uint32_t *caption, int count)
{
    for (int i = 1; i < count; i++) {
        const uint32_t moved = caption[i];
        const uint64_t lo = lexicon_at(a->captions, moved)->key.lo;
        int at = i;
        for (; at > 0 && lexicon_at(a->captions, caption[at - 1])->key.lo > lo; at--) {
            caption[at] = caption[at - 1];
        }
        caption[at] = moved;
    }
}

/* The item of the set that `chosen` is, made when new; its captions are under way. -1: too
 * many items. */
static int64_t begin_item(struct asking *a, uint32_t first, uint32_t *chosen)
{
    const int K = a->plan->order_captions;
    const struct hash128 key = key_of_set(a, chosen, K);
    int64_t number = items_find(a->items, key);

    sort_shown(a, chosen, K);
    if (number < 0) {
        number = items_add(a->items, key, chosen);
    } else {
        items_set_captions(a->items, (uint32_t)number, chosen);
    }
    if (number < 0) {
        return -1;
    }
    for (int i = 0; i < K; i++) {
        struct caption *p = lexicon_at(a->captions, chosen[i]);
        if (chosen[i] == first) {
            items_at(a->items, (uint32_t)number)->first = (uint8_t)i;
        }
        p->under_way++;
        if (!asking_may_compare(p)) {
            pairs_remove(a->pairs, chosen[i]);
        }
    }
    return number;
}

/* What is asked is known with the group's commit: sooner than most judges answer. */
static void note_asked(struct asking *a, const struct lease *l)
{
    const int K = a->plan->order_captions;
    const uint32_t *caption = items_captions(a->items, l->item - 1);
    struct hash128 key[ITEM_CAPTIONS_MAX];

    for (int i = 0; i < K; i++) {
        key[i] = lexicon_at(a->captions, caption[i])->key;
    }
    if (a->acks == 0 && !a->asked_pending) {
        a->group_ms = post_now_ms(a->post);
    }
    a->asked_pending = true;
    const enum status st = ledger_put_asked(a->plan->ledger, l->id, key, K);
    a->failed = a->failed == ST_OK ? st : a->failed;
}

static void ask_item(struct asking *a, struct judge *j, uint32_t number, bool again)
{
    struct item *item = items_at(a->items, number);
    const uint32_t *caption = items_captions(a->items, number);

    item->attempt = asking_next_attempt(a, item->attempt, again);
    struct lease *l = asking_new_lease(
        a, j, (item->key.lo & ~(uint64_t)0xffff) | item->attempt, again);
    l->caption = caption[item->first];
    l->item = number + 1;
    item->lease = asking_lease_number(a, l);
    struct msg_question *q = asking_new_question(a, j, l, QUESTION_ORDER);
    for (int i = 0; i < a->plan->order_captions; i++) {
        asking_add_caption(q, j, lexicon_at(a->captions, caption[i]));
    }
    note_asked(a, l);
    judges_asked(&a->judges, j);
}

void asking_ask_order(struct asking *a, struct judge *j, uint32_t first)
{
    struct caption *p = lexicon_at(a->captions, first);
    const struct pairs_caption own = pairs_caption_of(first, p);
    uint32_t chosen[ITEM_CAPTIONS_MAX];
    enum pairs_how how;
    int64_t number = -1;

    if (asking_may_compare(p) &&
        pairs_choose(a->pairs, &own, a->plan->order_captions, fits, a, chosen, &how)) {
        number = begin_item(a, first, chosen);
    }
    if (number < 0) {
        // There is nothing to put beside it: it waits again when it comes again.
        p->state = CAPTION_NEW;
        schedule_end(a->schedule, p->form - 1u);
        return;
    }
    p->state = CAPTION_ASKED;
    a->told.pairs[how]++;
    ask_item(a, j, (uint32_t)number, false);
}

bool asking_item_is_whole(struct asking *a, uint32_t number)
{
    const uint32_t *caption = items_captions(a->items, number);

    for (int i = 0; i < a->plan->order_captions; i++) {
        if (caption[i] >= lexicon_count(a->captions)) {
            return false;
        }
    }
    return hash_equal(key_of_set(a, caption, a->plan->order_captions),
                      items_at(a->items, number)->key);
}

bool asking_ask_order_again(struct asking *a, struct judge *j,
                            const struct repute_sample *s)
{
    const uint32_t number = s->caption - 1;
    const struct item *item = items_at(a->items, number);

    if (item->lease != 0 || !asking_item_is_whole(a, number)) {
        return false;
    }
    for (int i = 0; i < a->plan->order_captions; i++) {
        lexicon_at(a->captions, items_captions(a->items, number)[i])->under_way++;
    }
    ask_item(a, j, number, true);
    memcpy(a->lease[item->lease - 1].before_place, s->place, sizeof(s->place));
    return true;
}

void asking_free_item(struct asking *a, uint32_t number)
{
    const uint32_t *caption = items_captions(a->items, number);

    items_at(a->items, number)->lease = 0;
    for (int i = 0; i < a->plan->order_captions; i++) {
        struct caption *p = lexicon_at(a->captions, caption[i]);
        p->under_way = (uint8_t)(p->under_way - (p->under_way > 0));
        asking_offer_pair(a, caption[i]);
    }
}
