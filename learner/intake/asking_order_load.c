/* What the ledger knows of captions that were put in order before this start. */
#include <string.h>

#include "common/base/mem.h"
#include "learner/intake/asking_impl.h"

enum { ORPHAN_MS = 10000 }; // for answers to what an earlier start asked

static void load_compared(struct asking *a, const struct ledger_entry *e)
{
    for (int i = 0; i < e->captions; i++) {
        const int64_t n = lexicon_find(a->captions, hash_128(e->caption[i]));
        struct caption *p = lexicon_at(a->captions, (uint32_t)n);
        if (p->compared < UINT8_MAX) {
            asking_count_compared(p, asking_share_beaten(e->order, e->captions, i));
        }
        if (p->compared >= ASKING_COMPARED_MOST) {
            p->state = CAPTION_LABELLED;
        }
    }
    a->told.labels++;
    a->told.orders_tied += e->verdict_kind == VERDICT_TIE;
}

/* An answer to us that was no order, where such train as ties. */
static bool is_zero(const struct asking *a, const struct ledger_entry *e,
                    int64_t number)
{
    return e->origin.len == 0 && !e->late && asking_is_zero(a, e->verdict_kind) &&
           (number < 0 || !items_at(a->items, (uint32_t)number)->done);
}

void asking_load_order(struct asking *a, const struct ledger_entry *e, bool old)
{
    int64_t number = items_find(a->items, e->key);

    if (is_zero(a, e, number) && !old) {
        struct ledger_entry tie = *e;
        tie.verdict_kind = VERDICT_TIE;
        tie.trains = true;
        asking_load_order(a, &tie, old);
        return;
    }
    for (int i = 0; i < e->captions; i++) {
        const int64_t n = lexicon_meet(a->captions, e->caption[i],
                                       hash_128(e->caption[i]), 0, -1, 0, 0);
        if (n < 0) {
            return; // the lexicon is full: what it does not know cannot be asked either
        }
        struct caption *p = lexicon_at(a->captions, (uint32_t)n);
        p->judged = p->judged || e->trains;
    }
    number = number >= 0 ? number : items_add(a->items, e->key, NULL);
    if (number >= 0) {
        struct item *item = items_at(a->items, (uint32_t)number);
        item->answered = e->origin.len == 0 ? (uint16_t)e->question : item->answered;
        item->done =
            item->done || (!old && (e->trains || e->verdict_kind == VERDICT_REFUSED ||
                                    e->verdict_kind == VERDICT_ABSTAIN));
    }
    if (!e->trains) {
        return;
    }
    if (!old) {
        load_compared(a, e);
    }
    if (e->serial > a->plan->ledger_serial) {
        asking_offer_order(a, e);
    }
}

/* Questions whose answers may still come. */
struct orphan {
    uint64_t question;
    struct hash128 key[ITEM_CAPTIONS_MAX];
    int captions;
};

struct orphans {
    struct orphan *list; // (ASKING_LEASES_MOST)
    int count;
};

static void keep_orphan(void *ctx, uint64_t question, const struct hash128 *key,
                        int captions)
{
    struct orphans *o = ctx;

    if (o->count < ASKING_LEASES_MOST) {
        struct orphan *x = &o->list[o->count++];
        x->question = question;
        x->captions = captions;
        memcpy(x->key, key, (size_t)captions * sizeof(*key));
    }
}

/* -1: it is answered, or its captions are not known. */
static int64_t adopt_item(struct asking *a, const struct orphan *o,
                          const uint32_t *caption)
{
    const struct hash128 key = ledger_set_key(o->key, o->captions);
    int64_t number = items_find(a->items, key);

    if (number < 0) {
        number = items_add(a->items, key, caption);
    } else {
        items_set_captions(a->items, (uint32_t)number, caption);
    }
    if (number < 0) {
        return -1;
    }
    struct item *item = items_at(a->items, (uint32_t)number);
    if (item->done || item->lease != 0 || item->answered == (uint16_t)o->question) {
        return -1;
    }
    item->attempt = (uint16_t)o->question;
    item->first = 0;
    return number;
}

/* It has a lease of nobody, so that the set is not asked meanwhile. */
static bool adopt(struct asking *a, const struct orphan *o)
{
    uint32_t caption[ITEM_CAPTIONS_MAX];
    bool known = o->captions == a->plan->order_captions &&
                 2 * a->leases < ASKING_LEASES_MOST &&
                 (o->question & ASKING_AGAIN_BIT) == 0;

    for (int i = 0; known && i < o->captions; i++) {
        const int64_t n = lexicon_find(a->captions, o->key[i]);
        known = n >= 0;
        caption[i] = known ? (uint32_t)n : 0;
    }
    const int64_t number = known ? adopt_item(a, o, caption) : -1;
    if (number < 0) {
        return false;
    }
    struct lease *l = asking_new_lease(a, NULL, o->question, false);
    l->caption = caption[0];
    l->item = (uint32_t)number + 1;
    l->deadline_ms = post_now_ms(a->post) + ORPHAN_MS;
    items_at(a->items, (uint32_t)number)->lease = asking_lease_number(a, l);
    for (int i = 0; i < o->captions; i++) {
        struct caption *p = lexicon_at(a->captions, caption[i]);
        p->under_way++;
        if (!asking_may_compare(p)) {
            pairs_remove(a->pairs, caption[i]);
        }
    }
    return true;
}

enum status asking_load_asked(struct asking *a)
{
    struct orphans o = {.list = mem_new(ASKING_LEASES_MOST, sizeof(*o.list))};
    enum status st = ledger_scan_asked(a->plan->ledger, keep_orphan, &o);

    for (int i = 0; st == ST_OK && i < o.count; i++) {
        if (!adopt(a, &o.list[i])) {
            st = ledger_drop_asked(a->plan->ledger, o.list[i].question);
        }
    }
    mem_free(o.list);
    return st == ST_OK ? ledger_commit(a->plan->ledger) : st;
}
