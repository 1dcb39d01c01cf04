#include "learner/intake/judges.h"

#include <math.h>
#include <string.h>

#include "common/base/text.h"

static const double fading_s = 10, known_after_s = 0.2;
static const double busy_least_s = 1e-200; // both fade alike, until they are gone
static const double slow_factor = 2, slow_ms = 500, careful = 0.1;
enum { ENDS = 64 }; // of questions that are remembered
static const uint32_t late_least = 4, late_factor = 5;

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

/* For good: asking it would bring nothing. One that finds out only now what it can do gives
 * back its questions as a dead one does. */
static void refuse_unfit(struct judges *s, const struct bus_peer *peer,
                         const struct msg_judge_hello *m)
{
    for (int i = 0; i < JUDGES_MAX; i++) {
        struct judge *j = &s->list[i];
        j->alive = j->alive && !(j->nonce == m->nonce && same_peer(&j->peer, peer));
    }
    char needs[80], does[80];
    if (!s->plan->asks_order) {
        (void)text_format(needs, sizeof(needs), "rate single captions");
        (void)text_format(does, sizeof(does), "only compares them");
    } else {
        (void)text_format(needs, sizeof(needs), "put %d captions in order",
                          s->plan->order_captions);
        (void)text_format(does, sizeof(does),
                          m->can_order ? "compares %u at most" : "only rates them",
                          m->order_most);
    }
    LOG_WARN("ASKING-UNFIT", "refused judge %.*s, which %s: reward %s needs to %s",
             (int)m->name.len, (const char *)m->name.data, does, s->plan->reward,
             needs);
    post_refuse(s->post, peer, true,
                "reward %s needs judges that %s, %.*s%s%.*s %s: another style or "
                "another judge is needed",
                s->plan->reward, needs, (int)m->name.len, (const char *)m->name.data,
                m->model.len > 0 ? " " : "", (int)m->model.len,
                (const char *)m->model.data, does);
}

static bool is_fit(const struct io_plan *plan, const struct msg_judge_hello *m)
{
    return !plan->needs_labels ||
           (plan->asks_order
                ? m->can_order && m->order_most >= (uint32_t)plan->order_captions
                : m->can_rate);
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
    if (!is_fit(s->plan, &m)) {
        refuse_unfit(s, peer, &m);
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
    const uint32_t credits =
        m.credits < JUDGES_CREDITS_MAX ? m.credits : JUDGES_CREDITS_MAX;
    if (credits != j->credits) {
        j->hold = credits;
        j->too_many = 0;
    }
    j->credits = credits;
    j->pause = (enum judge_pause)m.pause;
    j->fit = true;
    j->wants_truth = m.wants_truth;
    judges_heard(s, j);
    send_welcome(s, j);
}

void judges_heard(struct judges *s, struct judge *j)
{
    j->heard_ms = post_now_ms(s->post);
    j->since_ms = j->alive ? j->since_ms : j->heard_ms; // the dead are not at work
    j->alive = true;
}

/* ---- speed ---- */

static void count_busy(const struct judges *s, struct judge *j)
{
    const uint64_t now = post_now_ms(s->post);

    if (j->holding > 0) {
        j->busy_s += (double)(now - j->since_ms) / 1000;
    }
    j->since_ms = now;
}

static void fade(const struct judges *s, struct judge *j, double passed_s)
{
    const double kept = exp(-passed_s / fading_s);

    count_busy(s, j);
    j->answers *= kept;
    j->busy_s *= kept;
}

void judges_asked(struct judges *s, struct judge *j)
{
    if (j->holding == 0) {
        j->owing_ms = post_now_ms(s->post);
    }
    judges_hold(s, j);
}

void judges_hold(struct judges *s, struct judge *j)
{
    count_busy(s, j);
    j->holding++;
}

void judges_let_go(struct judges *s, struct judge *j)
{
    count_busy(s, j);
    j->holding -= j->holding > 0;
}

static void count_end(struct judge *j, uint32_t *kind)
{
    if (j->in_time + j->late >= ENDS) {
        j->in_time /= 2;
        j->late /= 2;
    }
    ++*kind;
}

void judges_answered(struct judges *s, struct judge *j, double latency_ms)
{
    j->owing_ms = post_now_ms(s->post);
    j->answers++;
    count_end(j, &j->in_time);
    const double pace = j->hold < 0.75 * j->too_many || j->too_many <= 0 ? 1 : careful;
    j->hold = fmin(j->hold + pace / fmax(j->hold, 1), j->credits);
    j->latency_ms += (latency_ms - j->latency_ms) / (j->latency_ms > 0 ? 8 : 1);
}

void judges_late(struct judges *s, struct judge *j)
{
    const uint64_t now = post_now_ms(s->post);

    count_end(j, &j->late);
    if (j->late >= late_least && late_factor * j->late > j->in_time + j->late &&
        (j->late_ms == 0 || now - j->late_ms >= j->deadline_ms)) {
        j->late_ms = now;
        j->too_many = j->hold;
        j->hold = fmax(1, j->hold / 2);
    }
}

double judges_speed(const struct judge *j)
{
    return j->busy_s > known_after_s ? j->answers / j->busy_s : 0;
}

double judges_speed_told(const struct judge *j)
{
    return j->busy_s > busy_least_s ? j->answers / j->busy_s : 0;
}

/* How long an answer of it takes: as measured, or as long as it owes one already. */
static double patience_ms(const struct judges *s, const struct judge *j)
{
    const double owing =
        j->holding > 0 ? (double)(post_now_ms(s->post) - j->owing_ms) : 0;

    return fmax(j->latency_ms, owing);
}

void judges_step(struct judges *s)
{
    const uint64_t now = post_now_ms(s->post);
    const double passed_s = s->look_ms == 0 ? 0 : (double)(now - s->look_ms) / 1000;

    s->look_ms = now;
    for (int i = 0; i < JUDGES_MAX; i++) {
        struct judge *j = &s->list[i];
        j->deaf = false;
        if (j->number == 0 || !j->alive) {
            continue;
        }
        fade(s, j, passed_s);
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

bool judges_drained(const struct judges *s)
{
    for (int i = 0; i < JUDGES_MAX; i++) {
        if (s->list[i].number != 0 && s->list[i].alive && s->list[i].holding > 0) {
            return false;
        }
    }
    return true;
}

/* ---- whose turn it is ---- */

static bool is_asked(const struct judge *j)
{
    return j->number != 0 && j->alive && !j->deaf && j->fit && j->credits > 0;
}

static uint32_t hold_most(const struct judge *j)
{
    return j->hold < j->credits ? (uint32_t)fmax(j->hold, 1) : j->credits;
}

static uint32_t room_of(const struct judge *j)
{
    const uint32_t most = is_asked(j) ? hold_most(j) : 0;

    return most > j->holding ? most - j->holding : 0;
}

struct crowd {
    double fastest_ms, speeds; // the least patience; summed
    uint32_t asked, known;     // judges; those with a speed
};

static struct crowd look_at_all(const struct judges *s)
{
    struct crowd c = {.fastest_ms = INFINITY};

    for (int i = 0; i < JUDGES_MAX; i++) {
        const struct judge *j = &s->list[i];
        if (is_asked(j)) {
            c.fastest_ms = fmin(c.fastest_ms, patience_ms(s, j));
            c.speeds += judges_speed(j);
            c.known += judges_speed(j) > 0;
            c.asked++;
        }
    }
    return c;
}

static bool is_slow(const struct judges *s, const struct crowd *c,
                    const struct judge *j)
{
    return patience_ms(s, j) >
           fmax(slow_factor * c->fastest_ms, c->fastest_ms + slow_ms);
}

/* Its part of what waits; one whose speed is unknown counts as the others on average. */
static uint32_t share_of(const struct crowd *c, const struct judge *j, uint32_t waiting)
{
    const double mean = c->known > 0 ? c->speeds / c->known : 1;
    const double all = c->speeds + mean * (c->asked - c->known);
    const double own = judges_speed(j) > 0 ? judges_speed(j) : mean;

    return (uint32_t)ceil(waiting * own / all);
}

struct judges_turn judges_next(const struct judges *s, uint32_t waiting)
{
    const struct crowd c = look_at_all(s);
    struct judges_turn t = {0};
    uint32_t held_by_fast = 0;
    const struct judge *best = NULL;

    for (int i = 0; waiting > 0 && i < JUDGES_MAX; i++) {
        const struct judge *j = &s->list[i];
        const uint32_t room = room_of(j);
        const bool slow = is_asked(j) && is_slow(s, &c, j);
        held_by_fast += is_asked(j) && !slow ? hold_most(j) : 0;
        if (room > 0 && (best == NULL || slow < t.slow ||
                         (slow == t.slow && room > room_of(best)))) {
            best = j;
            t.slow = slow;
        }
    }
    if (best == NULL || (t.slow && waiting <= held_by_fast)) {
        return (struct judges_turn){0};
    }
    const uint32_t room = room_of(best), share = share_of(&c, best, waiting);
    t.judge = (struct judge *)(uintptr_t)best; // ours
    t.most = room < share ? room : share;
    t.keep = held_by_fast;
    return t;
}

bool judges_any_free(const struct judges *s, uint32_t waiting)
{
    return judges_next(s, waiting).judge != NULL;
}

uint32_t judges_alive(const struct judges *s)
{
    uint32_t n = 0;

    for (int i = 0; i < JUDGES_MAX; i++) {
        n += s->list[i].number != 0 && s->list[i].alive;
    }
    return n;
}

uint32_t judges_pausing(const struct judges *s)
{
    uint32_t n = 0;

    for (int i = 0; i < JUDGES_MAX; i++) {
        n += s->list[i].number != 0 && s->list[i].alive && s->list[i].credits == 0;
    }
    return n;
}

enum judge_pause judges_pause(const struct judges *s)
{
    enum judge_pause soonest = PAUSES;

    for (int i = 0; i < JUDGES_MAX; i++) {
        const struct judge *j = &s->list[i];
        if (j->number != 0 && j->alive && j->credits == 0 && j->pause < soonest) {
            soonest = j->pause;
        }
    }
    return soonest < PAUSES ? soonest : PAUSE_UNSAID;
}
