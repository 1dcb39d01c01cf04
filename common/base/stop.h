#ifndef COMMON_BASE_STOP_H
#define COMMON_BASE_STOP_H
/* The wish to stop, from signals or from a message. INT, TERM and USR1 are blocked in
 * all threads and read from a signalfd; the first asks to stop in order, a second INT or
 * TERM asks to stop at once. Call stop_open() before any thread or ZeroMQ context; a second
 * call forgets what was asked. Without it stop_fd() is -1 and only stop_ask() asks. */

#include <stdbool.h>

void stop_open(void);
/* For poll(): readable when a signal waits. */
int stop_fd(void);
/* Reads waiting signals; call when stop_fd() is readable or once per loop. */
void stop_poll(void);
void stop_ask(void);   // in order, never at once; any thread
bool stop_asked(void); // any thread
bool stop_at_once(void);

#endif
