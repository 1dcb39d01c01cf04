/* Questions on their way to judges. */
#include <math.h>
#include <string.h>

#include "learner/intake/asking_impl.h"
#include "learner/store/ledger.h"

enum { FRUITLESS_MOST = 256 }; // captions of one turn that nothing can be put beside

/* Attempts of one start are numbered apart from those of the one before. */
uint16_t asking_next_attempt(const struct asking *a, uint16_t before, bool again)
{
    const unsigned base = (a->plan->start & 0xff) << 8 | (again ? ASKING_AGAIN_BIT : 0);
    const bool of_this_start = before >> 8 == (a->plan->start & 0xff);

    return (uint16_t)(base | (of_this_start ? (before + 1u) & 0x7f : 1));
}

struct msg_question *asking_new_question(struct asking *a, const struct judge *j,
                                         const struct lease *l, enum question_kind kind)
{
    struct msg_question *q = &a->out.question[a->out.count++];

    q->id = l->id;
    q->kind = (uint8_t)kind;
    q->purpose = l->again ? PURPOSE_CONSISTENCY : PURPOSE_LABEL;
    q->lease_ms = j->deadline_ms + JUDGES_LEASE_EXTRA_MS;
    q->captions = 0;
    return q;
}

void asking_add_caption(struct msg_question *q, const struct judge *j,
                        const struct caption *p)
{
    const int at = q->captions++;

    q->caption[at] = bytes_of(p->text, p->len);
    q->truth[at] = j->wants_truth ? (int8_t)lexicon_truth(p) : -1;
    q->strength[at] = j->wants_truth ? p->strength : 0;
}

/* `again`: not for a label, but to compare with `before`. */
static void ask_rating(struct asking *a, struct judge *j, uint32_t caption, bool again,
                       float before)
{
    struct caption *p = lexicon_at(a->captions, caption);

    if (p->lease != 0 || (p->state == CAPTION_LABELLED && !again)) {
        a->told.questions_duplicate++; // by construction never, but for `resend`
    }
    p->under_way++;
    p->attempt = asking_next_attempt(a, p->attempt, again);
    p->state = again ? p->state : (uint8_t)CAPTION_ASKED;
    struct lease *l =
        asking_new_lease(a, j, (p->key.lo & ~(uint64_t)0xffff) | p->attempt, again);
    l->caption = caption;
    l->before = before;
    p->lease = asking_lease_number(a, l);
    asking_add_caption(asking_new_question(a, j, l, QUESTION_RATE), j, p);
    judges_asked(&a->judges, j);
}

/* Now and then what j has labelled, instead of something new. */
static bool ask_again(struct asking *a, struct judge *j)
{
    struct repute_sample s;
    bool asked = false;

    if (a->again_due < 1 ||
        !repute_again(repute_of(&a->repute, j->name, j->model, j->prompt_digest),
                      post_now_ms(a->post), &s)) {
        return false;
    }
    a->again_due--;
    if (a->items != NULL) {
        asked = asking_ask_order_again(a, j, &s);
    } else {
        const struct caption *p = lexicon_at(a->captions, s.caption - 1);
        asked = p->state == CAPTION_LABELLED && p->lease == 0;
        if (asked) {
            ask_rating(a, j, s.caption - 1, true, s.p);
        }
    }
    a->told.consistency_asked += asked;
    return asked;
}

/* It could not be sent: all is as before. */
static void take_back(struct asking *a)
{
    for (int i = 0; i < a->out.count; i++) {
        const struct msg_question *q = &a->out.question[i];
        const int64_t n = a->items != NULL ? items_find_question(a->items, q->id)
                                           : lexicon_find_prefix(a->captions, q->id);
        if (n < 0) {
            continue;
        }
        const uint16_t lease = a->items != NULL
                                   ? items_at(a->items, (uint32_t)n)->lease
                                   : lexicon_at(a->captions, (uint32_t)n)->lease;
        const uint32_t caption = a->lease[lease - 1].caption;
        asking_free_lease(a, &a->lease[lease - 1]);
        if (q->purpose == PURPOSE_LABEL) {
            asking_requeue(a, caption);
        }
    }
}

/* The captions that are due, and j's part of them. */
static void fill_frame(struct asking *a, const struct judges_turn *t, uint32_t most)
{
    struct judge *j = t->judge;
    uint32_t caption;
    int before = 0, fruitless = 0;

    while ((uint32_t)a->out.count < most && fruitless < FRUITLESS_MOST) {
        before = a->out.count;
        if (ask_again(a, j)) {
            continue;
        }
        if (!(t->slow ? schedule_longest(a->schedule, t->keep, &caption)
                      : schedule_next(a->schedule, &caption))) {
            return;
        }
        if (a->items != NULL) {
            asking_ask_order(a, j, caption);
        } else {
            ask_rating(a, j, caption, false, 0);
        }
        fruitless += a->out.count == before;
    }
}

/* One frame of questions to j; false: there is none for it. */
static bool ask_many(struct asking *a, const struct judges_turn *t, uint32_t most)
{
    struct judge *j = t->judge;
    const struct frame_header h = {.kind = FRAME_QUESTIONS,
                                   .run = a->plan->run,
                                   .actor = j->number,
                                   .incarnation = a->plan->start};

    a->out.count = 0;
    fill_frame(a, t, most);
    if (a->out.count == 0) {
        return false;
    }
    if (!post_send(a->post, &j->peer,
                   codec_encode_questions(a->post->codec, &h, &a->out))) {
        // Often it has just died, with all its credit free: the others are asked.
        take_back(a);
        j->deaf = true;
        return true;
    }
    a->told.questions_asked += (uint64_t)a->out.count;
    a->again_due =
        fmin(a->again_due + a->out.count * a->plan->consistency_share, REPUTE_SAMPLE);
    j->sent_ms = post_now_ms(a->post);
    return true;
}

static uint32_t least(uint64_t x, uint64_t y)
{
    return (uint32_t)(x < y ? x : y);
}

/* Questions that may still be asked: each under way may become a label. */
static uint64_t allowed(struct asking *a)
{
    const uint64_t budget =
        allowance_left(&a->allowance, post_now_ms(a->post), a->leases);

    a->may_ask = budget > 0;
    return least(budget, ASKING_LEASES_MOST - (uint64_t)a->leases);
}

void asking_ask_judges(struct asking *a)
{
    for (;;) {
        const struct judges_turn t =
            judges_next(&a->judges, schedule_count(a->schedule));
        const uint32_t most = least(least(t.most, QUESTIONS_PER_FRAME), allowed(a));
        if (t.judge == NULL || most == 0 || !ask_many(a, &t, most)) {
            return;
        }
    }
}
