#include "learner/intake/members.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "learner/intake/naming.h"
#include "learner/intake/vetting.h"
#include "learner/store/counts.h"

enum { PEER_BUCKETS = 1024, STOP_MS = 500, GO_BACK_MS = 1000, GONE_MOST = 16 };

struct members {
    const struct io_plan *plan;
    struct post *post;
    struct naming *naming; // rank 0 only
    struct member *list;
    int count, cap;
    int bucket[PEER_BUCKETS];
    struct replay_member gone[GONE_MOST]; // to be deleted from the store
    int gone_count;
    bool any_dirty, stopping;
    uint64_t stop_ms;
    uint64_t refusals, lost;
};

/* ---- the list and its index by peer ---- */

static int bucket_of(const struct bus_peer *peer)
{
    return (int)(hash_64(bytes_of(peer->id, peer->len)) % PEER_BUCKETS);
}

static bool same_peer(const struct bus_peer *a, const struct bus_peer *b)
{
    return a->len == b->len && memcmp(a->id, b->id, a->len) == 0;
}

static void unchain(struct members *s, int index)
{
    struct member *m = &s->list[index];

    if (m->peer.len > 0) {
        int *at = &s->bucket[bucket_of(&m->peer)];
        while (*at != index) {
            at = &s->list[*at].next_of_peer;
        }
        *at = m->next_of_peer;
        m->peer.len = 0;
    }
}

static void set_peer(struct members *s, int index, const struct bus_peer *peer)
{
    struct member *m = &s->list[index];

    unchain(s, index);
    // A routing id is one process's: whoever had it before is not there any more.
    for (int i = s->bucket[bucket_of(peer)]; i >= 0; i = s->list[i].next_of_peer) {
        if (same_peer(&s->list[i].peer, peer)) {
            s->list[i].alive = s->list[i].alive && i == index;
            unchain(s, i);
            break;
        }
    }
    m->peer = *peer;
    m->next_of_peer = s->bucket[bucket_of(peer)];
    s->bucket[bucket_of(peer)] = index;
}

static int add_member(struct members *s, const struct replay_member *row)
{
    if (s->count == s->cap) { // an incarnation is new: rare
        const int cap = s->cap == 0 ? 64 : 2 * s->cap;
        s->list = mem_grow(s->list, (size_t)s->cap, (size_t)cap, sizeof(*s->list));
        s->cap = cap;
    }
    s->list[s->count] = (struct member){.row = *row, .next_of_peer = -1};
    return s->count++;
}

/* The row of one that is forgotten serves again. */
static void replace_member(struct members *s, int index,
                           const struct replay_member *row)
{
    s->gone[s->gone_count++] = s->list[index].row;
    unchain(s, index);
    s->list[index] = (struct member){.row = *row, .next_of_peer = -1};
}

/* A row for an incarnation that is new here. -1: refused, there are too many. */
static int make_member(struct members *s, const struct bus_peer *peer,
                       const struct replay_member *row)
{
    const bool full = s->count >= VETTING_MEMBERS_MOST;
    const int index = !full ? add_member(s, row)
                      : s->gone_count == GONE_MOST // until the next commit
                          ? -1
                          : vetting_pick(s->list, s->count, s->plan->rank, row);

    if (index < 0) {
        post_refuse(s->post, peer, false,
                    "this run knows %d incarnations of actors already", s->count);
        s->refusals++;
        return -1;
    }
    if (full) {
        replace_member(s, index, row);
    }
    s->list[index].dirty = s->any_dirty = true;
    return index;
}

struct member *members_at(struct members *s, int index)
{
    CHECK(index >= 0 && index < s->count);
    return &s->list[index];
}

int members_index(const struct members *s, const struct member *m)
{
    return (int)(m - s->list);
}

int members_by_number(const struct members *s, uint32_t actor, uint32_t incarnation)
{
    for (int i = 0; i < s->count; i++) {
        if (s->list[i].row.actor == actor &&
            s->list[i].row.incarnation == incarnation) {
            return i;
        }
    }
    return -1;
}

struct member *members_find(struct members *s, const struct bus_peer *peer,
                            const struct frame_header *h)
{
    for (int i = s->bucket[bucket_of(peer)]; i >= 0; i = s->list[i].next_of_peer) {
        struct member *m = &s->list[i];
        if (same_peer(&m->peer, peer)) {
            return m->row.actor == h->actor && m->row.incarnation == h->incarnation
                       ? m
                       : NULL;
        }
    }
    return NULL;
}

/* ---- opening ---- */

static void load_member(void *ctx, const struct replay_member *row)
{
    add_member(ctx, row);
}

/* Where the store lost what a checkpoint counts already (a node's disk is gone, or power
 * failed before a sync), the list goes on from those counts. */
static void mend_from_counts(struct members *s, const struct counts *c)
{
    for (int i = 0; i < c->count; i++) {
        const struct counts_row *row = &c->rows[i];
        uint64_t counted = row->trained;
        int at = members_by_number(s, row->actor, row->incarnation);
        if (at < 0) {
            const struct replay_member fresh = {.actor = row->actor,
                                                .incarnation = row->incarnation,
                                                .rank = s->plan->rank};
            at = add_member(s, &fresh);
        }
        struct replay_member *m = &s->list[at].row;
        for (int d = 0; d < DROP_REASONS; d++) {
            counted += row->dropped[d];
        }
        if (m->rank == s->plan->rank && m->stored < counted) {
            m->next_seq += counted - m->stored;
            m->stored = counted;
            s->list[at].dirty = s->any_dirty = true;
        }
    }
}

enum status members_open(const struct io_plan *plan, struct post *post,
                         struct members **out)
{
    struct members *s = mem_new(1, sizeof(*s));
    struct replay_view *view = NULL;
    enum status st;

    s->plan = plan;
    s->post = post;
    memset(s->bucket, 0xff, sizeof(s->bucket)); // -1
    st = replay_view_open(plan->replay, &view);
    if (st == ST_OK) {
        st = replay_view_members(view, load_member, s);
        replay_view_close(view);
    }
    if (st != ST_OK) {
        members_close(s);
        return st;
    }
    if (plan->counts != NULL) {
        mend_from_counts(s, plan->counts);
    }
    if (plan->rank == 0) {
        s->naming = naming_new(plan);
    }
    *out = s;
    return ST_OK;
}

void members_close(struct members *s)
{
    if (s != NULL) {
        naming_free(s->naming);
        mem_free(s->list);
        mem_free(s);
    }
}

/* ---- hello ---- */

void members_move_window(struct member *m)
{
    const uint64_t room = 2u * (uint64_t)m->row.environments;
    const uint64_t open = m->row.next_seq + (room > m->waiting ? room - m->waiting : 0);

    m->window = m->window < open ? open : m->window;
}

void members_set_dirty(struct members *s, struct member *m)
{
    m->dirty = s->any_dirty = true;
}

static int same_process(const struct members *s, const struct msg_hello *m)
{
    for (int i = 0; i < s->count; i++) {
        if (s->list[i].row.nonce == m->nonce &&
            bytes_equal(m->host, bytes_text(s->list[i].row.host))) {
            return i;
        }
    }
    return -1;
}

/* A process without a number. -1: refused. */
static int name_fresh(struct members *s, const struct bus_peer *peer,
                      const struct msg_hello *m)
{
    struct replay_member row;
    char why[256];
    const int again = same_process(s, m); // its welcome was lost

    if (again >= 0) {
        return again;
    }
    if (s->plan->rank != 0) {
        post_refuse(s->post, peer, false, "say hello to rank 0 at %s first",
                    s->plan->endpoints[0]);
        return -1;
    }
    if (!naming_give(s->naming, s->list, s->count, post_now_ms(s->post), m, &row, why,
                     sizeof(why))) {
        post_refuse(s->post, peer, false, "%s", why);
        s->refusals++;
        return -1;
    }
    return make_member(s, peer, &row);
}

/* A process that says it holds a number. -1: refused. */
static int know_again(struct members *s, const struct bus_peer *peer,
                      const struct frame_header *h, const struct msg_hello *m)
{
    const int index = members_by_number(s, h->actor, h->incarnation);

    if (index < 0) { // rank 0 sent it here; or rank 0's list was lost with its store
        struct replay_member row = {.actor = h->actor,
                                    .incarnation = h->incarnation,
                                    .rank = s->plan->rank,
                                    .environments = m->environments,
                                    .nonce = m->nonce};
        if (s->naming != NULL) {
            row.rank = naming_rank(s->naming, s->list, s->count, post_now_ms(s->post),
                                   m->host);
        }
        (void)text_format(row.host, sizeof(row.host), "%.*s", (int)m->host.len,
                          (const char *)m->host.data);
        return make_member(s, peer, &row);
    }
    struct member *known = &s->list[index];
    if (known->row.nonce == 0 || known->row.nonce == m->nonce) {
        known->row.nonce = m->nonce; // 0: mended from a checkpoint's counts
        return index;
    }
    post_refuse(s->post, peer, true,
                "actor %u incarnation %u is held by another process on %s", h->actor,
                h->incarnation, known->row.host);
    s->refusals++;
    return -1;
}

/* Numbers that no actor of this run can have. */
static bool is_possible(struct members *s, const struct bus_peer *peer,
                        const struct frame_header *h, const struct msg_hello *m)
{
    const int known = members_by_number(s, h->actor, h->incarnation);
    const uint64_t next = known >= 0 ? s->list[known].row.next_seq : 0;

    if (h->actor > VETTING_NUMBER_MOST) {
        post_refuse(s->post, peer, true, "actor %u: numbers go from 1 to %d", h->actor,
                    VETTING_NUMBER_MOST);
    } else if (m->first_unacked > next &&
               !vetting_believes(s->plan->run_dir, s->plan->run, h->actor,
                                 h->incarnation, m->first_unacked)) {
        post_refuse(s->post, peer, true,
                    "actor %u incarnation %u cannot have had %" PRIu64
                    " segments acknowledged",
                    h->actor, h->incarnation, m->first_unacked);
    } else {
        return true;
    }
    s->refusals++;
    return false;
}

/* The actor knows that we acknowledged more than our store holds: it was lost. */
static void note_lost_store(struct members *s, struct member *m, uint64_t first_unacked)
{
    if (first_unacked > m->row.next_seq) {
        const uint64_t lost = first_unacked - m->row.next_seq;
        m->row.dropped[DROP_LOST_STORE] += lost;
        m->row.next_seq = first_unacked;
        members_set_dirty(s, m);
        LOG_WARN("INTAKE-LOST",
                 "%" PRIu64 " segments of actor %u were acknowledged but are not in "
                 "the store: it was lost or rolled back",
                 lost, m->row.actor);
    }
}

void members_on_hello(struct members *s, const struct bus_peer *peer,
                      const struct frame_header *h, struct bytes frame)
{
    struct msg_hello msg;
    const enum status st = codec_decode_hello(s->post->codec, frame, &msg);
    if (st != ST_OK) {
        post_bad(s->post, peer, st == ST_VERSION ? IO_BAD_PROTOCOL : IO_BAD_BODY,
                 codec_reason(s->post->codec));
        return;
    }
    if (s->stopping) {
        post_bare(s->post, peer, FRAME_STOP, h->actor, h->incarnation);
        return;
    }
    if (!vetting_fits_run(s->plan, s->post, peer, h, &msg)) {
        s->refusals++;
        return;
    }
    if (!is_possible(s, peer, h, &msg)) {
        return;
    }
    const bool named = h->actor != 0 && h->incarnation != 0;
    const int index = named ? know_again(s, peer, h, &msg) : name_fresh(s, peer, &msg);
    if (index < 0) {
        return;
    }
    struct member *m = &s->list[index];
    set_peer(s, index, peer);
    m->welcome = true;
    if (m->row.rank != s->plan->rank) {
        return; // it will say hello there
    }
    note_lost_store(s, m, msg.first_unacked);
    if (m->row.environments != msg.environments || m->row.goodbye != 0) {
        m->row.environments = msg.environments;
        m->row.goodbye = 0;
        members_set_dirty(s, m);
    }
    m->told_version = (struct version){0};
    m->wants_weights = m->go_back = false;
    m->gap_ms = 0;
    members_heard(s, m);
    members_move_window(m);
}

void members_heard(struct members *s, struct member *m)
{
    m->heard_ms = post_now_ms(s->post);
    m->alive = m->row.goodbye == 0;
}

void members_on_goodbye(struct members *s, struct member *m, uint64_t seq)
{
    m->ack = true;
    if (seq == m->row.next_seq) {
        m->row.goodbye = seq + 1;
        m->alive = false;
        members_set_dirty(s, m);
    } else if (seq > m->row.next_seq) {
        m->go_back = true; // not yet: what it names has not all come
    }
}

/* ---- after the commit ---- */

bool members_dirty(const struct members *s)
{
    return s->any_dirty || s->gone_count > 0;
}

enum status members_put(struct members *s, struct replay *r)
{
    for (; s->gone_count > 0; s->gone_count--) {
        const struct replay_member *gone = &s->gone[s->gone_count - 1];
        TRY(replay_delete_member(r, gone->actor, gone->incarnation));
    }
    for (int i = 0; s->any_dirty && i < s->count; i++) {
        if (s->list[i].dirty) {
            TRY(replay_put_member(r, &s->list[i].row));
            s->list[i].dirty = false;
        }
    }
    s->any_dirty = false;
    return ST_OK;
}

bool members_take_named(struct members *s)
{
    return s->naming != NULL && naming_take_given(s->naming);
}

static void send_welcome(struct members *s, struct member *m, struct version newest)
{
    const struct io_plan *p = s->plan;
    const struct frame_header h = {.kind = FRAME_WELCOME,
                                   .run = p->run,
                                   .actor = m->row.actor,
                                   .incarnation = m->row.incarnation,
                                   .seq = m->window};
    const struct msg_welcome w = {.endpoint = bytes_text(p->endpoints[m->row.rank]),
                                  .rank = m->row.rank,
                                  .segment_steps = (uint32_t)p->segment_steps,
                                  .net = bytes_text(p->net),
                                  .seed = p->seed,
                                  .window = m->window,
                                  .next_seq = m->row.next_seq,
                                  .newest = newest,
                                  .count_key = p->count_key,
                                  .value_heads = (uint8_t)p->value_heads};

    m->welcome = false;
    if (post_send(s->post, &m->peer, codec_encode_welcome(s->post->codec, &h, &w))) {
        m->told_window = m->window;
        m->told_version = newest;
        m->sent_ms = post_now_ms(s->post);
    }
}

static void send_ack(struct members *s, struct member *m, struct version newest)
{
    const uint64_t now = post_now_ms(s->post);
    const struct frame_header h = {.kind = FRAME_ACK,
                                   .run = s->plan->run,
                                   .actor = m->row.actor,
                                   .incarnation = m->row.incarnation,
                                   .seq = m->row.next_seq};
    // Said once per gap and second: each frame behind the gap would else bring
    // everything again.
    const bool back = m->go_back && (m->gap_ms == 0 || now - m->gap_ms >= GO_BACK_MS);
    const struct msg_ack a = {
        .window = m->window, .newest = newest, .dropped = m->dropped, .go_back = back};

    if (post_send(s->post, &m->peer, codec_encode_ack(s->post->codec, &h, &a))) {
        m->told_window = m->window;
        m->told_version = newest;
        m->sent_ms = now;
        m->gap_ms = back ? now : m->gap_ms;
    }
    m->ack = m->go_back = false;
    m->dropped = DROP_NONE;
}

static void look_after(struct members *s, struct member *m, uint64_t now,
                       struct version newest)
{
    if (m->alive && now - m->heard_ms >= MEMBERS_GONE_MS) {
        m->alive = false;
        s->lost++;
        LOG_WARN("INTAKE-GONE",
                 "actor %u incarnation %u was silent for %d s and is presumed gone",
                 m->row.actor, m->row.incarnation, MEMBERS_GONE_MS / 1000);
    }
    if (m->welcome) {
        send_welcome(s, m, newest);
    } else if (m->ack || (m->alive && (m->told_window != m->window ||
                                       m->told_version.update != newest.update ||
                                       m->told_version.start != newest.start ||
                                       now - m->sent_ms >= MEMBERS_BEAT_MS))) {
        send_ack(s, m, newest);
    }
}

void members_answer(struct members *s, struct version newest)
{
    const uint64_t now = post_now_ms(s->post);
    const bool stop = s->stopping && now - s->stop_ms >= STOP_MS;

    for (int i = 0; i < s->count; i++) {
        struct member *m = &s->list[i];
        if (m->peer.len == 0) {
            continue;
        }
        look_after(s, m, now, newest);
        if (stop && m->row.rank == s->plan->rank && m->row.goodbye == 0) {
            post_bare(s->post, &m->peer, FRAME_STOP, m->row.actor, m->row.incarnation);
        }
    }
    s->stop_ms = stop ? now : s->stop_ms;
}

void members_send_weights(struct members *s, struct bus_blob *blob)
{
    for (int i = 0; blob != NULL && i < s->count; i++) {
        struct member *m = &s->list[i];
        if (m->wants_weights && m->peer.len > 0) {
            m->wants_weights = false;
            if (bus_send_blob(s->post->socket, &m->peer, blob) == ST_OK) {
                m->sent_ms = post_now_ms(s->post);
            }
        }
    }
}

void members_stop(struct members *s)
{
    s->stopping = true;
    s->stop_ms = 0;
}

bool members_drained(const struct members *s)
{
    for (int i = 0; i < s->count; i++) {
        if (s->list[i].alive) {
            return false;
        }
    }
    return true;
}

void members_sum(const struct members *s, struct members_sums *out)
{
    *out = (struct members_sums){.refusals = s->refusals, .lost = s->lost};
    for (int i = 0; i < s->count; i++) {
        const struct member *m = &s->list[i];
        if (m->row.rank != s->plan->rank) {
            continue;
        }
        out->taken += m->row.next_seq;
        for (int d = 0; d < DROP_REASONS; d++) {
            out->dropped += m->row.dropped[d];
        }
        if (m->alive) {
            const uint64_t E = m->row.environments;
            out->members++;
            out->environments += m->row.environments;
            // Segments are begun and come by E: part of an E means the rest is near.
            out->window_open |=
                m->window >= m->row.next_seq + E || m->row.next_seq % E != 0;
        }
    }
}
