#include "learner/reward/wordvec_line.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"

/* With them the largest number is below 1e7 times 1e30, which is a finite float. */
enum { WHOLE_DIGITS = 7, EXPONENT_MOST = 30 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Some writers end lines with a blank, or as Windows does. */
static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

struct bytes wordvec_line_word(struct bytes line)
{
    const char *end = memchr(line.data, ' ', line.len);

    return bytes_of(line.data,
                    end != NULL ? (size_t)(end - (const char *)line.data) : line.len);
}

/* Where the decimal number at `at` ends; NULL: there is none, or one too large. Every byte
 * of gigabytes comes by here, so strtof() must wait until a word is wanted. */
static const char *number_end(const char *at, const char *end)
{
    const char *begin;
    int digits, exponent = 0;

    at += at < end && (*at == '-' || *at == '+');
    for (begin = at; at < end && is_digit(*at); at++) {
    }
    digits = (int)(at - begin);
    if (at - begin > WHOLE_DIGITS) {
        return NULL;
    }
    if (at < end && *at == '.') {
        for (begin = ++at; at < end && is_digit(*at); at++) {
        }
        digits += at > begin;
    }
    if (digits == 0) {
        return NULL;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        const bool down = ++at < end && *at == '-';
        at += at < end && (*at == '-' || *at == '+');
        for (begin = at; at < end && is_digit(*at); at++) {
            exponent = exponent < 1000 ? 10 * exponent + (*at - '0') : exponent;
        }
        if (at == begin || (!down && exponent > EXPONENT_MOST)) {
            return NULL;
        }
    }
    return at == end || is_blank(*at) ? at : NULL;
}

static bool broken_number(const char *at, const char *end, int index,
                          char why[WORDVEC_WHY_MAX])
{
    char shown[33];
    size_t len = 0;

    for (; at + len < end && !is_blank(at[len]) && len < sizeof(shown) - 1; len++) {
        shown[len] = at[len] >= ' ' && at[len] <= '~' ? at[len] : '?';
    }
    shown[len] = '\0';
    text_format(why, WORDVEC_WHY_MAX, "number %d is '%s', not a decimal below 1e38",
                index + 1, shown);
    return false;
}

bool wordvec_line_check(struct bytes line, int dim, char why[WORDVEC_WHY_MAX])
{
    const struct bytes word = wordvec_line_word(line);
    const char *at = (const char *)line.data + word.len;
    const char *end = (const char *)line.data + line.len;
    int n;

    if (word.len == 0) {
        text_format(why, WORDVEC_WHY_MAX, "it begins with no word");
        return false;
    }
    for (n = 0;; n++) {
        while (at < end && is_blank(*at)) {
            at++;
        }
        if (at == end) {
            break;
        }
        const char *next = number_end(at, end);
        if (next == NULL) {
            return broken_number(at, end, n, why);
        }
        at = next;
    }
    if (n != dim) {
        text_format(why, WORDVEC_WHY_MAX, "%d numbers follow the word, not %d", n, dim);
    }
    return n == dim;
}

void wordvec_line_numbers(struct bytes line, float *out, int dim)
{
    char *at = (char *)line.data + wordvec_line_word(line).len;

    for (int i = 0; i < dim; i++) {
        out[i] = strtof(at, &at);
    }
}
