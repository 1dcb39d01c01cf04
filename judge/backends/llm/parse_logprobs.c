#include "judge/backends/llm/parse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TOKENS_MAX = 64 };

/* Below this share of the probability the model was about to say something else. */
static const double MASS_LEAST = 0.5;
/* Of the answers' probability on "1" where "10" is not among the tokens. */
static const double ONE_MOST = 0.05;

/* A blank, a quote, or how a tokenizer writes a blank before a word or a new line. */
static size_t space_at(const char *c)
{
    static const char *const marks[] = {" ",
                                        "\t",
                                        "\r",
                                        "\n",
                                        "\"",
                                        "'",
                                        "\xe2\x96\x81", // U+2581, SentencePiece
                                        "\xc4\xa0",     // U+0120, byte-level BPE
                                        "\xc4\x8a"};    // U+010A, its new line

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (strncmp(c, marks[i], strlen(marks[i])) == 0) {
            return strlen(marks[i]);
        }
    }
    return 0;
}

/* Whether `token` is `word` but for case and blanks. */
static bool is_word(const char *token, const char *word)
{
    const size_t len = strlen(word);
    size_t skip;

    while ((skip = space_at(token)) > 0) {
        token += skip;
    }
    if (strncasecmp(token, word, len) != 0) {
        return false;
    }
    token += len;
    while ((skip = space_at(token)) > 0) {
        token += skip;
    }
    return *token == '\0';
}

/* What the token's answer adds to P; negative: it is no answer. */
static double value_of(enum prompt_style s, const char *token)
{
    static const char *const grades[] = {"0", "1", "2", "3", "4", "5",
                                         "6", "7", "8", "9", "10"};

    switch (s) {
    case STYLE_BINARY:
        return is_word(token, "yes") ? 1 : is_word(token, "no") ? 0 : -1;
    case STYLE_PAIR:
        return is_word(token, "1")     ? 1
               : is_word(token, "2")   ? 0
               : is_word(token, "tie") ? 0.5
                                       : -1;
    case STYLE_GRADED:
        for (int g = 0; g <= 10; g++) {
            if (is_word(token, grades[g])) {
                return g / 10.0;
            }
        }
        return -1;
    default:
        return -1;
    }
}

static bool is_repeated(const char *const *token, int i)
{
    for (int k = 0; k < i; k++) {
        if (strcmp(token[k], token[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool parse_logprobs(enum prompt_style s, const char *const *token,
                    const double *logprob, int n, double *p)
{
    double mass = 0, sum = 0, one = 0;
    bool ten = false;

    for (int i = 0; i < n && i < TOKENS_MAX; i++) {
        const double value = value_of(s, token[i]);
        // -inf is a probability of 0; a NaN fails the comparison.
        if (!(logprob[i] <= 1e-3)) {
            return false;
        }
        if (value < 0 || is_repeated(token, i)) {
            continue;
        }
        const double share = exp(logprob[i]);
        mass += share;
        sum += share * value;
        one += is_word(token[i], "1") ? share : 0;
        ten = ten || is_word(token[i], "10");
    }
    if (mass < MASS_LEAST || mass > 1.01) {
        return false;
    }
    if (s == STYLE_GRADED && !ten && one > ONE_MOST * mass) {
        return false;
    }
    *p = sum / mass;
    return true;
}
