#ifndef COMMON_BASE_STATUS_H
#define COMMON_BASE_STATUS_H
/* What a fallible function returns. A code says what the caller can do; the log line,
 * written once by the first to know, says what happened. */

#define MUST_USE __attribute__((warn_unused_result))

enum status {
    ST_OK = 0,
    ST_AGAIN,    // nothing to do now; ask later (empty queue, full socket)
    ST_CLOSED,   // the peer or this process is shutting down
    ST_TIMEOUT,  // the deadline passed
    ST_NOTFOUND, // no such key
    ST_FULL,     // a bound set at start-up is reached
    ST_INVALID,  // the caller's or the user's value is out of range
    ST_CORRUPT,  // bytes from outside failed verification
    ST_VERSION,  // readable, but from another schema or model layout
    ST_IO,       // the system, LMDB, ZeroMQ or MPI refused
};

/* A short lower-case name, "timed out", for logs. Static string; any thread. */
const char *status_name(enum status st);

/* Pass a failure up. Only where nothing waits to be undone; else use `goto out`. */
#define TRY(expr)                                                                      \
    do {                                                                               \
        enum status try_st_ = (expr);                                                  \
        if (try_st_ != ST_OK) {                                                        \
            return try_st_;                                                            \
        }                                                                              \
    } while (0)

/* Exit codes of every program. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,     // the command line or a configuration value is wrong
    EXIT_TRY_AGAIN = 75 // a peer hung
};

#endif
