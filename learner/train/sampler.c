#include "learner/train/sampler.h"

#include <math.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stop.h"

enum { LOOK_MS = 100 /* between two looks at the stop flag */, SAY_MS = 10000 };

enum status sampler_init(struct sampler *s, const struct sampler_options *o,
                         struct replay *replay, struct inbox *inbox, struct ring *to_io,
                         const struct clock *clock)
{
    *s = (struct sampler){.options = *o,
                          .replay = replay,
                          .inbox = inbox,
                          .to_io = to_io,
                          .clock = clock};
    TRY(replay_view_open(replay, &s->view));
    replay_view_reset(s->view);
    s->views = mem_new((size_t)o->want + (size_t)o->replay, sizeof(*s->views));
    s->serials = mem_new((size_t)o->want, sizeof(*s->serials));
    s->lags = mem_new((size_t)o->want, sizeof(*s->lags));
    s->codec = codec_new();
    return ST_OK;
}

void sampler_leave_store(struct sampler *s)
{
    replay_view_close(s->view);
    s->view = NULL;
}

void sampler_release(struct sampler *s)
{
    sampler_leave_store(s);
    counts_release(&s->counts);
    mem_free(s->views);
    mem_free(s->serials);
    mem_free(s->lags);
    codec_free(s->codec);
    *s = (struct sampler){0};
}

void sampler_tell(struct ring *to_io, const struct to_io *m)
{
    uint64_t said = 0;

    while (!ring_push(to_io, m)) {
        const uint64_t now = clock_ms(clock_system());
        said = said == 0 ? now : said;
        if (now - said >= SAY_MS) {
            said = now;
            LOG_WARN("IO-SLOW",
                     "training waits: the I/O thread has not taken a record for %d s",
                     SAY_MS / 1000);
        }
        clock_sleep_ms(1);
    }
}

static uint64_t waiting(const struct sampler *s)
{
    const uint64_t top = s->inbox->top, cursor = s->counts.cursor;
    return top > cursor ? top - cursor : 0;
}

bool sampler_ready(struct sampler *s)
{
    inbox_read(s->inbox);
    if (waiting(s) >= (uint64_t)s->options.want || s->inbox->stop || stop_asked()) {
        return true;
    }
    // What comes after a verdict that found no room is not seen before the next exchange.
    if (s->inbox->held) {
        return true;
    }
    // Nobody may begin a segment before this rank trains what it has, or nobody is there:
    // waiting would not fill the batch. With nothing at all to train on any rank, a
    // pause costs nobody anything.
    return !s->inbox->window_open && !(s->idle && waiting(s) == 0);
}

static void wait_for_batch(struct sampler *s)
{
    const uint64_t start = clock_ns(s->clock);
    const uint64_t end = start + (uint64_t)(s->options.draw_timeout * 1e9);

    while (!sampler_ready(s)) {
        const uint64_t now = clock_ns(s->clock);
        if (now >= end) {
            break;
        }
        inbox_wait(s->inbox, (int)ceil(fmin((double)(end - now) * 1e-6, LOOK_MS)));
    }
    s->waited += (double)(clock_ns(s->clock) - start) * 1e-9;
}

static void drop(struct sampler *s, uint64_t serial, const struct segment_view *v,
                 enum drop_reason reason, double *tally)
{
    const struct to_io m = {.kind = TO_IO_DROPPED,
                            .segment = {.serial = serial, .reason = (uint8_t)reason}};

    counts_row(&s->counts, v->header.actor, v->header.incarnation)->dropped[reason]++;
    sampler_tell(s->to_io, &m);
    *tally += 1;
}

/* The store's bound took it before its turn. No row of whose it was: lost with an earlier
 * store, which the audit knows from elsewhere. */
static enum status note_forced(struct sampler *s, uint64_t serial,
                               struct tallies *tallies)
{
    struct segment_view v = {0};
    const enum status st =
        replay_view_forced(s->view, serial, &v.header.actor, &v.header.incarnation);

    if (st == ST_OK) {
        drop(s, serial, &v, DROP_EVICTED_BEFORE_CHECKPOINT, &tallies->missing);
        return ST_OK;
    }
    return st == ST_NOTFOUND ? ST_OK : st;
}

/* Rows and state must fit the batch; a store of another network is refused at start, so
 * this is met only if somebody exchanged files. */
static bool fits(const struct sampler *s, const struct segment_view *v)
{
    const struct codec_limits *l = &s->options.limits;
    return v->T == l->T && v->state_floats == l->state_floats &&
           (v->intrinsic_value != NULL) == (l->value_heads == 2);
}

/* It was verified when it came, but commits are not synced one by one: after a crash of
 * the machine a page may hold anything. Views of aligned frames are in place. ST_CORRUPT
 * (logged). */
static enum status decode(struct sampler *s, uint64_t serial, struct bytes frame,
                          struct segment_view *v)
{
    const struct codec_limits limits = {.actions = s->options.limits.actions};

    CHECK((uintptr_t)frame.data % 8 == 0);
    if (codec_decode_segment(s->codec, frame, &limits, v) != ST_OK) {
        LOG_ERROR("SAMPLER-CORRUPT", "segment %llu of the store is damaged: %s",
                  (unsigned long long)serial, codec_reason(s->codec));
        return ST_CORRUPT;
    }
    return ST_OK;
}

/* Looks at the next serial; adds it to the batch or says why not. */
static enum status draw_one(struct sampler *s, uint64_t serial, uint64_t update,
                            struct tallies *tallies)
{
    struct segment_view *v = &s->views[s->drawn];
    struct bytes frame;
    const enum status st = replay_view_segment(s->view, serial, &frame);

    if (st == ST_NOTFOUND) {
        return note_forced(s, serial, tallies);
    }
    if (st == ST_CORRUPT) {
        return ST_OK; // the store said so; whose it was nobody knows
    }
    TRY(st);
    s->bytes += frame.len;
    if (decode(s, serial, frame, v) != ST_OK) {
        *v = (struct segment_view){0};
        if (frame_read_header(frame, &v->header) == ST_OK) {
            drop(s, serial, v, DROP_CORRUPT, &tallies->dropped_corrupt);
        }
        return ST_OK;
    }
    if (!fits(s, v)) {
        drop(s, serial, v, DROP_SCHEMA, &tallies->dropped_schema);
        return ST_OK;
    }
    // Updates count on over restarts. Weights "ahead" of ours acted in a future that a
    // restart from the last checkpoint rolled back; its log-probabilities are as good.
    const uint64_t acted = v->version.update;
    const uint64_t lag = acted < update ? update - acted : 0;
    if (lag > s->options.max_lag) {
        drop(s, serial, v, DROP_LAG, &tallies->dropped_lag);
        return ST_OK;
    }
    if (acted > update) {
        tallies->rolled_back++;
        s->counts.rolled_back++;
    }
    s->serials[s->drawn] = serial;
    s->lags[s->drawn++] = lag;
    return ST_OK;
}

enum status sampler_draw(struct sampler *s, uint64_t update, struct tallies *tallies)
{
    s->drawn = s->replayed = 0;
    wait_for_batch(s);
    if (waiting(s) == 0) {
        return ST_OK;
    }
    TRY(replay_view_renew(s->view));
    while (s->drawn < s->options.want && waiting(s) > 0) {
        const uint64_t serial = s->counts.cursor + 1;
        // what the audit has counted already stays counted once
        if (!counts_skipped(&s->counts, serial)) {
            TRY(draw_one(s, serial, update, tallies));
        }
        counts_advance(&s->counts, serial);
    }
    return ST_OK;
}

enum status sampler_replay(struct sampler *s, uint64_t serial)
{
    struct segment_view *v = &s->views[s->drawn + s->replayed];
    struct bytes frame;
    const enum status st = replay_view_segment(s->view, serial, &frame);

    CHECK(s->replayed < s->options.replay);
    if (st == ST_CORRUPT) {
        return ST_NOTFOUND;
    }
    TRY(st);
    if (decode(s, serial, frame, v) != ST_OK || !fits(s, v)) {
        return ST_NOTFOUND;
    }
    s->replayed++;
    return ST_OK;
}

void sampler_release_views(struct sampler *s)
{
    for (int i = 0; i < s->drawn; i++) {
        const struct frame_header *h = &s->views[i].header;
        const struct to_io m = {.kind = TO_IO_TRAINED,
                                .segment = {.serial = s->serials[i]}};
        counts_row(&s->counts, h->actor, h->incarnation)->trained++;
        sampler_tell(s->to_io, &m);
    }
    replay_view_reset(s->view);
}
