#include "learner/intake/offers.h"

#include <string.h>

#include "common/base/mem.h"
#include "learner/intake/queue.h"
#include "learner/rings.h"

enum {
    WAITING_MOST = 65536,
    UPDATE_MOST = 2000 // training keeps 3,000 for one exchange and forgets the rest
};

struct offers {
    struct lexicon *captions;
    struct ring *to_training;
    struct queue *queue;
    int left; // that training has room for
};

static void leave_queue(void *offers, uint32_t caption)
{
    const struct offers *o = offers;

    (void)queue_remove(o->queue, caption);
}

struct offers *offers_new(struct lexicon *captions, struct ring *to_training)
{
    struct offers *o = mem_new(1, sizeof(*o));

    o->captions = captions;
    o->to_training = to_training;
    o->queue = queue_new(WAITING_MOST);
    o->left = UPDATE_MOST;
    lexicon_on_forget(captions, leave_queue, o);
    return o;
}

void offers_free(struct offers *o)
{
    if (o != NULL) {
        queue_free(o->queue);
        mem_free(o);
    }
}

void offers_met(struct offers *o, uint32_t caption)
{
    const struct caption *p = lexicon_at(o->captions, caption);

    if (p->visits >= 2 * p->offered) {
        // Full: it is offered when it comes again.
        (void)queue_push(o->queue, caption, p->visits - p->offered);
    }
}

void offers_next_update(struct offers *o)
{
    o->left = UPDATE_MOST;
}

void offers_push(struct offers *o)
{
    struct to_training m = {.kind = TO_TRAINING_CAPTION};
    uint32_t number;

    while (o->left > 0 && queue_pop_heaviest(o->queue, &number)) {
        struct caption *p = lexicon_at(o->captions, number);
        const uint64_t more = p->visits - p->offered;
        m.caption.key = p->key;
        m.caption.visits = more < UINT32_MAX ? (uint32_t)more : UINT32_MAX;
        m.caption.truth = (int8_t)lexicon_truth(p);
        m.caption.strength = p->strength;
        m.caption.len = p->len;
        memcpy(m.caption.text, p->text, p->len);
        if (!ring_push(o->to_training, &m)) {
            (void)queue_push(o->queue, number, more);
            return;
        }
        p->offered = p->visits;
        o->left--;
    }
}
