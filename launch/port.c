#include "launch/port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT_MOST = 65535 };

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
