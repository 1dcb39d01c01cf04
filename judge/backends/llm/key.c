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

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text > '~') {
            return false;
        }
    }
    return true;
}

enum status key_take(const char *name, struct key *out)
{
    const char *variable = name[0] != '\0' ? name : usual;
    char *value;

    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (kept.taken && strcmp(kept.name, variable) == 0) {
        *out = kept.key;
        return ST_OK;
    }
    *out = (struct key){.len = 0};
    value = getenv(variable);
    if (value == NULL || value[0] == '\0') {
        if (name[0] == '\0') {
            return ST_OK;
        }
        LOG_ERROR("LLM-KEY", "--llm-key-env names %s, which is not set; export it",
                  name);
        return ST_INVALID;
    }
    if (strlen(value) > KEY_MAX || !is_printable(value)) {
        LOG_ERROR("LLM-KEY",
                  "the key in %s holds a blank or a control byte, or is longer than "
                  "4096 bytes",
                  variable);
        return ST_INVALID;
    }
    out->len = strlen(value);
    memcpy(out->text, value, out->len + 1);
    // The environment of a process can be read by others of the same user.
    memset(value, 0, out->len);
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
