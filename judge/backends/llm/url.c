#include "judge/backends/llm/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/text.h"

static enum status refuse(const char *what, const char *why)
{
    LOG_ERROR("LLM-URL", "%.200s: %s", what, why);
    return ST_INVALID;
}

static bool is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    char bare[64];

    if (strcmp(host, "localhost") == 0) {
        return true;
    }
    if (inet_pton(AF_INET, host, &four) == 1) {
        return (ntohl(four.s_addr) >> 24) == 127;
    }
    const size_t len = strlen(host);
    if (host[0] != '[' || len < 3 || len - 2 >= sizeof(bare)) {
        return false;
    }
    memcpy(bare, host + 1, len - 2);
    bare[len - 2] = '\0';
    return inet_pton(AF_INET6, bare, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* "" when there is no such part. */
static void part_of(CURLU *u, CURLUPart part, char out[URL_MAX])
{
    char *text = NULL;

    out[0] = '\0';
    if (curl_url_get(u, part, &text, 0) == CURLUE_OK && text != NULL) {
        text_format(out, URL_MAX, "%s", text);
    }
    curl_free(text);
}

static enum status check_parts(CURLU *u, bool has_key, bool allow_http, struct url *out)
{
    char scheme[URL_MAX], host[URL_MAX], part[URL_MAX];

    part_of(u, CURLUPART_HOST, host);
    part_of(u, CURLUPART_USER, part);
    if (part[0] != '\0') {
        return refuse(host,
                      "a name and password in --llm-url are shown to everybody who "
                      "sees the settings; the key comes from the environment");
    }
    part_of(u, CURLUPART_PASSWORD, part);
    if (part[0] != '\0') {
        return refuse(host,
                      "a password in --llm-url is shown to everybody who sees the "
                      "settings; the key comes from the environment");
    }
    part_of(u, CURLUPART_SCHEME, scheme);
    out->loopback = is_loopback(host);
    if (has_key && strcmp(scheme, "http") == 0 && !out->loopback && !allow_http) {
        return refuse(host, "the key would cross the network readable by all; use "
                            "https, or --llm-allow-http where you trust that network");
    }
    return ST_OK;
}

/* The base's path and the endpoint's, once. */
static void set_path(CURLU *u, const char *endpoint)
{
    char path[URL_MAX], whole[URL_MAX * 2];

    part_of(u, CURLUPART_PATH, path);
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] == '/') {
        path[--len] = '\0';
    }
    const size_t tail = strlen(endpoint);
    if (len > tail && strcmp(path + len - tail, endpoint) == 0 &&
        path[len - tail - 1] == '/') {
        return;
    }
    text_format(whole, sizeof(whole), "%s/%s", path, endpoint);
    CHECK(curl_url_set(u, CURLUPART_PATH, whole, 0) == CURLUE_OK);
}

/* The text behind the host's colon; false: there is none. */
static bool port_of(const char *base, char *port, size_t size)
{
    const char *from = strstr(base, "://") + 3, *end = from + strcspn(from, "/?#");

    for (const char *c = from; c < end; c++) {
        from = *c == '@' || *c == ']' ? c + 1 : from;
    }
    const char *colon = memchr(from, ':', (size_t)(end - from));
    return colon != NULL &&
           text_format(port, size, "%.*s", (int)(end - colon - 1), colon + 1);
}

/* It may hold a password: of what cannot be read the scheme alone is repeated. */
static enum status refuse_unread(const char *base)
{
    const char *scheme = strncmp(base, "https", 5) == 0 ? "https://..." : "http://...";
    char port[32], why[128];
    int64_t number;

    if (port_of(base, port, sizeof(port)) && port[0] != '\0' &&
        !text_to_i64(port, 1, 65535, &number)) {
        // Of a password with a slash the first half would stand there.
        text_format(why, sizeof(why),
                    "--llm-url: the port %s%sis not a number from 1 to 65535",
                    strchr(base, '@') == NULL ? port : "",
                    strchr(base, '@') == NULL ? " " : "");
        return refuse(scheme, why);
    }
    return refuse(
        scheme, "--llm-url cannot be read as an address, or is longer than 512 bytes");
}

enum status url_check(const char *base, const char *endpoint, bool has_key,
                      bool allow_http, struct url *out)
{
    CURLU *u;
    enum status st;

    *out = (struct url){.loopback = false};
    if (strncmp(base, "http://", 7) != 0 && strncmp(base, "https://", 8) != 0) {
        return refuse(base, "not an address of a server; --llm-url is like "
                            "http://localhost:8000/v1 or https://HOST/v1");
    }
    u = curl_url();
    CHECK(u != NULL);
    if (strlen(base) > URL_MAX / 2 ||
        curl_url_set(u, CURLUPART_URL, base, 0) != CURLUE_OK) {
        st = refuse_unread(base);
    } else {
        st = check_parts(u, has_key, allow_http, out);
    }
    if (st == ST_OK) {
        CHECK(curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) == CURLUE_OK);
        set_path(u, endpoint);
        part_of(u, CURLUPART_URL, out->post);
        CHECK(curl_url_set(u, CURLUPART_QUERY, NULL, 0) == CURLUE_OK);
        part_of(u, CURLUPART_URL, out->shown);
    }
    curl_url_cleanup(u);
    return st;
}
