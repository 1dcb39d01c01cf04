#include "judge/backends/llm/parse.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/base/check.h"

static const char tag_open[] = "<answer>", tag_close[] = "</answer>";
enum { OPEN_LEN = sizeof(tag_open) - 1, CLOSE_LEN = sizeof(tag_close) - 1 };

static void no(struct parsed *out, const char *why)
{
    *out = (struct parsed){.why = why};
}

/* ---- the answer's word ---- */

static bool is_word(struct bytes b, const char *word)
{
    return bytes_equal(b, bytes_text(word));
}

/* "0" … "10", no sign, no leading zero; -1 for anything else. */
static int grade_of(struct bytes b)
{
    const char *c = b.data;

    if (is_word(b, "10")) {
        return 10;
    }
    return b.len == 1 && c[0] >= '0' && c[0] <= '9' ? c[0] - '0' : -1;
}

static void take_pair(struct bytes b, struct parsed *out)
{
    const bool first = is_word(b, "1"), second = is_word(b, "2");

    if (!first && !second && !is_word(b, "tie")) {
        no(out, "the answer is not 1, 2 or tie");
        return;
    }
    *out = (struct parsed){.ok = true,
                           .hard = true,
                           .p = first    ? 1
                                : second ? 0
                                         : 0.5,
                           .rank = {second, first}};
}

/* "2 > 1 = 3": numbers and signs in turn, blanks free. A rank is how many captions stand
 * before the group, as judge_order() counts. */
static void take_order(int captions, struct bytes b, struct parsed *out)
{
    struct parsed got = {.ok = true, .hard = true};
    bool seen[ITEM_CAPTIONS_MAX] = {false};
    const char *c = b.data;
    bool number = true; // is what comes next
    int placed = 0, rank = 0;

    for (size_t i = 0; i < b.len; i++) {
        if (c[i] == ' ') {
            continue;
        }
        if (!number && (c[i] == '>' || c[i] == '=')) {
            rank = c[i] == '>' ? placed : rank;
            number = true;
            continue;
        }
        const int index = c[i] - '1';
        if (!number || index < 0 || index >= captions || seen[index]) {
            no(out, "the answer is not the captions' numbers, each once, with > or = "
                    "between");
            return;
        }
        seen[index] = true;
        got.rank[index] = (uint8_t)rank;
        placed++;
        number = false;
    }
    if (placed != captions || number) {
        no(out, "the answer does not order all captions");
        return;
    }
    *out = got;
}

static void take_word(enum prompt_style s, int captions, struct bytes b,
                      struct parsed *out)
{
    const bool yes = is_word(b, "yes");
    const int grade = grade_of(b);

    CHECK(captions >= 1 && captions <= ITEM_CAPTIONS_MAX);
    switch (s) {
    case STYLE_BINARY:
        if (!yes && !is_word(b, "no")) {
            no(out, "the answer is not yes or no");
            return;
        }
        *out = (struct parsed){.ok = true, .hard = true, .p = yes};
        return;
    case STYLE_GRADED:
        if (grade < 0) {
            no(out, "the answer is not a whole number from 0 to 10");
            return;
        }
        *out = (struct parsed){.ok = true, .p = grade / 10.0};
        return;
    case STYLE_PAIR:
        take_pair(b, out);
        return;
    default:
        take_order(captions, b, out);
    }
}

/* ---- free text ---- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct bytes trimmed(struct bytes b)
{
    const char *c = b.data;
    size_t from = 0, to = b.len;

    while (from < to && is_blank(c[from])) {
        from++;
    }
    while (to > from && is_blank(c[to - 1])) {
        to--;
    }
    return bytes_of(c + from, to - from);
}

static struct bytes last_line(struct bytes text)
{
    const struct bytes rest = trimmed(text);
    const char *line = rest.len > 0 ? memrchr(rest.data, '\n', rest.len) : NULL;

    if (line == NULL) {
        return rest;
    }
    const size_t before = (size_t)(line + 1 - (const char *)rest.data);
    return trimmed(bytes_of(line + 1, rest.len - before));
}

/* Where `tag` stands in text[from, to), whatever its case; `to` when nowhere. */
static size_t find_tag(const char *text, size_t from, size_t to, const char *tag,
                       size_t len)
{
    for (size_t i = from; i + len <= to; i++) {
        if (text[i] == '<' && strncasecmp(text + i, tag, len) == 0) {
            return i;
        }
    }
    return to;
}

static bool same_answer(enum prompt_style s, int captions, struct bytes text,
                        const struct parsed *final, bool *readable)
{
    char lower[64];
    struct parsed got;

    text = trimmed(text);
    *readable = false;
    if (text.len >= sizeof(lower)) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        lower[i] = (char)tolower(((const unsigned char *)text.data)[i]);
    }
    take_word(s, captions, bytes_of(lower, text.len), &got);
    *readable = got.ok;
    return got.ok && got.p == final->p &&
           memcmp(got.rank, final->rank, sizeof(got.rank)) == 0;
}

/* Whether a tag in text[0, end) holds another answer than `final`. One that is never
 * closed counts only if the line behind it is an answer: "the <answer> tag" does not. */
static bool is_contradicted(enum prompt_style s, int captions, const char *text,
                            size_t end, const struct parsed *final)
{
    size_t at = find_tag(text, 0, end, tag_open, OPEN_LEN);

    while (at < end) {
        const size_t from = at + OPEN_LEN;
        const size_t next = find_tag(text, from, end, tag_open, OPEN_LEN);
        const size_t to = find_tag(text, from, next, tag_close, CLOSE_LEN);
        const bool closed = to < next;
        bool readable;
        const struct bytes held = trimmed(bytes_of(text + from, to - from));
        const char *eol = closed ? NULL : memchr(held.data, '\n', held.len);
        const size_t len =
            eol != NULL ? (size_t)(eol - (const char *)held.data) : held.len;
        const bool same =
            same_answer(s, captions, bytes_of(held.data, len), final, &readable);
        if (!same && (closed || readable)) {
            return true;
        }
        at = next;
    }
    return false;
}

void parse_text(enum prompt_style s, int captions, struct bytes answer,
                struct parsed *out)
{
    if (answer.len > PARSE_ANSWER_MAX) {
        no(out, "the answer is longer than 64 KB");
        return;
    }
    const struct bytes line = last_line(answer);
    const char *c = line.data;
    if (line.len < OPEN_LEN + CLOSE_LEN || memcmp(c, tag_open, OPEN_LEN) != 0 ||
        memcmp(c + line.len - CLOSE_LEN, tag_close, CLOSE_LEN) != 0) {
        no(out, line.len == 0 ? "the answer is empty"
                              : "the last line is not an answer in its tag");
        return;
    }
    const struct bytes word = bytes_of(c + OPEN_LEN, line.len - OPEN_LEN - CLOSE_LEN);
    const size_t before = (size_t)(c - (const char *)answer.data);
    take_word(s, captions, word, out);
    if (!out->ok) {
        return;
    }
    if (is_contradicted(s, captions, answer.data, before, out)) {
        no(out, "the tag stands there twice, with different answers");
        return;
    }
    out->at = before + OPEN_LEN;
    out->len = word.len;
}

void parse_choice(enum prompt_style s, int captions, struct bytes answer,
                  struct parsed *out)
{
    const struct bytes word = trimmed(answer);

    take_word(s, captions, word, out);
    if (out->ok) {
        out->at = (size_t)((const char *)word.data - (const char *)answer.data);
        out->len = word.len;
    }
}
