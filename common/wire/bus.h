#ifndef COMMON_WIRE_BUS_H
#define COMMON_WIRE_BUS_H
/* Frames between processes. Two implementations behind one header: ZeroMQ over tcp (the
 * only libzmq in the tree) and an in-memory twin for cluster tests, which delivers on
 * one thread under a turned clock and can delay, lose, duplicate and cut.
 *
 * A listening socket (ROUTER) knows peers by their routing id; a dialled one (DEALER) has
 * one peer. One owner thread per socket. Sending never blocks: a full queue is ST_AGAIN
 * (high-water marks are set so high that the windows, not they, are the limiter).
 * LINGER, heartbeats (1 s/3 s), ROUTER_HANDOVER and reconnect intervals are set here. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/status.h"

enum {
    BUS_PEER_MAX = 64,
    BUS_ENDPOINT_MAX = 256,
    BUS_WAIT_MAX = 32 // sockets and descriptors of one bus_wait()
};

struct bus;        // a context
struct bus_socket; // one end

/* A routing id. A DEALER chooses its own: role letter, host, pid and a nonce, so that two
 * processes never share one; the learner knows who it is from hello, not from this. */
struct bus_peer {
    uint8_t len;
    uint8_t id[BUS_PEER_MAX];
};

/* A received frame; its bytes hold until bus_frame_release() or the next receive into it.
 * Begin with {0}. Release before the socket is closed, on its thread. Large frames
 * (above 8 KB) lie 8-byte aligned, small ones anywhere. */
struct bus_frame {
    struct bus_peer peer; // len 0 on a dialled socket
    struct bytes bytes;
    void *impl;
};

/* Counted by reason: frames with more than one part, empty ones, larger than the limit. */
struct bus_counters {
    uint64_t frames_in, frames_out, bytes_in, bytes_out, refused_multipart,
        refused_size, refused_empty, send_full, unroutable;
};

struct bus *bus_new(void);                             // ZeroMQ, one I/O thread
struct bus *bus_new_memory(const struct clock *clock); // the twin
void bus_free(struct bus *b); // all sockets closed before; waits at most LINGER

/* Binds addr ("127.0.0.1", "0.0.0.0"). port 0 = any free one; strict false: the next free
 * one from `port` on (64 tries). *endpoint is what peers dial, with `advertise` in place
 * of addr when not NULL. ST_IO (logged): the port is in use or the address is not ours. */
MUST_USE enum status bus_listen(struct bus *b, const char *addr, int port, bool strict,
                                const char *advertise, uint64_t max_frame,
                                struct bus_socket **out,
                                char endpoint[BUS_ENDPOINT_MAX]);
/* Starts connecting; succeeds even when nobody listens yet. ST_INVALID (logged): not an
 * endpoint. */
MUST_USE enum status bus_dial(struct bus *b, const char *endpoint,
                              const struct bus_peer *self, uint64_t max_frame,
                              struct bus_socket **out);
void bus_close(struct bus_socket *s); // NULL is fine

/* Copies. `to` NULL on a dialled socket. ST_AGAIN: the queue is full; ST_NOTFOUND: no
 * such peer (any more). */
MUST_USE enum status bus_send(struct bus_socket *s, const struct bus_peer *to,
                              struct bytes frame);

/* A frame sent to many without copying it for each: weights. Reference counted; any
 * thread may make one, the socket's owner sends it. */
struct bus_blob;
struct bus_blob *bus_blob_new(struct bytes frame);
void bus_blob_release(struct bus_blob *blob); // NULL is fine
MUST_USE enum status bus_send_blob(struct bus_socket *s, const struct bus_peer *to,
                                   struct bus_blob *blob);

/* ST_AGAIN: nothing waits. */
MUST_USE enum status bus_receive(struct bus_socket *s, struct bus_frame *frame);
void bus_frame_release(struct bus_frame *frame);

/* Waits until a socket or one of the file descriptors is readable, at most timeout_ms;
 * false = timed out. fd_ready[i] (may be NULL) says which fds. EINTR is retried. The
 * twin returns at once. */
bool bus_wait(struct bus_socket *const *sockets, int count, const int *fds,
              int fd_count, bool *fd_ready, int timeout_ms);
const struct bus_counters *bus_counters(const struct bus_socket *s);

/* Faults of the in-memory twin (tests): chance in 1000 that a frame is lost or doubled, or
 * that garbage comes before it (the first part of the frame, or bytes drawn by chance), and
 * a delay; kind 0 = every kind of frame. */
struct bus_faults {
    int lose, repeat, garbage;
    uint64_t delay_ms;
    uint8_t kind;
};
void bus_memory_faults(struct bus *b, const struct bus_faults *f);
/* Cuts what is queued towards a listening endpoint, or towards a dead process. */
void bus_memory_cut(struct bus *b, const char *endpoint);

#endif
