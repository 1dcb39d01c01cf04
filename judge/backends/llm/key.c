#include "judge/backends/llm/key.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/base/log.h"
#include "common/base/text.h"

enum { CUT_LEAST = 6 }; // fewer letters of a key at an end tell nobody anything

static const char usual[] = "OPENAI_API_KEY";

/* What the environment held before it was wiped: a new goal opens the backend again. */
static struct {
    bool taken;
    char name[256];
    struct key key;
} kept;

static bool is_printable(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return false;
        }
    }
    return true;
}

/* Without the white space around it, of which copying leaves some. */
static const char *trimmed(const char *value, size_t *len)
{
    static const char white[] = " \t\r\n\v\f";

    value += strspn(value, white);
    for (*len = strlen(value); *len > 0 && strchr(white, value[*len - 1]) != NULL;
         --*len) {
    }
    return value;
}

enum status key_take(const char *name, struct key *out)
{
    const char *variable = name[0] != '\0' ? name : usual;
    char *value;
    size_t len = 0;

    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (kept.taken && strcmp(kept.name, variable) == 0) {
        *out = kept.key;
        return ST_OK;
    }
    *out = (struct key){.len = 0};
    value = getenv(variable);
    const char *text = value != NULL ? trimmed(value, &len) : "";
    if (len == 0) {
        if (name[0] == '\0') {
            return ST_OK;
        }
        LOG_ERROR("LLM-KEY",
                  "--llm-key-env names %s, which is not set or empty; "
                  "export it",
                  name);
        return ST_INVALID;
    }
    if (len > KEY_MAX || !is_printable(text, len)) {
        LOG_ERROR("LLM-KEY",
                  "the key in %s holds a blank or a control byte, or is longer than "
                  "4096 bytes",
                  variable);
        return ST_INVALID;
    }
    out->len = len;
    memcpy(out->text, text, len);
    out->text[len] = '\0';
    // The environment of a process can be read by others of the same user.
    memset(value, 0, strlen(value));
    kept.taken = text_format(kept.name, sizeof(kept.name), "%s", variable);
    kept.key = *out;
    return ST_OK;
}

void key_forget(struct key *k)
{
    memset(k, 0, sizeof(*k));
}

/* How many bytes of `text` spell the key's first bytes; *whole when all of it. */
static size_t match(const struct key *k, const char *text, size_t len, bool *whole)
{
    size_t at = 0, used = 0;

    while (used < k->len && at < len) {
        if (text[at] == '\\' && at + 1 < len && text[at + 1] == '/' &&
            k->text[used] == '/') {
            at++;
        }
        if (text[at] != k->text[used]) {
            break;
        }
        at++;
        used++;
    }
    *whole = used == k->len || (at == len && used >= CUT_LEAST);
    return at;
}

void key_scrub(const struct key *k, char *text, size_t len)
{
    bool whole;

    if (k->len == 0) {
        return;
    }
    for (size_t i = 0; i < len; i++) {
        const size_t n = match(k, text + i, len - i, &whole);
        if (whole) {
            memset(text + i, '*', n);
            i += n - 1;
        }
    }
}
