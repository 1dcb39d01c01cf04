#include <errno.h>
#include <string.h>
#include <zmq.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/wire/bus_impl.h"

enum {
    LINGER_MS = 500,     // a goodbye may still leave, a dead peer does not hold us
    HEARTBEAT_MS = 1000, // finds a stopped host; a stuck main loop needs FRAME_BEAT
    // Without an answer for so long the connection is given up, and with it what is on its
    // way. Not soon: machines stand still for seconds, and go on.
    HEARTBEAT_DEAD = 10000,
    RECONNECT_MS = 100,
    RECONNECT_MOST_MS = 2000, // doubled from RECONNECT_MS up to this
    HIGH_WATER = 10000        // frames a pipe; windows are the limiter, never this
};

static const struct bus_ops zmq_ops;

struct zmq_bus {
    struct bus base;
    void *context;
};

/* A message that a struct bus_frame borrows from. Kept in a list for the next receive,
 * so that receiving allocates only until as many exist as are held at once. */
struct held {
    struct bus_held base;
    struct zmq_socket *owner;
    struct held *next;
    zmq_msg_t msg;
};

struct zmq_socket {
    struct bus_socket base;
    void *socket;
    struct held *spare;
    char where[BUS_ENDPOINT_MAX]; // of a bound one, as libzmq names it
};

struct bus_blob {
    zmq_msg_t msg;
};

static enum status failed(const char *what)
{
    if (errno == ETERM) {
        return ST_CLOSED;
    }
    LOG_ERROR("BUS-ZMQ", "cannot %s, %s", what, zmq_strerror(errno));
    return ST_IO;
}

struct bus *bus_new(void)
{
    struct zmq_bus *b = mem_new(1, sizeof(*b));

    b->base.ops = &zmq_ops;
    b->context = zmq_ctx_new();
    CHECK(b->context != NULL);
    return &b->base;
}

static void zmq_bus_free(struct bus *base)
{
    struct zmq_bus *b = (struct zmq_bus *)base;

    while (zmq_ctx_term(b->context) != 0 && errno == EINTR) {
    }
    mem_free(b);
}

static void set_int(void *socket, int option, int value)
{
    CHECK(zmq_setsockopt(socket, option, &value, sizeof(value)) == 0);
}

/* ST_IO (logged): no more sockets or descriptors. */
static enum status socket_new(struct zmq_bus *b, int type, uint64_t max_frame,
                              struct zmq_socket **out)
{
    void *socket = zmq_socket(b->context, type);
    const int64_t most = (int64_t)max_frame;

    if (socket == NULL) {
        return failed("make a socket");
    }
    CHECK(most > 0);
    CHECK(zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof(most)) == 0);
    set_int(socket, ZMQ_LINGER, LINGER_MS);
    set_int(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS);
    set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_DEAD);
    set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MOST_MS);
    set_int(socket, ZMQ_SNDHWM, HIGH_WATER);
    set_int(socket, ZMQ_RCVHWM, HIGH_WATER);
    set_int(socket, ZMQ_IPV6, 0);
    set_int(socket, ZMQ_TCP_KEEPALIVE, 1);

    struct zmq_socket *s = mem_new(1, sizeof(*s));
    s->base = (struct bus_socket){.ops = &zmq_ops,
                                  .bus = &b->base,
                                  .listens = type == ZMQ_ROUTER,
                                  .max_frame = max_frame};
    s->socket = socket;
    *out = s;
    return ST_OK;
}

static void zmq_bus_close(struct bus_socket *base)
{
    struct zmq_socket *s = (struct zmq_socket *)base;

    // No newcomers first: 4.3.4 aborts where a socket closes under the handshake of a
    // peer of ZMTP 1.0, for which any stranger's bytes may pass.
    if (s->where[0] != '\0') {
        (void)zmq_unbind(s->socket, s->where);
    }
    CHECK(zmq_close(s->socket) == 0);
    while (s->spare != NULL) {
        struct held *next = s->spare->next;
        mem_free(s->spare);
        s->spare = next;
    }
    mem_free(s);
}

static enum status zmq_bus_listen(struct bus *base, const char *addr, int *port,
                                  const char *advertise, uint64_t max_frame,
                                  struct bus_socket **out)
{
    char where[BUS_ENDPOINT_MAX];
    size_t size = sizeof(where);
    struct zmq_socket *s;
    int64_t taken;

    (void)advertise; // only what bus.c tells peers
    TRY(socket_new((struct zmq_bus *)base, ZMQ_ROUTER, max_frame, &s));
    // A restarted process takes its old routing id over at once; a send to a peer that
    // is gone says so instead of vanishing.
    set_int(s->socket, ZMQ_ROUTER_HANDOVER, 1);
    set_int(s->socket, ZMQ_ROUTER_MANDATORY, 1);
    text_format(where, sizeof(where), "tcp://%s:%d", addr, *port);
    if (zmq_bind(s->socket, where) != 0) {
        const bool in_use = errno == EADDRINUSE;
        if (!in_use) {
            LOG_ERROR("BUS-LISTEN", "cannot listen at %s, %s", where,
                      zmq_strerror(errno));
        }
        zmq_bus_close(&s->base);
        return in_use ? ST_AGAIN : ST_IO;
    }
    CHECK(zmq_getsockopt(s->socket, ZMQ_LAST_ENDPOINT, where, &size) == 0);
    CHECK(text_to_i64(strrchr(where, ':') + 1, 1, 65535, &taken));
    memcpy(s->where, where, sizeof(where));
    *port = (int)taken;
    *out = &s->base;
    return ST_OK;
}

static enum status zmq_bus_dial(struct bus *base, const char *endpoint,
                                const struct bus_peer *self, uint64_t max_frame,
                                struct bus_socket **out)
{
    struct zmq_socket *s;

    TRY(socket_new((struct zmq_bus *)base, ZMQ_DEALER, max_frame, &s));
    CHECK(zmq_setsockopt(s->socket, ZMQ_ROUTING_ID, self->id, self->len) == 0);
    if (zmq_connect(s->socket, endpoint) != 0) {
        LOG_ERROR("BUS-DIAL", "cannot dial %s, %s", endpoint, zmq_strerror(errno));
        zmq_bus_close(&s->base);
        return ST_INVALID;
    }
    *out = &s->base;
    return ST_OK;
}

/* Takes msg, sent or not. */
static enum status send_part(struct zmq_socket *s, zmq_msg_t *msg, int flags)
{
    enum status st = ST_OK;

    while (zmq_msg_send(msg, s->socket, flags | ZMQ_DONTWAIT) < 0) {
        if (errno == EINTR) {
            continue;
        }
        st = errno == EAGAIN         ? ST_AGAIN
             : errno == EHOSTUNREACH ? ST_NOTFOUND
                                     : failed("send a frame");
        CHECK(zmq_msg_close(msg) == 0);
        break;
    }
    return st;
}

/* The routing id in front. A ROUTER finds the peer and looks whether its pipe is full
 * here; the part behind it then always fits. */
static enum status send_address(struct zmq_socket *s, const struct bus_peer *to)
{
    zmq_msg_t msg;

    if (to == NULL) {
        return ST_OK;
    }
    CHECK(zmq_msg_init_size(&msg, to->len) == 0);
    memcpy(zmq_msg_data(&msg), to->id, to->len);
    return send_part(s, &msg, ZMQ_SNDMORE);
}

static enum status zmq_bus_send(struct bus_socket *base, const struct bus_peer *to,
                                const struct bytes *parts, int count)
{
    struct zmq_socket *s = (struct zmq_socket *)base;

    TRY(send_address(s, to));
    for (int i = 0; i < count; i++) {
        zmq_msg_t msg;
        CHECK(zmq_msg_init_size(&msg, parts[i].len) == 0);
        if (parts[i].len > 0) {
            memcpy(zmq_msg_data(&msg), parts[i].data, parts[i].len);
        }
        TRY(send_part(s, &msg, i + 1 < count ? ZMQ_SNDMORE : 0));
    }
    return ST_OK;
}

struct bus_blob *bus_blob_new(struct bytes frame)
{
    struct bus_blob *blob = mem_new(1, sizeof(*blob));

    CHECK(zmq_msg_init_size(&blob->msg, frame.len) == 0);
    memcpy(zmq_msg_data(&blob->msg), frame.data, frame.len);
    return blob;
}

void bus_blob_release(struct bus_blob *blob)
{
    if (blob != NULL) {
        CHECK(zmq_msg_close(&blob->msg) == 0);
        mem_free(blob);
    }
}

struct bytes bus_blob_bytes(struct bus_blob *blob)
{
    return bytes_of(zmq_msg_data(&blob->msg), zmq_msg_size(&blob->msg));
}

static enum status zmq_bus_send_blob(struct bus_socket *base, const struct bus_peer *to,
                                     struct bus_blob *blob)
{
    struct zmq_socket *s = (struct zmq_socket *)base;
    zmq_msg_t msg;

    TRY(send_address(s, to));
    CHECK(zmq_msg_init(&msg) == 0);
    CHECK(zmq_msg_copy(&msg, &blob->msg) == 0); // a reference, not the bytes
    return send_part(s, &msg, 0);
}

static struct held *held_take(struct zmq_socket *s)
{
    struct held *h = s->spare;

    if (h != NULL) {
        s->spare = h->next;
    } else {
        h = mem_new(1, sizeof(*h));
        h->base.ops = &zmq_ops;
        h->owner = s;
    }
    CHECK(zmq_msg_init(&h->msg) == 0);
    return h;
}

static void held_give(struct held *h)
{
    CHECK(zmq_msg_close(&h->msg) == 0);
    h->next = h->owner->spare;
    h->owner->spare = h;
}

static enum status receive_part(struct zmq_socket *s, zmq_msg_t *msg)
{
    while (zmq_msg_recv(msg, s->socket, ZMQ_DONTWAIT) < 0) {
        if (errno == EAGAIN) {
            return ST_AGAIN;
        }
        if (errno != EINTR) {
            return failed("receive a frame");
        }
    }
    return ST_OK;
}

/* A message arrives whole: once its first part is here, all are. */
static enum status zmq_bus_receive(struct bus_socket *base, struct bus_frame *frame,
                                   int *parts)
{
    struct zmq_socket *s = (struct zmq_socket *)base;
    struct held *h = held_take(s);
    enum status st = receive_part(s, &h->msg);

    if (st == ST_OK && base->listens) {
        frame->peer.len = (uint8_t)zmq_msg_size(&h->msg);
        // Other libraries may choose ids of up to 255 bytes; such a peer is not ours.
        const bool foreign = zmq_msg_size(&h->msg) > BUS_PEER_MAX;
        if (!foreign) {
            memcpy(frame->peer.id, zmq_msg_data(&h->msg), frame->peer.len);
        }
        *parts = foreign ? 2 : 1;
        st = zmq_msg_more(&h->msg) ? receive_part(s, &h->msg) : ST_AGAIN;
    }
    if (st != ST_OK) {
        held_give(h);
        return st;
    }
    while (zmq_msg_more(&h->msg)) {
        ++*parts;
        st = receive_part(s, &h->msg);
        if (st != ST_OK) {
            held_give(h);
            return st;
        }
    }
    frame->bytes = bytes_of(zmq_msg_data(&h->msg), zmq_msg_size(&h->msg));
    frame->impl = h;
    return ST_OK;
}

static void zmq_bus_release(struct bus_frame *frame)
{
    held_give(frame->impl);
}

static bool zmq_bus_wait(struct bus_socket *const *sockets, int count, const int *fds,
                         int fd_count, bool *fd_ready, int timeout_ms)
{
    const uint64_t start = clock_ms(clock_system());
    zmq_pollitem_t items[BUS_WAIT_MAX];
    int left = timeout_ms, rc;

    for (int i = 0; i < count; i++) {
        items[i] = (zmq_pollitem_t){.socket = ((struct zmq_socket *)sockets[i])->socket,
                                    .events = ZMQ_POLLIN};
    }
    for (int i = 0; i < fd_count; i++) {
        items[count + i] = (zmq_pollitem_t){.fd = fds[i], .events = ZMQ_POLLIN};
    }
    while ((rc = zmq_poll(items, count + fd_count, left)) < 0 && errno == EINTR) {
        const int spent = (int)(clock_ms(clock_system()) - start);
        left = timeout_ms < 0 ? -1 : spent < timeout_ms ? timeout_ms - spent : 0;
    }
    for (int i = 0; i < fd_count && fd_ready != NULL; i++) {
        fd_ready[i] = rc > 0 && items[count + i].revents != 0;
    }
    return rc > 0;
}

static const struct bus_ops zmq_ops = {
    .free_bus = zmq_bus_free,
    .listen = zmq_bus_listen,
    .dial = zmq_bus_dial,
    .close = zmq_bus_close,
    .send = zmq_bus_send,
    .send_blob = zmq_bus_send_blob,
    .receive = zmq_bus_receive,
    .release = zmq_bus_release,
    .wait = zmq_bus_wait,
};
