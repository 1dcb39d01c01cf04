#include <math.h>

#include "common/base/mem.h"
#include "learner/intake/asking_impl.h"
#include "learner/store/ledger.h"

enum { ALARM_AGAIN_MS = 60000 }; // between two lines about failures

void asking_add_offer(struct asking *a, const struct ring_verdict *v)
{
    if (a->offers == a->offer_cap) {
        const size_t cap = a->offer_cap == 0 ? 1024 : 2 * a->offer_cap;
        a->offer = mem_grow(a->offer, a->offer_cap, cap, sizeof(*a->offer));
        a->offer_cap = cap;
    }
    a->offer[a->offers++] = *v;
}

/* Whether the question was asked for consistency: late answers have no lease to tell. */
static bool is_again(const struct msg_verdict *v)
{
    return (v->question & ASKING_AGAIN_BIT) != 0;
}

static uint8_t asked_kind(const struct asking *a)
{
    return a->items != NULL ? QUESTION_ORDER : QUESTION_RATE;
}

static bool is_rating(const struct asking *a, const struct msg_verdict *v)
{
    return a->items == NULL && v->kind == VERDICT_LABEL;
}

void asking_fill_entry(const struct asking *a, const struct judge *j,
                       const struct msg_verdict *v, struct ledger_entry *e)
{
    *e = (struct ledger_entry){.time_ms = clock_wall_ms(),
                               .question = v->question,
                               .goal_digest = a->plan->goal_digest,
                               .prompt_digest = j->prompt_digest,
                               .goal = bytes_text(a->plan->goal),
                               .judge = bytes_text(j->name),
                               .model = bytes_text(j->model),
                               .question_kind = asked_kind(a),
                               .purpose =
                                   is_again(v) ? PURPOSE_CONSISTENCY : PURPOSE_LABEL,
                               .verdict_kind = v->kind,
                               .label = is_rating(a, v) ? v->label : NAN,
                               .confidence = v->confidence,
                               .tokens_in = v->tokens_in,
                               .tokens_out = v->tokens_out,
                               .latency_us = v->latency_us,
                               .requests = v->requests,
                               .cost_micro = v->cost_micro,
                               .estimated = v->estimated,
                               .position = v->position,
                               .raw = v->raw};
}

bool asking_is_zero(const struct asking *a, uint8_t verdict_kind)
{
    return a->plan->failure_zero &&
           (verdict_kind == VERDICT_UNPARSEABLE || verdict_kind == VERDICT_TIMEOUT);
}

/* A label; its caption is asked no more. j NULL: one that no judge gave. */
static void take_label(struct asking *a, const struct judge *j, uint32_t caption,
                       float p)
{
    struct caption *c = lexicon_at(a->captions, caption);
    const uint64_t now = post_now_ms(a->post);

    if (c->form == 0) {
        asking_know_form(a, c);
    }
    a->told.captions_given_up -= c->state == CAPTION_GIVEN_UP;
    c->state = CAPTION_LABELLED;
    c->judged = true;
    c->label = p;
    (void)schedule_remove(a->schedule, caption);
    schedule_label(a->schedule, c->form - 1u, p);
    if (j != NULL) {
        const struct repute_sample s = {.caption = caption + 1, .p = p, .time_ms = now};
        repute_label(&a->repute,
                     repute_of(&a->repute, j->name, j->model, j->prompt_digest), &s,
                     NULL);
    }
    if (lexicon_truth(c) == 1 && c->met_ms != 0) {
        latency_add(&a->progress_delay, (now - c->met_ms) * 1000000u);
    }
}

/* What a verdict that is no label does to its caption, whose lease had not run out. The
 * rule: a judge that has no time (overload) is asked again later, as often as it takes;
 * after a failure (timeout, unparseable) again later, ASKING_TRIES_MOST times in all; what
 * it does not want to answer (refused, abstain) is not asked again. */
static void take_failure(struct asking *a, uint32_t caption, enum verdict_kind kind)
{
    struct caption *p = lexicon_at(a->captions, caption);

    if (p->state != CAPTION_ASKED) {
        return;
    }
    switch (kind) {
    case VERDICT_OVERLOAD:
        asking_delay(a, caption, false);
        break;
    case VERDICT_TIMEOUT:
    case VERDICT_UNPARSEABLE:
        asking_delay(a, caption, true);
        break;
    default:
        asking_give_up(a, p);
        break;
    }
}

static void tell_alarm(struct asking *a)
{
    const uint64_t now = post_now_ms(a->post);

    if (a->alarm_ms != 0 && now - a->alarm_ms < ALARM_AGAIN_MS) {
        return;
    }
    a->alarm_ms = now;
    LOG_WARN("ASKING-ALARM",
             "%.0f %% of the last %u answers of judges are failures, most of them %s: "
             "these captions get no label",
             100 * alarm_share(&a->alarm), a->alarm.count,
             verdict_kind_name(alarm_worst(&a->alarm)));
}

void asking_count_verdict(struct asking *a, const struct judge *j,
                          const struct msg_verdict *v, bool late)
{
    a->told.verdicts[v->kind] += !is_again(v);
    a->told.consistency_answered += is_again(v);
    a->told.verdicts_late += late;
    a->told.tokens_in += v->tokens_in;
    a->told.tokens_out += v->tokens_out;
    a->told.tokens_estimated += v->estimated;
    a->told.judge_requests += v->requests;
    a->told.judge_cost_micro += v->cost_micro;
    repute_verdict(repute_of(&a->repute, j->name, j->model, j->prompt_digest), v,
                   is_again(v));
    (void)alarm_add(&a->alarm, (enum verdict_kind)v->kind);
    if (a->alarm.raised) {
        tell_alarm(a);
    }
}

/* `live`: its lease had not run out. */
static enum status record(struct asking *a, const struct judge *j,
                          const struct msg_verdict *v, int64_t caption, bool live)
{
    struct ledger_entry e;
    struct caption *p = NULL;

    asking_fill_entry(a, j, v, &e);
    e.late = !live;
    if (caption >= 0) {
        p = lexicon_at(a->captions, (uint32_t)caption);
        p->answered = (uint16_t)v->question;
        e.key = p->key;
        e.captions = 1;
        e.caption[0] = bytes_of(p->text, p->len);
        e.trains =
            v->kind == VERDICT_LABEL && p->state != CAPTION_LABELLED && !is_again(v);
    }
    const bool zero = p != NULL && live && !is_again(v) &&
                      p->state != CAPTION_LABELLED && asking_is_zero(a, v->kind);
    TRY(ledger_append(a->plan->ledger, &e));
    asking_count_verdict(a, j, v, e.late);
    if (e.trains || zero || (is_again(v) && v->kind == VERDICT_LABEL)) {
        allowance_add(&a->allowance, post_now_ms(a->post), 0);
    }
    if (e.trains || zero) {
        a->told.labels++;
        asking_add_offer(a, &(struct ring_verdict){.key = e.key,
                                                   .ledger_serial = e.serial,
                                                   .p = zero ? 0 : e.label,
                                                   .kind = VERDICT_LABEL,
                                                   .captions = 1});
        take_label(a, zero ? NULL : j, (uint32_t)caption, zero ? 0 : v->label);
    } else if (p != NULL && live && v->kind != VERDICT_LABEL && !is_again(v)) {
        take_failure(a, (uint32_t)caption, (enum verdict_kind)v->kind);
    }
    return ST_OK;
}

/* What it says now against what it said before. */
static void compare(struct asking *a, const struct judge *j, const struct lease *l,
                    const struct msg_verdict *v)
{
    struct repute_one *o = repute_of(&a->repute, j->name, j->model, j->prompt_digest);

    if (l->item != 0 && (v->kind == VERDICT_LABEL || v->kind == VERDICT_TIE)) {
        repute_compare_orders(o, l->before_place, v->order, v->captions);
    } else if (l->item == 0 && v->kind == VERDICT_LABEL) {
        repute_compare(o, l->before, v->label);
    }
}

void asking_take_lease(struct asking *a, struct judge *j, struct lease *l,
                       const struct msg_verdict *v, bool *holds)
{
    const uint64_t took_ns = clock_ns(a->post->clock) - l->asked_ns;

    latency_add(&a->latency, took_ns);
    if (l->again) {
        compare(a, j, l, v);
    }
    *holds = l->judge == j->number;
    if (*holds) {
        if (v->kind == VERDICT_TIMEOUT) {
            judges_late(&a->judges, j);
        } else {
            judges_answered(&a->judges, j, (double)took_ns / 1e6);
        }
    }
    asking_free_lease(a, l);
    if (*holds) {
        judges_hold(&a->judges, j);
    }
}

/* The lease that a question is held by, NULL: none any more. */
static struct lease *lease_of(struct asking *a, const struct caption *p,
                              uint64_t question)
{
    struct lease *l = p->lease != 0 ? &a->lease[p->lease - 1] : NULL;

    if (l != NULL && l->id == question) {
        return l;
    }
    for (int i = 0; p->under_way > 0 && a->plan->resend && i < ASKING_LEASES_MOST;
         i++) {
        if (a->lease[i].id == question) {
            return &a->lease[i];
        }
    }
    return NULL;
}

/* A judge keeps an answer until it is acknowledged, so until then the question counts
 * against its credit: *holds. */
static enum status on_rating(struct asking *a, struct judge *j,
                             const struct msg_verdict *v, bool *holds)
{
    const int64_t caption = lexicon_find_prefix(a->captions, v->question);
    bool live = false;

    if (caption >= 0) {
        const struct caption *p = lexicon_at(a->captions, (uint32_t)caption);
        struct lease *l = lease_of(a, p, v->question);
        live = l != NULL;
        if (!live && p->answered == (uint16_t)v->question) {
            a->told.verdicts_repeated++; // its acknowledgement was lost
            return ST_OK;
        }
        if (live) {
            asking_take_lease(a, j, l, v, holds);
        }
    }
    return record(a, j, v, caption, live);
}

/* After a commit: each run of one judge's verdicts is acknowledged in one frame. */
static void send_acks(struct asking *a)
{
    struct msg_verdict_ack m = {0};

    for (int i = 0; i < a->acks; i++) {
        const struct due_ack *d = &a->ack[i];
        struct judge *j = &a->judges.list[d->place];
        if (d->holds && j->number == d->judge) {
            judges_let_go(&a->judges, j);
        }
        m.question[m.count++] = d->question;
        const bool last = i + 1 == a->acks || a->ack[i + 1].judge != d->judge ||
                          m.count == QUESTIONS_PER_FRAME;
        if (last && j->number == d->judge) {
            const struct frame_header h = {.kind = FRAME_VERDICT_ACK,
                                           .run = a->plan->run,
                                           .actor = j->number,
                                           .incarnation = a->plan->start};
            post_send(a->post, &j->peer,
                      codec_encode_verdict_ack(a->post->codec, &h, &m));
        }
        m.count = last ? 0 : m.count;
    }
    a->acks = 0;
}

enum status asking_commit(struct asking *a)
{
    const uint64_t cpu = clock_thread_cpu_ns(), begin = post_now_ms(a->post);
    const enum status st = ledger_commit(a->plan->ledger);

    a->told.cpu_ledger_ns += clock_thread_cpu_ns() - cpu;
    TRY(st);
    a->commit_ms = post_now_ms(a->post) - begin;
    a->durable = a->offers;
    a->asked_pending = false;
    send_acks(a);
    return ST_OK;
}

static bool is_of_asked_kind(const struct asking *a, const struct msg_verdict *v)
{
    if (a->items != NULL) {
        return (v->kind != VERDICT_LABEL && v->kind != VERDICT_TIE) ||
               v->captions == a->plan->order_captions;
    }
    return v->kind != VERDICT_TIE && (v->kind != VERDICT_LABEL || v->captions == 1);
}

enum status asking_on_verdicts(struct asking *a, struct judge *j, struct bytes frame)
{
    const enum status st = codec_decode_verdicts(a->post->codec, frame, &a->in);
    char who[128];

    if (st != ST_OK) {
        (void)text_format(who, sizeof(who), "judge %u (%.40s on %.40s)", j->number,
                          j->name, j->host);
        post_bad_of(a->post, who, st == ST_VERSION ? IO_BAD_PROTOCOL : IO_BAD_BODY,
                    codec_reason(a->post->codec));
        return ST_OK;
    }
    if (a->acks == 0 && !a->asked_pending) {
        a->group_ms = post_now_ms(a->post);
    }
    for (int i = 0; i < a->in.count; i++) {
        struct msg_verdict *v = &a->in.verdict[i];
        if (!is_of_asked_kind(a, v)) {
            v->kind = VERDICT_UNPARSEABLE; // an answer to something never asked
        }
        bool holds = false;
        TRY(a->items != NULL ? asking_on_order(a, j, v, &holds)
                             : on_rating(a, j, v, &holds));
        a->ack[a->acks++] = (struct due_ack){.judge = j->number,
                                             .place = (uint16_t)(j - a->judges.list),
                                             .holds = holds,
                                             .question = a->in.verdict[i].question};
    }
    return a->acks >= ASKING_GROUP_MOST ? asking_commit(a) : ST_OK;
}
