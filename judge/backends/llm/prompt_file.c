#include "judge/backends/llm/prompt_file.h"

#include <jansson.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"

enum { WORD_MAX_ = 32 };

static const char *const section_names[SECTIONS] = {"system", "user",   "text",
                                                    "schema", "choice", "reminder"};
static const char *const slot_names[SLOTS] = {"item", "goal", "principles",
                                              "environment", "format"};
/* Which slots a section may hold, a bit each. */
enum {
    ALWAYS =
        1 << SLOT_GOAL | 1 << SLOT_PRINCIPLES | 1 << SLOT_ENVIRONMENT | 1 << SLOT_FORMAT
};
static const int slots_of[SECTIONS] = {
    [SECTION_SYSTEM] = ALWAYS,
    [SECTION_USER] = ALWAYS | 1 << SLOT_ITEM,
    [SECTION_REMINDER] = 1 << SLOT_FORMAT,
};

static enum status refuse(const char *path, int line, const char *why)
{
    if (line > 0) {
        LOG_ERROR("PROMPT-FILE", "%s, line %d: %s", path, line, why);
    } else {
        LOG_ERROR("PROMPT-FILE", "%s: %s", path, why);
    }
    return ST_INVALID;
}

/* ---- slots ---- */

/* Where "{word}" of small letters begins in `text`, NULL when nowhere; *word is what stands
 * between the braces. */
static const char *find_braced(const char *text, struct bytes *word)
{
    for (const char *open = strchr(text, '{'); open != NULL;
         open = strchr(open + 1, '{')) {
        const size_t len = strspn(open + 1, "abcdefghijklmnopqrstuvwxyz");
        if (len > 0 && open[1 + len] == '}') {
            *word = bytes_of(open + 1, len);
            return open;
        }
    }
    return NULL;
}

static int index_of(const char *const *names, int count, struct bytes word)
{
    for (int i = 0; i < count; i++) {
        if (bytes_equal(bytes_text(names[i]), word)) {
            return i;
        }
    }
    return -1;
}

enum prompt_slot prompt_file_next_slot(const char **at, struct bytes *plain)
{
    struct bytes word;
    const char *open = find_braced(*at, &word);

    if (open == NULL) {
        *plain = bytes_text(*at);
        *at += plain->len;
        return SLOT_NONE;
    }
    const int slot = index_of(slot_names, SLOTS, word);
    CHECK(slot >= 0);
    *plain = bytes_of(*at, (size_t)(open - *at));
    *at = open + word.len + 2;
    return (enum prompt_slot)slot;
}

/* ", did you mean {item}?", or all of them. */
static const char *meant(const char *const *names, int count, struct bytes word,
                         const char brackets[2], char out[200])
{
    char text[WORD_MAX_];
    size_t len = 0;

    text_format(text, sizeof(text), "%.*s", (int)word.len, (const char *)word.data);
    const char *nearest = text_nearest(text, names, count);
    if (nearest != NULL) {
        text_format(out, 200, "did you mean %c%s%c?", brackets[0], nearest,
                    brackets[1]);
        return out;
    }
    text_format(out, 200, "there are");
    for (int i = 0; i < count; i++) {
        len = strlen(out);
        text_format(out + len, 200 - len, "%s %c%s%c", i == 0 ? "" : ",", brackets[0],
                    names[i], brackets[1]);
    }
    return out;
}

static int line_of(const struct prompt_file *f, int section, const char *at)
{
    int line = f->line[section];

    for (const char *c = f->section[section]; c < at; c++) {
        line += *c == '\n';
    }
    return line;
}

/* Counts the slots of one section into `seen`. */
static enum status check_slots(const struct prompt_file *f, const char *path,
                               int section, int seen[SLOTS])
{
    const char *at = f->section[section];
    char why[300], names[200];
    struct bytes word;

    for (at = find_braced(at, &word); at != NULL; at = find_braced(at + 1, &word)) {
        const int slot = index_of(slot_names, SLOTS, word);
        const int width = (int)(word.len < WORD_MAX_ ? word.len : WORD_MAX_);
        if (slot < 0) {
            text_format(why, sizeof(why), "there is no slot {%.*s}; %s", width,
                        (const char *)word.data,
                        meant(slot_names, SLOTS, word, "{}", names));
            return refuse(path, line_of(f, section, at), why);
        }
        if ((slots_of[section] & 1 << slot) == 0) {
            text_format(why, sizeof(why), "the slot {%s} cannot stand in [%s]",
                        slot_names[slot], section_names[section]);
            return refuse(path, line_of(f, section, at), why);
        }
        if (++seen[slot] > 1 && slot == SLOT_ITEM) {
            return refuse(path, line_of(f, section, at),
                          "the slot {item} stands here a second time");
        }
    }
    return ST_OK;
}

static enum status check(const struct prompt_file *f, const char *path)
{
    int seen[SLOTS] = {0};

    if (f->section[SECTION_USER] == NULL) {
        return refuse(path, 0, "has no section [user]");
    }
    if (f->section[SECTION_REMINDER] == NULL) {
        return refuse(path, 0, "has no section [reminder]");
    }
    for (int s = 0; s < SECTIONS; s++) {
        if (f->section[s] != NULL) {
            TRY(check_slots(f, path, s, seen));
        }
    }
    if (seen[SLOT_ITEM] == 0) {
        return refuse(path, 0,
                      "the section [user] has no slot {item}, for what is judged");
    }
    if (seen[SLOT_GOAL] == 0) {
        return refuse(path, 0, "no section has a slot {goal}, for the goal's sentence");
    }
    if (seen[SLOT_FORMAT] > 0 && f->section[SECTION_TEXT] == NULL) {
        return refuse(path, 0, "has no section [text], which its slot {format} needs");
    }
    return ST_OK;
}

/* ---- sections ---- */

/* What stands after the first lines that are comments. */
static char *skip_comments(char *text)
{
    while (*text == '#') {
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return text;
}

/* Cuts blank lines and spaces at both ends; *line moves along. */
static char *cut_blank(char *text, int *line)
{
    size_t len;

    while (*text == '\n' || *text == ' ' || *text == '\t') {
        *line += *text++ == '\n';
    }
    len = strlen(text);
    while (len > 0 && strchr("\n \t", text[len - 1]) != NULL) {
        text[--len] = '\0';
    }
    return text;
}

/* "[user]" and nothing else on the line. */
static bool is_header(const char *line, struct bytes *word)
{
    const size_t len =
        line[0] == '[' ? strspn(line + 1, "abcdefghijklmnopqrstuvwxyz") : 0;

    if (len == 0 || line[len + 1] != ']' || strchr("\n", line[len + 2]) == NULL) {
        return false;
    }
    *word = bytes_of(line + 1, len);
    return true;
}

static enum status unknown_section(const char *path, int line, struct bytes word)
{
    const int width = (int)(word.len < WORD_MAX_ ? word.len : WORD_MAX_);
    char why[300], names[200];

    text_format(why, sizeof(why), "there is no section [%.*s]; %s", width,
                (const char *)word.data,
                meant(section_names, SECTIONS, word, "[]", names));
    return refuse(path, line, why);
}

/* Cuts f->data into its sections. */
static enum status cut_sections(struct prompt_file *f, const char *path)
{
    int number = 1, current = -1;
    char *start[SECTIONS] = {NULL};
    struct bytes word;

    for (char *line = f->data, *next; line != NULL; line = next, number++) {
        next = strchr(line, '\n');
        next = next != NULL ? next + 1 : NULL;
        if (!is_header(line, &word)) {
            if (current < 0 && line[0] != '#' &&
                strspn(line, " \t\n") < strcspn(line, "\n")) {
                return refuse(path, number, "text before the first section");
            }
            continue;
        }
        current = index_of(section_names, SECTIONS, word);
        if (current < 0) {
            return unknown_section(path, number, word);
        }
        if (start[current] != NULL) {
            return refuse(path, number, "this section is there already");
        }
        *line = '\0'; // ends the section before
        start[current] = next != NULL ? next : line + strlen(line);
        f->line[current] = number + 1;
    }
    for (int s = 0; s < SECTIONS; s++) {
        if (start[s] != NULL) {
            const char *text = cut_blank(start[s], &f->line[s]);
            f->section[s] = text[0] != '\0' ? text : NULL;
        }
    }
    return ST_OK;
}

/* ---- files ---- */

static void drop_returns(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        if (from[0] != '\r' || from[1] != '\n') {
            *to++ = *from;
        }
    }
    *to = '\0';
}

bool prompt_file_is_utf8(struct bytes text)
{
    json_t *value = json_stringn(text.data, text.len); // NULL when it is not

    json_decref(value);
    return value != NULL;
}

static enum status read_text(const char *path, char **out)
{
    char *text;
    size_t len;
    const enum status st = file_read(path, PROMPT_FILE_MAX, &text, &len);

    if (st == ST_NOTFOUND) {
        LOG_ERROR("PROMPT-FILE", "there is no file %s", path);
    }
    TRY(st);
    if (memchr(text, 0, len) != NULL || !prompt_file_is_utf8(bytes_of(text, len))) {
        mem_free(text);
        return refuse(path, 0, "is not UTF-8 text");
    }
    drop_returns(text);
    *out = text;
    return ST_OK;
}

enum status prompt_file_read(const char *path, struct prompt_file *out)
{
    struct prompt_file f = {.data = NULL};

    TRY(read_text(path, &f.data));
    enum status st = cut_sections(&f, path);
    if (st == ST_OK) {
        st = check(&f, path);
    }
    if (st != ST_OK) {
        prompt_file_release(&f);
        return st;
    }
    *out = f;
    return ST_OK;
}

void prompt_file_release(struct prompt_file *f)
{
    mem_free(f->data);
    *f = (struct prompt_file){.data = NULL};
}

enum status prompt_file_read_about(const char *path, char **out)
{
    char *data;
    int line = 1;

    TRY(read_text(path, &data));
    char *text = mem_text(cut_blank(skip_comments(data), &line));
    mem_free(data);
    if (text[0] == '\0') {
        mem_free(text);
        return refuse(path, 0, "describes nothing");
    }
    *out = text;
    return ST_OK;
}
