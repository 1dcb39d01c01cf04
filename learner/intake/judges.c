#include "learner/intake/judges.h"

#include <string.h>

#include "common/base/text.h"

void judges_init(struct judges *s, const struct io_plan *plan, struct post *post)
{
    memset(s, 0, sizeof(*s));
    s->plan = plan;
    s->post = post;
}

static bool same_peer(const struct bus_peer *a, const struct bus_peer *b)
{
    return a->len == b->len && memcmp(a->id, b->id, a->len) == 0;
}

struct judge *judges_find(struct judges *s, const struct bus_peer *peer,
                          const struct frame_header *h)
{
    for (int i = 0; i < JUDGES_MAX; i++) {
        struct judge *j = &s->list[i];
        if (j->number != 0 && j->number == h->actor && same_peer(&j->peer, peer)) {
            return j;
        }
    }
    return NULL;
}

/* The same process, else a place for a new one; NULL: no room. */
static struct judge *place_for(struct judges *s, const struct msg_judge_hello *m)
{
    struct judge *room = NULL;

    for (int i = 0; i < JUDGES_MAX; i++) {
        struct judge *j = &s->list[i];
        if (j->number != 0 && j->nonce == m->nonce && j->pid == m->pid &&
            bytes_equal(m->host, bytes_text(j->host))) {
            return j;
        }
        if (j->number == 0 || (!j->alive && (room == NULL || room->number != 0))) {
            room = room == NULL || room->number != 0 ? j : room;
        }
    }
    if (room != NULL) {
        *room = (struct judge){.number = ++s->numbers};
    }
    return room;
}

static void copy_name(char *out, size_t size, struct bytes name)
{
    (void)text_format(out, size, "%.*s", (int)name.len, (const char *)name.data);
}

static void send_welcome(struct judges *s, struct judge *j)
{
    const struct frame_header h = {.kind = FRAME_JUDGE_WELCOME,
                                   .run = s->plan->run,
                                   .actor = j->number,
                                   .incarnation = s->plan->start};
    const struct msg_judge_welcome w = {.goal = bytes_text(s->plan->goal),
                                        .goal_digest = s->plan->goal_digest,
                                        .goal_text = s->plan->goal_text,
                                        .credits = j->credits,
                                        .environment = bytes_text(s->plan->spec.task)};

    if (post_send(s->post, &j->peer,
                  codec_encode_judge_welcome(s->post->codec, &h, &w))) {
        j->sent_ms = post_now_ms(s->post);
    }
}

void judges_on_hello(struct judges *s, const struct bus_peer *peer,
                     const struct frame_header *h, struct bytes frame)
{
    struct msg_judge_hello m;
    const enum status st = codec_decode_judge_hello(s->post->codec, frame, &m);

    (void)h;
    if (st != ST_OK) {
        post_bad(s->post, peer, st == ST_VERSION ? IO_BAD_PROTOCOL : IO_BAD_BODY,
                 codec_reason(s->post->codec));
        return;
    }
    if (s->stopping) {
        post_bare(s->post, peer, FRAME_STOP, 0, 0);
        return;
    }
    struct judge *j = place_for(s, &m);
    if (j == NULL) {
        post_refuse(s->post, peer, false, "%d judges are attached already", JUDGES_MAX);
        return;
    }
    if (j->pid == 0 && j->nonce == 0) {
        LOG_INFO("ASKING-JUDGE", "judge %u attached: %.*s%s%.*s on %.*s", j->number,
                 (int)m.name.len, (const char *)m.name.data, m.model.len > 0 ? " " : "",
                 (int)m.model.len, (const char *)m.model.data, (int)m.host.len,
                 (const char *)m.host.data);
    }
    j->peer = *peer;
    copy_name(j->name, sizeof(j->name), m.name);
    copy_name(j->model, sizeof(j->model), m.model);
    copy_name(j->host, sizeof(j->host), m.host);
    j->prompt_digest = m.prompt_digest;
    j->pid = m.pid;
    j->nonce = m.nonce;
    j->deadline_ms = m.deadline_ms;
    j->credits = m.credits < JUDGES_CREDITS_MAX ? m.credits : JUDGES_CREDITS_MAX;
    j->can_rate = m.can_rate;
    j->wants_truth = m.wants_truth;
    judges_heard(s, j);
    send_welcome(s, j);
}

void judges_heard(struct judges *s, struct judge *j)
{
    j->heard_ms = post_now_ms(s->post);
    j->alive = true;
}

void judges_step(struct judges *s)
{
    const uint64_t now = post_now_ms(s->post);

    for (int i = 0; i < JUDGES_MAX; i++) {
        struct judge *j = &s->list[i];
        if (j->number == 0 || !j->alive) {
            continue;
        }
        if (now - j->heard_ms >= JUDGES_GONE_MS) {
            j->alive = false;
            LOG_WARN("ASKING-GONE",
                     "judge %u (%s on %s) was silent for %d s: its %u questions are "
                     "asked elsewhere when their leases run out",
                     j->number, j->name, j->host, JUDGES_GONE_MS / 1000, j->holding);
        } else if (now - j->sent_ms >= JUDGES_BEAT_MS &&
                   post_bare(s->post, &j->peer, FRAME_BEAT, j->number,
                             s->plan->start)) {
            j->sent_ms = now;
        }
    }
}

void judges_stop(struct judges *s)
{
    s->stopping = true;
    for (int i = 0; i < JUDGES_MAX; i++) {
        if (s->list[i].number != 0) {
            post_bare(s->post, &s->list[i].peer, FRAME_STOP, s->list[i].number,
                      s->plan->start);
        }
    }
}

static bool is_free(const struct judge *j)
{
    return j->number != 0 && j->alive && j->can_rate && j->holding < j->credits;
}

bool judges_any_free(const struct judges *s)
{
    for (int i = 0; i < JUDGES_MAX; i++) {
        if (is_free(&s->list[i])) {
            return true;
        }
    }
    return false;
}

struct judge *judges_freest(struct judges *s)
{
    struct judge *best = NULL;

    for (int i = 0; i < JUDGES_MAX; i++) {
        struct judge *j = &s->list[i];
        const bool may =
            j->number != 0 && j->alive && j->can_rate && j->holding < j->credits;
        if (may &&
            (best == NULL || j->credits - j->holding > best->credits - best->holding)) {
            best = j;
        }
    }
    return best;
}

uint32_t judges_alive(const struct judges *s)
{
    uint32_t n = 0;

    for (int i = 0; i < JUDGES_MAX; i++) {
        n += s->list[i].number != 0 && s->list[i].alive;
    }
    return n;
}
