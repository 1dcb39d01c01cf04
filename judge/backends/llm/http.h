#ifndef JUDGE_BACKENDS_LLM_HTTP_H
#define JUDGE_BACKENDS_LLM_HTTP_H
/* Many POSTs in flight on one thread: the only libcurl but for url.c. Handles, and the
 * buffers of their answers, are made at open; connections are kept alive. http and https
 * alone, certificates are verified, proxies of the environment honoured (not to this
 * machine), no redirect is followed, nothing is unpacked, headers and body are bounded.
 *
 * The environment's SSL_CERT_FILE, else CURL_CA_BUNDLE, names other authorities. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/status.h"

enum { HTTP_TEXT_MAX = 256 };

struct http_options {
    const char *url;  // where to post
    bool direct;      // past all proxies
    const char *key;  // "Authorization: Bearer KEY"; "" = none
    int handles;      // in flight at most
    size_t body_most; // of an answer
};

enum http_end {
    HTTP_DONE,        // an answer came: look at its code
    HTTP_TIMEOUT,     // not in time
    HTTP_BROKEN,      // the connection broke
    HTTP_UNREACHABLE, // there was none
    HTTP_UNTRUSTED,   // TLS: not who it should be
    HTTP_TOO_LARGE,   // headers or body beyond the bound
};

/* Borrowed until the handle is used again. */
struct http_result {
    int handle;
    enum http_end end;
    bool sent; // the request reached the server, in part at least
    // Broken without a word, on a connection that had been kept: the server may have
    // closed it long ago.
    bool stale;
    int code; // 0 where no answer came
    struct bytes body;
    const char *type, *retry_after, *location; // headers; "" where missing or too long
    const char *error;                         // in words, where end is not HTTP_DONE
};

struct http;

/* ST_IO (logged): libcurl cannot. */
MUST_USE enum status http_open(const struct http_options *o, struct http **out);
void http_close(struct http *h);     // NULL is fine; cancels all
int http_idle(const struct http *h); // a handle that may be used; -1: none
/* Takes `body`, which came from malloc(). fresh: over a new connection. */
void http_post_take(struct http *h, int handle, char *body, uint64_t timeout_ms,
                    bool fresh);
void http_cancel(struct http *h, int handle);
int http_in_flight(const struct http *h);
/* Moves everything on; one that has ended, or false. */
bool http_next(struct http *h, struct http_result *out);

#endif
