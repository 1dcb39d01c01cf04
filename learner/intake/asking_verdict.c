#include <math.h>

#include "common/base/mem.h"
#include "learner/intake/asking_impl.h"
#include "learner/store/ledger.h"

void asking_add_offer(struct asking *a, const struct ring_verdict *v)
{
    if (a->offers == a->offer_cap) {
        const size_t cap = a->offer_cap == 0 ? 1024 : 2 * a->offer_cap;
        a->offer = mem_grow(a->offer, a->offer_cap, cap, sizeof(*a->offer));
        a->offer_cap = cap;
    }
    a->offer[a->offers++] = *v;
}

static void fill_entry(const struct asking *a, const struct judge *j,
                       const struct msg_verdict *v, struct ledger_entry *e)
{
    *e = (struct ledger_entry){.time_ms = clock_wall_ms(),
                               .question = v->question,
                               .goal_digest = a->plan->goal_digest,
                               .prompt_digest = j->prompt_digest,
                               .goal = bytes_text(a->plan->goal),
                               .judge = bytes_text(j->name),
                               .model = bytes_text(j->model),
                               .question_kind = QUESTION_RATE,
                               .purpose = PURPOSE_LABEL,
                               .verdict_kind = v->kind,
                               .label = v->kind == VERDICT_LABEL ? v->label : NAN,
                               .confidence = v->confidence,
                               .tokens_in = v->tokens_in,
                               .tokens_out = v->tokens_out,
                               .latency_us = v->latency_us,
                               .raw = v->raw};
}

/* What a verdict does to its caption. `live`: its lease had not run out. */
static void take_verdict(struct asking *a, uint32_t caption,
                         const struct msg_verdict *v, bool live)
{
    struct caption *p = lexicon_at(a->captions, caption);

    p->answered = (uint16_t)v->question;
    switch ((enum verdict_kind)v->kind) {
    case VERDICT_LABEL:
        p->state = CAPTION_LABELLED;
        (void)queue_remove(a->queue, caption);
        break;
    case VERDICT_TIMEOUT:
    case VERDICT_OVERLOAD:
    case VERDICT_UNPARSEABLE:
        if (live && p->state == CAPTION_ASKED) {
            asking_delay(a, caption);
        }
        break;
    default: // refused, abstain
        if (live && p->state == CAPTION_ASKED) {
            p->state = CAPTION_GIVEN_UP;
        }
        break;
    }
}

static enum status record(struct asking *a, const struct judge *j,
                          const struct msg_verdict *v, int64_t caption, bool live)
{
    struct ledger_entry e;

    fill_entry(a, j, v, &e);
    e.late = !live;
    if (caption >= 0) {
        const struct caption *p = lexicon_at(a->captions, (uint32_t)caption);
        e.key = p->key;
        e.captions = 1;
        e.caption[0] = bytes_of(p->text, p->len);
        e.trains = v->kind == VERDICT_LABEL && p->state != CAPTION_LABELLED;
    }
    TRY(ledger_append(a->plan->ledger, &e));
    a->told.verdicts[v->kind]++;
    a->told.verdicts_late += e.late;
    a->told.tokens_in += v->tokens_in;
    a->told.tokens_out += v->tokens_out;
    if (e.trains) {
        a->told.labels++;
        a->given++;
        asking_add_offer(a, &(struct ring_verdict){.key = e.key,
                                                   .ledger_serial = e.serial,
                                                   .p = e.label,
                                                   .kind = e.verdict_kind});
    }
    if (caption >= 0) {
        take_verdict(a, (uint32_t)caption, v, live);
    }
    return ST_OK;
}

/* A judge keeps an answer until it is acknowledged, so until then the question counts
 * against its credit: *holds. */
static enum status on_verdict(struct asking *a, struct judge *j,
                              const struct msg_verdict *v, bool *holds)
{
    const int64_t caption = lexicon_find_prefix(a->captions, v->question);
    bool live = false;

    if (caption >= 0) {
        const struct caption *p = lexicon_at(a->captions, (uint32_t)caption);
        struct lease *l = p->lease != 0 ? &a->lease[p->lease - 1] : NULL;
        live = l != NULL && l->id == v->question;
        if (!live && p->answered == (uint16_t)v->question) {
            a->told.verdicts_repeated++; // its acknowledgement was lost
            return ST_OK;
        }
        if (live) {
            latency_add(&a->latency, clock_ns(a->post->clock) - l->asked_ns);
            *holds = l->judge == j->number;
            asking_free_lease(a, l);
            j->holding += *holds;
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
        if (d->holds && j->number == d->judge && j->holding > 0) {
            j->holding--;
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
    send_acks(a);
    return ST_OK;
}

enum status asking_on_verdicts(struct asking *a, struct judge *j, struct bytes frame)
{
    const struct bus_peer *peer = &j->peer;
    const enum status st = codec_decode_verdicts(a->post->codec, frame, &a->in);

    if (st != ST_OK) {
        post_bad(a->post, peer, st == ST_VERSION ? IO_BAD_PROTOCOL : IO_BAD_BODY,
                 codec_reason(a->post->codec));
        return ST_OK;
    }
    if (a->acks == 0) {
        a->group_ms = post_now_ms(a->post);
    }
    for (int i = 0; i < a->in.count; i++) {
        struct msg_verdict *v = &a->in.verdict[i];
        if ((v->kind == VERDICT_LABEL && v->captions != 1) || v->kind == VERDICT_TIE) {
            v->kind = VERDICT_UNPARSEABLE; // an answer to something never asked
        }
        bool holds = false;
        TRY(on_verdict(a, j, v, &holds));
        a->ack[a->acks++] = (struct due_ack){.judge = j->number,
                                             .place = (uint16_t)(j - a->judges.list),
                                             .holds = holds,
                                             .question = a->in.verdict[i].question};
    }
    return a->acks >= ASKING_GROUP_MOST ? asking_commit(a) : ST_OK;
}
