#include "learner/intake/asking.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "learner/intake/asking_impl.h"
#include "learner/store/ledger.h"

enum {
    LOOK_MS = 100,   // between looks at leases and retries
    RETRY_MS = 2000, // after the first failure; doubles
    COMMIT_SHARE = 4 // a group lasts at least so many times its fsync
};

static void leave_queue(void *asking, uint32_t caption)
{
    const struct asking *a = asking;

    (void)schedule_remove(a->schedule, caption);
    if (a->pairs != NULL) {
        pairs_remove(a->pairs, caption);
    }
}

enum status asking_open(const struct io_plan *plan, struct post *post,
                        struct lexicon *captions, struct asking **out)
{
    struct asking *a = mem_new(1, sizeof(*a));

    a->plan = plan;
    a->post = post;
    a->captions = captions;
    allowance_init(&a->allowance, plan->label_budget, plan->label_budget_hour);
    alarm_init(&a->alarm, plan->judge_alarm);
    repute_init(&a->repute, plan->consistency_share);
    judges_init(&a->judges, plan, post);
    a->schedule = schedule_new(ASKING_QUEUE_MOST, ASKING_RECENCY);
    if (plan->newest_first) {
        schedule_newest_first(a->schedule);
    }
    a->lease = mem_new(ASKING_LEASES_MOST, sizeof(*a->lease));
    a->spare = mem_new(ASKING_LEASES_MOST, sizeof(*a->spare));
    for (int i = 0; i < ASKING_LEASES_MOST; i++) {
        a->spare[i] = (uint16_t)(ASKING_LEASES_MOST - 1 - i);
    }
    if (plan->asks_order) {
        a->items = items_new(plan->order_captions);
        a->pairs = pairs_new(ASKING_PAIRS_MOST, plan->seed + plan->start);
    }
    lexicon_on_forget(captions, leave_queue, a);
    enum status st = asking_load_ledger(a);
    if (st == ST_OK) {
        a->durable = a->offers;
        a->may_ask = true;
        asking_load_captions(a);
        st = plan->asks_order ? asking_load_asked(a) : ST_OK;
    }
    if (st != ST_OK) {
        asking_close(a);
        return st;
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
    schedule_free(a->schedule);
    items_free(a->items);
    pairs_free(a->pairs);
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

/* ---- leases ---- */

struct lease *asking_new_lease(struct asking *a, const struct judge *j, uint64_t id,
                               bool again)
{
    struct lease *l = &a->lease[a->spare[ASKING_LEASES_MOST - 1 - a->leases++]];
    const uint64_t now_ns = clock_ns(a->post->clock);

    *l = (struct lease){.id = id, .asked_ns = now_ns, .again = again};
    if (j != NULL) {
        l->judge = j->number;
        l->place = (uint16_t)(j - a->judges.list);
        l->deadline_ms = now_ns / 1000000u + j->deadline_ms + JUDGES_LEASE_EXTRA_MS;
    }
    return l;
}

uint16_t asking_lease_number(const struct asking *a, const struct lease *l)
{
    return (uint16_t)(l - a->lease + 1);
}

void asking_free_lease(struct asking *a, struct lease *l)
{
    struct judge *j = &a->judges.list[l->place];
    struct caption *p = lexicon_at(a->captions, l->caption);

    if (j->number == l->judge) {
        judges_let_go(&a->judges, j);
    }
    if (l->item != 0) {
        asking_free_item(a, l->item - 1);
    } else {
        p->lease = p->lease == asking_lease_number(a, l) ? 0 : p->lease;
        p->under_way = (uint8_t)(p->under_way - (p->under_way > 0));
    }
    if (!l->again && l->judge != 0) {
        schedule_end(a->schedule, p->form - 1u);
    }
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
        struct judge *j = &a->judges.list[l->place];
        const bool stuck = j->number == l->judge && j->alive;
        const bool orphan = l->judge == 0;
        asking_free_lease(a, l);
        if (orphan) {
            continue; // whoever held it did not come back, or did not know it
        }
        a->told.questions_expired++;
        if (lexicon_at(a->captions, caption)->state != CAPTION_ASKED) {
            continue;
        }
        // A dead judge's are asked elsewhere now. One that lives and lets them run out
        // may do so again and again: that counts as a failure.
        if (stuck) {
            judges_late(&a->judges, j);
            asking_delay(a, caption, true);
        } else {
            asking_requeue(a, caption);
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
                asking_requeue(a, caption);
            }
        }
    }
}

/* ---- the budget ---- */

/* Once each: somebody should know why labels stop. */
static void tell_budget(struct asking *a)
{
    const bool hour = allowance_hour_is_spent(&a->allowance);

    if (allowance_is_spent(&a->allowance) && !a->budget_told) {
        a->budget_told = true;
        LOG_INFO("ASKING-BUDGET",
                 "the budget of %" PRIu64 " labels is spent: judges are asked nothing "
                 "more",
                 a->allowance.total);
    }
    if (hour && !a->hour_told) {
        LOG_INFO("ASKING-BUDGET",
                 "%" PRIu64 " labels were given within an hour, which is the budget: "
                 "judges are asked again when the hour has moved on",
                 a->allowance.in_hour);
    }
    a->hour_told = hour;
}

/* ---- the step ---- */

/* Something waits for the group's commit. */
static bool is_pending(const struct asking *a)
{
    return a->acks > 0 || a->asked_pending;
}

static uint64_t group_length(const struct asking *a)
{
    const uint64_t slow = COMMIT_SHARE * a->commit_ms;

    return slow > ASKING_GROUP_MS ? slow : ASKING_GROUP_MS;
}

/* Its text goes before the first verdict about it. False: the ring is full. */
static bool hand_text(struct asking *a, struct hash128 key)
{
    const int64_t number = lexicon_find(a->captions, key);
    struct to_training m = {.kind = TO_TRAINING_TEXT};

    CHECK(number >= 0); // judged, so never forgotten
    struct caption *p = lexicon_at(a->captions, (uint32_t)number);
    if (p->told) {
        return true;
    }
    m.text.key = key;
    m.text.len = p->len;
    memcpy(m.text.text, p->text, p->len);
    p->told = ring_push(a->plan->rings.to_training, &m);
    return p->told;
}

static bool hand_texts(struct asking *a, const struct ring_verdict *v)
{
    if (!a->plan->needs_texts) {
        return true;
    }
    if (v->captions == 1) {
        return hand_text(a, v->key);
    }
    for (int i = 0; i < v->captions; i++) {
        if (!hand_text(a, v->caption[i])) {
            return false;
        }
    }
    return true;
}

/* What does not fit into the ring is offered again in the next step. */
static void hand_over(struct asking *a)
{
    struct to_training m = {.kind = TO_TRAINING_VERDICT};

    while (a->offer_at < a->durable) {
        m.verdict = a->offer[a->offer_at];
        if (!hand_texts(a, &m.verdict) || !ring_push(a->plan->rings.to_training, &m)) {
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
        asking_look_at_delayed(a, now);
        judges_step(&a->judges);
    }
    if (!a->stopping) {
        asking_ask_judges(a);
        TRY(a->failed);
        tell_budget(a);
    }
    if (is_pending(a) && now - a->group_ms >= group_length(a)) {
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

static uint32_t least(uint64_t x, uint64_t y)
{
    return (uint32_t)(x < y ? x : y);
}

static uint64_t until(uint64_t now, uint64_t since, uint64_t length)
{
    return now - since >= length ? 0 : length - (now - since);
}

int asking_due_ms(const struct asking *a, int most)
{
    const uint64_t now = post_now_ms(a->post);
    uint64_t due = until(now, a->look_ms, LOOK_MS);

    if (is_pending(a)) {
        due = least(due, until(now, a->group_ms, group_length(a)));
    }
    if (a->blocked) {
        return (int)least(due, (uint64_t)most);
    }
    if (a->offer_at < a->durable ||
        (!a->stopping && a->may_ask && a->leases < ASKING_LEASES_MOST &&
         judges_any_free(&a->judges, schedule_count(a->schedule)))) {
        return 0;
    }
    return (int)least(due, (uint64_t)most);
}
