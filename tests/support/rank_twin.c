#include "tests/support/rank_twin.h"

#include <stdio.h>
#include <string.h>

#include "common/base/checkpoint.h"
#include "common/base/mem.h"
#include "common/base/stop.h"
#include "common/base/text.h"

enum { STEP_MS = 10, RING_SLOTS = 1024 };

static const char goal_text[] = "find treasure";

/* ---- ranks ---- */

static void init(struct twin *t, uint32_t ranks, int segment_steps, int state_floats)
{
    memset(t, 0, sizeof(*t));
    t->segment_steps = segment_steps;
    t->value_heads = 1;
    t->state_floats = state_floats;
    clock_init_manual(&t->clock, 1000000000u);
    t->bus = bus_new_memory(&t->clock);
    t->ranks = ranks;
    t->store_bytes = 256 << 20;
    assert_true(text_format(t->dir, sizeof(t->dir), "%s", harness_make_dir()));
    for (uint32_t r = 0; r < ranks; r++) {
        snprintf(t->hosts[r], sizeof(t->hosts[r]), "host%u", r);
    }
    stop_open();
    twin_start(t);
}

void twin_init(struct twin *t, uint32_t ranks)
{
    init(t, ranks, SAMPLE_T, SAMPLE_STATE);
}

void twin_init_shape(struct twin *t, int segment_steps, int state_floats)
{
    init(t, 1, segment_steps, state_floats);
}

static void open_rank(struct twin *t, uint32_t rank)
{
    struct twin_rank *k = &t->rank[rank];
    char path[600];

    k->rings.to_training = ring_new(sizeof(struct to_training), RING_SLOTS);
    k->rings.to_io = ring_new(sizeof(struct to_io), RING_SLOTS);
    k->report = io_report_new();
    snprintf(path, sizeof(path), "%s/store/rank-%u", t->dir, rank);
    assert_int_equal(replay_open(path, TWIN_RUN, t->store_bytes, &k->replay), ST_OK);
    if (rank == 0) {
        snprintf(path, sizeof(path), "%s/ledger", t->dir);
        assert_int_equal(ledger_open(path, TWIN_RUN, &k->ledger), ST_OK);
    }
    const struct io_plan plan = {
        .listener = &k->listener,
        .clock = &t->clock,
        .rings = k->rings,
        .report = k->report,
        .replay = k->replay,
        .ledger = k->ledger,
        .run_dir = t->dir,
        .run = TWIN_RUN,
        .start = t->start,
        .rank = rank,
        .ranks = t->ranks,
        .endpoints = (const char(*)[BUS_ENDPOINT_MAX])t->endpoints,
        .hosts = (const char(*)[64])t->hosts,
        .spec = {.task = "crypt-vault", .actions = SAMPLE_ACTIONS, .spec_digest = 9},
        .net = "cells",
        .segment_steps = t->segment_steps,
        .value_heads = t->value_heads,
        .state_floats = t->state_floats,
        .seed = 777,
        .goal = "treasure",
        .goal_digest = {1, 2},
        .goal_text = bytes_text(goal_text),
        .needs_labels = !t->unlabelled,
        .needs_texts = t->needs_texts,
        .asks_order = t->order_captions > 0,
        .order_captions = t->order_captions,
        .reward = "retrieval",
        .label_budget = t->label_budget,
        .label_budget_hour = t->label_budget_hour,
        .consistency_share = t->consistency_share,
        .relabel_serial = t->relabel_serial,
        .judge_alarm = 0.2,
        .newest_first = t->newest_first,
        .resend = t->resend,
        .failure_zero = t->failure_zero,
        .cursor = k->cursor,
        .older_cursor = k->cursor,
        .ledger_serial = k->ledger_serial,
        .counts = &k->counts,
    };
    assert_int_equal(io_open(&plan, &k->io), ST_OK);
    k->top = k->cursor;
}

/* What the newest checkpoint says of this rank. */
static void go_back(struct twin *t, uint32_t rank)
{
    struct checkpoint_manifest m;
    struct twin_rank *k = &t->rank[rank];
    char dir[600], name[32], *data = NULL;
    size_t len = 0;

    counts_release(&k->counts);
    k->cursor = k->ledger_serial = 0;
    k->labels = k->captions = k->texts = 0;
    k->drained = k->stop = false;
    if (checkpoint_find(t->dir, false, &m, dir, sizeof(dir)) == ST_OK) {
        counts_file_name(rank, name);
        assert_int_equal(checkpoint_get(dir, name, &data, &len), ST_OK);
        assert_int_equal(counts_read(bytes_of(data, len), &k->counts), ST_OK);
        mem_free(data);
        k->cursor = m.cursor[rank];
        k->ledger_serial = m.ledger_serial;
    }
}

void twin_start(struct twin *t)
{
    t->start++;
    for (uint32_t r = 0; r < t->ranks; r++) {
        const struct io_listen_plan plan = {.bus = t->bus,
                                            .addr = "127.0.0.1",
                                            .port = 7340,
                                            .strict = true,
                                            .rank = r,
                                            .run_dir = t->dir};
        assert_int_equal(io_listen(&plan, &t->rank[r].listener), ST_OK);
        memcpy(t->endpoints[r], t->rank[r].listener.endpoint, BUS_ENDPOINT_MAX);
    }
    for (uint32_t r = 0; r < t->ranks; r++) {
        go_back(t, r);
        open_rank(t, r);
    }
}

void twin_end(struct twin *t)
{
    for (uint32_t r = 0; r < t->ranks; r++) {
        struct twin_rank *k = &t->rank[r];
        io_close(k->io);
        k->io = NULL;
        ledger_close(k->ledger);
        k->ledger = NULL;
        replay_close(k->replay);
        ring_free(k->rings.to_training);
        ring_free(k->rings.to_io);
        io_report_free(k->report);
        io_listener_close(&k->listener);
    }
}

void twin_release(struct twin *t)
{
    if (t->rank[0].io != NULL) {
        twin_end(t);
    }
    for (uint32_t r = 0; r < t->ranks; r++) {
        counts_release(&t->rank[r].counts);
    }
    bus_free(t->bus);
    harness_remove_dir(t->dir);
}

static void take_records(struct twin_rank *k)
{
    struct to_training m;

    while (ring_pop(k->rings.to_training, &m)) {
        switch ((enum to_training_kind)m.kind) {
        case TO_TRAINING_STORED:
            k->top = m.serial;
            break;
        case TO_TRAINING_CAPTION:
            k->captions++;
            k->caption = m.caption;
            break;
        case TO_TRAINING_VERDICT:
            assert_true(k->labels < TWIN_LABELS);
            k->texts_before[k->labels] = k->texts;
            k->label[k->labels++] = m.verdict;
            break;
        case TO_TRAINING_TEXT:
            assert_true(k->texts < TWIN_LABELS);
            k->text[k->texts++] = m.text;
            break;
        case TO_TRAINING_BACKLOG:
            k->members = m.backlog.members;
            k->window_open = m.backlog.window_open;
            break;
        case TO_TRAINING_STOP:
            k->stop = true;
            break;
        case TO_TRAINING_DRAINED:
            k->drained = true;
            break;
        }
    }
}

void twin_poll(struct twin *t)
{
    for (uint32_t r = 0; r < t->ranks; r++) {
        if (t->rank[r].io != NULL) {
            assert_int_equal(io_step(t->rank[r].io, 0), ST_OK);
            take_records(&t->rank[r]);
            io_report_get(t->rank[r].report, &t->rank[r].counters);
        }
    }
}

void twin_run_ms(struct twin *t, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += STEP_MS) {
        clock_turn_ms(&t->clock, STEP_MS);
        twin_poll(t);
    }
}

static bool count_one(void *ctx, uint64_t serial, struct bytes frame)
{
    struct counts *c = ctx;
    struct frame_header h;

    (void)serial;
    assert_int_equal(frame_read_header(frame, &h), ST_OK);
    counts_row(c, h.actor, h.incarnation)->trained++;
    return false;
}

int twin_train(struct twin *t, uint32_t rank, int n)
{
    struct twin_rank *k = &t->rank[rank];
    struct replay_view *v = NULL;
    int done = 0;

    assert_int_equal(replay_view_open(k->replay, &v), ST_OK);
    for (; done < n && k->cursor < k->top; done++) {
        const struct to_io m = {.kind = TO_IO_TRAINED,
                                .segment = {.serial = ++k->cursor}};
        assert_int_equal(replay_view_scan(v, k->cursor, count_one, &k->counts), ST_OK);
        counts_advance(&k->counts, k->cursor);
        assert_true(ring_push(k->rings.to_io, &m));
    }
    replay_view_close(v);
    return done;
}

void twin_checkpoint(struct twin *t)
{
    static uint64_t update;
    struct checkpoint_manifest m = {.run = TWIN_RUN,
                                    .update = ++update,
                                    .ranks = t->ranks,
                                    .start = t->start,
                                    .net = "cells",
                                    .task = "crypt-vault"};
    char dir[600], name[32], *data;
    size_t len;

    for (int i = 0; i < t->rank[0].labels; i++) {
        t->rank[0].ledger_serial = t->rank[0].label[i].ledger_serial;
    }
    m.ledger_serial = t->rank[0].ledger_serial;
    assert_int_equal(checkpoint_begin(t->dir, m.update, dir, sizeof(dir)), ST_OK);
    for (uint32_t r = 0; r < t->ranks; r++) {
        m.cursor[r] = t->rank[r].cursor;
        counts_file_name(r, name);
        counts_write(&t->rank[r].counts, &data, &len);
        assert_int_equal(checkpoint_put(dir, name, bytes_of(data, len)), ST_OK);
        mem_free(data);
    }
    assert_int_equal(checkpoint_finish(t->dir, dir, &m, NULL), ST_OK);
    for (uint32_t r = 0; r < t->ranks; r++) {
        const struct to_io done = {
            .kind = TO_IO_CHECKPOINTED,
            .segment = {.serial = m.cursor[r], .older = m.cursor[r]}};
        assert_true(ring_push(t->rank[r].rings.to_io, &done));
    }
}

void twin_weights(struct twin *t, uint64_t update)
{
    struct codec *c = codec_new();
    const struct frame_header h = {.kind = FRAME_WEIGHTS, .run = TWIN_RUN};
    struct msg_weights w = sample_weights();

    w.version = (struct version){t->start, update};
    for (uint32_t r = 0; r < t->ranks; r++) {
        const struct to_io m = {
            .kind = TO_IO_WEIGHTS,
            .weights = {.blob = bus_blob_new(codec_encode_weights(c, &h, &w)),
                        .version = w.version}};
        assert_true(ring_push(t->rank[r].rings.to_io, &m));
    }
    codec_free(c);
}

void twin_stop(struct twin *t)
{
    for (uint32_t r = 0; r < t->ranks; r++) {
        const struct to_io m = {.kind = TO_IO_STOP};
        assert_true(ring_push(t->rank[r].rings.to_io, &m));
    }
}

/* ---- actors ---- */

struct bus_socket *twin_dial(struct twin *t, const char *endpoint, char role,
                             uint64_t nonce)
{
    struct bus_peer self = {0};
    struct bus_socket *s = NULL;

    self.len = (uint8_t)snprintf((char *)self.id, sizeof(self.id), "%c-%lx", role,
                                 (unsigned long)nonce);
    assert_int_equal(bus_dial(t->bus, endpoint, &self, 64 << 20, &s), ST_OK);
    return s;
}

void actor_init(struct twin_actor *a, struct twin *t, uint64_t nonce, const char *host)
{
    *a = (struct twin_actor){.t = t, .nonce = nonce, .environments = 4};
    snprintf(a->host, sizeof(a->host), "%s", host);
    a->codec = codec_new();
    a->root = a->socket = twin_dial(t, t->endpoints[0], 'a', nonce);
}

void actor_release(struct twin_actor *a)
{
    if (a->socket != a->root) {
        bus_close(a->socket);
    }
    bus_close(a->root);
    seqfile_close(a->seqfile);
    codec_free(a->codec);
}

static struct frame_header header(const struct twin_actor *a, enum frame_kind kind,
                                  uint64_t seq)
{
    return (struct frame_header){.kind = (uint8_t)kind,
                                 .run = a->number == 0 ? 0 : TWIN_RUN,
                                 .actor = a->number,
                                 .incarnation = a->incarnation,
                                 .seq = seq};
}

static void say_hello(struct twin_actor *a, struct bus_socket *to, int wanted_id)
{
    const struct frame_header h = header(a, FRAME_HELLO, a->produced);
    const struct msg_hello m = {.host = bytes_text(a->host),
                                .task = bytes_text("crypt-vault"),
                                .spec_digest = 9,
                                .environments = a->environments,
                                .actions = SAMPLE_ACTIONS,
                                .wanted_id = wanted_id,
                                .pid = a->nonce,
                                .nonce = a->nonce,
                                .first_unacked = a->next,
                                .value_heads = 1};

    assert_int_equal(bus_send(to, NULL, codec_encode_hello(a->codec, &h, &m)), ST_OK);
}

void actor_hello(struct twin_actor *a, int wanted_id)
{
    say_hello(a, a->root, wanted_id);
}

void actor_send(struct twin_actor *a, uint64_t seq)
{
    struct sample_segment s;

    sample_segment_init(&s);
    s.fill.header = header(a, FRAME_SEGMENT, seq);
    s.fill.version = (struct version){1, 1};
    if (a->caption != NULL) {
        s.text[1].text = bytes_text(a->caption);
    }
    assert_int_equal(bus_send(a->socket, NULL, codec_encode_segment(a->codec, &s.fill)),
                     ST_OK);
}

void actor_bare(struct twin_actor *a, enum frame_kind kind, uint64_t seq)
{
    const struct frame_header h = header(a, kind, seq);
    assert_int_equal(bus_send(a->socket, NULL, codec_encode_bare(a->codec, &h)), ST_OK);
}

static void on_welcome(struct twin_actor *a, const struct frame_header *h,
                       struct bytes frame)
{
    struct msg_welcome m;
    char endpoint[BUS_ENDPOINT_MAX];

    assert_int_equal(codec_decode_welcome(a->codec, frame, &m), ST_OK);
    a->welcomes++;
    a->number = h->actor;
    a->incarnation = h->incarnation;
    a->rank = m.rank;
    a->window = m.window;
    a->newest = m.newest;
    a->next = m.next_seq > a->next ? m.next_seq : a->next;
    assert_int_equal(m.segment_steps, a->t->segment_steps);
    assert_int_equal(m.seed, 777);
    snprintf(endpoint, sizeof(endpoint), "%.*s", (int)m.endpoint.len,
             (const char *)m.endpoint.data);
    if (m.rank != 0 && a->socket == a->root) {
        a->socket = twin_dial(a->t, endpoint, 'a', a->nonce);
        say_hello(a, a->socket, -1);
    }
}

static void on_frame(struct twin_actor *a, struct bytes frame)
{
    struct frame_header h;
    struct msg_refuse refuse;
    struct msg_ack ack;

    assert_int_equal(frame_read_header(frame, &h), ST_OK);
    switch (h.kind) {
    case FRAME_WELCOME:
        on_welcome(a, &h, frame);
        break;
    case FRAME_REFUSE:
        assert_int_equal(codec_decode_refuse(a->codec, frame, &refuse), ST_OK);
        a->refusals++;
        a->final = refuse.final;
        snprintf(a->reason, sizeof(a->reason), "%.*s", (int)refuse.reason.len,
                 (const char *)refuse.reason.data);
        break;
    case FRAME_ACK:
        assert_int_equal(codec_decode_ack(a->codec, frame, &ack), ST_OK);
        assert_int_equal(h.actor, a->number);
        a->acks++;
        a->go_backs += ack.go_back;
        a->dropped = ack.dropped;
        a->next = h.seq;
        assert_true(ack.window >= a->window); // never lowered
        a->window = ack.window;
        a->newest = ack.newest;
        break;
    case FRAME_WHO:
        a->whos++;
        break;
    case FRAME_STOP:
        a->stops++;
        break;
    case FRAME_WEIGHTS:
        a->weights++;
        break;
    default:
        break;
    }
}

void actor_poll(struct twin_actor *a)
{
    struct bus_socket *const from[2] = {a->root, a->socket};
    struct bus_frame f = {0};

    for (int i = 0; i < (a->socket == a->root ? 1 : 2); i++) {
        while (bus_receive(from[i], &f) == ST_OK) {
            on_frame(a, f.bytes);
            bus_frame_release(&f);
        }
    }
}

int actor_produce(struct twin_actor *a, int n)
{
    int done = 0;

    for (; done < n && a->produced < a->window; done++) {
        actor_send(a, a->produced++);
        if (a->seqfile != NULL) {
            seqfile_set(a->seqfile, a->produced);
        }
    }
    return done;
}

void actor_join(struct twin_actor *a, int wanted_id)
{
    char dir[600];

    actor_hello(a, wanted_id);
    for (int i = 0; i < 2; i++) {
        twin_poll(a->t);
        actor_poll(a);
    }
    if (a->number != 0 && a->seqfile == NULL) {
        snprintf(dir, sizeof(dir), "%s/actors", a->t->dir);
        assert_int_equal(
            seqfile_open(dir, TWIN_RUN, a->number, a->incarnation, &a->seqfile), ST_OK);
        seqfile_set(a->seqfile, a->produced);
    }
}
