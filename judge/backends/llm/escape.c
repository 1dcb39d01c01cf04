#include "judge/backends/llm/escape.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* ASCII alone: the locale has no say in what is sent. */
static bool is_word(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           c == '_';
}

/* How many letters, digits and underscores begin at s[at]. */
static size_t word_length(const unsigned char *s, size_t len, size_t at)
{
    size_t end = at;

    while (end < len && is_word(s[end])) {
        end++;
    }
    return end - at;
}

/* "[INST]", "[/INST]", "[gMASK]"; not "[ynaq]", by which NetHack asks its player. */
static bool opens_bracket_token(const unsigned char *s, size_t len, size_t at)
{
    at += at + 1 < len && s[at + 1] == '/' ? 2 : 1;
    const size_t word = word_length(s, len, at);

    if (word < 3 || at + word >= len || s[at + word] != ']') {
        return false;
    }
    return strspn((const char *)s + at, "ynaq") < word;
}

/* "Assistant:" and its like, whose colon is at s[at]. */
static bool ends_role(const unsigned char *s, size_t at)
{
    static const char *const roles[] = {"user",  "assistant",   "system", "human",
                                        "model", "instruction", "input",  "response",
                                        "tool",  "developer"};
    size_t begin = at;

    while (begin > 0 && is_word(s[begin - 1])) {
        begin--;
    }
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (strlen(roles[i]) == at - begin &&
            strncasecmp((const char *)s + begin, roles[i], at - begin) == 0) {
            return true;
        }
    }
    return false;
}

static bool must_escape(const unsigned char *s, size_t len, size_t at)
{
    const unsigned char c = s[at];
    const unsigned char next = at + 1 < len ? s[at + 1] : '\0';

    switch (c) {
    case '<':
        return true;
    case '[':
        return opens_bracket_token(s, len, at);
    case '#':
        return next == '#' || (at > 0 && s[at - 1] == '#');
    case '{':
        return next == '{' || next == '%' || next == '#';
    case ':':
        return ends_role(s, at);
    default:
        // C0, DEL and C1; the no-break space and the soft hyphen look like nothing.
        return c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad;
    }
}

size_t escape_caption(struct bytes caption, char *out)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *s = caption.data;
    char *to = out;

    for (size_t i = 0; i < caption.len; i++) {
        const unsigned char c = s[i];
        if (c == '\\') {
            *to++ = '\\';
            *to++ = '\\';
        } else if (must_escape(s, caption.len, i)) {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        } else if (c < 0x80) {
            *to++ = (char)c;
        } else {
            *to++ = (char)(0xc0 | c >> 6);
            *to++ = (char)(0x80 | (c & 0x3f));
        }
    }
    *to = '\0';
    return (size_t)(to - out);
}
