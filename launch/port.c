#include "launch/port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/text.h"

enum { TRIES = 512, PORT_MOST = 65535, PORTS_MOST = 256 };

static int taken[PORTS_MOST]; // sockets that stand for ports of ours
static int takens;

static bool can_listen(struct in_addr addr, int port)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = addr};
    const int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return false;
    }
    // As libzmq binds: a port of connections that are only closing counts as free.
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    const bool ok =
        bind(fd, (const struct sockaddr *)&in, sizeof(in)) == 0 && listen(fd, 1) == 0;
    close(fd);
    return ok;
}

static bool can_bind(const char *addr, int port)
{
    struct in_addr in;

    if (inet_pton(AF_INET, addr, &in) != 1) {
        in.s_addr = htonl(INADDR_ANY);
    }
    return can_listen(in, port);
}

/* A name without a file, which goes with the process and is known where the port is: in
 * this network namespace. */
static bool take(int port)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || takens == PORTS_MOST) {
        if (fd >= 0) {
            close(fd);
        }
        return true; // who listens first has it, as without this
    }
    text_format(un.sun_path + 1, sizeof(un.sun_path) - 1, "minos-port-%d", port);
    if (bind(fd, (const struct sockaddr *)&un, sizeof(un)) != 0) {
        close(fd);
        return false;
    }
    taken[takens++] = fd;
    return true;
}

static void give_back(int kept)
{
    while (takens > kept) {
        close(taken[--takens]);
    }
}

/* 0, or the first that somebody else has taken; then none is. */
static int take_all(int port, int count)
{
    const int before = takens;

    for (int i = 0; i < count; i++) {
        if (!take(port + i)) {
            give_back(before);
            return port + i;
        }
    }
    return 0;
}

bool port_address_is_ours(const char *addr)
{
    struct in_addr in;

    return inet_pton(AF_INET, addr, &in) == 1 && can_listen(in, 0);
}

int port_in_use(const char *addr, int port, int count)
{
    for (int i = 0; i < count && port + i <= PORT_MOST; i++) {
        if (!can_bind(addr, port + i)) {
            return port + i;
        }
    }
    return 0;
}

int port_find(const char *addr, int first, int count)
{
    int port = first;

    for (int i = 0; i < TRIES && port + count - 1 <= PORT_MOST; i++) {
        int used = port_in_use(addr, port, count);
        used = used != 0 ? used : take_all(port, count);
        if (used == 0) {
            return port;
        }
        port = used + 1;
    }
    return 0;
}
