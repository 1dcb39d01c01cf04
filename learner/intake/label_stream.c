#include "learner/intake/label_stream.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "learner/intake/asking.h"
#include "learner/intake/schedule.h"

struct stream_caption {
    struct hash128 key;
    size_t text; // where in `texts`
    uint8_t len;
    int8_t truth;
    float label; // NAN: its truth is told
};

struct stream_entry {
    uint32_t caption, visits;
};

struct stream_segment {
    uint64_t update;
    uint32_t steps, entry; // its first; the next one's ends them
};

struct label_stream {
    struct stream_caption *caption;
    struct stream_entry *entry;
    struct stream_segment *segment;
    char *texts;
    uint32_t *slot; // (slots) caption + 1 by key
    size_t captions, caption_cap, entries, entry_cap, segments, segment_cap;
    size_t text_len, text_cap, slots;
    uint64_t steps;
};

const char *label_order_name(enum label_order order)
{
    static const char *const names[LABEL_ORDERS] = {"schedule", "newest", "uniform"};

    CHECK((int)order >= 0 && order < LABEL_ORDERS);
    return names[order];
}

struct label_stream *label_stream_new(void)
{
    struct label_stream *s = mem_new(1, sizeof(*s));

    s->slots = 1024;
    s->slot = mem_new(s->slots, sizeof(*s->slot));
    return s;
}

void label_stream_free(struct label_stream *s)
{
    if (s != NULL) {
        mem_free(s->caption);
        mem_free(s->entry);
        mem_free(s->segment);
        mem_free(s->texts);
        mem_free(s->slot);
        mem_free(s);
    }
}

uint32_t label_stream_captions(const struct label_stream *s)
{
    return (uint32_t)s->captions;
}

uint64_t label_stream_steps(const struct label_stream *s)
{
    return s->steps;
}

/* Room for one more; doubles. */
static void *grown(void *list, size_t used, size_t *cap, size_t size)
{
    if (used < *cap) {
        return list;
    }
    const size_t before = *cap;
    *cap = before == 0 ? 1024 : 2 * before;
    return mem_grow(list, before, *cap, size);
}

static uint32_t *slot_of(const struct label_stream *s, struct hash128 key)
{
    size_t at = key.lo & (s->slots - 1);

    while (s->slot[at] != 0 && !hash_equal(s->caption[s->slot[at] - 1].key, key)) {
        at = (at + 1) & (s->slots - 1);
    }
    return &s->slot[at];
}

static uint32_t know(struct label_stream *s, struct bytes text)
{
    const struct hash128 key = hash_128(text);
    uint32_t *slot = slot_of(s, key);

    if (*slot != 0) {
        return *slot - 1;
    }
    s->caption = grown(s->caption, s->captions, &s->caption_cap, sizeof(*s->caption));
    while (s->text_len + text.len > s->text_cap) {
        const size_t cap = s->text_cap == 0 ? 65536 : 2 * s->text_cap;
        s->texts = mem_grow(s->texts, s->text_cap, cap, 1);
        s->text_cap = cap;
    }
    memcpy(s->texts + s->text_len, text.data, text.len);
    s->caption[s->captions] = (struct stream_caption){.key = key,
                                                      .text = s->text_len,
                                                      .len = (uint8_t)text.len,
                                                      .truth = -1,
                                                      .label = NAN};
    s->text_len += text.len;
    *slot = (uint32_t)++s->captions;
    if (2 * s->captions > s->slots) {
        mem_free(s->slot);
        s->slots *= 2;
        s->slot = mem_new(s->slots, sizeof(*s->slot));
        for (size_t i = 0; i < s->captions; i++) {
            *slot_of(s, s->caption[i].key) = (uint32_t)i + 1;
        }
    }
    return (uint32_t)s->captions - 1;
}

void label_stream_segment(struct label_stream *s, uint32_t steps, uint64_t update)
{
    s->segment = grown(s->segment, s->segments, &s->segment_cap, sizeof(*s->segment));
    // The updates that acted come a little out of order; asking sees its own, which rises.
    if (s->segments > 0 && update < s->segment[s->segments - 1].update) {
        update = s->segment[s->segments - 1].update;
    }
    s->segment[s->segments++] = (struct stream_segment){
        .update = update, .steps = steps, .entry = (uint32_t)s->entries};
    s->steps += steps;
}

void label_stream_caption(struct label_stream *s, struct bytes text, uint32_t visits,
                          int truth)
{
    CHECK(s->segments > 0 && text.len > 0 && text.len <= UINT8_MAX);
    const uint32_t number = know(s, text);
    s->entry = grown(s->entry, s->entries, &s->entry_cap, sizeof(*s->entry));
    s->entry[s->entries++] = (struct stream_entry){number, visits};
    s->caption[number].truth = truth >= 0 ? (int8_t)truth : s->caption[number].truth;
}

bool label_stream_label(struct label_stream *s, struct bytes text, float p)
{
    const uint32_t slot = *slot_of(s, hash_128(text));

    if (slot != 0) {
        s->caption[slot - 1].label = p;
    }
    return slot != 0;
}

/* ---- asking again ---- */

struct answer {
    uint32_t caption;
    uint64_t due;
};

struct player {
    const struct label_stream *stream;
    const struct label_play *play;
    struct schedule *schedule;
    struct rng rng;
    struct {
        uint32_t form; // + 1
        bool asked, labelled;
        uint64_t visits, first, label; // updates
    } * known;                         // (captions)
    uint32_t *waiting; // (entries) of the orders that need no more than a list
    size_t waiting_count;
    struct answer *answer; // (in_flight) a ring
    uint32_t first, under_way;
    uint64_t asked;
    struct label_score *score;
};

static float label_of(const struct stream_caption *c)
{
    return isnan(c->label) ? (c->truth == 1 ? 1.0f : 0.0f) : c->label;
}

static void take_answers(struct player *p, uint64_t update)
{
    while (p->under_way > 0 && p->answer[p->first].due <= update) {
        const uint32_t n = p->answer[p->first].caption;
        p->first = (p->first + 1) % p->play->in_flight;
        p->under_way--;
        p->known[n].labelled = true;
        p->known[n].label = update;
        p->score->labels++;
        if (p->play->order == LABEL_ORDER_SCHEDULE) {
            schedule_end(p->schedule, p->known[n].form - 1);
            schedule_label(p->schedule, p->known[n].form - 1,
                           label_of(&p->stream->caption[n]));
        }
    }
}

static bool pick(struct player *p, uint32_t *caption)
{
    if (p->play->order == LABEL_ORDER_SCHEDULE) {
        return schedule_next(p->schedule, caption);
    }
    while (p->waiting_count > 0) {
        const size_t last = --p->waiting_count;
        const size_t at = p->play->order == LABEL_ORDER_NEWEST
                              ? last
                              : rng_below(&p->rng, (uint32_t)last + 1);
        *caption = p->waiting[at];
        p->waiting[at] = p->waiting[last];
        if (!p->known[*caption].asked) {
            return true;
        }
    }
    return false;
}

static void ask(struct player *p, uint64_t steps, uint64_t update)
{
    const double allowed =
        (double)p->play->budget * (double)steps / (double)p->stream->steps;
    uint32_t n;

    while (p->under_way < p->play->in_flight &&
           (double)p->asked + 1 <= allowed + 1e-9 && pick(p, &n)) {
        p->known[n].asked = true;
        p->asked++;
        p->answer[(p->first + p->under_way++) % p->play->in_flight] =
            (struct answer){n, update + p->play->delay};
    }
}

static void meet(struct player *p, const struct stream_entry *e, uint64_t update)
{
    const struct stream_caption *c = &p->stream->caption[e->caption];
    const bool positive = p->known[e->caption].labelled && label_of(c) > 0.5f;

    if (c->truth >= 0) {
        *(c->truth == 1
              ? (positive ? &p->score->true_positive : &p->score->false_negative)
              : (positive ? &p->score->false_positive : &p->score->true_negative)) +=
            e->visits;
    }
    if (p->play->order != LABEL_ORDER_SCHEDULE) {
        // The reference puts a text on its stack each time it comes without a label.
        if (!p->known[e->caption].asked && (p->play->order == LABEL_ORDER_NEWEST ||
                                            p->known[e->caption].visits == 0)) {
            p->waiting[p->waiting_count++] = e->caption;
        }
    } else if (p->known[e->caption].form == 0) {
        p->known[e->caption].form =
            schedule_form(p->schedule, bytes_of(p->stream->texts + c->text, c->len)) +
            1;
    }
    if (p->known[e->caption].visits == 0) {
        p->known[e->caption].first = update;
    }
    p->known[e->caption].visits += e->visits;
    if (p->play->order == LABEL_ORDER_SCHEDULE && !p->known[e->caption].asked) {
        // Nobody is let go: asking would put it again when it comes again, too.
        (void)schedule_put(
            p->schedule, &(struct schedule_item){.number = e->caption,
                                                 .form = p->known[e->caption].form - 1,
                                                 .visits = p->known[e->caption].visits,
                                                 .last = update});
    }
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void score_delays(const struct player *p, uint64_t end)
{
    uint64_t *delay = mem_new(p->stream->captions + 1, sizeof(*delay));
    size_t n = 0;

    for (size_t i = 0; i < p->stream->captions; i++) {
        if (p->stream->caption[i].truth == 1) {
            delay[n++] =
                (p->known[i].labelled ? p->known[i].label : end) - p->known[i].first;
        }
    }
    qsort(delay, n, sizeof(*delay), compare);
    p->score->delay_p50 = n > 0 ? (double)delay[n / 2] : NAN;
    p->score->delay_p90 = n > 0 ? (double)delay[n * 9 / 10] : NAN;
    mem_free(delay);
}

void label_stream_play(const struct label_stream *s, const struct label_play *play,
                       struct label_score *out)
{
    struct player p = {.stream = s, .play = play, .score = out};
    uint64_t steps = 0;

    *out = (struct label_score){0};
    CHECK(play->in_flight > 0);
    p.schedule = schedule_new(ASKING_QUEUE_MOST, ASKING_RECENCY);
    p.known = mem_new(s->captions + 1, sizeof(*p.known));
    p.waiting = mem_new(s->entries + 1, sizeof(*p.waiting));
    p.answer = mem_new(play->in_flight, sizeof(*p.answer));
    rng_init(&p.rng, play->seed);
    const uint64_t cpu = clock_thread_cpu_ns();
    for (size_t i = 0; i < s->segments; i++) {
        const struct stream_segment *g = &s->segment[i];
        const size_t end = i + 1 < s->segments ? s->segment[i + 1].entry : s->entries;
        take_answers(&p, g->update);
        for (size_t k = g->entry; k < end; k++) {
            meet(&p, &s->entry[k], g->update);
        }
        steps += g->steps;
        ask(&p, steps, g->update);
    }
    out->ns_per_caption =
        s->entries > 0 ? (double)(clock_thread_cpu_ns() - cpu) / (double)s->entries : 0;
    score_delays(&p, s->segments > 0 ? s->segment[s->segments - 1].update : 0);
    out->forms = schedule_forms(p.schedule);
    schedule_free(p.schedule);
    mem_free(p.known);
    mem_free(p.waiting);
    mem_free(p.answer);
}

static double ratio(uint64_t part, uint64_t rest)
{
    return part + rest > 0 ? (double)part / (double)(part + rest) : NAN;
}

double label_score_recall(const struct label_score *s)
{
    return ratio(s->true_positive, s->false_negative);
}

double label_score_precision(const struct label_score *s)
{
    return ratio(s->true_positive, s->false_positive);
}

double label_score_balanced(const struct label_score *s)
{
    return 0.5 * (label_score_recall(s) + ratio(s->true_negative, s->false_positive));
}
