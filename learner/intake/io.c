#include "learner/intake/io.h"

#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "learner/intake/asking.h"
#include "learner/intake/intake.h"
#include "learner/intake/io_report.h"
#include "learner/intake/journal_piece.h"
#include "learner/intake/lexicon.h"
#include "learner/intake/members.h"
#include "learner/intake/offers.h"
#include "learner/intake/post.h"
#include "learner/store/ledger.h"
#include "learner/store/replay.h"

enum {
    FRAMES_MOST = 256,      // of one poll
    RECORDS_MOST = 4096,    // of the ring in one poll
    DRAIN_MS = 2000,        // for actors
    DRAIN_JUDGES_MS = 7000, // 5 s for answers that are paid for, and their way
    SECOND_MS = 1000,
    REPORT_MS = 200,
    SAVE_MS = 30000, // between rounds over the captions' counts
    SAVE_MOST = 512, // captions of one poll
    STRANGERS = 256, // remembered peers without a hello
    WHO_MS = 500
};

struct io {
    struct io_plan plan;
    struct post post;
    struct members *members;
    struct lexicon *captions;
    struct intake *intake;
    struct asking *asking; // rank 0
    struct offers *offers; // other ranks
    struct journal_piece journal;
    struct bus_frame frame;
    struct bus_blob *weights;
    struct version newest;
    uint64_t who_ms[STRANGERS];
    struct to_training backlog; // as told last
    bool more; // the ring was left with records in it: it does not wake us
    bool backlog_told, saving, stopping, drained, ended, stop_told, export_due;
    uint64_t told_top, stop_ms, second_ms, report_ms, save_ms;
    uint64_t cpu_asking_ns; // without what intake spends on captions
    struct io_counters told;
};

static void on_met(void *ctx, uint32_t caption, uint32_t visits)
{
    struct io *io = ctx;

    if (!io->plan.needs_labels) {
        return;
    }
    if (io->asking != NULL) {
        asking_met(io->asking, caption, visits);
    } else {
        offers_met(io->offers, caption);
    }
}

enum status io_open(const struct io_plan *plan, struct io **out)
{
    struct io *io = mem_new(1, sizeof(*io));
    enum status st;

    io->plan = *plan;
    io->post = (struct post){.socket = plan->listener->socket,
                             .codec = codec_new(),
                             .clock = plan->clock,
                             .run = plan->run};
    st = members_open(&io->plan, &io->post, &io->members);
    if (st == ST_OK) {
        st = lexicon_open(plan->replay, &io->captions);
    }
    if (st == ST_OK && plan->rank == 0) {
        st = asking_open(&io->plan, &io->post, io->captions, &io->asking);
    } else if (st == ST_OK) {
        io->offers = offers_new(io->captions, plan->rings.to_training);
    }
    if (st == ST_OK) {
        st = intake_open(&io->plan, &io->post, io->members, io->captions, on_met, io,
                         &io->intake);
    }
    if (st != ST_OK) {
        io_close(io);
        return st;
    }
    *out = io;
    return ST_OK;
}

static enum status save_captions(struct io *io, uint32_t most, bool *all)
{
    TRY(intake_begin(io->intake));
    return lexicon_save(io->captions, io->plan.replay, most, all);
}

static enum status export_ledger(const struct io *io)
{
    char path[PATH_MAX_];

    if (!io->plan.ledger_elsewhere || io->plan.ledger == NULL) {
        return ST_OK;
    }
    (void)text_format(path, sizeof(path), "%s/ledger", io->plan.run_dir);
    TRY(file_make_dirs(path));
    (void)text_format(path, sizeof(path), "%s/ledger/verdicts.jsonl", io->plan.run_dir);
    return ledger_export(io->plan.ledger, path);
}

void io_close(struct io *io)
{
    bool all;

    if (io == NULL) {
        return;
    }
    if (io->intake != NULL) {
        const bool saved = save_captions(io, LEXICON_MAX, &all) == ST_OK &&
                           intake_commit(io->intake) == ST_OK;
        if (!saved) {
            LOG_WARN("INTAKE-CAPTIONS", "counts of captions could not be saved");
        }
    }
    asking_close(io->asking);
    if (io->intake != NULL && export_ledger(io) != ST_OK) {
        LOG_WARN("INTAKE-EXPORT", "the last verdicts are in the ledger only");
    }
    offers_free(io->offers);
    intake_close(io->intake);
    lexicon_close(io->captions);
    members_close(io->members);
    bus_frame_release(&io->frame);
    bus_blob_release(io->weights);
    codec_free(io->post.codec);
    journal_piece_release(&io->journal);
    mem_free(io);
}

/* ---- from training ---- */

static void take_weights(struct io *io, const struct to_io *m)
{
    bus_blob_release(io->weights);
    io->weights = m->weights.blob;
    io->newest = m->weights.version;
    intake_set_update(io->intake, io->newest.update);
    if (io->offers != NULL) {
        offers_next_update(io->offers);
    }
}

static void take_caption(struct io *io, const struct ring_caption *c)
{
    const struct bytes text = bytes_of(c->text, c->len);

    if (io->asking != NULL) {
        const uint64_t cpu = clock_thread_cpu_ns();
        const int64_t number =
            lexicon_meet(io->captions, text, hash_128(text), c->visits, c->truth,
                         c->strength, io->newest.update);
        if (number >= 0) {
            on_met(io, (uint32_t)number, c->visits);
        }
        io->cpu_asking_ns += clock_thread_cpu_ns() - cpu;
    }
}

static void take_scores(struct io *io, const struct to_io *m)
{
    if (io->asking != NULL && io->plan.asks_order) {
        const uint64_t cpu = clock_thread_cpu_ns();
        for (int i = 0; i < m->scores.count; i++) {
            asking_take_score(io->asking, m->scores.key[i], m->scores.score[i]);
        }
        io->cpu_asking_ns += clock_thread_cpu_ns() - cpu;
    }
}

static enum status take_journal(struct io *io, const struct to_io *m)
{
    struct bytes row;

    if (!journal_piece_add(&io->journal, m, &row)) {
        return ST_OK;
    }
    TRY(intake_begin(io->intake));
    return replay_put_journal(io->plan.replay, m->journal.update, row);
}

static enum status on_record(struct io *io, const struct to_io *m)
{
    switch ((enum to_io_kind)m->kind) {
    case TO_IO_TRAINED:
    case TO_IO_DROPPED:
        intake_handled(io->intake, m->segment.serial);
        return ST_OK;
    case TO_IO_CHECKPOINTED:
        io->export_due = true;
        TRY(intake_begin(io->intake));
        return replay_put_cursor(io->plan.replay, m->segment.older);
    case TO_IO_WEIGHTS:
        take_weights(io, m);
        return ST_OK;
    case TO_IO_CAPTION:
        take_caption(io, &m->caption);
        return ST_OK;
    case TO_IO_SCORES:
        take_scores(io, m);
        return ST_OK;
    case TO_IO_VERDICT_TAKEN:
        return ST_OK; // the ledger knows what training's checkpoint says of it
    case TO_IO_JOURNAL:
        return take_journal(io, m);
    case TO_IO_STOP:
        io->stopping = true;
        io->stop_ms = post_now_ms(&io->post);
        members_stop(io->members);
        if (io->asking != NULL) {
            asking_stop(io->asking);
        }
        return ST_OK;
    case TO_IO_END:
        io->ended = true;
        return ST_OK;
    }
    return ST_OK;
}

static enum status take_records(struct io *io)
{
    struct to_io m;

    io->more = true;
    for (int i = 0; i < RECORDS_MOST && io->more; i++) {
        io->more = ring_pop(io->plan.rings.to_io, &m);
        if (io->more) {
            TRY(on_record(io, &m));
        }
    }
    return ST_OK;
}

/* ---- from actors and judges ---- */

/* `hello?`, once in a while per peer: each frame that was queued while we were away
 * would else bring a hello, and each hello everything again. */
static void ask_who(struct io *io, const struct bus_peer *peer)
{
    const uint64_t now = post_now_ms(&io->post);
    uint64_t *last = &io->who_ms[hash_64(bytes_of(peer->id, peer->len)) % STRANGERS];

    io->post.bad[IO_BAD_STRANGER]++; // expected after a start: counted, not logged
    if (*last == 0 || now - *last >= WHO_MS) {
        *last = now + (now == 0);
        post_bare(&io->post, peer, FRAME_WHO, 0, 0);
    }
}

static enum status on_actor_frame(struct io *io, const struct frame_header *h)
{
    const struct bus_peer *peer = &io->frame.peer;
    struct member *m = members_find(io->members, peer, h);

    if (m == NULL || m->row.rank != io->plan.rank) {
        ask_who(io, peer);
        return ST_OK;
    }
    if (h->kind != FRAME_GOODBYE) {
        members_heard(io->members, m);
    }
    switch (h->kind) {
    case FRAME_SEGMENT:
        return intake_on_segment(io->intake, m, h, io->frame.bytes);
    case FRAME_FETCH:
        m->wants_weights = true;
        break;
    case FRAME_GOODBYE:
        members_on_goodbye(io->members, m, h->seq);
        break;
    default: // a heartbeat
        break;
    }
    return ST_OK;
}

static enum status on_judge_frame(struct io *io, const struct frame_header *h)
{
    const struct bus_peer *peer = &io->frame.peer;
    const uint64_t cpu = clock_thread_cpu_ns();
    enum status st = ST_OK;

    if (h->kind == FRAME_JUDGE_HELLO) {
        judges_on_hello(asking_judges(io->asking), peer, h, io->frame.bytes);
    } else {
        struct judge *j = judges_find(asking_judges(io->asking), peer, h);
        if (j == NULL) {
            ask_who(io, peer);
        } else {
            judges_heard(asking_judges(io->asking), j);
            if (h->kind == FRAME_VERDICTS) {
                st = asking_on_verdicts(io->asking, j, io->frame.bytes);
            } else if (h->kind == FRAME_GOODBYE) {
                asking_on_goodbye(io->asking, j);
            }
        }
    }
    io->cpu_asking_ns += clock_thread_cpu_ns() - cpu;
    return st;
}

static bool from_judge(struct io *io, const struct frame_header *h)
{
    return io->asking != NULL &&
           judges_find(asking_judges(io->asking), &io->frame.peer, h) != NULL;
}

static enum status on_frame(struct io *io)
{
    const struct bus_peer *peer = &io->frame.peer;
    struct frame_header h;
    const enum status st = frame_read_header(io->frame.bytes, &h);

    if (st != ST_OK) {
        post_bad(&io->post, peer, st == ST_VERSION ? IO_BAD_PROTOCOL : IO_BAD_HEADER,
                 NULL);
        return ST_OK;
    }
    switch (h.kind) {
    case FRAME_HELLO:
        members_on_hello(io->members, peer, &h, io->frame.bytes);
        return ST_OK;
    case FRAME_BEAT:
    case FRAME_GOODBYE:
        if (from_judge(io, &h)) {
            return on_judge_frame(io, &h);
        }
        if (h.kind == FRAME_BEAT) {
            return on_actor_frame(io, &h);
        }
        // fall through
    case FRAME_SEGMENT:
    case FRAME_FETCH:
        if (h.run != io->plan.run) {
            post_bad(&io->post, peer, IO_BAD_RUN, NULL);
            ask_who(io, peer);
            return ST_OK;
        }
        return on_actor_frame(io, &h);
    case FRAME_JUDGE_HELLO:
    case FRAME_VERDICTS:
        if (io->asking != NULL) {
            return on_judge_frame(io, &h);
        }
        break;
    default:
        break;
    }
    post_bad(&io->post, peer, IO_BAD_KIND, NULL);
    return ST_OK;
}

static enum status take_frames(struct io *io)
{
    for (int i = 0; i < FRAMES_MOST; i++) {
        if (bus_receive(io->post.socket, &io->frame) != ST_OK) {
            return ST_OK;
        }
        const enum status st = on_frame(io);
        bus_frame_release(&io->frame);
        TRY(st);
    }
    return ST_OK;
}

/* ---- to training; what does not fit is told again ---- */

static bool is_drained(struct io *io)
{
    const uint64_t spent = post_now_ms(&io->post) - io->stop_ms;
    const bool judges = io->asking == NULL || judges_drained(asking_judges(io->asking));

    return (members_drained(io->members) || spent >= DRAIN_MS) &&
           (judges || spent >= DRAIN_JUDGES_MS);
}

static void tell_training(struct io *io)
{
    struct ring *ring = io->plan.rings.to_training;
    struct to_training m = {.kind = TO_TRAINING_STORED,
                            .serial = replay_top(io->plan.replay)};
    struct members_sums sums;

    if (m.serial > io->told_top && m.serial > io->plan.cursor && ring_push(ring, &m)) {
        io->told_top = m.serial;
    }
    members_sum(io->members, &sums);
    m = (struct to_training){.kind = TO_TRAINING_BACKLOG};
    m.backlog.members = sums.members;
    m.backlog.environments = sums.environments;
    m.backlog.window_open = sums.window_open && !io->stopping;
    const bool same = io->backlog_told &&
                      m.backlog.members == io->backlog.backlog.members &&
                      m.backlog.environments == io->backlog.backlog.environments &&
                      m.backlog.window_open == io->backlog.backlog.window_open;
    if (!same && ring_push(ring, &m)) {
        io->backlog = m;
        io->backlog_told = true;
    }
    if (stop_asked() && !io->stop_told) {
        m = (struct to_training){.kind = TO_TRAINING_STOP};
        io->stop_told = ring_push(ring, &m);
    }
    if (io->stopping && !io->drained && is_drained(io)) {
        m = (struct to_training){.kind = TO_TRAINING_DRAINED};
        io->drained = ring_push(ring, &m);
    }
    if (io->offers != NULL) {
        offers_push(io->offers);
    }
}

/* ---- now and then ---- */

static void report(struct io *io)
{
    const struct bus_counters *b = bus_counters(io->post.socket);
    struct io_counters *c = &io->told;
    struct members_sums sums;

    members_sum(io->members, &sums);
    c->members = sums.members;
    c->environments = sums.environments;
    c->run_taken = sums.taken;
    c->run_dropped = sums.dropped;
    c->refusals = sums.refusals;
    c->stop_lost = sums.lost;
    c->cpu_asking_ns = io->cpu_asking_ns;
    intake_report(io->intake, c);
    c->segments_forced = replay_forced(io->plan.replay);
    c->store_live_bytes = replay_live_bytes(io->plan.replay);
    c->store_file_ratio = replay_file_ratio(io->plan.replay);
    c->captions = lexicon_known(io->captions);
    c->lexicon_full = lexicon_full(io->captions);
    c->bytes_in = b->bytes_in;
    c->bytes_out = b->bytes_out;
    c->frames_in = b->frames_in;
    memcpy(c->frames_bad, io->post.bad, sizeof(c->frames_bad));
    c->frames_bad[IO_BAD_MULTIPART] = b->refused_multipart;
    c->frames_bad[IO_BAD_SIZE] = b->refused_size;
    c->frames_bad[IO_BAD_EMPTY] = b->refused_empty;
    c->cpu_total_ns = clock_thread_cpu_ns();
    if (io->asking != NULL) {
        asking_report(io->asking, c);
    }
    io_report_put(io->plan.report, c);
}

static enum status now_and_then(struct io *io)
{
    const uint64_t now = post_now_ms(&io->post);
    bool all = false;

    if (now - io->second_ms >= SECOND_MS) {
        io->second_ms = now;
        if (io->plan.rank == 0) {
            io_look_for_stop(io->plan.run_dir);
        }
    }
    if (now - io->save_ms >= SAVE_MS) {
        io->save_ms = now;
        io->saving = true;
    }
    if (io->saving) {
        TRY(save_captions(io, SAVE_MOST, &all));
        io->saving = !all;
    }
    if (now - io->report_ms >= REPORT_MS || io->ended) {
        io->report_ms = now;
        report(io);
    }
    return ST_OK;
}

/* ---- the step ---- */

static void wait_for_work(struct io *io, int timeout_ms)
{
    const int fds[2] = {ring_fd(io->plan.rings.to_io), stop_fd()};
    bool ready[2] = {false, false};

    if (io->asking != NULL) {
        timeout_ms = asking_due_ms(io->asking, timeout_ms);
    }
    (void)bus_wait(&io->post.socket, 1, fds, fds[1] >= 0 ? 2 : 1, ready,
                   io->more ? 0 : timeout_ms);
    if (ready[0]) {
        ring_clear_fd(io->plan.rings.to_io);
    }
    if (ready[1]) {
        stop_poll();
    }
}

/* Commit first, then say so. */
static enum status commit_and_answer(struct io *io)
{
    if (intake_pending(io->intake)) {
        const uint64_t cpu = clock_thread_cpu_ns(); // a system call: not at every poll
        TRY(intake_commit(io->intake));
        if (members_take_named(io->members)) {
            TRY(replay_sync(io->plan.replay)); // an incarnation is never given twice
        }
        io->told.cpu_store_ns += clock_thread_cpu_ns() - cpu;
    }
    members_answer(io->members, io->newest);
    members_send_weights(io->members, io->weights);
    return ST_OK;
}

enum status io_step(struct io *io, int timeout_ms)
{
    wait_for_work(io, timeout_ms);
    TRY(take_records(io));
    TRY(take_frames(io));
    TRY(commit_and_answer(io));
    if (io->asking != NULL && asking_due_ms(io->asking, 1) == 0) {
        const uint64_t cpu = clock_thread_cpu_ns();
        TRY(asking_step(io->asking));
        io->cpu_asking_ns += clock_thread_cpu_ns() - cpu;
    }
    if (io->export_due) {
        io->export_due = false;
        TRY(export_ledger(io));
    }
    tell_training(io);
    TRY(now_and_then(io));
    if (!io->ended) {
        return ST_OK;
    }
    // The last group of verdicts is this thread's to commit: whoever closes us may be
    // another, and LMDB's writer lock has one owner.
    TRY(io->asking != NULL ? asking_commit(io->asking) : ST_OK);
    return ST_CLOSED;
}

enum status io_sync_loop_step(struct replay *r)
{
    return replay_sync(r);
}
