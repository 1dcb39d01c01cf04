#include "learner/store/ledger_line.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

enum { NAME_MAX_ = 255, NAMES = 4 };

struct ledger_line {
    char why[256];
    uint8_t name[NAMES][NAME_MAX_], caption[ITEM_CAPTIONS_MAX][NAME_MAX_];
    uint8_t raw[LEDGER_RAW_MAX];
};

static const char *const keys[] = {"serial",        "time_ms",     "question",
                                   "key",           "goal_digest", "ask",
                                   "prompt_digest", "goal",        "judge",
                                   "model",         "purpose",     "verdict",
                                   "late",          "trains",      "label",
                                   "confidence",    "captions",    "order",
                                   "tokens_in",     "tokens_out",  "latency_us",
                                   "requests",      "position",    "estimated",
                                   "cost_micro",    "origin",      "raw"};
enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

struct ledger_line *ledger_line_new(void)
{
    return mem_new(1, sizeof(struct ledger_line));
}

void ledger_line_free(struct ledger_line *s)
{
    mem_free(s);
}

const char *ledger_line_why(const struct ledger_line *s)
{
    return s->why;
}

static bool wrong(struct ledger_line *s, const char *key, const char *allowed)
{
    (void)text_format(s->why, sizeof(s->why), "%s is not %s", key, allowed);
    return false;
}

/* Before the parser sees it: it would follow brackets down thousands of levels. */
static bool is_flat(struct bytes line)
{
    const char *c = line.data;
    bool text = false;
    int depth = 0;

    for (size_t i = 0; i < line.len && depth <= LEDGER_LINE_DEPTH; i++) {
        if (c[i] == '"') {
            text = !text;
        } else if (text) {
            i += c[i] == '\\';
        } else {
            depth += c[i] == '{' || c[i] == '[';
            depth -= c[i] == '}' || c[i] == ']';
        }
    }
    return depth <= LEDGER_LINE_DEPTH;
}

static json_t *parse(struct ledger_line *s, struct bytes line)
{
    json_error_t error;
    json_t *o = NULL;

    if (line.len > LEDGER_LINE_MAX) {
        (void)text_format(s->why, sizeof(s->why), "longer than %d bytes",
                          LEDGER_LINE_MAX);
    } else if (!is_flat(line)) {
        (void)text_format(s->why, sizeof(s->why), "nests deeper than %d",
                          LEDGER_LINE_DEPTH);
    } else {
        o = json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
                       &error);
        if (o == NULL) {
            (void)text_format(s->why, sizeof(s->why), "%s", error.text);
        } else if (!json_is_object(o)) {
            (void)text_format(s->why, sizeof(s->why), "not an object");
            json_decref(o);
            o = NULL;
        }
    }
    for (char *c = s->why; o == NULL && *c != '\0'; c++) {
        *c = *c >= ' ' && *c < 0x7f ? *c : '?'; // the parser quotes what it met
    }
    return o;
}

/* Every key is known and none is missing; "order" belongs to questions of its kind. */
static bool has_keys(struct ledger_line *s, json_t *o)
{
    const char *key;
    json_t *value;

    json_object_foreach(o, key, value)
    {
        bool known = false;
        for (int i = 0; i < KEYS && !known; i++) {
            known = strcmp(keys[i], key) == 0;
        }
        if (!known) {
            (void)text_format(s->why, sizeof(s->why), "has a key of no meaning");
            return false;
        }
    }
    for (int i = 0; i < KEYS; i++) {
        if (json_object_get(o, keys[i]) == NULL && strcmp(keys[i], "order") != 0) {
            (void)text_format(s->why, sizeof(s->why), "has no %s", keys[i]);
            return false;
        }
    }
    return true;
}

static bool read_int(struct ledger_line *s, const json_t *o, const char *key,
                     int64_t least, int64_t most, int64_t *out)
{
    const json_t *v = json_object_get(o, key);
    char allowed[96];

    *out = json_integer_value(v);
    if (json_is_integer(v) && *out >= least && *out <= most) {
        return true;
    }
    (void)text_format(allowed, sizeof(allowed),
                      "an integer from %" PRId64 " to %" PRId64, least, most);
    return wrong(s, key, allowed);
}

/* Below 2^48: so many of anything fit nowhere. */
static bool read_u48(struct ledger_line *s, const json_t *o, const char *key,
                     int64_t least, uint64_t *out)
{
    int64_t v;
    const bool good = read_int(s, o, key, least, ((int64_t)1 << 48) - 1, &v);

    *out = (uint64_t)v;
    return good;
}

static bool read_u32(struct ledger_line *s, const json_t *o, const char *key,
                     uint32_t *out)
{
    int64_t v;
    const bool good = read_int(s, o, key, 0, UINT32_MAX, &v);

    *out = (uint32_t)v;
    return good;
}

static bool read_bool(struct ledger_line *s, const json_t *o, const char *key,
                      bool *out)
{
    const json_t *v = json_object_get(o, key);

    *out = json_is_true(v);
    return json_is_boolean(v) || wrong(s, key, "true or false");
}

/* A share, or null where there is none. */
static bool read_share(struct ledger_line *s, const json_t *o, const char *key,
                       float *out)
{
    const json_t *v = json_object_get(o, key);
    const double n = json_is_null(v) ? NAN : json_number_value(v);

    *out = (float)n;
    return json_is_null(v) || (json_is_number(v) && n >= 0 && n <= 1) ||
           wrong(s, key, "null or a number from 0 to 1");
}

static bool all_hex(const char *text, size_t len)
{
    return strspn(text, "0123456789abcdef") >= len;
}

static bool read_hash(struct ledger_line *s, const json_t *o, const char *key,
                      struct hash128 *out)
{
    const char *text = json_string_value(json_object_get(o, key));

    return (text != NULL && strlen(text) == 32 && hash_parse(text, out)) ||
           wrong(s, key, "32 hex digits");
}

static bool read_hex64(struct ledger_line *s, const json_t *o, const char *key,
                       uint64_t *out)
{
    const json_t *v = json_object_get(o, key);
    const char *text = json_string_value(v);

    if (json_string_length(v) != 16 || !all_hex(text, 16)) {
        return wrong(s, key, "16 hex digits");
    }
    *out = strtoull(text, NULL, 16);
    return true;
}

/* UTF-8 of code points below 256, as text_buf_add_json() writes them, back to bytes. The
 * parser has checked that it is UTF-8. */
static bool read_latin(struct ledger_line *s, const char *key, const json_t *v,
                       uint8_t *room, size_t size, struct bytes *out)
{
    const unsigned char *text = (const unsigned char *)json_string_value(v);
    const size_t n = json_string_length(v);
    char allowed[96];
    size_t len = 0;
    bool good = text != NULL;

    for (size_t i = 0; good && i < n; i++) {
        const bool pair = text[i] == 0xc2 || text[i] == 0xc3;
        good = len < size && (text[i] < 0x80 || (pair && i + 1 < n));
        if (good) {
            room[len++] =
                pair ? (uint8_t)((text[i] & 3) << 6 | (text[i + 1] & 0x3f)) : text[i];
            i += pair;
        }
    }
    *out = bytes_of(room, len);
    (void)text_format(allowed, sizeof(allowed),
                      "a text of at most %zu characters below U+0100", size);
    return good || wrong(s, key, allowed);
}

static bool read_text(struct ledger_line *s, const json_t *o, const char *key,
                      uint8_t *room, size_t size, struct bytes *out)
{
    return read_latin(s, key, json_object_get(o, key), room, size, out);
}

static bool read_kinds(struct ledger_line *s, const json_t *o, struct ledger_entry *e)
{
    const char *ask = json_string_value(json_object_get(o, "ask"));
    const char *purpose = json_string_value(json_object_get(o, "purpose"));
    const char *verdict = json_string_value(json_object_get(o, "verdict"));
    const int of_purpose = purpose != NULL ? ledger_purpose_of(purpose) : -1;
    const int of_verdict = verdict != NULL ? ledger_verdict_of(verdict) : -1;

    if (ask == NULL || (strcmp(ask, "rate") != 0 && strcmp(ask, "order") != 0)) {
        return wrong(s, "ask", "rate or order");
    }
    if (of_purpose < 0) {
        return wrong(s, "purpose", "label, consistency, canary or probe");
    }
    if (of_verdict < 0) {
        return wrong(s, "verdict", "a kind of verdict");
    }
    e->question_kind = strcmp(ask, "order") == 0 ? QUESTION_ORDER : QUESTION_RATE;
    e->purpose = (uint8_t)of_purpose;
    e->verdict_kind = (uint8_t)of_verdict;
    return true;
}

/* None: an answer to a question that nobody knew any more. */
static bool read_captions(struct ledger_line *s, const json_t *o,
                          struct ledger_entry *e)
{
    const json_t *list = json_object_get(o, "captions"), *v;
    const json_t *order = json_object_get(o, "order");
    const size_t n = json_array_size(list);
    const bool ordered = e->question_kind == QUESTION_ORDER;

    if (!json_is_array(list) || (ordered ? n == 1 || n > ITEM_CAPTIONS_MAX : n > 1)) {
        return wrong(s, "captions",
                     ordered ? "a list of 2 to 8 texts" : "a list of one text");
    }
    if (ordered ? !json_is_array(order) || json_array_size(order) != n
                : order != NULL) {
        return wrong(s, "order",
                     ordered ? "a rank for each caption" : "for questions to rate");
    }
    e->captions = (uint8_t)n;
    for (size_t i = 0; i < n; i++) {
        if (!read_latin(s, "a caption", json_array_get(list, i), s->caption[i],
                        NAME_MAX_, &e->caption[i])) {
            return false;
        }
        v = json_array_get(order, i);
        const json_int_t rank = json_integer_value(v);
        if (ordered && (!json_is_integer(v) || rank < 0 || rank >= (json_int_t)n)) {
            return wrong(s, "a rank", "an integer below the number of captions");
        }
        e->order[i] = (uint8_t)rank;
    }
    return hash_equal(e->key, ledger_item_key(e->caption, e->captions)) ||
           wrong(s, "key", "the hash of the captions");
}

/* "RUN/SERIAL" or empty. */
static bool check_origin(struct ledger_line *s, struct bytes origin)
{
    const char *text = origin.data;
    bool good = origin.len == 0 || (origin.len >= 18 && origin.len <= 36 &&
                                    text[16] == '/' && text[17] != '0');

    for (size_t i = 0; good && i < origin.len; i++) {
        good = i < 16    ? memchr("0123456789abcdef", text[i], 16) != NULL
               : i == 16 ? true
                         : text[i] >= '0' && text[i] <= '9';
    }
    return good || wrong(s, "origin", "empty or a run and a serial, RUN/SERIAL");
}

static bool read_figures(struct ledger_line *s, const json_t *o, struct ledger_entry *e)
{
    int64_t requests = 0, position = 0;
    const bool good = read_share(s, o, "label", &e->label) &&
                      read_share(s, o, "confidence", &e->confidence) &&
                      read_u32(s, o, "tokens_in", &e->tokens_in) &&
                      read_u32(s, o, "tokens_out", &e->tokens_out) &&
                      read_u32(s, o, "latency_us", &e->latency_us) &&
                      read_u32(s, o, "cost_micro", &e->cost_micro) &&
                      read_int(s, o, "requests", 0, UINT16_MAX, &requests) &&
                      read_int(s, o, "position", INT8_MIN, 1, &position) &&
                      read_bool(s, o, "estimated", &e->estimated) &&
                      read_bool(s, o, "late", &e->late) &&
                      read_bool(s, o, "trains", &e->trains);

    e->requests = (uint16_t)requests;
    e->position = (int8_t)position;
    return good && (position >= -1 || position == INT8_MIN ||
                    wrong(s, "position", "-128, -1, 0 or 1"));
}

/* What no judge's answer can be, whatever each value is for itself. */
static bool check_whole(struct ledger_line *s, const struct ledger_entry *e)
{
    const bool labels = e->verdict_kind == VERDICT_LABEL;

    if (e->trains && ((!labels && e->verdict_kind != VERDICT_TIE) ||
                      e->purpose != PURPOSE_LABEL || e->captions == 0)) {
        return wrong(s, "trains", "true of what is no label");
    }
    if (labels && e->question_kind == QUESTION_RATE && !isfinite(e->label)) {
        return wrong(s, "label", "null where the verdict is one");
    }
    return true;
}

static bool read_entry(struct ledger_line *s, json_t *o, struct ledger_entry *e)
{
    return has_keys(s, o) && read_u48(s, o, "serial", 1, &e->serial) &&
           read_u48(s, o, "time_ms", 0, &e->time_ms) &&
           read_hex64(s, o, "question", &e->question) &&
           read_hash(s, o, "key", &e->key) &&
           read_hash(s, o, "goal_digest", &e->goal_digest) &&
           read_hash(s, o, "prompt_digest", &e->prompt_digest) &&
           read_text(s, o, "goal", s->name[0], NAME_MAX_, &e->goal) &&
           read_text(s, o, "judge", s->name[1], NAME_MAX_, &e->judge) &&
           read_text(s, o, "model", s->name[2], NAME_MAX_, &e->model) &&
           read_text(s, o, "origin", s->name[3], NAME_MAX_, &e->origin) &&
           check_origin(s, e->origin) &&
           read_text(s, o, "raw", s->raw, LEDGER_RAW_MAX, &e->raw) &&
           read_kinds(s, o, e) && read_captions(s, o, e) && read_figures(s, o, e) &&
           check_whole(s, e);
}

enum status ledger_line_read(struct ledger_line *s, struct bytes line,
                             struct ledger_entry *out)
{
    struct ledger_entry e = {0};
    json_t *o = parse(s, line);
    const bool good = o != NULL && read_entry(s, o, &e);

    json_decref(o);
    if (good) {
        *out = e;
    }
    return good ? ST_OK : ST_CORRUPT;
}

enum status ledger_line_read_head(struct ledger_line *s, struct bytes line,
                                  struct ledger_head *out)
{
    struct ledger_head h = {0};
    struct bytes name;
    json_t *o = parse(s, line);
    const json_t *schema = json_object_get(o, "ledger");
    enum status st = ST_CORRUPT;

    if (o != NULL && !json_is_integer(schema)) {
        (void)text_format(s->why, sizeof(s->why),
                          "not the head of a ledger, {\"ledger\":%d,\"run\":...}",
                          LEDGER_SCHEMA);
    } else if (o != NULL && json_integer_value(schema) != LEDGER_SCHEMA) {
        (void)text_format(s->why, sizeof(s->why), "schema %lld, this program reads %d",
                          (long long)json_integer_value(schema), LEDGER_SCHEMA);
        st = ST_VERSION;
    } else if (o != NULL && read_hex64(s, o, "run", &h.run) &&
               read_text(s, o, "environment", s->name[0], LEDGER_ENVIRONMENT_MAX - 1,
                         &name)) {
        (void)text_format(h.environment, sizeof(h.environment), "%.*s", (int)name.len,
                          (const char *)name.data);
        *out = h;
        st = json_object_size(o) == 3 ? ST_OK : ST_CORRUPT;
        (void)text_format(s->why, sizeof(s->why), "has a key of no meaning");
    }
    json_decref(o);
    return st;
}
