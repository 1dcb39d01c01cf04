/* The in-memory twin: one thread, a turned clock, the same order every time. It keeps
 * the habits of libzmq 4.3 that the protocol must live with:
 *  - frames to an endpoint that does not listen yet wait at the dialler; once connected
 *    they belong to the listener, and are lost with it;
 *  - what a closed dialler sent before is still read, but it cannot be answered;
 *  - a second dialler with the same routing id takes it over, unread frames of the first
 *    are lost, and the first comes back after the reconnect interval;
 *  - small frames come at odd addresses. */

#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/base/text.h"
#include "common/wire/bus_impl.h"
#include "common/wire/frame.h"

enum {
    HIGH_WATER = 10000,    // frames a queue, as bus_zmq.c
    RECONNECT_MS = 100,    // after a take-over
    FIRST_PORT = 49152,    // given out for port 0
    SMALL_FRAME = 8192,    // below: odd address; from here on: 8 mod 16
    SIZE_CLASSES = 32,     // 64 B << class
    MEMORY_SEED = 20240601 // of the faults' chance
};

static const struct bus_ops memory_ops;

/* A frame on its way. Freed ones are kept by size class, so that a steady run allocates
 * nothing. */
struct node {
    struct bus_held base;
    struct node *next;
    struct memory_bus *owner;
    uint64_t due_ns;
    size_t len;
    uint8_t *data; // into room
    int size_class, parts;
    uint8_t *room;
};

struct queue {
    struct node *head, *tail;
    int count;
};

/* One connection, at its listener. `dialler` is NULL once that end is closed. */
struct link {
    struct link *next;
    struct bus_peer peer;
    struct memory_socket *dialler;
    struct queue unread;
};

struct memory_socket {
    struct bus_socket base;
    struct memory_socket *next;      // all of the bus, in the order of their opening
    char endpoint[BUS_ENDPOINT_MAX]; // what peers dial, or what is dialled
    // of a listener
    char where[BUS_ENDPOINT_MAX];
    struct link *links; // a ring in spirit: the one just read goes to the end
    // of a dialler
    struct bus_peer self;
    struct memory_socket *listener; // NULL while not connected
    struct queue outbox, inbox;
    uint64_t retry_ns;
};

struct memory_bus {
    struct bus base;
    const struct clock *clock;
    struct memory_socket *sockets;
    struct node *spare[SIZE_CLASSES];
    struct link *spare_links;
    struct bus_faults faults;
    struct rng rng;
    int next_port;
    uint32_t orphans; // connections that lost their id to another
};

struct bus *bus_new_memory(const struct clock *clock)
{
    struct memory_bus *b = mem_new(1, sizeof(*b));

    b->base.ops = &memory_ops;
    b->clock = clock;
    b->next_port = FIRST_PORT;
    rng_init(&b->rng, MEMORY_SEED);
    return &b->base;
}

static void memory_free(struct bus *base)
{
    struct memory_bus *b = (struct memory_bus *)base;

    for (int i = 0; i < SIZE_CLASSES; i++) {
        while (b->spare[i] != NULL) {
            struct node *next = b->spare[i]->next;
            mem_free(b->spare[i]->room);
            mem_free(b->spare[i]);
            b->spare[i] = next;
        }
    }
    while (b->spare_links != NULL) {
        struct link *next = b->spare_links->next;
        mem_free(b->spare_links);
        b->spare_links = next;
    }
    mem_free(b);
}

void bus_memory_faults(struct bus *base, const struct bus_faults *f)
{
    CHECK(base->ops == &memory_ops);
    ((struct memory_bus *)base)->faults = *f;
}

/* ---- frames and queues ---- */

static struct node *node_new(struct memory_bus *b, struct bytes frame, int parts)
{
    int size_class = 0;

    while (((size_t)64 << size_class) < frame.len + 16) {
        size_class++;
    }
    CHECK(size_class < SIZE_CLASSES);
    struct node *n = b->spare[size_class];
    if (n != NULL) {
        b->spare[size_class] = n->next;
    } else {
        n = mem_new(1, sizeof(*n));
        n->base.ops = &memory_ops;
        n->owner = b;
        n->size_class = size_class;
        n->room = mem_new(1, (size_t)64 << size_class);
    }
    n->data = n->room + (frame.len < SMALL_FRAME ? 1 : 8);
    n->len = frame.len;
    n->parts = parts;
    n->next = NULL;
    if (frame.len > 0) {
        memcpy(n->data, frame.data, frame.len);
    }
    return n;
}

static void node_free(struct node *n)
{
    n->next = n->owner->spare[n->size_class];
    n->owner->spare[n->size_class] = n;
}

static void queue_push(struct queue *q, struct node *n)
{
    if (q->tail != NULL) {
        q->tail->next = n;
    } else {
        q->head = n;
    }
    q->tail = n;
    q->count++;
}

static struct node *queue_pop(struct queue *q)
{
    struct node *n = q->head;

    q->head = n->next;
    q->tail = q->head == NULL ? NULL : q->tail;
    q->count--;
    n->next = NULL;
    return n;
}

static void queue_drop(struct queue *q)
{
    while (q->head != NULL) {
        node_free(queue_pop(q));
    }
}

/* TCP keeps the order, so a delayed head holds back what is behind it. */
static bool queue_ready(const struct memory_bus *b, const struct queue *q)
{
    return q->head != NULL && q->head->due_ns <= clock_ns(b->clock);
}

/* ---- connections ---- */

static struct memory_socket *listener_at(const struct memory_bus *b,
                                         const char *endpoint)
{
    for (struct memory_socket *s = b->sockets; s != NULL; s = s->next) {
        if (s->base.listens &&
            (strcmp(s->endpoint, endpoint) == 0 || strcmp(s->where, endpoint) == 0)) {
            return s;
        }
    }
    return NULL;
}

static bool peer_equal(const struct bus_peer *a, const struct bus_peer *b)
{
    return a->len == b->len && memcmp(a->id, b->id, a->len) == 0;
}

static struct link *link_find(const struct memory_socket *listener,
                              const struct bus_peer *peer)
{
    for (struct link *l = listener->links; l != NULL; l = l->next) {
        if (peer_equal(&l->peer, peer)) {
            return l;
        }
    }
    return NULL;
}

static void link_append(struct memory_socket *listener, struct link *l)
{
    struct link **at = &listener->links;

    while (*at != NULL) {
        at = &(*at)->next;
    }
    l->next = NULL;
    *at = l;
}

static void link_unchain(struct memory_socket *listener, const struct link *l)
{
    struct link **at = &listener->links;

    while (*at != l) {
        at = &(*at)->next;
    }
    *at = l->next;
}

static void link_remove(struct memory_bus *b, struct memory_socket *listener,
                        struct link *l)
{
    queue_drop(&l->unread);
    link_unchain(listener, l);
    l->next = b->spare_links;
    b->spare_links = l;
}

/* The id goes to a newcomer. A live connection is cut; one that was closed already is
 * read to its end under a name that nobody else has. */
static void link_hand_over(struct memory_bus *b, struct memory_socket *listener,
                           struct link *l)
{
    if (l->dialler != NULL) {
        l->dialler->listener = NULL;
        l->dialler->retry_ns = clock_ns(b->clock) + RECONNECT_MS * 1000000u;
        link_remove(b, listener, l);
        return;
    }
    l->peer = (struct bus_peer){.len = 5}; // as libzmq names those without an id
    b->orphans++;
    memcpy(l->peer.id + 1, &b->orphans, sizeof(b->orphans));
}

static void connect_dialler(struct memory_bus *b, struct memory_socket *s)
{
    struct memory_socket *listener = listener_at(b, s->endpoint);
    struct link *l;

    if (listener == NULL) {
        return;
    }
    l = link_find(listener, &s->self);
    if (l != NULL) {
        link_hand_over(b, listener, l);
    }
    l = b->spare_links;
    if (l != NULL) {
        b->spare_links = l->next;
    } else {
        l = mem_new(1, sizeof(*l));
    }
    *l = (struct link){.peer = s->self, .dialler = s, .unread = s->outbox};
    s->outbox = (struct queue){0};
    s->listener = listener;
    link_append(listener, l);
}

/* Runs before whatever may see the difference. */
static void connect_waiting(struct memory_bus *b)
{
    for (struct memory_socket *s = b->sockets; s != NULL; s = s->next) {
        if (!s->base.listens && s->listener == NULL &&
            s->retry_ns <= clock_ns(b->clock)) {
            connect_dialler(b, s);
        }
    }
}

/* ---- sockets ---- */

static struct memory_socket *socket_new(struct memory_bus *b, bool listens,
                                        uint64_t max_frame)
{
    struct memory_socket *s = mem_new(1, sizeof(*s)), **at = &b->sockets;

    s->base = (struct bus_socket){.ops = &memory_ops,
                                  .bus = &b->base,
                                  .listens = listens,
                                  .max_frame = max_frame};
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = s;
    return s;
}

static enum status memory_listen(struct bus *base, const char *addr, int *port,
                                 const char *advertise, uint64_t max_frame,
                                 struct bus_socket **out)
{
    struct memory_bus *b = (struct memory_bus *)base;
    char where[BUS_ENDPOINT_MAX];
    const int wanted = *port;

    do {
        *port = wanted == 0 ? b->next_port++ : wanted;
        text_format(where, sizeof(where), "tcp://%s:%d", addr, *port);
    } while (wanted == 0 && listener_at(b, where) != NULL);
    if (listener_at(b, where) != NULL) {
        return ST_AGAIN;
    }
    struct memory_socket *s = socket_new(b, true, max_frame);
    text_format(s->where, sizeof(s->where), "%s", where);
    text_format(s->endpoint, sizeof(s->endpoint), "tcp://%s:%d", advertise, *port);
    connect_waiting(b);
    *out = &s->base;
    return ST_OK;
}

static enum status memory_dial(struct bus *base, const char *endpoint,
                               const struct bus_peer *self, uint64_t max_frame,
                               struct bus_socket **out)
{
    struct memory_bus *b = (struct memory_bus *)base;
    struct memory_socket *s = socket_new(b, false, max_frame);

    s->self = *self;
    text_format(s->endpoint, sizeof(s->endpoint), "%s", endpoint);
    connect_dialler(b, s);
    *out = &s->base;
    return ST_OK;
}

static void close_listener(struct memory_bus *b, struct memory_socket *s)
{
    while (s->links != NULL) {
        if (s->links->dialler != NULL) {
            s->links->dialler->listener = NULL;
            s->links->dialler->retry_ns = 0;
        }
        link_remove(b, s, s->links);
    }
}

static void close_dialler(struct memory_bus *b, struct memory_socket *s)
{
    struct link *l = s->listener != NULL ? link_find(s->listener, &s->self) : NULL;

    if (l != NULL) {
        l->dialler = NULL;
        if (l->unread.count == 0) {
            link_remove(b, s->listener, l);
        }
    }
    queue_drop(&s->outbox);
    queue_drop(&s->inbox);
}

static void memory_close(struct bus_socket *base)
{
    struct memory_socket *s = (struct memory_socket *)base;
    struct memory_bus *b = (struct memory_bus *)base->bus;
    struct memory_socket **at = &b->sockets;

    if (base->listens) {
        close_listener(b, s);
    } else {
        close_dialler(b, s);
    }
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    mem_free(s);
}

void bus_memory_cut(struct bus *base, const char *endpoint)
{
    struct memory_bus *b = (struct memory_bus *)base;
    const struct memory_socket *listener = listener_at(b, endpoint);

    CHECK(base->ops == &memory_ops);
    for (struct link *l = listener != NULL ? listener->links : NULL; l != NULL;
         l = l->next) {
        queue_drop(&l->unread);
    }
    for (struct memory_socket *s = b->sockets; s != NULL; s = s->next) {
        if (!s->base.listens && strcmp(s->endpoint, endpoint) == 0) {
            queue_drop(&s->outbox);
        }
    }
}

/* ---- sending and receiving ---- */

static bool chance(struct memory_bus *b, int in_1000)
{
    return in_1000 > 0 && rng_below(&b->rng, 1000) < (uint32_t)in_1000;
}

/* What a broken peer, or none of ours, might send. */
static struct node *garbage_new(struct memory_bus *b, struct bytes frame)
{
    const size_t len =
        frame.len < 2 ? frame.len : 1 + rng_below(&b->rng, (uint32_t)frame.len - 1);
    struct node *n = node_new(b, bytes_of(frame.data, len), 1);

    if (chance(b, 500)) {
        for (size_t i = 0; i < len; i++) {
            n->data[i] = (uint8_t)rng_below(&b->rng, 256);
        }
    }
    return n;
}

static void push_frame(struct memory_bus *b, struct queue *q, struct bytes frame,
                       int parts)
{
    const struct bus_faults *f = &b->faults;
    struct frame_header h = {0};
    const bool known = frame_read_header(frame, &h) == ST_OK;
    const bool hit = f->kind == 0 || (known && f->kind == h.kind);
    int copies = 1;

    if (hit) {
        copies = chance(b, f->lose) ? 0 : 1;
        copies += copies > 0 && chance(b, f->repeat) ? 1 : 0;
    }
    for (int i = hit && chance(b, f->garbage) ? -1 : 0; i < copies; i++) {
        struct node *n = i < 0 ? garbage_new(b, frame) : node_new(b, frame, parts);
        n->due_ns = clock_ns(b->clock) + (hit ? f->delay_ms * 1000000u : 0);
        queue_push(q, n);
    }
}

static enum status memory_send(struct bus_socket *base, const struct bus_peer *to,
                               const struct bytes *parts, int count)
{
    struct memory_socket *s = (struct memory_socket *)base;
    struct memory_bus *b = (struct memory_bus *)base->bus;
    struct link *l;
    struct queue *q;

    connect_waiting(b);
    if (base->listens) {
        l = link_find(s, to);
        if (l == NULL || l->dialler == NULL) {
            return ST_NOTFOUND;
        }
        q = &l->dialler->inbox;
    } else {
        l = s->listener != NULL ? link_find(s->listener, &s->self) : NULL;
        q = l != NULL ? &l->unread : &s->outbox;
    }
    if (q->count >= HIGH_WATER) {
        return ST_AGAIN;
    }
    push_frame(b, q, parts[0], count);
    return ST_OK;
}

static enum status memory_send_blob(struct bus_socket *s, const struct bus_peer *to,
                                    struct bus_blob *blob)
{
    const struct bytes frame = bus_blob_bytes(blob);

    return memory_send(s, to, &frame, 1);
}

static struct link *link_ready(const struct memory_bus *b,
                               const struct memory_socket *s)
{
    struct link *l = s->links;

    while (l != NULL && !queue_ready(b, &l->unread)) {
        l = l->next;
    }
    return l;
}

static enum status memory_receive(struct bus_socket *base, struct bus_frame *frame,
                                  int *parts)
{
    struct memory_socket *s = (struct memory_socket *)base;
    struct memory_bus *b = (struct memory_bus *)base->bus;
    struct node *n = NULL;

    connect_waiting(b);
    if (base->listens) {
        struct link *l = link_ready(b, s);
        if (l != NULL) {
            n = queue_pop(&l->unread);
            frame->peer = l->peer;
            link_unchain(s, l); // fair: every other peer comes before this one again
            link_append(s, l);
            if (l->dialler == NULL && l->unread.count == 0) {
                link_remove(b, s, l);
            }
        }
    } else if (queue_ready(b, &s->inbox)) {
        n = queue_pop(&s->inbox);
    }
    if (n == NULL) {
        return ST_AGAIN;
    }
    frame->bytes = bytes_of(n->data, n->len);
    frame->impl = n;
    *parts = n->parts;
    return ST_OK;
}

static void memory_release(struct bus_frame *frame)
{
    node_free(frame->impl);
}

static bool memory_wait(struct bus_socket *const *sockets, int count, const int *fds,
                        int fd_count, bool *fd_ready, int timeout_ms)
{
    struct memory_bus *b = (struct memory_bus *)sockets[0]->bus;
    bool ready = bus_wait(NULL, 0, fds, fd_count, fd_ready, 0);

    (void)timeout_ms; // only the test moves the clock
    connect_waiting(b);
    for (int i = 0; i < count; i++) {
        const struct memory_socket *s = (const struct memory_socket *)sockets[i];
        ready |= s->base.listens ? link_ready(b, s) != NULL : queue_ready(b, &s->inbox);
    }
    return ready;
}

static const struct bus_ops memory_ops = {
    .free_bus = memory_free,
    .listen = memory_listen,
    .dial = memory_dial,
    .close = memory_close,
    .send = memory_send,
    .send_blob = memory_send_blob,
    .receive = memory_receive,
    .release = memory_release,
    .wait = memory_wait,
};
