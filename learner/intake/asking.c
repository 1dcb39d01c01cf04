#include "learner/intake/asking.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "learner/intake/asking_impl.h"
#include "learner/store/ledger.h"

enum {
    LOOK_MS = 100,    // between looks at leases and retries
    RETRY_MS = 2000,  // after the first failure; doubles
    OLDEST_EVERY = 5, // each so many questions goes to the longest waiting
    COMMIT_SHARE = 4  // a group lasts at least so many times its fsync
};

/* ---- opening: what the ledger knows ---- */

/* What was answered before --relabel began counts for nothing here: it is asked anew, and
 * its old label trains until the new one comes. Copies of other runs' verdicts are labels
 * as others are, but nobody was asked for them here. */
static bool load_entry(void *ctx, const struct ledger_entry *e)
{
    struct asking *a = ctx;
    const bool ours = e->origin.len == 0, old = e->serial <= a->plan->relabel_serial;

    if (e->captions != 1 || e->purpose != PURPOSE_LABEL ||
        !hash_equal(e->goal_digest, a->plan->goal_digest)) {
        return true;
    }
    const int64_t number =
        lexicon_meet(a->captions, e->caption[0], e->key, 0, -1, 0, 0);
    if (number < 0) {
        return true;
    }
    struct caption *p = lexicon_at(a->captions, (uint32_t)number);
    p->answered = ours ? (uint16_t)e->question : p->answered;
    if (e->trains) {
        p->state = old ? p->state : CAPTION_LABELLED;
        a->told.labels += !old;
        a->given += ours;
        if (e->serial > a->plan->ledger_serial) {
            asking_add_offer(a, &(struct ring_verdict){.key = e->key,
                                                       .ledger_serial = e->serial,
                                                       .p = e->label,
                                                       .kind = e->verdict_kind});
        }
    } else if (!old && p->state == CAPTION_NEW &&
               (e->verdict_kind == VERDICT_REFUSED ||
                e->verdict_kind == VERDICT_ABSTAIN)) {
        p->state = CAPTION_GIVEN_UP;
    }
    return true;
}

static void leave_queue(void *asking, uint32_t caption)
{
    const struct asking *a = asking;

    (void)queue_remove(a->queue, caption);
}

enum status asking_open(const struct io_plan *plan, struct post *post,
                        struct lexicon *captions, struct asking **out)
{
    struct asking *a = mem_new(1, sizeof(*a));

    a->plan = plan;
    a->post = post;
    a->captions = captions;
    a->budget = plan->label_budget == 0 ? UINT64_MAX : plan->label_budget;
    judges_init(&a->judges, plan, post);
    a->queue = queue_new(ASKING_QUEUE_MOST);
    a->lease = mem_new(ASKING_LEASES_MOST, sizeof(*a->lease));
    a->spare = mem_new(ASKING_LEASES_MOST, sizeof(*a->spare));
    for (int i = 0; i < ASKING_LEASES_MOST; i++) {
        a->spare[i] = (uint16_t)(ASKING_LEASES_MOST - 1 - i);
    }
    lexicon_on_forget(captions, leave_queue, a);
    const enum status st = ledger_scan(plan->ledger, 1, 0, load_entry, a);
    if (st != ST_OK) {
        asking_close(a);
        return st;
    }
    a->durable = a->offers;
    for (uint32_t i = 0; plan->needs_labels && i < lexicon_count(captions); i++) {
        if (lexicon_at(captions, i)->len > 0) {
            asking_met(a, i);
        }
    }
    *out = a;
    return ST_OK;
}

void asking_close(struct asking *a)
{
    if (a == NULL) {
        return;
    }
    if (ledger_pending(a->plan->ledger) > 0 &&
        ledger_commit(a->plan->ledger) != ST_OK) {
        LOG_ERROR("ASKING-LOST", "the last verdicts could not be committed");
    }
    queue_free(a->queue);
    mem_free(a->lease);
    mem_free(a->spare);
    mem_free(a->delayed);
    mem_free(a->offer);
    mem_free(a);
}

struct judges *asking_judges(struct asking *a)
{
    return &a->judges;
}

/* ---- the queue ---- */

void asking_met(struct asking *a, uint32_t caption)
{
    struct caption *p = lexicon_at(a->captions, caption);

    // A question's id names the first with these 48 bits: a second one with
    // them (a chance of 0.2 % among a million captions) cannot be asked.
    if (p->state == CAPTION_NEW &&
        lexicon_find_prefix(a->captions, p->key.lo) != (int64_t)caption) {
        p->state = CAPTION_GIVEN_UP;
    }
    if (p->state == CAPTION_NEW || p->state == CAPTION_QUEUED) {
        if (queue_push(a->queue, caption, p->visits)) {
            p->state = CAPTION_QUEUED;
        } else {
            a->told.questions_dropped++; // pushed again when it comes again
        }
    }
}

void asking_delay(struct asking *a, uint32_t caption)
{
    struct caption *p = lexicon_at(a->captions, caption);

    if (p->tries + 1 >= ASKING_TRIES_MOST) {
        p->state = CAPTION_GIVEN_UP;
        return;
    }
    p->state = CAPTION_DELAYED;
    p->ready_ms = post_now_ms(a->post) + ((uint64_t)RETRY_MS << p->tries++);
    if (a->delayed_count == a->delayed_cap) {
        const uint32_t cap = a->delayed_cap == 0 ? 256 : 2 * a->delayed_cap;
        a->delayed = mem_grow(a->delayed, a->delayed_cap, cap, sizeof(*a->delayed));
        a->delayed_cap = cap;
    }
    a->delayed[a->delayed_count++] = caption;
}

static void requeue(struct asking *a, uint32_t caption)
{
    lexicon_at(a->captions, caption)->state = CAPTION_NEW;
    asking_met(a, caption);
}

static void look_at_delayed(struct asking *a, uint64_t now)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < a->delayed_count; i++) {
        const struct caption *p = lexicon_at(a->captions, a->delayed[i]);
        if (p->state == CAPTION_DELAYED && p->ready_ms > now) {
            a->delayed[kept++] = a->delayed[i];
        } else if (p->state == CAPTION_DELAYED) {
            requeue(a, a->delayed[i]);
        } // else a late label came meanwhile
    }
    a->delayed_count = kept;
}

/* ---- leases ---- */

void asking_free_lease(struct asking *a, struct lease *l)
{
    struct judge *j = &a->judges.list[l->place];

    if (j->number == l->judge && j->holding > 0) {
        j->holding--;
    }
    lexicon_at(a->captions, l->caption)->lease = 0;
    l->id = 0;
    a->leases--;
    a->spare[ASKING_LEASES_MOST - 1 - a->leases] = (uint16_t)(l - a->lease);
}

static void look_at_leases(struct asking *a, uint64_t now)
{
    for (int i = 0; a->leases > 0 && i < ASKING_LEASES_MOST; i++) {
        struct lease *l = &a->lease[i];
        if (l->id == 0 || l->deadline_ms > now) {
            continue;
        }
        const uint32_t caption = l->caption;
        const struct judge *j = &a->judges.list[l->place];
        const bool stuck = j->number == l->judge && j->alive;
        asking_free_lease(a, l);
        a->told.questions_expired++;
        if (lexicon_at(a->captions, caption)->state != CAPTION_ASKED) {
            continue;
        }
        // A dead judge's are asked elsewhere now. One that lives and lets them run out
        // may do so again and again: that counts as a failure.
        if (stuck) {
            asking_delay(a, caption);
        } else {
            requeue(a, caption);
        }
    }
}

void asking_on_goodbye(struct asking *a, struct judge *j)
{
    LOG_INFO("ASKING-LEFT", "judge %u (%s on %s) has left, %u questions unanswered",
             j->number, j->name, j->host, j->holding);
    j->alive = false;
    for (int i = 0; a->leases > 0 && i < ASKING_LEASES_MOST; i++) {
        struct lease *l = &a->lease[i];
        if (l->id != 0 && l->judge == j->number) {
            const uint32_t caption = l->caption;
            asking_free_lease(a, l);
            if (lexicon_at(a->captions, caption)->state == CAPTION_ASKED) {
                requeue(a, caption);
            }
        }
    }
}

/* ---- questions ---- */

/* Attempts of one start are numbered apart from those of the one before. */
static uint16_t next_attempt(const struct asking *a, uint16_t before)
{
    const uint16_t base = (uint16_t)((a->plan->start & 0xff) << 8);

    if ((before & 0xff00) != base) {
        return (uint16_t)(base + 1);
    }
    return (uint16_t)(base | (((before & 0xff) + 1) & 0xff));
}

static void ask(struct asking *a, struct judge *j, uint32_t caption)
{
    struct caption *p = lexicon_at(a->captions, caption);
    const uint64_t now_ns = clock_ns(a->post->clock);
    const uint32_t lease_ms = j->deadline_ms + JUDGES_LEASE_EXTRA_MS;

    if (p->lease != 0 || p->state == CAPTION_LABELLED) {
        a->told.questions_duplicate++; // by construction never
    }
    struct lease *l = &a->lease[a->spare[ASKING_LEASES_MOST - 1 - a->leases++]];
    p->attempt = next_attempt(a, p->attempt);
    p->state = CAPTION_ASKED;
    p->lease = (uint16_t)(l - a->lease + 1);
    *l = (struct lease){.id = (p->key.lo & ~(uint64_t)0xffff) | p->attempt,
                        .caption = caption,
                        .judge = j->number,
                        .place = (uint16_t)(j - a->judges.list),
                        .deadline_ms = now_ns / 1000000u + lease_ms,
                        .asked_ns = now_ns};
    struct msg_question *q = &a->out.question[a->out.count++];
    q->id = l->id;
    q->kind = QUESTION_RATE;
    q->purpose = PURPOSE_LABEL;
    q->lease_ms = lease_ms;
    q->captions = 1;
    q->caption[0] = bytes_of(p->text, p->len);
    q->truth[0] = j->wants_truth ? (int8_t)lexicon_truth(p) : -1;
    q->strength[0] = j->wants_truth ? p->strength : 0;
    j->holding++;
}

static bool pop_next(struct asking *a, uint32_t *caption)
{
    return ++a->pops % OLDEST_EVERY == 0 ? queue_pop_oldest(a->queue, caption)
                                         : queue_pop_heaviest(a->queue, caption);
}

/* One frame of questions to j. False: it could not be sent, all is as before. */
static bool ask_many(struct asking *a, struct judge *j, uint32_t most)
{
    const struct frame_header h = {.kind = FRAME_QUESTIONS,
                                   .run = a->plan->run,
                                   .actor = j->number,
                                   .incarnation = a->plan->start};
    uint32_t caption;

    a->out.count = 0;
    while ((uint32_t)a->out.count < most && pop_next(a, &caption)) {
        ask(a, j, caption);
    }
    if (post_send(a->post, &j->peer,
                  codec_encode_questions(a->post->codec, &h, &a->out))) {
        a->told.questions_asked += (uint64_t)a->out.count;
        j->sent_ms = post_now_ms(a->post);
        return true;
    }
    for (int i = 0; i < a->out.count; i++) {
        const int64_t n = lexicon_find_prefix(a->captions, a->out.question[i].id);
        if (n >= 0) {
            struct caption *p = lexicon_at(a->captions, (uint32_t)n);
            asking_free_lease(a, &a->lease[p->lease - 1]);
            requeue(a, (uint32_t)n);
        }
    }
    a->blocked = true;
    return false;
}

static uint32_t least(uint64_t x, uint64_t y)
{
    return (uint32_t)(x < y ? x : y);
}

/* Questions that may still be asked: each under way may become a label. */
static uint64_t budget_left(const struct asking *a)
{
    const uint64_t used = a->given + a->leases;

    return a->budget > used ? a->budget - used : 0;
}

static void ask_judges(struct asking *a)
{
    struct judge *j = judges_freest(&a->judges);

    while (j != NULL && queue_count(a->queue) > 0) {
        const uint32_t share =
            queue_count(a->queue) / judges_alive(&a->judges) + 1; // fair when few wait
        uint32_t most = least(QUESTIONS_PER_FRAME, j->credits - j->holding);
        most = least(least(most, share),
                     least(budget_left(a), ASKING_LEASES_MOST - (uint64_t)a->leases));
        if (most == 0 || !ask_many(a, j, most)) {
            return;
        }
        j = judges_freest(&a->judges);
    }
}

/* ---- the step ---- */

static uint64_t group_length(const struct asking *a)
{
    const uint64_t slow = COMMIT_SHARE * a->commit_ms;

    return slow > ASKING_GROUP_MS ? slow : ASKING_GROUP_MS;
}

/* What does not fit into the ring is offered again in the next step. */
static void hand_over(struct asking *a)
{
    struct to_training m = {.kind = TO_TRAINING_VERDICT};

    while (a->offer_at < a->durable) {
        m.verdict = a->offer[a->offer_at];
        if (!ring_push(a->plan->rings.to_training, &m)) {
            a->blocked = true;
            return;
        }
        a->offer_at++;
    }
    if (a->offer_at == a->offers) {
        a->offer_at = a->durable = a->offers = 0;
    }
}

enum status asking_step(struct asking *a)
{
    const uint64_t now = post_now_ms(a->post);

    if (now - a->look_ms >= LOOK_MS) {
        a->look_ms = now;
        a->blocked = false;
        look_at_leases(a, now);
        look_at_delayed(a, now);
        judges_step(&a->judges);
    }
    if (!a->stopping) {
        ask_judges(a);
    }
    if (a->acks > 0 && now - a->group_ms >= group_length(a)) {
        TRY(asking_commit(a));
    }
    hand_over(a);
    return ST_OK;
}

void asking_stop(struct asking *a)
{
    a->stopping = true;
    judges_stop(&a->judges);
}

static uint64_t until(uint64_t now, uint64_t since, uint64_t length)
{
    return now - since >= length ? 0 : length - (now - since);
}

int asking_due_ms(const struct asking *a, int most)
{
    const uint64_t now = post_now_ms(a->post);
    uint64_t due = until(now, a->look_ms, LOOK_MS);

    if (a->acks > 0) {
        due = least(due, until(now, a->group_ms, group_length(a)));
    }
    if (a->blocked) {
        return (int)least(due, (uint64_t)most);
    }
    if (a->offer_at < a->durable ||
        (!a->stopping && queue_count(a->queue) > 0 && judges_any_free(&a->judges) &&
         a->leases < ASKING_LEASES_MOST && budget_left(a) > 0)) {
        return 0;
    }
    return (int)least(due, (uint64_t)most);
}

void asking_report(const struct asking *a, struct io_counters *out)
{
    out->labels = a->told.labels;
    out->questions_asked = a->told.questions_asked;
    out->questions_duplicate = a->told.questions_duplicate;
    out->questions_dropped = a->told.questions_dropped;
    out->questions_expired = a->told.questions_expired;
    out->questions_in_flight = a->leases;
    out->questions_queued = queue_count(a->queue);
    out->questions_open = queue_count(a->queue) + a->delayed_count + a->leases;
    memcpy(out->verdicts, a->told.verdicts, sizeof(out->verdicts));
    out->verdicts_late = a->told.verdicts_late;
    out->verdicts_repeated = a->told.verdicts_repeated;
    out->tokens_in = a->told.tokens_in;
    out->tokens_out = a->told.tokens_out;
    out->judge_p50_ms = latency_quantile_ms(&a->latency, 0.5);
    out->judge_p99_ms = latency_quantile_ms(&a->latency, 0.99);
    out->judges = judges_alive(&a->judges);
    out->cpu_ledger_ns = a->told.cpu_ledger_ns;
}
