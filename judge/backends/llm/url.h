#ifndef JUDGE_BACKENDS_LLM_URL_H
#define JUDGE_BACKENDS_LLM_URL_H
/* The address of a server, checked before anything is sent there. Any thread. */

#include <stdbool.h>

#include "common/base/status.h"

enum { URL_MAX = 1024 };

struct url {
    char post[URL_MAX];  // where questions are posted
    char shown[URL_MAX]; // for logs: without the query, which may hold a secret
    bool loopback;       // this machine, reached without a proxy
};

/* `base` as servers name it ("http://localhost:8000/v1"), or the whole way to `endpoint`
 * ("chat/completions"). ST_INVALID (logged): not http or https, no host, user and
 * password in it, or a key would cross a network readable by all. */
MUST_USE enum status url_check(const char *base, const char *endpoint, bool has_key,
                               bool allow_http, struct url *out);

#endif
