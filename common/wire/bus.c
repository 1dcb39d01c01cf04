#include "common/wire/bus.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/wire/bus_impl.h"

enum {
    PORT_TRIES = 64,  // from the wanted port on
    REFUSED_MOST = 64 // frames refused in one receive, so that a flood returns too
};

void bus_free(struct bus *b)
{
    if (b != NULL) {
        CHECK(b->sockets == 0);
        b->ops->free_bus(b);
    }
}

static bool address_fits(const char *addr)
{
    return addr[0] != '\0' && strlen(addr) < BUS_ENDPOINT_MAX - 16;
}

enum status bus_listen(struct bus *b, const char *addr, int port, bool strict,
                       const char *advertise, uint64_t max_frame,
                       struct bus_socket **out, char endpoint[BUS_ENDPOINT_MAX])
{
    const char *name = advertise != NULL ? advertise : addr;
    const int tries = strict || port == 0 ? 1 : PORT_TRIES;
    struct bus_socket *s = NULL;
    enum status st = ST_AGAIN;
    int taken = port;

    if (!address_fits(addr) || !address_fits(name)) {
        LOG_ERROR("BUS-LISTEN", "address '%.80s' is empty or too long", addr);
        return ST_IO;
    }
    for (int i = 0; i < tries && st == ST_AGAIN && port + i <= 65535; i++) {
        taken = port + i;
        st = b->ops->listen(b, addr, &taken, name, max_frame, &s);
    }
    if (st == ST_AGAIN) {
        if (tries == 1) {
            LOG_ERROR("BUS-LISTEN", "port %d of %s is in use by another process", port,
                      addr);
        } else {
            LOG_ERROR("BUS-LISTEN", "ports %d to %d of %s are all in use", port,
                      port + tries - 1, addr);
        }
        return ST_IO;
    }
    TRY(st);
    text_format(endpoint, BUS_ENDPOINT_MAX, "tcp://%s:%d", name, taken);
    b->sockets++;
    *out = s;
    return ST_OK;
}

/* "tcp://HOST:PORT": checked here because libzmq resolves names only later, and then
 * says nothing. */
static bool endpoint_valid(const char *endpoint)
{
    static const char scheme[] = "tcp://";
    const char *colon = strrchr(endpoint, ':');
    int64_t port;

    return strncmp(endpoint, scheme, sizeof(scheme) - 1) == 0 &&
           strlen(endpoint) < BUS_ENDPOINT_MAX &&
           colon > endpoint + sizeof(scheme) - 1 &&
           text_to_i64(colon + 1, 1, 65535, &port);
}

enum status bus_dial(struct bus *b, const char *endpoint, const struct bus_peer *self,
                     uint64_t max_frame, struct bus_socket **out)
{
    // libzmq keeps routing ids that begin with 0 for itself.
    CHECK(self->len >= 1 && self->len <= BUS_PEER_MAX && self->id[0] != 0);
    if (!endpoint_valid(endpoint)) {
        LOG_ERROR("BUS-DIAL", "'%.200s' is not an address such as tcp://127.0.0.1:7340",
                  endpoint);
        return ST_INVALID;
    }
    TRY(b->ops->dial(b, endpoint, self, max_frame, out));
    b->sockets++;
    return ST_OK;
}

void bus_close(struct bus_socket *s)
{
    if (s != NULL) {
        s->bus->sockets--;
        s->ops->close(s);
    }
}

/* What both ways of sending have in common afterwards. */
static enum status sent(struct bus_socket *s, size_t len, enum status st)
{
    if (st == ST_OK) {
        s->counters.frames_out++;
        s->counters.bytes_out += len;
    } else if (st == ST_AGAIN) {
        s->counters.send_full++;
    } else if (st == ST_NOTFOUND) {
        s->counters.unroutable++;
    }
    return st;
}

static enum status size_refused(struct bus_socket *s, size_t len)
{
    s->counters.refused_size++;
    LOG_ERROR("BUS-SIZE", "a frame of %zu bytes is not between 1 and %llu bytes", len,
              (unsigned long long)s->max_frame);
    return ST_INVALID;
}

enum status bus_send(struct bus_socket *s, const struct bus_peer *to,
                     struct bytes frame)
{
    CHECK(s->listens == (to != NULL));
    if (frame.len == 0 || frame.len > s->max_frame) {
        return size_refused(s, frame.len);
    }
    return sent(s, frame.len, s->ops->send(s, to, &frame, 1));
}

enum status bus_send_blob(struct bus_socket *s, const struct bus_peer *to,
                          struct bus_blob *blob)
{
    const size_t len = bus_blob_bytes(blob).len;

    CHECK(s->listens == (to != NULL));
    if (len == 0 || len > s->max_frame) {
        return size_refused(s, len);
    }
    return sent(s, len, s->ops->send_blob(s, to, blob));
}

enum status bus_send_parts(struct bus_socket *s, const struct bus_peer *to,
                           const struct bytes *parts, int count)
{
    CHECK(s->listens == (to != NULL) && count >= 1);
    return sent(s, parts[0].len, s->ops->send(s, to, parts, count));
}

enum status bus_receive(struct bus_socket *s, struct bus_frame *frame)
{
    struct bus_counters *c = &s->counters;

    bus_frame_release(frame);
    for (int i = 0; i < REFUSED_MOST; i++) {
        int parts = 1;
        TRY(s->ops->receive(s, frame, &parts));
        if (parts > 1) {
            c->refused_multipart++;
        } else if (frame->bytes.len == 0) {
            c->refused_empty++;
        } else if (frame->bytes.len > s->max_frame) {
            c->refused_size++;
        } else {
            c->frames_in++;
            c->bytes_in += frame->bytes.len;
            return ST_OK;
        }
        bus_frame_release(frame);
    }
    return ST_AGAIN;
}

void bus_frame_release(struct bus_frame *frame)
{
    if (frame->impl != NULL) {
        ((struct bus_held *)frame->impl)->ops->release(frame);
    }
    *frame = (struct bus_frame){0};
}

static bool wait_fds(const int *fds, int count, bool *ready, int timeout_ms)
{
    const uint64_t start = clock_ms(clock_system());
    struct pollfd polled[BUS_WAIT_MAX];
    int left = timeout_ms, rc;

    for (int i = 0; i < count; i++) {
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    }
    while ((rc = poll(polled, (nfds_t)count, left)) < 0 && errno == EINTR) {
        const int spent = (int)(clock_ms(clock_system()) - start);
        left = timeout_ms < 0 ? -1 : spent < timeout_ms ? timeout_ms - spent : 0;
    }
    for (int i = 0; i < count && ready != NULL; i++) {
        ready[i] = rc > 0 && polled[i].revents != 0;
    }
    return rc > 0;
}

bool bus_wait(struct bus_socket *const *sockets, int count, const int *fds,
              int fd_count, bool *fd_ready, int timeout_ms)
{
    CHECK(count >= 0 && fd_count >= 0 && count + fd_count <= BUS_WAIT_MAX);
    if (count == 0) {
        return wait_fds(fds, fd_count, fd_ready, timeout_ms);
    }
    return sockets[0]->ops->wait(sockets, count, fds, fd_count, fd_ready, timeout_ms);
}

const struct bus_counters *bus_counters(const struct bus_socket *s)
{
    return &s->counters;
}
