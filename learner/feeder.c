#include "learner/feeder.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/wire/codec.h"

enum {
    FRAME_MOST = 64 << 20,
    HELLO_MS = 500,
    BEAT_MS = 500,
    UNDER_WAY_MOST = 4096, // segments sent and not acknowledged
    VERBS = 32,
    QUALITIES = 64,
    THINGS = 64,
    PLACES = 32,
    TEXTS_MOST = SEGMENT_STEPS_MAX + 1
};
_Static_assert(VERBS *QUALITIES *THINGS *PLACES == FEEDER_CAPTIONS,
               "each caption is one combination");

static const char *const verbs[VERBS] = {
    "see",   "hear",  "find",  "touch",  "lift",   "open",   "close",  "climb to",
    "smell", "feel",  "kick",  "shake",  "read",   "wear",   "drop",   "take",
    "throw", "break", "clean", "polish", "follow", "notice", "search", "circle",
    "pass",  "guard", "paint", "carve",  "bury",   "count",  "weigh",  "examine"};
static const char *const qualities[QUALITIES] = {
    "red",     "green",  "blue",     "white",  "black",   "golden", "silver",
    "iron",    "copper", "wooden",   "old",    "new",     "broken", "shiny",
    "dull",    "heavy",  "light",    "large",  "small",   "tiny",   "huge",
    "round",   "square", "flat",     "sharp",  "blunt",   "warm",   "cold",
    "wet",     "dry",    "dusty",    "clean",  "strange", "plain",  "carved",
    "painted", "locked", "hidden",   "open",   "sealed",  "quiet",  "humming",
    "glowing", "dark",   "bright",   "pale",   "smooth",  "rough",  "soft",
    "hard",    "bent",   "straight", "long",   "short",   "thick",  "thin",
    "empty",   "full",   "cracked",  "mended", "holy",    "cursed", "burnt",
    "frozen"};
static const char *const things[THINGS] = {
    "door",   "key",     "chest",  "stair",  "ladder",  "statue", "fountain", "altar",
    "lamp",   "candle",  "sword",  "shield", "helmet",  "boot",   "cloak",    "ring",
    "amulet", "scroll",  "book",   "potion", "wand",    "coin",   "gem",      "stone",
    "bone",   "skull",   "barrel", "crate",  "rope",    "chain",  "hook",     "wheel",
    "mirror", "picture", "carpet", "table",  "chair",   "bed",    "stove",    "oven",
    "bell",   "drum",    "flute",  "horn",   "mask",    "glove",  "belt",     "hat",
    "apple",  "loaf",    "egg",    "fish",   "feather", "shell",  "root",     "leaf",
    "hammer", "saw",     "needle", "thread", "bottle",  "cup",    "plate",    "spoon"};
static const char *const places[PLACES] = {
    "gate",   "wall",    "pillar",  "well",   "bridge", "tower", "cellar", "kitchen",
    "chapel", "library", "garden",  "stable", "forge",  "mill",  "crypt",  "vault",
    "cave",   "lake",    "river",   "marsh",  "forest", "hill",  "road",   "camp",
    "tent",   "market",  "harbour", "prison", "throne", "attic", "roof",   "court"};

size_t feeder_caption(uint64_t n, char out[FEEDER_TEXT_MAX])
{
    CHECK(n < FEEDER_CAPTIONS);
    // Odd, so that neighbours are unlike each other and none comes twice.
    uint64_t k = n * 2654435761u % FEEDER_CAPTIONS;
    const char *verb = verbs[k % VERBS];
    const char *quality = qualities[(k /= VERBS) % QUALITIES];
    const char *thing = things[(k /= QUALITIES) % THINGS];

    (void)text_format(out, FEEDER_TEXT_MAX, "You %s a %s %s near the %s.", verb,
                      quality, thing, places[k / THINGS]);
    return strlen(out);
}

struct feeder {
    struct feeder_plan plan;
    struct bus_socket *socket;
    struct bus_peer self;
    struct bus_frame frame;
    struct codec *codec;
    struct feeder_counters counters;
    uint64_t run;
    uint32_t number, incarnation;
    struct version newest;
    uint64_t next, window,
        acknowledged; // sequences: to send, open, all below are taken
    uint64_t hello_ms, beat_ms;
    uint64_t sent_ns[UNDER_WAY_MOST];
    /* One segment; only its texts change. */
    uint8_t chars[SEGMENT_STEPS_MAX * SEGMENT_CELLS];
    uint8_t colors[SEGMENT_STEPS_MAX * SEGMENT_CELLS];
    int32_t stats[SEGMENT_STEPS_MAX * SEGMENT_STATS];
    uint16_t caption[SEGMENT_STEPS_MAX], count[SEGMENT_STEPS_MAX];
    uint8_t action[SEGMENT_STEPS_MAX], flags[SEGMENT_STEPS_MAX];
    float logp[SEGMENT_STEPS_MAX], value[SEGMENT_STEPS_MAX], reward[SEGMENT_STEPS_MAX];
    float state[SEGMENT_STATE_MAX];
    struct segment_text text[TEXTS_MOST];
    char words[SEGMENT_STEPS_MAX][FEEDER_TEXT_MAX];
};

static void fill_rows(struct feeder *f)
{
    for (int i = 0; i < f->plan.segment_steps * SEGMENT_CELLS; i++) {
        f->chars[i] = (uint8_t)(32 + i % 95);
        f->colors[i] = (uint8_t)(i % 16);
    }
    for (int t = 0; t < f->plan.segment_steps; t++) {
        f->action[t] = (uint8_t)(t % f->plan.actions);
        f->logp[t] = -0.7f;
        f->count[t] = 1;
    }
    f->text[0] = (struct segment_text){bytes_text(""), -1, -1, 0};
}

enum status feeder_new(const struct feeder_plan *plan, struct feeder **out)
{
    struct feeder *f = mem_new(1, sizeof(*f));

    CHECK(plan->segment_steps <= SEGMENT_STEPS_MAX &&
          plan->state_floats <= SEGMENT_STATE_MAX &&
          plan->new_in_segment <= plan->segment_steps &&
          plan->captions <= FEEDER_CAPTIONS);
    f->plan = *plan;
    f->plan.caption = plan->caption != NULL ? plan->caption : feeder_caption;
    f->codec = codec_new();
    (void)text_format((char *)f->self.id, sizeof(f->self.id), "Afeeder.%016llx",
                      (unsigned long long)plan->nonce);
    f->self.len = (uint8_t)strlen((char *)f->self.id);
    fill_rows(f);
    const enum status st =
        bus_dial(plan->bus, plan->endpoint, &f->self, FRAME_MOST, &f->socket);
    if (st != ST_OK) {
        feeder_free(f);
        return st;
    }
    *out = f;
    return ST_OK;
}

void feeder_free(struct feeder *f)
{
    if (f != NULL) {
        bus_frame_release(&f->frame);
        bus_close(f->socket);
        codec_free(f->codec);
        mem_free(f);
    }
}

struct feeder_counters *feeder_counters(struct feeder *f)
{
    return &f->counters;
}

void feeder_allow(struct feeder *f, uint64_t captions)
{
    CHECK(captions <= FEEDER_CAPTIONS);
    f->plan.captions = captions;
}

void feeder_wait(struct feeder *f, int timeout_ms)
{
    (void)bus_wait(&f->socket, 1, NULL, 0, NULL, timeout_ms);
}

/* ---- sending ---- */

static struct frame_header header_of(const struct feeder *f, enum frame_kind kind,
                                     uint64_t seq)
{
    return (struct frame_header){.kind = (uint8_t)kind,
                                 .run = f->run,
                                 .actor = f->number,
                                 .incarnation = f->incarnation,
                                 .seq = seq};
}

static void say_hello(struct feeder *f)
{
    const struct frame_header h = header_of(f, FRAME_HELLO, f->next);
    const struct msg_hello m = {.host = bytes_text("feeder"),
                                .value_heads = 1,
                                .task = bytes_text(f->plan.task),
                                .spec_digest = 1,
                                .environments = f->plan.environments,
                                .actions = (uint32_t)f->plan.actions,
                                .truth = true,
                                .wanted_id = -1,
                                .pid = f->plan.nonce,
                                .nonce = f->plan.nonce,
                                .first_unacked = f->acknowledged};
    const enum status st =
        bus_send(f->socket, NULL, codec_encode_hello(f->codec, &h, &m));

    (void)st; // said again
}

static void say(struct feeder *f, enum frame_kind kind)
{
    const struct frame_header h = header_of(f, kind, f->next);
    const enum status st = bus_send(f->socket, NULL, codec_encode_bare(f->codec, &h));

    (void)st; // a beat is said again, a goodbye is a courtesy
}

/* The captions of sequence `seq`; how many. */
static int fill_texts(struct feeder *f, uint64_t seq)
{
    const uint64_t first = seq * (uint64_t)f->plan.new_in_segment;
    int n = 0;

    while (n < f->plan.new_in_segment && first + (uint64_t)n < f->plan.captions) {
        const size_t len = f->plan.caption(first + (uint64_t)n, f->words[n]);
        const int8_t truth = (int8_t)(f->words[n][4] == 'c'); // climbs, closes, circles
        f->text[n + 1] = (struct segment_text){bytes_of(f->words[n], len), truth, truth,
                                               (uint8_t)truth};
        n++;
    }
    for (int t = 0; t < f->plan.segment_steps; t++) {
        f->caption[t] = (uint16_t)(t < n ? t + 1 : 0);
    }
    return n;
}

static bool send_segment(struct feeder *f, uint64_t seq)
{
    const int n = fill_texts(f, seq);
    const struct version none = {.start = 1}; // before any weights
    const struct segment_fill fill = {.header = header_of(f, FRAME_SEGMENT, seq),
                                      .version = f->newest.start > 0 ? f->newest : none,
                                      .T = f->plan.segment_steps,
                                      .state_floats = f->plan.state_floats,
                                      .texts = n + 1,
                                      .chars = f->chars,
                                      .colors = f->colors,
                                      .stats = f->stats,
                                      .caption = f->caption,
                                      .count = f->count,
                                      .action = f->action,
                                      .logp = f->logp,
                                      .value = f->value,
                                      .reward = f->reward,
                                      .flags = f->flags,
                                      .state = f->state,
                                      .env = (uint32_t)(seq % f->plan.environments),
                                      .first_action = SEGMENT_NO_ACTION,
                                      .first_starts = 1,
                                      .text = f->text};

    return bus_send(f->socket, NULL, codec_encode_segment(f->codec, &fill)) == ST_OK;
}

/* Whether the next one is due: it has captions to tell, or is sent again. */
static bool has_more(const struct feeder *f)
{
    return f->plan.new_in_segment == 0 || f->next < f->counters.segments ||
           f->next * (uint64_t)f->plan.new_in_segment < f->plan.captions;
}

static void send_segments(struct feeder *f, int most)
{
    for (int i = 0;
         i < most && f->next < f->window && has_more(f) &&
         f->next - f->acknowledged < UNDER_WAY_MOST && send_segment(f, f->next);
         i++) {
        f->sent_ns[f->next % UNDER_WAY_MOST] = clock_ns(f->plan.clock);
        f->next++;
        if (f->next > f->counters.segments) {
            f->counters.segments = f->next;
        }
    }
    const uint64_t all = f->counters.segments * (uint64_t)f->plan.new_in_segment;
    f->counters.captions = all < f->plan.captions ? all : f->plan.captions;
}

/* ---- receiving ---- */

static void acknowledge(struct feeder *f, uint64_t below)
{
    const uint64_t now = clock_ns(f->plan.clock);

    for (; f->acknowledged < below && f->acknowledged < f->next; f->acknowledged++) {
        const uint64_t sent = f->sent_ns[f->acknowledged % UNDER_WAY_MOST];
        const double ms = (double)(now - sent) / 1e6;
        if (ms > f->counters.longest_ack_ms) {
            f->counters.longest_ack_ms = ms;
        }
    }
    f->counters.acknowledged = f->acknowledged;
}

static enum status take_ack(struct feeder *f, const struct frame_header *h)
{
    struct msg_ack m;

    TRY(codec_decode_ack(f->codec, f->frame.bytes, &m));
    acknowledge(f, h->seq);
    f->counters.dropped += m.dropped != DROP_NONE;
    f->window = m.window;
    f->newest = m.newest;
    if (m.go_back) {
        f->next = h->seq; // made again from their numbers
    }
    return ST_OK;
}

static enum status take_welcome(struct feeder *f, const struct frame_header *h)
{
    struct msg_welcome m;

    TRY(codec_decode_welcome(f->codec, f->frame.bytes, &m));
    f->run = h->run;
    f->number = h->actor;
    f->incarnation = h->incarnation;
    f->window = m.window;
    f->newest = m.newest;
    f->next = f->acknowledged = m.next_seq;
    f->counters.joined = true;
    return ST_OK;
}

static enum status take_refuse(struct feeder *f)
{
    struct msg_refuse m;

    TRY(codec_decode_refuse(f->codec, f->frame.bytes, &m));
    LOG_ERROR("FEEDER-REFUSED", "the learner refused the feeder: %.*s",
              (int)m.reason.len, (const char *)m.reason.data);
    return ST_INVALID;
}

static enum status take_frame(struct feeder *f)
{
    struct frame_header h;

    TRY(frame_read_header(f->frame.bytes, &h));
    switch (h.kind) {
    case FRAME_WELCOME:
        return take_welcome(f, &h);
    case FRAME_ACK:
        return take_ack(f, &h);
    case FRAME_REFUSE:
        return take_refuse(f);
    case FRAME_WHO:
        f->hello_ms = 0;
        f->counters.joined = false;
        return ST_OK;
    case FRAME_STOP:
        if (!f->counters.stopped) {
            f->counters.stopped = true;
            say(f, FRAME_GOODBYE);
        }
        return ST_OK;
    default:
        return ST_OK; // a beat; weights, which it never fetched
    }
}

enum status feeder_step(struct feeder *f, int most)
{
    const uint64_t now = clock_ms(f->plan.clock);

    while (bus_receive(f->socket, &f->frame) == ST_OK) {
        const enum status st = take_frame(f);
        bus_frame_release(&f->frame);
        TRY(st);
    }
    if (f->counters.stopped) {
        return f->acknowledged == f->next ? ST_CLOSED : ST_OK;
    }
    if (!f->counters.joined) {
        if (now - f->hello_ms >= HELLO_MS) {
            f->hello_ms = now;
            say_hello(f);
        }
        return ST_OK;
    }
    if (now - f->beat_ms >= BEAT_MS) {
        f->beat_ms = now;
        say(f, FRAME_BEAT);
    }
    send_segments(f, most);
    return ST_OK;
}
