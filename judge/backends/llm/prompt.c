#include "judge/backends/llm/prompt.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/share.h"
#include "judge/backends/llm/escape.h"
#include "judge/backends/llm/parse.h"
#include "judge/backends/llm/prompt_file.h"

struct prompt {
    enum prompt_style style;
    enum prompt_mode mode;
    bool reasoning;
    char path[PATH_MAX_];
    struct prompt_file file;
    char *about;
    const struct judge_goal *goal;
    // Filled for the mode. The user message is head, captions, tail.
    struct text_buf system, head, tail, reminder;
};

static const char *const style_names[STYLES] = {"binary", "graded", "pair", "order"};

const char *prompt_style_name(enum prompt_style style)
{
    return style_names[style];
}

bool prompt_style_find(const char *name, enum prompt_style *out)
{
    for (int s = 0; s < STYLES; s++) {
        if (strcmp(name, style_names[s]) == 0) {
            *out = (enum prompt_style)s;
            return true;
        }
    }
    return false;
}

enum prompt_style prompt_style_of(const struct prompt *p)
{
    return p->style;
}

static bool rates(const struct prompt *p)
{
    return p->style == STYLE_BINARY || p->style == STYLE_GRADED;
}

/* ---- filling ---- */

static const char *format_of(const struct prompt *p)
{
    const char *text = p->file.section[SECTION_TEXT];
    const char *own = p->mode == MODE_SCHEMA   ? p->file.section[SECTION_SCHEMA]
                      : p->mode == MODE_CHOICE ? p->file.section[SECTION_CHOICE]
                                               : text;
    return own != NULL ? own : text;
}

static void add_slot(const struct prompt *p, enum prompt_slot slot,
                     struct text_buf *out)
{
    switch (slot) {
    case SLOT_GOAL:
        text_buf_add(out, "%s", p->goal->sentence);
        break;
    case SLOT_PRINCIPLES:
        for (int i = 0; i < p->goal->principle_count; i++) {
            text_buf_add(out, "%s- %s", i > 0 ? "\n" : "", p->goal->principles[i]);
        }
        break;
    case SLOT_ENVIRONMENT:
        text_buf_add(out, "%s", p->about);
        break;
    case SLOT_FORMAT:
        text_buf_add(out, "%s", format_of(p));
        break;
    default:
        break;
    }
}

/* What follows an item slot goes into `tail`. */
static void fill_section(const struct prompt *p, enum prompt_section section,
                         struct text_buf *out, struct text_buf *tail)
{
    const char *at = p->file.section[section];
    enum prompt_slot slot;
    struct bytes plain;

    text_buf_clear(out);
    text_buf_add(out, "%s", "");
    while (at != NULL) {
        slot = prompt_file_next_slot(&at, &plain);
        text_buf_add(out, "%.*s", (int)plain.len, (const char *)plain.data);
        if (slot == SLOT_NONE) {
            return;
        }
        if (slot == SLOT_ITEM) {
            out = tail;
            text_buf_clear(out);
        }
        add_slot(p, slot, out);
    }
}

void prompt_set_mode(struct prompt *p, enum prompt_mode mode)
{
    p->mode = mode;
    fill_section(p, SECTION_SYSTEM, &p->system, NULL);
    fill_section(p, SECTION_USER, &p->head, &p->tail);
    fill_section(p, SECTION_REMINDER, &p->reminder, NULL);
}

static bool fits(const struct prompt *p, int captions)
{
    return rates(p)                 ? captions == 1
           : p->style == STYLE_PAIR ? captions == 2
                                    : captions >= 2 && captions <= ITEM_CAPTIONS_MAX;
}

void prompt_fill(const struct prompt *p, const struct judge_question *q,
                 const uint8_t *shown, struct text_buf *system, struct text_buf *user)
{
    char text[ESCAPE_GROWTH * SEGMENT_TEXT_MAX + 1];

    CHECK(fits(p, q->captions));
    text_buf_clear(system);
    text_buf_add(system, "%s", p->system.data);
    text_buf_clear(user);
    text_buf_add(user, "%s", p->head.data);
    for (int i = 0; i < q->captions; i++) {
        const int index = shown != NULL ? shown[i] : i;
        CHECK(index < q->captions);
        const struct judge_caption *c = &q->caption[index];
        escape_caption(bytes_of(c->text, c->len), text);
        if (rates(p)) {
            text_buf_add(user, "<caption>\n%s\n</caption>", text);
        } else {
            text_buf_add(user, "%s<caption-%d>\n%s\n</caption-%d>", i > 0 ? "\n" : "",
                         i + 1, text, i + 1);
        }
    }
    text_buf_add(user, "%s", p->tail.data);
}

const char *prompt_reminder(const struct prompt *p)
{
    return p->reminder.data;
}

/* ---- opening ---- */

static enum status find_style(const char *name, enum prompt_style *out)
{
    if (prompt_style_find(name, out)) {
        return ST_OK;
    }
    const char *nearest = text_nearest(name, style_names, STYLES);
    LOG_ERROR("PROMPT-STYLE", "there is no style %s; %s%s%s", name,
              nearest != NULL ? "did you mean " : "there are ",
              nearest != NULL ? nearest : "binary, graded, pair and order",
              nearest != NULL ? "?" : "");
    return ST_INVALID;
}

static enum status read_file(struct prompt *p, const char *given)
{
    char relative[64];

    if (given != NULL && given[0] != '\0') {
        text_format(p->path, sizeof(p->path), "%s", given);
    } else {
        text_format(relative, sizeof(relative), "prompts/%s%s.prompt",
                    prompt_style_name(p->style), p->reasoning ? "-reasoning" : "");
        // Where it is missing, the path that was looked at is what the error names.
        (void)share_path(relative, p->path, sizeof(p->path));
    }
    return prompt_file_read(p->path, &p->file);
}

/* The goal zeroknowledge is given without any knowledge of the environment. */
static enum status read_about(struct prompt *p)
{
    char path[PATH_MAX_], relative[PATH_MAX_];
    bool found = false;

    if (strcmp(p->goal->name, "zeroknowledge") != 0) {
        found = text_format(relative, sizeof(relative), "prompts/%s.about",
                            p->goal->family) &&
                strchr(p->goal->family, '/') == NULL &&
                share_path(relative, path, sizeof(path));
        if (!found) {
            LOG_INFO("PROMPT-ENV",
                     "no description of %s in share/minos/prompts/%s.about; the prompt "
                     "says that nothing is known of it",
                     p->goal->family, p->goal->family);
        }
    }
    if (!found) {
        (void)share_path("prompts/any.about", path, sizeof(path));
    }
    return prompt_file_read_about(path, &p->about);
}

/* The goal comes from the learner, unread so far. And nothing but prompt_fill() may write
 * a delimiter, or there would be two. */
static enum status check_filled(const struct prompt *p)
{
    const char *const texts[] = {p->system.data, p->head.data, p->tail.data};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!prompt_file_is_utf8(bytes_text(texts[i]))) {
            LOG_ERROR("GOAL-TEXT", "goal %s is not UTF-8 text", p->goal->name);
            return ST_INVALID;
        }
        if (strstr(texts[i], "<caption") != NULL ||
            strstr(texts[i], "</caption") != NULL) {
            LOG_ERROR("PROMPT-FILE",
                      "%s: filled with goal %s it holds <caption or </caption, which "
                      "may stand around captions alone",
                      p->path, p->goal->name);
            return ST_INVALID;
        }
    }
    return ST_OK;
}

enum status prompt_open(const struct judge_goal *goal, const struct prompt_options *o,
                        struct prompt **out)
{
    enum prompt_style style;

    TRY(find_style(o->style, &style));
    struct prompt *p = mem_new(1, sizeof(*p));
    p->style = style;
    p->reasoning = o->reasoning;
    p->goal = goal;
    enum status st = read_file(p, o->file);
    if (st == ST_OK) {
        st = read_about(p);
    }
    if (st == ST_OK) {
        prompt_set_mode(p, MODE_TEXT);
        st = check_filled(p);
    }
    if (st != ST_OK) {
        prompt_free(p);
        return st;
    }
    *out = p;
    return ST_OK;
}

void prompt_free(struct prompt *p)
{
    if (p == NULL) {
        return;
    }
    prompt_file_release(&p->file);
    mem_free(p->about);
    text_buf_release(&p->system);
    text_buf_release(&p->head);
    text_buf_release(&p->tail);
    text_buf_release(&p->reminder);
    mem_free(p);
}

/* ---- answers ---- */

/* All answers there are; 0 when they are too many to list. */
static int answers_of(enum prompt_style style, int captions, const char *const **words)
{
    static const char *const yes_no[] = {"yes", "no"};
    static const char *const grades[] = {"0", "1", "2", "3", "4", "5",
                                         "6", "7", "8", "9", "10"};
    static const char *const pairs[] = {"1", "2", "tie"};
    static const char *const of_two[] = {"1 > 2", "2 > 1", "1 = 2"};
    static const char *const of_three[] = {
        "1 > 2 > 3", "1 > 3 > 2", "2 > 1 > 3", "2 > 3 > 1", "3 > 1 > 2",
        "3 > 2 > 1", "1 > 2 = 3", "2 > 1 = 3", "3 > 1 = 2", "1 = 2 > 3",
        "1 = 3 > 2", "2 = 3 > 1", "1 = 2 = 3"};

    switch (style) {
    case STYLE_BINARY:
        *words = yes_no;
        return 2;
    case STYLE_GRADED:
        *words = grades;
        return 11;
    case STYLE_PAIR:
        *words = pairs;
        return 3;
    default:
        *words = captions == 2 ? of_two : of_three;
        return captions == 2 ? 3 : captions == 3 ? 13 : 0; // 75 of four
    }
}

int prompt_choices(const struct prompt *p, int captions, const char *out[], int most)
{
    const char *const *words;

    CHECK(fits(p, captions));
    const int count = answers_of(p->style, captions, &words);
    if (p->reasoning || count > most) {
        return 0;
    }
    memcpy(out, words, (size_t)count * sizeof(out[0]));
    return count;
}

/* The schema of "answer". A bound on numbers or a pattern is not understood by every
 * server, a list of the values is. */
static void add_answer_schema(enum prompt_style style, int captions,
                              struct text_buf *out)
{
    const char *quote = style == STYLE_GRADED ? "" : "\"";
    const char *const *words;
    const int count = answers_of(style, captions, &words);

    text_buf_add(out, "{\"type\":\"%s\",",
                 style == STYLE_GRADED ? "integer" : "string");
    if (count == 0) {
        text_buf_add(out, "\"pattern\":\"^[1-%d]( [>=] [1-%d]){%d}$\"}", captions,
                     captions, captions - 1);
        return;
    }
    for (int i = 0; i < count; i++) {
        text_buf_add(out, "%s%s%s%s", i == 0 ? "\"enum\":[" : ",", quote, words[i],
                     quote);
    }
    text_buf_add(out, "]}");
}

void prompt_schema(const struct prompt *p, int captions, struct text_buf *out)
{
    CHECK(fits(p, captions));
    text_buf_clear(out);
    text_buf_add(out, "{\"type\":\"object\",\"properties\":{%s\"answer\":",
                 p->reasoning ? "\"reasoning\":{\"type\":\"string\"}," : "");
    add_answer_schema(p->style, captions, out);
    text_buf_add(out, "},\"required\":[%s\"answer\"],\"additionalProperties\":false}",
                 p->reasoning ? "\"reasoning\"," : "");
}

/* ---- digest ---- */

/* Its length goes in before it, so that two pieces never look like one. */
static void add_piece(struct hash_state *h, struct bytes piece)
{
    char length[32];

    text_format(length, sizeof(length), "%zu:", piece.len);
    hash_add(h, bytes_text(length));
    hash_add(h, piece);
}

struct hash128 prompt_digest(const struct prompt *p, struct bytes decoding)
{
    static const char *const mode_names[] = {"text", "schema", "choice"};
    const int least = rates(p) ? 1 : 2;
    const int most = p->style == STYLE_ORDER ? ITEM_CAPTIONS_MAX : least;
    struct text_buf schema = {.data = NULL};
    struct hash_state *h = hash_begin();
    char version[32];

    text_format(version, sizeof(version), "parse %d", PARSE_VERSION);
    add_piece(h, bytes_text(version));
    add_piece(h, bytes_text(prompt_style_name(p->style)));
    add_piece(h, bytes_text(mode_names[p->mode]));
    add_piece(h, bytes_text(p->system.data));
    add_piece(h, bytes_text(p->head.data));
    add_piece(h, bytes_text(rates(p) ? "<caption>" : "<caption-1>"));
    add_piece(h, bytes_text(p->tail.data));
    add_piece(h, bytes_text(p->reminder.data));
    for (int captions = least; captions <= most; captions++) {
        prompt_schema(p, captions, &schema); // the choices are in it
        add_piece(h, bytes_of(schema.data, schema.len));
    }
    add_piece(h, decoding);
    text_buf_release(&schema);
    return hash_end(h);
}
