#include "actor/link.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "common/wire/runid.h"
#include "common/wire/seqfile.h"

enum {
    HELLO_MS = 1000,    // between hellos while not welcomed
    BEAT_MS = 1000,     // between heartbeats
    SILENCE_MS = 3000,  // of the learner, before hello is said again
    FETCH_MS = 3000,    // before weights are asked for again
    RESEND_MS = 2000,   // without an ack, before everything unacked is sent again
    WAITING_MS = 10000, // between log lines that say what is waited for
    SLOTS_MIN = 64
};

/* A segment that was not acknowledged; slot = sequence modulo slots. */
struct kept {
    uint8_t *frame;
    size_t len, cap;
};

struct link {
    struct link_plan plan;
    struct link_run run;
    struct codec *codec;
    struct bus_socket *root,
        *rank; // rank 0's; the own rank's (same pointer if it is 0)
    char root_endpoint[BUS_ENDPOINT_MAX], rank_endpoint[BUS_ENDPOINT_MAX];
    struct bus_frame in, weights_frame;
    struct msg_weights weights;
    struct seqfile *seqfile;
    struct version newest, held; // told by the learner; held = taken or waiting here
    bool named, joined, weights_wait, fetching, stop, said_goodbye;
    uint64_t produced, acked, window;
    uint64_t heard_ms, sent_ms, hello_ms, fetch_ms, progress_ms, waiting_ms;
    struct kept *kept;
    uint64_t slots;
    struct log_limit bad;
};

static void self_peer(const struct link_plan *p, struct bus_peer *out)
{
    const int n = snprintf((char *)out->id, sizeof(out->id),
                           "a-%.24s-%" PRIu64 "-%" PRIx64, p->host, p->pid, p->nonce);
    out->len = (uint8_t)(n < BUS_PEER_MAX ? n : BUS_PEER_MAX - 1);
}

static enum status dial(struct link *l, const char *endpoint, struct bus_socket **out)
{
    struct bus_peer self;

    self_peer(&l->plan, &self);
    return bus_dial(l->plan.bus, endpoint, &self, l->plan.max_frame, out);
}

/* Whom to join, before a welcome: a learner of another run that took the port while ours
 * is down then refuses us. */
static void read_run(struct link *l)
{
    uint64_t run;

    if (!l->named && runid_read(l->plan.run_dir, &run)) {
        l->run.run = run;
    }
}

/* The learner may have come back under another address. */
static void refresh_root(struct link *l)
{
    char *text = NULL;
    size_t len = 0;

    if (l->plan.address_file[0] != 0 &&
        file_read(l->plan.address_file, BUS_ENDPOINT_MAX, &text, &len) == ST_OK) {
        (void)text_format(l->plan.endpoint, sizeof(l->plan.endpoint), "%s",
                          text_trim(text));
    }
    mem_free(text);
    if (l->root != NULL && strcmp(l->root_endpoint, l->plan.endpoint) == 0) {
        return;
    }
    struct bus_socket *fresh = NULL;
    if (l->plan.endpoint[0] == 0 || dial(l, l->plan.endpoint, &fresh) != ST_OK) {
        return;
    }
    if (l->rank != l->root) {
        bus_close(l->rank);
    }
    bus_close(l->root);
    l->root = l->rank = fresh;
    (void)text_format(l->root_endpoint, sizeof(l->root_endpoint), "%s",
                      l->plan.endpoint);
    (void)text_format(l->rank_endpoint, sizeof(l->rank_endpoint), "%s",
                      l->plan.endpoint);
}

enum status link_open(const struct link_plan *plan, struct link **out)
{
    struct link *l = mem_new(1, sizeof(*l));

    l->plan = *plan;
    l->codec = codec_new();
    l->slots = SLOTS_MIN;
    while (l->slots < 4u * plan->environments) {
        l->slots *= 2;
    }
    l->kept = mem_new(l->slots, sizeof(*l->kept));
    refresh_root(l);
    if (l->root == NULL && plan->address_file[0] == 0) {
        link_close(l);
        return ST_INVALID;
    }
    *out = l;
    return ST_OK;
}

void link_close(struct link *l)
{
    if (l == NULL) {
        return;
    }
    bus_frame_release(&l->in);
    bus_frame_release(&l->weights_frame);
    if (l->rank != l->root) {
        bus_close(l->rank);
    }
    bus_close(l->root);
    seqfile_close(l->seqfile);
    for (uint64_t i = 0; i < l->slots; i++) {
        mem_free(l->kept[i].frame);
    }
    mem_free(l->kept);
    codec_free(l->codec);
    mem_free(l);
}

bool link_joined(const struct link *l)
{
    return l->joined;
}

const struct link_run *link_run(const struct link *l)
{
    return &l->run;
}

uint64_t link_produced(const struct link *l)
{
    return l->produced;
}

uint64_t link_unacked(const struct link *l)
{
    return l->produced - l->acked;
}

static struct frame_header header_of(const struct link *l, enum frame_kind kind,
                                     uint64_t seq)
{
    return (struct frame_header){(uint8_t)kind, l->run.run, l->run.actor,
                                 l->run.incarnation, seq};
}

/* Full queues and peers that are away are no errors: what matters is sent again. */
static bool send_to(struct link *l, struct bus_socket *s, struct bytes frame)
{
    if (s == NULL || bus_send(s, NULL, frame) != ST_OK) {
        return false;
    }
    l->sent_ms = clock_ms(l->plan.clock);
    return true;
}

static void send_bare(struct link *l, enum frame_kind kind, uint64_t seq)
{
    const struct frame_header h = header_of(l, kind, seq);

    (void)send_to(l, l->rank, codec_encode_bare(l->codec, &h));
}

static void say_hello(struct link *l, struct bus_socket *to)
{
    const struct frame_header h = header_of(l, FRAME_HELLO, l->produced);
    const struct msg_hello m = {
        .host = bytes_text(l->plan.host),
        .task = bytes_text(l->plan.task),
        .spec_digest = l->plan.spec_digest,
        .environments = l->plan.environments,
        .actions = l->plan.actions,
        .truth = l->plan.truth,
        .wanted_id = l->plan.wanted_id,
        .pid = l->plan.pid,
        .nonce = l->plan.nonce,
        .first_unacked = l->acked,
        .value_heads = SEGMENT_HEADS_MAX,
    };

    (void)send_to(l, to, codec_encode_hello(l->codec, &h, &m));
    l->hello_ms = clock_ms(l->plan.clock);
}

static void send_kept(struct link *l, uint64_t seq)
{
    const struct kept *k = &l->kept[seq % l->slots];

    (void)send_to(l, l->rank, bytes_of(k->frame, k->len));
}

static void resend_from(struct link *l, uint64_t seq)
{
    for (; seq < l->produced; seq++) {
        send_kept(l, seq);
    }
    l->progress_ms = clock_ms(l->plan.clock);
}

/* Everything below `next` is stored or dropped by the learner. A higher number than we
 * produced is another actor's: never believed. */
static void forget_below(struct link *l, uint64_t next)
{
    if (next > l->acked && next <= l->produced) {
        l->acked = next;
        l->progress_ms = clock_ms(l->plan.clock);
    }
}

static bool version_newer(struct version a, struct version b)
{
    return a.start != b.start ? a.start > b.start : a.update > b.update;
}

/* First welcome: who we are, for life. */
static enum status take_name(struct link *l, const struct frame_header *h,
                             const struct msg_welcome *m)
{
    l->run = (struct link_run){
        .run = h->run,
        .seed = m->seed,
        .actor = h->actor,
        .incarnation = h->incarnation,
        .segment_steps = (int)m->segment_steps,
        .count_key = m->count_key,
        .value_heads = m->value_heads,
    };
    (void)text_format(l->run.net, sizeof(l->run.net), "%.*s", (int)m->net.len,
                      (const char *)m->net.data);
    l->named = true;
    log_set_index((int)h->actor);
    if (l->plan.seq_dir[0] != 0) {
        TRY(seqfile_open(l->plan.seq_dir, h->run, h->actor, h->incarnation,
                         &l->seqfile));
    }
    LOG_INFO("ACTOR-JOIN",
             "joined run %016" PRIx64 " as actor %u incarnation %u at rank %u", h->run,
             h->actor, h->incarnation, m->rank);
    return ST_OK;
}

static enum status same_run(const struct link *l, const struct frame_header *h,
                            const struct msg_welcome *m)
{
    if (h->run != l->run.run || h->actor != l->run.actor ||
        h->incarnation != l->run.incarnation) {
        LOG_ERROR("ACTOR-OTHER",
                  "welcomed as actor %u incarnation %u of run %016" PRIx64
                  ", but this is actor %u incarnation %u of run %016" PRIx64,
                  h->actor, h->incarnation, h->run, l->run.actor, l->run.incarnation,
                  l->run.run);
        return ST_VERSION;
    }
    if ((int)m->segment_steps != l->run.segment_steps ||
        m->value_heads != l->run.value_heads) {
        LOG_ERROR("ACTOR-OTHER",
                  "the learner now wants %u steps and %u value heads, not %d and %u",
                  m->segment_steps, m->value_heads, l->run.segment_steps,
                  l->run.value_heads);
        return ST_VERSION;
    }
    return ST_OK;
}

/* A welcome of rank 0 may send us to another rank; true when it did. */
static bool redirect(struct link *l, struct bus_socket *from,
                     const struct msg_welcome *m)
{
    char endpoint[BUS_ENDPOINT_MAX];
    struct bus_socket *fresh = NULL;

    (void)text_format(endpoint, sizeof(endpoint), "%.*s", (int)m->endpoint.len,
                      (const char *)m->endpoint.data);
    l->run.rank = m->rank;
    if (m->rank == 0 || from == l->rank) {
        if (m->rank == 0 && l->rank != l->root) {
            bus_close(l->rank);
            l->rank = l->root;
        }
        if (m->rank == 0 || l->rank != l->root) {
            return false;
        }
    }
    if (l->rank == l->root || strcmp(endpoint, l->rank_endpoint) != 0) {
        if (dial(l, endpoint, &fresh) != ST_OK) {
            return true; // hello goes to rank 0 again in a second
        }
        if (l->rank != l->root) {
            bus_close(l->rank);
        }
        l->rank = fresh;
        (void)text_format(l->rank_endpoint, sizeof(l->rank_endpoint), "%s", endpoint);
    }
    say_hello(l, l->rank);
    return true;
}

static enum status on_welcome(struct link *l, struct bus_socket *from,
                              const struct frame_header *h)
{
    struct msg_welcome m;

    TRY(codec_decode_welcome(l->codec, l->in.bytes, &m));
    if (l->named) {
        TRY(same_run(l, h, &m));
    } else if (l->run.run != 0 && h->run != l->run.run) {
        LOG_WARN("ACTOR-OTHER",
                 "run %016" PRIx64 " answers at %s, not ours; waiting for ours", h->run,
                 l->root_endpoint);
        return ST_OK;
    } else {
        TRY(take_name(l, h, &m));
    }
    if (redirect(l, from, &m)) {
        return ST_OK;
    }
    l->joined = true;
    l->fetching = false;
    l->newest = m.newest;
    if (l->held.start != m.newest.start) {
        l->held = (struct version){0, 0}; // a learner that came back may be behind us
    }
    l->window = m.window;
    forget_below(l, m.next_seq);
    if (m.next_seq < l->acked) {
        LOG_WARN("ACTOR-LOST",
                 "the learner's store lacks segments %" PRIu64 " to %" PRIu64
                 ", which it had acknowledged",
                 m.next_seq, l->acked - 1);
    }
    resend_from(l, l->acked);
    return ST_OK;
}

static enum status on_refuse(struct link *l)
{
    struct msg_refuse m;

    TRY(codec_decode_refuse(l->codec, l->in.bytes, &m));
    if (m.final) {
        LOG_ERROR("ACTOR-REFUSED", "refused by the learner: %.*s", (int)m.reason.len,
                  (const char *)m.reason.data);
        return ST_INVALID;
    }
    LOG_WARN("ACTOR-REFUSED", "not yet: %.*s", (int)m.reason.len,
             (const char *)m.reason.data);
    return ST_OK;
}

static enum status on_ack(struct link *l, const struct frame_header *h)
{
    struct msg_ack m;

    TRY(codec_decode_ack(l->codec, l->in.bytes, &m));
    forget_below(l, h->seq);
    if (m.window > l->window) {
        l->window = m.window;
    }
    l->newest = m.newest;
    if (m.go_back && h->seq >= l->acked) {
        resend_from(l, h->seq);
    }
    return ST_OK;
}

static enum status on_weights(struct link *l)
{
    struct msg_weights m;

    TRY(codec_decode_weights(l->codec, l->in.bytes, &m));
    l->fetching = false;
    // The frame moves aside until the segment boundary; its bytes stay where they are.
    bus_frame_release(&l->weights_frame);
    l->weights_frame = l->in;
    memset(&l->in, 0, sizeof(l->in));
    l->weights = m;
    l->weights_wait = true;
    l->held = m.version;
    if (version_newer(m.version, l->newest)) {
        l->newest = m.version;
    }
    return ST_OK;
}

static enum status dispatch(struct link *l, struct bus_socket *from,
                            const struct frame_header *h)
{
    switch (h->kind) {
    case FRAME_WELCOME:
        return on_welcome(l, from, h);
    case FRAME_REFUSE:
        return on_refuse(l);
    case FRAME_ACK:
        return l->joined ? on_ack(l, h) : ST_OK;
    case FRAME_WEIGHTS:
        return l->joined ? on_weights(l) : ST_OK;
    case FRAME_WHO:
        l->joined = false;
        l->hello_ms = 0;
        return ST_OK;
    case FRAME_STOP:
        l->stop = true;
        return ST_OK;
    case FRAME_BEAT:
        return ST_OK;
    default:
        return ST_CORRUPT;
    }
}

static enum status take_frame(struct link *l, struct bus_socket *from)
{
    struct frame_header h;
    const uint64_t now = clock_ns(l->plan.clock);
    uint64_t held = 0;
    enum status st = frame_read_header(l->in.bytes, &h);

    if (st == ST_OK && l->named && h.run != l->run.run && h.kind != FRAME_WELCOME &&
        h.kind != FRAME_REFUSE && h.kind != FRAME_WHO) {
        st = ST_VERSION;
    }
    if (st == ST_OK) {
        l->heard_ms = now / 1000000u;
        st = dispatch(l, from, &h);
        if (st == ST_INVALID || st == ST_VERSION || st == ST_IO) {
            return st;
        }
    }
    if (st != ST_OK && log_limit_pass(&l->bad, now, &held)) {
        LOG_WARN("ACTOR-FRAME",
                 "dropped a frame from %s: %s; %" PRIu64 " more before it",
                 from == l->root ? l->root_endpoint : l->rank_endpoint, status_name(st),
                 held);
    }
    return ST_OK;
}

static enum status take_all(struct link *l, struct bus_socket *from)
{
    while (from != NULL && (from == l->root || from == l->rank) &&
           bus_receive(from, &l->in) == ST_OK) {
        TRY(take_frame(l, from));
    }
    return ST_OK;
}

static void timers(struct link *l)
{
    const uint64_t now = clock_ms(l->plan.clock);

    if (l->joined && now - l->heard_ms >= SILENCE_MS) {
        LOG_WARN("ACTOR-SILENCE",
                 "nothing heard from the learner for %d ms, saying hello", SILENCE_MS);
        l->joined = false;
    }
    if (!l->joined) {
        if (l->hello_ms == 0 || now - l->hello_ms >= HELLO_MS) {
            refresh_root(l);
            read_run(l);
            say_hello(l, l->root);
        }
        return;
    }
    const bool behind =
        l->newest.start != l->held.start || version_newer(l->newest, l->held);
    if (behind && (!l->fetching || now - l->fetch_ms >= FETCH_MS)) {
        send_bare(l, FRAME_FETCH, 0);
        l->fetching = true;
        l->fetch_ms = now;
    }
    if (l->acked < l->produced && now - l->progress_ms >= RESEND_MS) {
        resend_from(l, l->acked);
    }
    if (now - l->sent_ms >= BEAT_MS) {
        send_bare(l, FRAME_BEAT, l->produced);
    }
}

enum status link_step(struct link *l)
{
    struct bus_socket *const root = l->root, *const rank = l->rank;

    TRY(take_all(l, root));
    if (rank != root) {
        TRY(take_all(l, rank));
    }
    timers(l);
    return l->stop ? ST_CLOSED : ST_OK;
}

void link_wait(struct link *l, int timeout_ms)
{
    struct bus_socket *sockets[2] = {l->root, l->rank};
    const int fd = stop_fd();
    const int count = l->root == NULL ? 0 : l->root == l->rank ? 1 : 2;

    (void)bus_wait(sockets, count, &fd, fd >= 0 ? 1 : 0, NULL, timeout_ms);
}

bool link_may_begin(struct link *l, int count)
{
    const uint64_t now = clock_ms(l->plan.clock);
    const bool room = l->produced + (uint64_t)count <= l->window &&
                      l->produced + (uint64_t)count - l->acked <= l->slots;

    if (l->joined && room && l->held.start != 0) {
        l->waiting_ms = now;
        return true;
    }
    if (l->waiting_ms == 0) {
        l->waiting_ms = now;
    }
    if (now - l->waiting_ms >= WAITING_MS) {
        l->waiting_ms = now;
        LOG_INFO("ACTOR-WAIT", "waiting for the learner at %s: %s",
                 l->root == NULL ? l->plan.address_file : l->rank_endpoint,
                 l->root == NULL      ? "no learner has written its address there yet"
                 : !l->joined         ? "it has not answered hello"
                 : l->held.start == 0 ? "no weights have come"
                                      : "the window is closed, it trains what it has");
    }
    return false;
}

bool link_weights(struct link *l, struct msg_weights *out)
{
    if (!l->weights_wait) {
        return false;
    }
    *out = l->weights;
    return true;
}

void link_drop_weights(struct link *l)
{
    bus_frame_release(&l->weights_frame);
    l->weights_wait = false;
}

void link_put_segment(struct link *l, struct segment_fill *s)
{
    CHECK(l->named && l->produced - l->acked < l->slots);
    struct kept *k = &l->kept[l->produced % l->slots];

    s->header = header_of(l, FRAME_SEGMENT, l->produced);
    s->seed = l->run.seed;
    const struct bytes frame = codec_encode_segment(l->codec, s);
    if (frame.len > k->cap) { // grows to the largest once, then stands still
        const size_t cap = frame.len + frame.len / 2;
        k->frame = mem_grow(k->frame, k->cap, cap, 1);
        k->cap = cap;
    }
    memcpy(k->frame, frame.data, frame.len);
    k->len = frame.len;
    if (l->acked == l->produced) {
        l->progress_ms = clock_ms(l->plan.clock);
    }
    l->produced++;
    if (l->seqfile != NULL) {
        seqfile_set(l->seqfile, l->produced);
    }
    if (l->joined) {
        send_kept(l, l->produced - 1);
    }
}

void link_goodbye(struct link *l)
{
    if (l->joined && !l->said_goodbye) {
        send_bare(l, FRAME_GOODBYE, l->produced);
        l->said_goodbye = true;
    }
}
