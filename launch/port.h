#ifndef LAUNCH_PORT_H
#define LAUNCH_PORT_H
/* Ports of the ranks: rank r listens at port + r. Main thread. */

#include <stdbool.h>

/* The first of `count` free ports in a row on `addr` (a numeric address; anything else is
 * taken for all addresses), from `first` on, among 512; 0: none. They are this process's
 * until it ends: another one that looks in the meantime, before anybody listens there, is
 * given others. */
int port_find(const char *addr, int first, int count);
/* The first one of port..port + count - 1 that is in use, or 0. */
int port_in_use(const char *addr, int port, int count);
/* Whether `addr` is a numeric address that programs of this machine can listen on. */
bool port_address_is_ours(const char *addr);

#endif
