#include "common/wire/wire_bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/wire/bus.h"
#include "common/wire/codec.h"

enum {
    T_USUAL = 32,
    T_LARGE = 322, // a frame of 135 KB, the size in common use for full screens
    TEXTS = 12,
    STATE = 256, // the default network's
    BATCHES_MAX = 4096,
    FRAME_MOST = 1 << 20,
    ACK_EACH = 16, // frames
    ARRIVE_S = 30, // to wait for the first frames
    WINDOW = 128   // frames under way: 17 MB of large ones
};

/* ---- a segment to send ---- */

struct load {
    struct segment_fill fill;
    struct segment_text text[TEXTS];
    struct arena memory;
};

static void *filled(struct arena *a, size_t count, size_t size)
{
    return memset(arena_new(a, count, size), 0, count * size);
}

static void load_init(struct load *l, int T)
{
    const size_t rows = (size_t)T;
    struct segment_fill *f = &l->fill;

    arena_init(&l->memory, rows * 512 + 65536);
    uint8_t *chars = filled(&l->memory, rows * SEGMENT_CELLS, 1);
    uint16_t *caption = filled(&l->memory, rows, sizeof(*caption));
    uint16_t *count = filled(&l->memory, rows, sizeof(*count));
    for (size_t i = 0; i < rows * SEGMENT_CELLS; i++) {
        chars[i] = (uint8_t)(32 + i % 90);
    }
    for (size_t t = 0; t < rows; t++) {
        caption[t] = (uint16_t)(t % TEXTS);
        count[t] = 1;
    }
    for (int i = 0; i < TEXTS; i++) {
        l->text[i] = (struct segment_text){
            bytes_text("You see here a scroll labeled FOOBIE BLETCH."), -1, -1, 0};
    }
    *f = (struct segment_fill){.header = {.kind = FRAME_SEGMENT},
                               .version = {1, 1},
                               .T = T,
                               .state_floats = STATE,
                               .texts = TEXTS,
                               .chars = chars,
                               .caption = caption,
                               .count = count,
                               .first_action = SEGMENT_NO_ACTION,
                               .text = l->text};
    f->colors = filled(&l->memory, rows * SEGMENT_CELLS, 1);
    f->stats = filled(&l->memory, rows * SEGMENT_STATS, sizeof(int32_t));
    f->action = filled(&l->memory, rows, 1);
    f->flags = filled(&l->memory, rows, 1);
    f->logp = filled(&l->memory, rows, sizeof(float));
    f->value = filled(&l->memory, rows, sizeof(float));
    f->reward = filled(&l->memory, rows, sizeof(float));
    f->state = filled(&l->memory, STATE, sizeof(float));
}

/* ---- codec ---- */

struct codec_bench {
    struct load load;
    struct codec *codec;
    struct bytes frame; // encoded once, apart from the codec's buffer
    uint8_t *copy, *target;
    uint64_t sum; // of what was read, so that nothing is left out
};

static void run_memcpy(struct codec_bench *b)
{
    memcpy(b->target, b->frame.data, b->frame.len);
    b->sum += b->target[b->frame.len / 2];
    __asm__ volatile("" : : "r"(b->target) : "memory"); // the copy must happen
}

static void run_encode(struct codec_bench *b)
{
    b->load.fill.header.seq++;
    b->sum += codec_encode_segment(b->codec, &b->load.fill).len;
}

static void run_decode(struct codec_bench *b)
{
    struct segment_view v;

    CHECK(codec_decode_segment(b->codec, b->frame, NULL, &v) == ST_OK);
    b->sum += v.chars[0];
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* µs per call: the median over batches of about 20 µs or more, so that a batch that
 * another process interrupted does not count. */
static double median_us(struct codec_bench *b, void (*run)(struct codec_bench *),
                        int calls, double seconds)
{
    const double end = clock_s(clock_system()) + seconds;
    double *us = mem_new(BATCHES_MAX, sizeof(*us)), median;
    int batches = 0;

    do {
        const uint64_t start = clock_ns(clock_system());
        for (int i = 0; i < calls; i++) {
            run(b);
        }
        us[batches++] =
            (double)(clock_ns(clock_system()) - start) * 1e-3 / (double)calls;
    } while (batches < BATCHES_MAX && clock_s(clock_system()) < end);
    qsort(us, (size_t)batches, sizeof(*us), by_value);
    median = us[batches / 2];
    mem_free(us);
    return median;
}

static void bench_size(double seconds, int T, const char *name, struct metrics_row *out)
{
    static const struct {
        const char *what;
        void (*run)(struct codec_bench *);
        int calls;
    } parts[] = {{"memcpy_us", run_memcpy, 64},
                 {"encode_us", run_encode, 64},
                 {"decode_us", run_decode, 64}};
    struct codec_bench b = {0};
    char key[64];

    load_init(&b.load, T);
    b.codec = codec_new();
    const struct bytes frame = codec_encode_segment(b.codec, &b.load.fill);
    b.copy = mem_new(frame.len, 1);
    b.target = mem_new(frame.len, 1);
    memcpy(b.copy, frame.data, frame.len);
    b.frame = bytes_of(b.copy, frame.len);
    text_format(key, sizeof(key), "%s_bytes", name);
    metrics_int(out, key, (int64_t)frame.len);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        text_format(key, sizeof(key), "%s_%s", name, parts[i].what);
        metrics_num(out, key, median_us(&b, parts[i].run, parts[i].calls, seconds / 3));
    }
    CHECK(b.sum > 0);
    codec_free(b.codec);
    mem_free(b.copy);
    mem_free(b.target);
    arena_release(&b.load.memory);
}

enum status wire_bench_codec(double seconds, struct metrics_row *out)
{
    bench_size(seconds / 2, T_USUAL, "segment", out);
    bench_size(seconds / 2, T_LARGE, "large", out);
    return ST_OK;
}

/* ---- bus ---- */

struct sender {
    char endpoint[BUS_ENDPOINT_MAX];
    struct bytes frame;
    double give_up; // clock_s(), should the receiver fail and never say stop
    enum status st;
};

/* Takes acks and the order to stop; ST_CLOSED: that came. */
static enum status sender_receive(struct bus_socket *s, uint64_t *acked)
{
    struct bus_frame f = {0};
    struct frame_header h;
    enum status st;

    while ((st = bus_receive(s, &f)) == ST_OK) {
        CHECK(frame_read_header(f.bytes, &h) == ST_OK);
        *acked = h.seq;
        if (h.kind == FRAME_STOP) {
            bus_frame_release(&f);
            return ST_CLOSED;
        }
    }
    bus_frame_release(&f);
    return st == ST_AGAIN ? ST_OK : st;
}

static enum status send_loop(const struct sender *sender, struct bus_socket *s)
{
    uint64_t sent = 0, acked = 0;

    while (clock_s(clock_system()) < sender->give_up) {
        const enum status st = sender_receive(s, &acked);
        if (st != ST_OK) {
            return st == ST_CLOSED ? ST_OK : st;
        }
        if (sent - acked >= WINDOW) {
            (void)bus_wait(&s, 1, NULL, 0, NULL, 100);
            continue;
        }
        const enum status went = bus_send(s, NULL, sender->frame);
        sent += went == ST_OK;
        if (went != ST_OK && went != ST_AGAIN) {
            return went;
        }
    }
    return ST_TIMEOUT;
}

static void *sender_main(void *arg)
{
    const struct bus_peer self = {.len = 5, .id = {'b', 'e', 'n', 'c', 'h'}};
    struct sender *sender = arg;
    struct bus *bus = bus_new();
    struct bus_socket *s;

    sender->st = bus_dial(bus, sender->endpoint, &self, FRAME_MOST, &s);
    if (sender->st == ST_OK) {
        sender->st = send_loop(sender, s);
        bus_close(s);
    }
    bus_free(bus);
    return NULL;
}

static enum status answer(struct codec *c, struct bus_socket *s,
                          const struct bus_peer *to, uint8_t kind, uint64_t seq)
{
    const struct frame_header h = {.kind = kind, .seq = seq};

    return bus_send(s, to, codec_encode_bare(c, &h));
}

struct receiver {
    struct bus_socket *socket;
    struct codec *codec;
    uint64_t frames, bytes;
    double seconds;
};

/* Counts from the first frame on, verifies each as a learner does, and acknowledges. */
static enum status receive_loop(struct receiver *r, double seconds, int ack_each)
{
    const double give_up = clock_s(clock_system()) + seconds + ARRIVE_S;
    struct bus_frame f = {0};
    struct bus_peer peer = {0};
    struct segment_view v;
    double start = 0, now = clock_s(clock_system());

    // At least one, also where this machine stands still for all of the time.
    while (r->frames == 0 ? now < give_up : now < start + seconds) {
        const enum status st = bus_receive(r->socket, &f);
        if (st == ST_AGAIN) {
            (void)bus_wait(&r->socket, 1, NULL, 0, NULL, 100);
            now = clock_s(clock_system());
            continue;
        }
        TRY(st);
        CHECK(codec_decode_segment(r->codec, f.bytes, NULL, &v) == ST_OK);
        if (start == 0) {
            start = clock_s(clock_system());
            peer = f.peer;
        } else {
            r->frames++;
            r->bytes += f.bytes.len;
        }
        if ((r->frames + 1) % (uint64_t)ack_each == 0) {
            TRY(answer(r->codec, r->socket, &peer, FRAME_ACK, r->frames + 1));
            now = clock_s(clock_system());
        }
    }
    bus_frame_release(&f);
    if (r->frames == 0) {
        LOG_ERROR("BENCH-BUS", "no two frames arrived over loopback in %g s",
                  seconds + ARRIVE_S);
        return ST_TIMEOUT;
    }
    r->seconds = now - start;
    return answer(r->codec, r->socket, &peer, FRAME_STOP, r->frames + 1);
}

static enum status bench_stream(double seconds, int T, const char *name,
                                struct metrics_row *out)
{
    struct sender sender = {.give_up =
                                clock_s(clock_system()) + seconds + 2 * ARRIVE_S};
    struct receiver r = {.codec = codec_new()};
    struct codec *codec = codec_new();
    struct bus *bus = bus_new();
    struct load load;
    pthread_t thread;
    char key[64];

    load_init(&load, T);
    sender.frame = codec_encode_segment(codec, &load.fill);
    enum status st = bus_listen(bus, "127.0.0.1", 0, true, NULL, FRAME_MOST, &r.socket,
                                sender.endpoint);
    if (st == ST_OK) {
        CHECK(pthread_create(&thread, NULL, sender_main, &sender) == 0);
        st = receive_loop(&r, seconds, ACK_EACH);
        CHECK(pthread_join(thread, NULL) == 0);
        bus_close(r.socket);
    }
    if (st == ST_OK) {
        text_format(key, sizeof(key), "%s_per_s", name);
        metrics_num(out, key, (double)r.frames / r.seconds);
        text_format(key, sizeof(key), "%s_gb_per_s", name);
        metrics_num(out, key, (double)r.bytes / r.seconds * 1e-9);
    }
    bus_free(bus);
    codec_free(codec);
    codec_free(r.codec);
    arena_release(&load.memory);
    return st != ST_OK ? st : sender.st;
}

enum status wire_bench_bus(double seconds, struct metrics_row *out)
{
    TRY(bench_stream(seconds / 2, T_USUAL, "segment", out));
    return bench_stream(seconds / 2, T_LARGE, "large", out);
}
