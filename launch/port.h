#ifndef LAUNCH_PORT_H
#define LAUNCH_PORT_H
/* Ports of the ranks: rank r listens at port + r. Main thread. */

#include <stdbool.h>

/* The first one of port..port + count - 1 on `addr` (a numeric address; anything else is
 * taken for all addresses) that is in use, or 0. */
int port_in_use(const char *addr, int port, int count);
/* Whether `addr` is a numeric address that programs of this machine can listen on. */
bool port_address_is_ours(const char *addr);

#endif
