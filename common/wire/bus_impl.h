#ifndef COMMON_WIRE_BUS_IMPL_H
#define COMMON_WIRE_BUS_IMPL_H
/* Between bus.c and its two implementations, bus_zmq.c and bus_memory.c. Rules that both
 * share (ports, sizes, refusals, counters) are in bus.c; here is what differs.
 * bus_send_parts() is for tests that play a hostile peer. */

#include "common/wire/bus.h"

struct bus_ops {
    void (*free_bus)(struct bus *b);
    /* One port, 0 = any; *port becomes the one taken. ST_AGAIN (not logged): in use. */
    enum status (*listen)(struct bus *b, const char *addr, int *port,
                          const char *advertise, uint64_t max_frame,
                          struct bus_socket **out);
    enum status (*dial)(struct bus *b, const char *endpoint,
                        const struct bus_peer *self, uint64_t max_frame,
                        struct bus_socket **out);
    void (*close)(struct bus_socket *s);
    enum status (*send)(struct bus_socket *s, const struct bus_peer *to,
                        const struct bytes *parts, int count);
    enum status (*send_blob)(struct bus_socket *s, const struct bus_peer *to,
                             struct bus_blob *blob);
    /* The next message, whole; of one with several parts, *parts > 1 and nothing else
     * holds. frame->impl is a struct bus_held. */
    enum status (*receive)(struct bus_socket *s, struct bus_frame *frame, int *parts);
    void (*release)(struct bus_frame *frame);
    bool (*wait)(struct bus_socket *const *sockets, int count, const int *fds,
                 int fd_count, bool *fd_ready, int timeout_ms);
};

/* First member of each implementation's own struct. */
struct bus {
    const struct bus_ops *ops;
    int sockets; // open ones
};
struct bus_socket {
    const struct bus_ops *ops;
    struct bus *bus;
    bool listens;
    uint64_t max_frame;
    struct bus_counters counters;
};
struct bus_held {
    const struct bus_ops *ops;
};

/* The bytes of a blob (bus_zmq.c keeps it; libzmq counts its references). */
struct bytes bus_blob_bytes(struct bus_blob *blob);

/* As bus_send(), but nothing is refused here: any number of parts, of any size. */
MUST_USE enum status bus_send_parts(struct bus_socket *s, const struct bus_peer *to,
                                    const struct bytes *parts, int count);

#endif
