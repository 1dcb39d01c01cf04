#include "judge/backends/llm/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"

enum {
    HEADERS_MOST = 65536,
    EVENTS = 256,
    CONNECT_MS = 10000,
    KEY_LINE_MAX = 4096 + 64
};

struct handle {
    CURL *easy;
    bool busy, too_large;
    char *request;
    size_t request_len, request_at;
    char *body; // (body_most + 1)
    size_t body_len, header_bytes;
    char type[HTTP_TEXT_MAX], retry_after[HTTP_TEXT_MAX], location[HTTP_TEXT_MAX];
    char error[CURL_ERROR_SIZE];
    const struct http *http;
};

/* libcurl says which sockets it waits for, and until when; epoll tells which of them are
 * ready, so that a turn costs what happened and not what is in flight. */
struct http {
    CURLM *multi;
    int epoll;
    bool timer;        // libcurl wants to be called at timer_ms
    uint64_t timer_ms; // by the system's clock
    struct curl_slist *headers;
    struct handle *handle;
    int handles, in_flight;
    size_t body_most;
    struct http_options options;
};

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
    struct handle *h = user;
    const size_t len = size * count;

    if (len > h->http->body_most - h->body_len) {
        h->too_large = true;
        return 0; // ends the transfer
    }
    memcpy(h->body + h->body_len, data, len);
    h->body_len += len;
    return len;
}

/* Sends the request's body. There is no way to rewind it on purpose: libcurl would send a
 * request again by itself, unseen and unpaid, when a connection that was kept ends without
 * an answer. */
static size_t give_body(char *out, size_t size, size_t count, void *user)
{
    struct handle *h = user;
    const size_t left = h->request_len - h->request_at;
    const size_t len = left < size * count ? left : size * count;

    memcpy(out, h->request + h->request_at, len);
    h->request_at += len;
    return len;
}

/* Keeps "Name: VALUE" of the name; a longer value than fits is none. */
static void keep_header(const char *line, size_t len, const char *name,
                        char out[HTTP_TEXT_MAX])
{
    const size_t n = strlen(name);

    if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':') {
        return;
    }
    if (len - n - 1 < HTTP_TEXT_MAX) {
        char value[HTTP_TEXT_MAX];
        memcpy(value, line + n + 1, len - n - 1);
        value[len - n - 1] = '\0';
        text_format(out, HTTP_TEXT_MAX, "%s", text_trim(value));
    }
}

static size_t take_header(char *data, size_t size, size_t count, void *user)
{
    struct handle *h = user;
    const size_t len = size * count;

    h->header_bytes += len;
    if (h->header_bytes > HEADERS_MOST) {
        h->too_large = true;
        return 0;
    }
    keep_header(data, len, "Content-Type", h->type);
    keep_header(data, len, "Retry-After", h->retry_after);
    keep_header(data, len, "Location", h->location);
    return len;
}

/* What is the same for all requests. */
static bool set_up(struct http *http, struct handle *h)
{
    const struct http_options *o = &http->options;
    const char *authorities = getenv("SSL_CERT_FILE");
    CURL *e = h->easy = curl_easy_init();

    if (e == NULL) {
        return false;
    }
    if (authorities == NULL) {
        authorities = getenv("CURL_CA_BUNDLE");
    }
    bool ok = curl_easy_setopt(e, CURLOPT_URL, o->url) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_HEADEROPT, CURLHEADER_SEPARATE) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_HTTPHEADER, http->headers) == CURLE_OK;
    ok = ok &&
         curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_USERAGENT, "minos") == CURLE_OK;
    ok = ok &&
         curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_POST, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_READFUNCTION, give_body) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_READDATA, h) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_WRITEDATA, h) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_HEADERDATA, h) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_ERRORBUFFER, h->error) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_PRIVATE, h) == CURLE_OK;
    if (authorities != NULL && authorities[0] != '\0') {
        ok = ok && curl_easy_setopt(e, CURLOPT_CAINFO, authorities) == CURLE_OK;
    }
    if (o->direct) {
        ok = ok && curl_easy_setopt(e, CURLOPT_NOPROXY, "*") == CURLE_OK;
    }
    return ok;
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
    struct http *h = user;
    struct epoll_event e = {.data.fd = fd};

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(h->epoll, EPOLL_CTL_DEL, fd, &e); // it may be closed already
        curl_multi_assign(h->multi, fd, NULL);
        return 0;
    }
    e.events =
        (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (known != NULL && epoll_ctl(h->epoll, EPOLL_CTL_MOD, fd, &e) == 0) {
        return 0;
    }
    if (epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
        CHECK(errno == EEXIST && epoll_ctl(h->epoll, EPOLL_CTL_MOD, fd, &e) == 0);
    }
    curl_multi_assign(h->multi, fd, h);
    return 0;
}

static int set_timer(CURLM *multi, long ms, void *user)
{
    struct http *h = user;

    (void)multi;
    h->timer = ms >= 0;
    h->timer_ms = clock_ms(clock_system()) + (ms > 0 ? (uint64_t)ms : 0);
    return 0;
}

/* Sockets that are ready, and the timer when it is due. */
static void move_on(struct http *h)
{
    struct epoll_event e[EVENTS];
    int running;

    const int n = epoll_wait(h->epoll, e, EVENTS, 0);
    for (int i = 0; i < n; i++) {
        const int what = (e[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                         (e[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                         (e[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        CHECK(curl_multi_socket_action(h->multi, e[i].data.fd, what, &running) ==
              CURLM_OK);
    }
    if (h->timer && clock_ms(clock_system()) >= h->timer_ms) {
        h->timer = false; // libcurl sets the next one
        CHECK(curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running) ==
              CURLM_OK);
    }
}

static bool add_header(struct http *h, const char *line)
{
    struct curl_slist *longer = curl_slist_append(h->headers, line);

    if (longer != NULL) {
        h->headers = longer;
    }
    return longer != NULL;
}

static bool add_headers(struct http *h)
{
    char line[KEY_LINE_MAX];
    bool ok = add_header(h, "Content-Type: application/json") &&
              add_header(h, "Accept: application/json") && add_header(h, "Expect:");

    if (h->options.key[0] != '\0') {
        ok = ok &&
             text_format(line, sizeof(line), "Authorization: Bearer %s",
                         h->options.key) &&
             add_header(h, line);
        memset(line, 0, sizeof(line));
    }
    return ok;
}

enum status http_open(const struct http_options *o, struct http **out)
{
    struct http *h = mem_new(1, sizeof(*h));

    CHECK(o->handles >= 1 && o->body_most >= 1);
    h->options = *o;
    h->epoll = -1;
    h->body_most = o->body_most;
    h->handle = mem_new((size_t)o->handles, sizeof(*h->handle));
    h->handles = o->handles;
    bool ok = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && add_headers(h);
    h->multi = ok ? curl_multi_init() : NULL;
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    ok = h->multi != NULL && h->epoll >= 0;
    if (ok) {
        curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
        curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
        curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, set_timer);
        curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
        // One connection for each: a server's answer holds up no other.
        curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
        curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)o->handles);
    }
    for (int i = 0; ok && i < o->handles; i++) {
        h->handle[i].http = h;
        h->handle[i].body = mem_new(o->body_most + 1, 1);
        ok = set_up(h, &h->handle[i]);
    }
    h->options = (struct http_options){.handles = o->handles};
    if (!ok) {
        LOG_ERROR("LLM-HTTP", "libcurl %s cannot be set up here", curl_version());
        http_close(h);
        return ST_IO;
    }
    *out = h;
    return ST_OK;
}

static void end(struct http *h, struct handle *one)
{
    curl_multi_remove_handle(h->multi, one->easy);
    free(one->request);
    one->request = NULL;
    one->busy = false;
    h->in_flight--;
}

void http_close(struct http *h)
{
    if (h == NULL) {
        return;
    }
    for (int i = 0; i < h->handles; i++) {
        struct handle *one = &h->handle[i];
        if (one->busy) {
            end(h, one);
        }
        curl_easy_cleanup(one->easy);
        mem_free(one->body);
    }
    curl_multi_cleanup(h->multi);
    if (h->epoll >= 0) {
        close(h->epoll);
    }
    curl_slist_free_all(h->headers);
    mem_free(h->handle);
    mem_free(h);
    curl_global_cleanup();
}

int http_idle(const struct http *h)
{
    for (int i = 0; i < h->handles; i++) {
        if (!h->handle[i].busy) {
            return i;
        }
    }
    return -1;
}

int http_in_flight(const struct http *h)
{
    return h->in_flight;
}

void http_post_take(struct http *h, int handle, char *body, uint64_t timeout_ms,
                    bool fresh)
{
    struct handle *one = &h->handle[handle];
    CURL *e = one->easy;

    CHECK(!one->busy);
    one->request = body;
    one->request_len = strlen(body);
    one->request_at = 0;
    one->body_len = one->header_bytes = 0;
    one->too_large = false;
    one->type[0] = one->retry_after[0] = one->location[0] = one->error[0] = '\0';
    CHECK(curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
                           (curl_off_t)one->request_len) == CURLE_OK &&
          curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L) == CURLE_OK &&
          curl_easy_setopt(e, CURLOPT_TIMEOUT_MS,
                           (long)(timeout_ms > 0 ? timeout_ms : 1)) == CURLE_OK);
    CHECK(curl_multi_add_handle(h->multi, e) == CURLM_OK);
    one->busy = true;
    h->in_flight++;
}

void http_cancel(struct http *h, int handle)
{
    if (h->handle[handle].busy) {
        end(h, &h->handle[handle]);
    }
}

static enum http_end end_of(const struct handle *h, CURLcode code)
{
    if (h->too_large) {
        return HTTP_TOO_LARGE;
    }
    switch (code) {
    case CURLE_OK:
        return HTTP_DONE;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return HTTP_UNTRUSTED;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return HTTP_UNREACHABLE;
    default:
        return HTTP_BROKEN;
    }
}

bool http_next(struct http *h, struct http_result *out)
{
    int queued;
    char *private = NULL;
    long code = 0, sent = 0, connects = 0;

    const CURLMsg *m = curl_multi_info_read(h->multi, &queued);
    if (m == NULL) {
        move_on(h);
        m = curl_multi_info_read(h->multi, &queued);
    }
    if (m == NULL || m->msg != CURLMSG_DONE) {
        return false;
    }
    const CURLcode result = m->data.result;
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
    curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(m->easy_handle, CURLINFO_REQUEST_SIZE, &sent);
    curl_easy_getinfo(m->easy_handle, CURLINFO_NUM_CONNECTS, &connects);
    struct handle *one = (struct handle *)(void *)private;
    one->body[one->body_len] = '\0';
    *out = (struct http_result){
        .handle = (int)(one - h->handle),
        .end = end_of(one, result),
        .sent = sent > 0,
        .code = (int)code,
        .body = bytes_of(one->body, one->body_len),
        .type = one->type,
        .retry_after = one->retry_after,
        .location = one->location,
        .error = one->error[0] != '\0' ? one->error : curl_easy_strerror(result)};
    // libcurl would send it again by itself, and cannot without a rewind.
    out->stale = result == CURLE_SEND_FAIL_REWIND ||
                 (out->end == HTTP_BROKEN && connects == 0 && one->header_bytes == 0);
    end(h, one);
    return true;
}
