#include "learner/intake/intake.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "learner/store/counts.h"

enum { OWNERS_MIN = 4096, TEXTS_MAX = 2 * SEGMENT_STEPS_MAX + 1 };

static const uint32_t nobody = UINT32_MAX; // a gap in the serials

struct intake {
    const struct io_plan *plan;
    struct post *post;
    struct members *members;
    struct lexicon *captions;
    intake_met *met;
    void *met_ctx;
    bool begun;
    uint32_t *owner; // (owners) member of serial s at s modulo owners
    uint64_t owners, handled, top;
    uint64_t waiting, update;
    struct codec_limits limits;
    uint16_t visits[TEXTS_MAX];
    struct io_counters told;
};

/* ---- who owns what waits ---- */

static void set_owner(struct intake *in, uint64_t serial, uint32_t member)
{
    while (serial - in->handled > in->owners) { // bounded by the windows; doubles
        uint32_t *more = mem_new(2 * in->owners, sizeof(*more));
        for (uint64_t s = in->handled + 1; s <= in->top; s++) {
            more[s % (2 * in->owners)] = in->owner[s % in->owners];
        }
        mem_free(in->owner);
        in->owner = more;
        in->owners *= 2;
    }
    for (; in->top + 1 < serial; in->top++) {
        in->owner[(in->top + 1) % in->owners] = nobody;
    }
    in->owner[serial % in->owners] = member;
    in->top = serial;
}

static bool load_waiting(void *ctx, uint64_t serial, struct bytes frame)
{
    struct intake *in = ctx;
    struct frame_header h;
    int index = -1;

    if (frame_read_header(frame, &h) == ST_OK) {
        index = members_by_number(in->members, h.actor, h.incarnation);
    }
    if (in->plan->counts != NULL && counts_skipped(in->plan->counts, serial)) {
        index = -1;
    }
    set_owner(in, serial, index < 0 ? nobody : (uint32_t)index);
    if (index >= 0) {
        members_at(in->members, index)->waiting++;
        in->waiting++;
    }
    return true;
}

void intake_handled(struct intake *in, uint64_t serial)
{
    // Training goes up through the serials, so what is below was passed by as well.
    while (in->handled < serial && in->handled < in->top) {
        const uint32_t member = in->owner[++in->handled % in->owners];
        if (member != nobody) {
            struct member *m = members_at(in->members, (int)member);
            m->waiting--;
            in->waiting--;
            members_move_window(m);
        }
    }
}

/* ---- opening ---- */

enum status intake_open(const struct io_plan *plan, struct post *post,
                        struct members *members, struct lexicon *captions,
                        intake_met *met, void *ctx, struct intake **out)
{
    struct intake *in = mem_new(1, sizeof(*in));
    struct replay_view *view = NULL;
    enum status st;

    *in = (struct intake){.plan = plan,
                          .post = post,
                          .members = members,
                          .captions = captions,
                          .met = met,
                          .met_ctx = ctx,
                          .owners = OWNERS_MIN,
                          .handled = plan->cursor,
                          .top = plan->cursor,
                          .limits = {.T = plan->segment_steps,
                                     .state_floats = plan->state_floats,
                                     .actions = plan->spec.actions,
                                     .value_heads = plan->value_heads}};
    in->owner = mem_new(in->owners, sizeof(*in->owner));
    // A store that was lost must not give numbers that the checkpoint counts already.
    replay_start_after(plan->replay, plan->cursor);
    st = replay_view_open(plan->replay, &view);
    if (st == ST_OK) {
        st = replay_view_scan(view, plan->cursor + 1, load_waiting, in);
        replay_view_close(view);
    }
    if (st == ST_OK) {
        st = intake_begin(in);
    }
    if (st == ST_OK) {
        st = replay_put_cursor(plan->replay, plan->older_cursor);
    }
    if (st == ST_OK) {
        st = intake_commit(in);
    }
    if (st != ST_OK) {
        intake_close(in);
        return st;
    }
    *out = in;
    return ST_OK;
}

void intake_close(struct intake *in)
{
    if (in != NULL) {
        mem_free(in->owner);
        mem_free(in);
    }
}

enum status intake_begin(struct intake *in)
{
    if (!in->begun) {
        TRY(replay_begin(in->plan->replay));
        in->begun = true;
    }
    return ST_OK;
}

bool intake_pending(const struct intake *in)
{
    return in->begun || members_dirty(in->members) || lexicon_any_new(in->captions);
}

enum status intake_commit(struct intake *in)
{
    if (!intake_pending(in)) {
        return ST_OK;
    }
    TRY(intake_begin(in));
    in->begun = false;
    TRY(members_put(in->members, in->plan->replay));
    TRY(lexicon_put_new(in->captions, in->plan->replay));
    return replay_commit(in->plan->replay);
}

/* ---- segments ---- */

static void note_captions(struct intake *in, const struct segment_view *v)
{
    memset(in->visits, 0, (size_t)v->texts * sizeof(*in->visits));
    for (int t = 0; t < v->T; t++) {
        in->visits[v->caption[t]]++;
    }
    for (int i = 0; i < v->texts; i++) {
        // What only a reset showed is never paid for, and the empty one never asked.
        if (in->visits[i] == 0) {
            continue;
        }
        const struct segment_text text = segment_view_text(v, i);
        if (text.text.len == 0) {
            continue;
        }
        const int64_t number =
            lexicon_meet(in->captions, text.text, hash_128(text.text), in->visits[i],
                         text.truth, text.strength, in->update);
        if (number >= 0) {
            in->met(in->met_ctx, (uint32_t)number, in->visits[i]);
        }
    }
}

/* Acknowledged with its reason, and never asked for again. */
static void drop(struct intake *in, struct member *m, enum drop_reason reason)
{
    m->row.dropped[reason]++;
    m->dropped = (uint8_t)reason;
    in->told.segments_dropped[reason]++;
}

static enum status take(struct intake *in, struct member *m, struct bytes frame)
{
    struct codec *codec = in->post->codec;
    struct segment_view v;
    uint64_t serial;
    enum status st = codec_decode_segment(codec, frame, &in->limits, &v);
    const char *why = st == ST_OK ? NULL : codec_reason(codec);

    if (st == ST_OK && (v.version.start > in->plan->start || v.texts > TEXTS_MAX)) {
        st = ST_CORRUPT;
        why = "start: of a learner that has not been";
    }
    if (st != ST_OK) {
        post_bad(in->post, &m->peer, st == ST_VERSION ? IO_BAD_PROTOCOL : IO_BAD_BODY,
                 why);
        drop(in, m, st == ST_VERSION ? DROP_SCHEMA : DROP_CORRUPT);
        return ST_OK;
    }
    TRY(intake_begin(in));
    TRY(replay_put_segment(in->plan->replay, frame, &serial));
    set_owner(in, serial, (uint32_t)members_index(in->members, m));
    m->row.stored++;
    m->waiting++;
    in->waiting++;
    in->told.segments_taken++;
    const uint64_t cpu = clock_thread_cpu_ns();
    note_captions(in, &v);
    in->told.cpu_asking_ns += clock_thread_cpu_ns() - cpu;
    return ST_OK;
}

enum status intake_on_segment(struct intake *in, struct member *m,
                              const struct frame_header *h, struct bytes frame)
{
    m->ack = true;
    if (h->seq < m->row.next_seq) {
        in->told.segments_duplicate++;
        return ST_OK;
    }
    if (h->seq > m->row.next_seq) {
        in->told.segments_ahead++;
        in->told.go_backs += !m->go_back;
        m->go_back = true;
        return ST_OK;
    }
    TRY(take(in, m, frame));
    m->row.next_seq++;
    m->row.goodbye = 0;
    m->gap_ms = 0;
    members_set_dirty(in->members, m);
    members_move_window(m);
    return ST_OK;
}

void intake_set_update(struct intake *in, uint64_t update)
{
    in->update = update;
}

uint64_t intake_waiting(const struct intake *in)
{
    return in->waiting;
}

void intake_report(const struct intake *in, struct io_counters *out)
{
    out->segments_taken = in->told.segments_taken;
    out->segments_duplicate = in->told.segments_duplicate;
    out->segments_ahead = in->told.segments_ahead;
    out->go_backs = in->told.go_backs;
    out->segments_waiting = in->waiting;
    out->cpu_asking_ns += in->told.cpu_asking_ns;
    memcpy(out->segments_dropped, in->told.segments_dropped,
           sizeof(out->segments_dropped));
}
