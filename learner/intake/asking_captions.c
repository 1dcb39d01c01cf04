/* Captions on their way to a judge: how far each is, when it waits, and when it is asked
 * again. */
#include "common/base/mem.h"
#include "learner/intake/asking_impl.h"
#include "learner/store/ledger.h"

enum { RETRY_MS = 2000 }; // after the first failure; doubles

/* ---- the queue ---- */

/* Where the game tells the truth: how much of its progress is paid for by now. */
static void count_progress(struct asking *a, const struct caption *p, uint32_t visits)
{
    const bool helpful = p->state == CAPTION_LABELLED && p->label > 0.5f;
    const int truth = lexicon_truth(p);

    a->told.progress_emissions += truth == 1 ? visits : 0;
    a->told.progress_helpful += truth == 1 && helpful ? visits : 0;
    a->told.other_helpful += truth == 0 && helpful ? visits : 0;
}

void asking_know_form(struct asking *a, struct caption *p)
{
    p->form = (uint16_t)(schedule_form(a->schedule, bytes_of(p->text, p->len)) + 1);
    if (p->state == CAPTION_LABELLED || p->compared > 0) {
        schedule_label(a->schedule, p->form - 1u, p->label);
    }
}

static void queue_caption(struct asking *a, uint32_t caption, struct caption *p)
{
    // One that was compared often is no longer as urgent.
    const uint64_t often = (1u + p->compared) * (1u + (uint64_t)p->compared);
    const struct schedule_item item = {.number = caption,
                                       .form = p->form - 1u,
                                       .visits = (p->visits + often - 1) / often,
                                       .last = p->last};
    const uint32_t gone = schedule_put(a->schedule, &item);

    p->state = CAPTION_QUEUED;
    if (gone != SCHEDULE_NOBODY) {
        a->told.questions_dropped++; // it waits again when it comes again
        lexicon_at(a->captions, gone)->state = CAPTION_NEW;
    }
}

void asking_met(struct asking *a, uint32_t caption, uint32_t visits)
{
    struct caption *p = lexicon_at(a->captions, caption);

    if (p->form == 0) {
        p->met_ms = visits > 0 ? post_now_ms(a->post) : 0;
        asking_know_form(a, p);
    }
    count_progress(a, p, visits);
    if (a->items != NULL) {
        asking_offer_pair(a, caption);
        if (p->state == CAPTION_QUEUED ||
            (p->state == CAPTION_NEW && asking_is_due(a, p))) {
            queue_caption(a, caption, p);
        }
        return;
    }
    // A question's id names the first with these 48 bits: a second one with
    // them (a chance of 0.2 % among a million captions) cannot be asked.
    if (p->state == CAPTION_NEW &&
        lexicon_find_prefix(a->captions, p->key.lo) != (int64_t)caption) {
        asking_give_up(a, p);
    }
    const bool resend = a->plan->resend && p->state == CAPTION_ASKED &&
                        p->under_way < ASKING_RESENT_MOST;
    if (p->state == CAPTION_NEW || p->state == CAPTION_QUEUED || resend) {
        queue_caption(a, caption, p);
    }
}

void asking_give_up(struct asking *a, struct caption *p)
{
    p->state = CAPTION_GIVEN_UP; // fits into no set either
    a->told.captions_given_up++;
}

void asking_delay(struct asking *a, uint32_t caption, bool counts)
{
    struct caption *p = lexicon_at(a->captions, caption);

    if (counts && p->tries + 1 >= ASKING_TRIES_MOST) {
        asking_give_up(a, p);
        return;
    }
    p->state = CAPTION_DELAYED;
    p->ready_ms = post_now_ms(a->post) + ((uint64_t)RETRY_MS << p->tries);
    p->tries += counts;
    if (a->delayed_count == a->delayed_cap) {
        const uint32_t cap = a->delayed_cap == 0 ? 256 : 2 * a->delayed_cap;
        a->delayed = mem_grow(a->delayed, a->delayed_cap, cap, sizeof(*a->delayed));
        a->delayed_cap = cap;
    }
    a->delayed[a->delayed_count++] = caption;
}

void asking_requeue(struct asking *a, uint32_t caption)
{
    lexicon_at(a->captions, caption)->state = CAPTION_NEW;
    asking_met(a, caption, 0);
}

void asking_look_at_delayed(struct asking *a, uint64_t now)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < a->delayed_count; i++) {
        const struct caption *p = lexicon_at(a->captions, a->delayed[i]);
        if (p->state == CAPTION_DELAYED && p->ready_ms > now) {
            a->delayed[kept++] = a->delayed[i];
        } else if (p->state == CAPTION_DELAYED) {
            asking_requeue(a, a->delayed[i]);
        } // else a late label came meanwhile
    }
    a->delayed_count = kept;
}

/* ---- what was known before this start ---- */

/* An answer to us that was none, where such train. */
static bool trains_as_zero(const struct asking *a, const struct ledger_entry *e)
{
    return e->origin.len == 0 && !e->late && e->purpose == PURPOSE_LABEL &&
           asking_is_zero(a, e->verdict_kind);
}

/* What was answered before --relabel began counts for nothing here: it is asked anew, and
 * its old label trains until the new one comes. Copies of other runs' verdicts are labels
 * as others are, but nobody was asked for them here. */
static bool load_entry(void *ctx, const struct ledger_entry *e)
{
    struct asking *a = ctx;
    const bool ours = e->origin.len == 0, old = e->serial <= a->plan->relabel_serial;

    if (e->captions == 0 || e->purpose != PURPOSE_LABEL ||
        !hash_equal(e->goal_digest, a->plan->goal_digest) ||
        (e->captions > 1) != (a->items != NULL)) {
        return true;
    }
    if (a->items != NULL) {
        asking_load_order(a, e, old);
        return true;
    }
    const int64_t number =
        lexicon_meet(a->captions, e->caption[0], e->key, 0, -1, 0, 0);
    if (number < 0) {
        return true;
    }
    struct caption *p = lexicon_at(a->captions, (uint32_t)number);
    p->answered = ours ? (uint16_t)e->question : p->answered;
    const bool zero = !old && p->state != CAPTION_LABELLED && trains_as_zero(a, e);
    if (e->trains || zero) {
        p->judged = true;
        a->told.captions_given_up -= !old && p->state == CAPTION_GIVEN_UP;
        p->state = old ? p->state : CAPTION_LABELLED;
        p->label = old ? p->label : zero ? 0 : e->label;
        a->told.labels += !old;
        if (e->serial > a->plan->ledger_serial) {
            asking_add_offer(a, &(struct ring_verdict){.key = e->key,
                                                       .ledger_serial = e->serial,
                                                       .p = zero ? 0 : e->label,
                                                       .kind = VERDICT_LABEL,
                                                       .captions = 1});
        }
    } else if (!old && p->state == CAPTION_NEW &&
               (e->verdict_kind == VERDICT_REFUSED ||
                e->verdict_kind == VERDICT_ABSTAIN)) {
        asking_give_up(a, p);
    }
    return true;
}

/* What was asked for here counts against the budgets, whenever that was. */
static bool load_spent(void *ctx, const struct ledger_entry *e)
{
    struct asking *a = ctx;
    const uint64_t now = clock_wall_ms();

    if (e->origin.len == 0 && hash_equal(e->goal_digest, a->plan->goal_digest) &&
        (e->trains || trains_as_zero(a, e) ||
         (e->purpose == PURPOSE_CONSISTENCY && e->verdict_kind == VERDICT_LABEL))) {
        allowance_add(&a->allowance, post_now_ms(a->post),
                      now > e->time_ms ? now - e->time_ms : 0);
    }
    return load_entry(ctx, e);
}

enum status asking_load_ledger(struct asking *a)
{
    return ledger_scan(a->plan->ledger, 1, 0, load_spent, a);
}

/* What was met before this start, in the order of the lexicon: its forms and labels. */
void asking_load_captions(struct asking *a)
{
    for (uint32_t i = 0; a->plan->needs_labels && i < lexicon_count(a->captions); i++) {
        struct caption *p = lexicon_at(a->captions, i);
        if (p->len > 0 && p->compared > 0) {
            asking_know_form(a, p); // due again when it comes again
            asking_offer_pair(a, i);
        } else if (p->len > 0) {
            asking_met(a, i, 0);
        }
    }
}
