#include "learner/store/ledger_filter.h"

#include <stdio.h>
#include <string.h>

enum status ledger_filter_set_regex(struct ledger_filter *f, const char *regex)
{
    char why[128];
    const int rc = regcomp(&f->regex, regex, REG_EXTENDED | REG_NOSUB);

    if (rc != 0) {
        regerror(rc, &f->regex, why, sizeof(why));
        fprintf(stderr, "--regex: %s: %s\n", regex, why);
        return ST_INVALID;
    }
    f->has_regex = true;
    return ST_OK;
}

void ledger_filter_release(struct ledger_filter *f)
{
    if (f->has_regex) {
        regfree(&f->regex);
        f->has_regex = false;
    }
}

static bool contains(const struct ledger_filter *f, struct bytes b)
{
    const char *data = b.len > 0 ? b.data : "";
    regmatch_t span = {0, (regoff_t)b.len};
    const size_t len = f->text != NULL ? strlen(f->text) : 0;

    return (len == 0 || memmem(data, b.len, f->text, len) != NULL) &&
           (!f->has_regex || regexec(&f->regex, data, 1, &span, REG_STARTEND) == 0);
}

static bool some_text_contains(const struct ledger_filter *f,
                               const struct ledger_entry *e)
{
    bool found = contains(f, e->raw);

    for (int i = 0; i < e->captions && !found; i++) {
        found = contains(f, e->caption[i]);
    }
    return found;
}

static bool is_judge(struct bytes name, struct bytes model, const char *wanted)
{
    const struct bytes w = bytes_text(wanted);

    return bytes_equal(name, w) || bytes_equal(model, w) ||
           (w.len == name.len + 1 + model.len && wanted[name.len] == '/' &&
            bytes_equal(name, bytes_of(wanted, name.len)) &&
            bytes_equal(model, bytes_of(wanted + name.len + 1, model.len)));
}

bool ledger_filter_matches(const struct ledger_filter *f, const struct ledger_entry *e)
{
    const bool any_goal = f->goal == NULL || f->goal[0] == '\0';
    const bool any_judge = f->judge == NULL || f->judge[0] == '\0';

    return (f->verdict < 0 || e->verdict_kind == f->verdict) &&
           (f->purpose < 0 || e->purpose == f->purpose) &&
           (any_goal || bytes_equal(e->goal, bytes_text(f->goal))) &&
           (any_judge || is_judge(e->judge, e->model, f->judge)) &&
           some_text_contains(f, e);
}
