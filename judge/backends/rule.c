#include "judge/backends/rule.h"

#include <regex.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/share.h"
#include "common/base/text.h"
#include "judge/options.h"

enum { RULES_MAX = 256, RULES_FILE_MAX = 1 << 20, STRENGTH_MOST = 3 };

struct rule {
    int strength;
    regex_t pattern;
};

struct rules {
    struct rule rule[RULES_MAX];
    int count;
    struct hash128 prompt;
};

static enum status refuse(const char *path, int line, const char *why)
{
    LOG_ERROR("RULE-FILE", "%s, line %d: %s", path, line, why);
    return ST_INVALID;
}

/* "STRENGTH PATTERN", one space between; the pattern keeps its own spaces. */
static enum status take_line(struct rules *r, const char *path, char *line, int number)
{
    const size_t len = strlen(line);

    if (len > 0 && line[len - 1] == '\r') {
        line[len - 1] = '\0';
    }
    if (line[0] == '\0' || line[0] == '#') {
        return ST_OK;
    }
    if (line[0] < '1' || line[0] > '0' + STRENGTH_MOST || line[1] != ' ' ||
        line[2] == '\0') {
        return refuse(path, number,
                      "not a strength from 1 to 3, a space and a pattern");
    }
    if (r->count == RULES_MAX) {
        return refuse(path, number, "more than 256 patterns");
    }
    struct rule *rule = &r->rule[r->count];
    const int rc =
        regcomp(&rule->pattern, line + 2, REG_EXTENDED | REG_ICASE | REG_NOSUB);
    if (rc != 0) {
        char why[128], text[200];
        regerror(rc, &rule->pattern, why, sizeof(why));
        text_format(text, sizeof(text), "not a regular expression, %s", why);
        return refuse(path, number, text);
    }
    rule->strength = line[0] - '0';
    r->count++;
    return ST_OK;
}

static enum status parse(struct rules *r, const char *path, char *text)
{
    char *rest = text;

    for (int number = 1; rest != NULL; number++) {
        char *line = rest;
        rest = strchr(line, '\n');
        if (rest != NULL) {
            *rest++ = '\0';
        }
        TRY(take_line(r, path, line, number));
    }
    return r->count > 0 ? ST_OK : refuse(path, 1, "holds no pattern");
}

/* Beside a goal file given by path, else among our own. */
static bool find_file(const struct judge_setup *setup, char path[PATH_MAX_])
{
    const struct judge_goal *goal = setup->goal;
    const char *given = setup->options->goal;
    const size_t len = strlen(given);
    char name[PATH_MAX_];

    if (setup->options->rules[0] != '\0') {
        text_format(path, PATH_MAX_, "%s", setup->options->rules);
        return file_exists(path);
    }
    if (strchr(given, '/') != NULL && len > 5 &&
        strcmp(given + len - 5, ".goal") == 0) {
        text_format(path, PATH_MAX_, "%.*s.%s.rules", (int)(len - 5), given,
                    goal->family);
        return file_exists(path);
    }
    return text_format(name, sizeof(name), "goals/%s.%s.rules", goal->name,
                       goal->family) &&
           share_path(name, path, PATH_MAX_);
}

static void rule_close(void *self)
{
    struct rules *r = self;

    for (int i = 0; i < r->count; i++) {
        regfree(&r->rule[i].pattern);
    }
    mem_free(r);
}

static enum status load(const char *path, struct rules **out)
{
    char *text;
    size_t len;

    TRY(file_read(path, RULES_FILE_MAX, &text, &len));
    struct rules *r = mem_new(1, sizeof(*r));
    r->prompt = hash_128(bytes_of(text, len));
    const enum status st = memchr(text, 0, len) != NULL
                               ? refuse(path, 1, "holds a zero byte")
                               : parse(r, path, text);
    mem_free(text);
    if (st != ST_OK) {
        rule_close(r);
        return st;
    }
    *out = r;
    return ST_OK;
}

/* A file that is named can be read before any goal is known. */
static enum status rule_check(const struct judge_options *o)
{
    struct rules *r;

    if (o->rules[0] == '\0') {
        return ST_OK;
    }
    if (!file_exists(o->rules)) {
        LOG_ERROR("RULE-FILE", "--rules: there is no file %s", o->rules);
        return ST_NOTFOUND;
    }
    TRY(load(o->rules, &r));
    rule_close(r);
    return ST_OK;
}

static enum status rule_open(const struct judge_setup *setup, void **self)
{
    char path[PATH_MAX_];

    if (!find_file(setup, path)) {
        LOG_ERROR("RULE-FILE",
                  "no pattern file %s for goal %s in %s; write one or give --rules",
                  path, setup->goal->name, setup->goal->family);
        return ST_NOTFOUND;
    }
    struct rules *r = NULL;
    TRY(load(path, &r));
    LOG_INFO("RULE-FILE", "judges by the %d patterns of %s", r->count, path);
    *self = r;
    return ST_OK;
}

/* The highest strength whose pattern lies anywhere in the caption, 0 when none does. */
static int strength_of(const struct rules *r, const struct judge_caption *c)
{
    int best = 0;

    for (int i = 0; i < r->count; i++) {
        // With REG_STARTEND a zero byte is a byte like any other.
        regmatch_t span = {.rm_so = 0, .rm_eo = c->len};
        if (r->rule[i].strength > best &&
            regexec(&r->rule[i].pattern, c->text, 1, &span, REG_STARTEND) == 0) {
            best = r->rule[i].strength;
        }
    }
    return best;
}

static enum status rule_ask(void *self, const struct judge_question *q,
                            struct judge_verdict *v)
{
    double score[ITEM_CAPTIONS_MAX];

    for (int i = 0; i < q->captions; i++) {
        score[i] = strength_of(self, &q->caption[i]);
    }
    if (q->kind == QUESTION_RATE) {
        judge_rate(v, score[0] > 0 ? 1 : 0);
    } else {
        judge_order(v, score, q->captions);
    }
    v->confidence = 1;
    return ST_OK;
}

static struct hash128 rule_prompt(const void *self)
{
    return ((const struct rules *)self)->prompt;
}

const struct judge_backend rule_backend = {.name = "rule",
                                           .can_rate = true,
                                           .can_order = true,
                                           .check = rule_check,
                                           .open = rule_open,
                                           .close = rule_close,
                                           .ask = rule_ask,
                                           .prompt = rule_prompt};
