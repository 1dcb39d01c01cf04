#include "learner/store/ledger_copy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/option.h"
#include "learner/store/keymap.h"
#include "learner/store/ledger_source.h"

enum { ORIGIN_MAX = 40, SOURCES_MAX = 64, SERIAL_BITS = 48 };

/* Whose training verdict a key keeps: the place of its ledger, and its serial there. */
static const uint64_t ours = (uint64_t)1 << SERIAL_BITS;

static uint64_t place_of(int source, uint64_t serial)
{
    return (uint64_t)(source + 2) << SERIAL_BITS | serial;
}

struct copying {
    struct ledger *to;
    const struct ledger_wanted *wanted; // NULL: all verdicts of all goals
    bool exact;
    struct keymap
        *label;          // (item key, goal) -> place_of() its training verdict, or ours
    struct keymap *seen; // origins
    struct ledger_source *from;
    int source; // its place
    struct ledger_copied told;
    enum status st;
};

static struct hash128 label_key(const struct ledger_entry *e)
{
    const struct hash128 both[2] = {e->key, e->goal_digest};

    return hash_128(bytes_of(both, sizeof(both)));
}

/* "RUN/SERIAL" of the verdict, wherever it was copied before. */
static struct bytes origin_of(const struct ledger_entry *e, uint64_t run,
                              char text[ORIGIN_MAX])
{
    if (e->origin.len > 0) {
        return e->origin;
    }
    (void)text_format(text, ORIGIN_MAX, "%016" PRIx64 "/%" PRIu64, run, e->serial);
    return bytes_text(text);
}

static bool seen_before(struct copying *c, struct bytes origin)
{
    bool fresh;

    (void)keymap_at(c->seen, hash_128(origin), &fresh);
    return !fresh;
}

/* ---- what the target holds ---- */

static bool note_own(void *ctx, const struct ledger_entry *e)
{
    struct copying *c = ctx;
    char text[ORIGIN_MAX];

    (void)seen_before(c, origin_of(e, ledger_run(c->to), text));
    if (e->trains) {
        *keymap_at(c->label, label_key(e), NULL) = ours;
    }
    return true;
}

static enum status begin(struct copying *c)
{
    c->label = keymap_new();
    c->seen = keymap_new();
    return ledger_scan(c->to, 1, 0, note_own, c);
}

static void end(struct copying *c)
{
    keymap_free(c->label);
    keymap_free(c->seen);
}

/* ---- sources ---- */

/* LMDB must not be opened twice in one process. */
static bool is_target(const struct copying *c, const char *path)
{
    struct stat a, b;

    return stat(path, &a) == 0 && stat(ledger_path(c->to), &b) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static enum status open_source(struct copying *c, const char *name, int source)
{
    char path[1024];

    c->source = source;
    if (ledger_source_find(name, path, sizeof(path)) == ST_OK && is_target(c, path)) {
        LOG_ERROR("LEDGER-SELF", "%s is the ledger that would be written to", name);
        return ST_INVALID;
    }
    return ledger_source_open(name, &c->from);
}

static void close_source(struct copying *c)
{
    ledger_source_close(c->from);
    c->from = NULL;
}

static bool same_environment(const struct copying *c)
{
    return ledger_same_environment(ledger_source_environment(c->from),
                                   ledger_environment(c->to));
}

static bool is_of_kind(const struct ledger_wanted *w, const struct ledger_entry *e)
{
    return w->question_kind == 0 || w->question_kind == e->question_kind;
}

static bool wanted(const struct copying *c, const struct ledger_entry *e)
{
    return c->wanted == NULL ||
           (e->trains && hash_equal(e->goal_digest, c->wanted->goal_digest) &&
            is_of_kind(c->wanted, e));
}

/* First round: which training verdict of each key stays one. */
static bool choose(void *ctx, const struct ledger_entry *e)
{
    struct copying *c = ctx;
    bool fresh;

    if (e->trains && wanted(c, e)) {
        uint64_t *at = keymap_at(c->label, label_key(e), &fresh);
        const uint64_t place = place_of(c->source, e->serial);
        if (fresh || (*at >> SERIAL_BITS == place >> SERIAL_BITS && *at < place)) {
            *at = place;
        }
    }
    return true;
}

static void count_unwanted(struct ledger_copied *t, const struct ledger_wanted *w,
                           const struct ledger_entry *e)
{
    if (!hash_equal(e->goal_digest, w->goal_digest)) {
        t->other_goal++;
    } else if (!e->trains) {
        t->no_label++;
    } else {
        t->other_kind++;
    }
}

/* Whether `e` trains where it is copied to. */
static bool chosen(const struct copying *c, const struct ledger_entry *e)
{
    const uint64_t *at = keymap_find(c->label, label_key(e));

    if (c->exact) {
        return at == NULL || *at != ours;
    }
    return at != NULL && *at == place_of(c->source, e->serial);
}

static enum status put_copy(struct copying *c, const struct ledger_entry *e)
{
    struct ledger_entry copy = *e;
    char text[ORIGIN_MAX];

    copy.trains = e->trains && chosen(c, e);
    c->told.taken++;
    c->told.labels += copy.trains;
    if (c->exact && ledger_source_run(c->from) == ledger_run(c->to)) {
        if (e->serial <= ledger_top(c->to)) {
            LOG_ERROR("LEDGER-ORDER", "%s: serial %" PRIu64 " does not ascend",
                      ledger_source_path(c->from), e->serial);
            return ST_CORRUPT;
        }
        return ledger_put_serial(c->to, &copy);
    }
    copy.origin = origin_of(e, ledger_source_run(c->from), text);
    return ledger_append(c->to, &copy);
}

/* Second round. */
static bool copy(void *ctx, const struct ledger_entry *e)
{
    struct copying *c = ctx;
    char text[ORIGIN_MAX];

    c->told.read++;
    if (!wanted(c, e)) {
        count_unwanted(&c->told, c->wanted, e);
        return true;
    }
    if (seen_before(c, origin_of(e, ledger_source_run(c->from), text)) ||
        (c->wanted != NULL && !chosen(c, e))) {
        c->told.known++;
        return true;
    }
    c->st = put_copy(c, e);
    return c->st == ST_OK;
}

static bool count(void *ctx, const struct ledger_entry *e)
{
    struct copying *c = ctx;

    (void)e;
    c->told.read++;
    c->told.other_environment++;
    return true;
}

static enum status round_over(struct copying *c, const char *const *source, int sources,
                              bool (*each)(void *ctx, const struct ledger_entry *e))
{
    for (int i = 0; i < sources; i++) {
        TRY(open_source(c, source[i], i));
        const bool usable = c->wanted == NULL || same_environment(c);
        enum status st = ST_OK;
        if (usable) {
            st = ledger_source_scan(c->from, 1, 0, each, c);
        } else if (each == copy) {
            LOG_WARN("LEDGER-ENVIRONMENT",
                     "%s is about %s, not about %s: nothing of it is used", source[i],
                     ledger_source_environment(c->from)[0] != '\0'
                         ? ledger_source_environment(c->from)
                         : "an unknown environment",
                     ledger_environment(c->to));
            st = ledger_source_scan(c->from, 1, 0, count, c);
        }
        close_source(c);
        TRY(st != ST_OK ? st : c->st);
    }
    return ST_OK;
}

/* A ledger takes the environment of what is copied into it, and no second one. */
static enum status settle_environment(struct copying *c, const char *const *source,
                                      int sources)
{
    for (int i = 0; i < sources; i++) {
        TRY(open_source(c, source[i], i));
        const char *name = ledger_source_environment(c->from);
        const enum status st =
            name[0] != '\0' ? ledger_put_environment(c->to, name) : ST_OK;
        close_source(c);
        TRY(st);
    }
    return ST_OK;
}

/* Both rounds; the group stays open. */
static enum status copy_sources(struct copying *c, const char *const *source,
                                int sources)
{
    TRY(begin(c));
    if (c->wanted == NULL) {
        TRY(settle_environment(c, source, sources));
    }
    if (!c->exact) {
        TRY(round_over(c, source, sources, choose));
    }
    return round_over(c, source, sources, copy);
}

static enum status finish(struct copying *c, enum status st, struct ledger_copied *out)
{
    st = st == ST_OK ? ledger_commit(c->to) : st;
    if (st != ST_OK) {
        close_source(c);
        ledger_abandon(c->to);
    } else {
        *out = c->told;
    }
    end(c);
    return st;
}

enum status ledger_copy_all(struct ledger *to, const char *const *source, int sources,
                            struct ledger_copied *out)
{
    struct copying c = {.to = to};

    return finish(&c, copy_sources(&c, source, sources), out);
}

enum status ledger_copy_exact(struct ledger *to, const char *source,
                              struct ledger_copied *out)
{
    struct copying c = {.to = to, .exact = true};

    return finish(&c, copy_sources(&c, &source, 1), out);
}

/* ---- labels of earlier runs ---- */

static int split(char *list, const char *names[SOURCES_MAX])
{
    int n = 0;

    for (char *at = list; at != NULL && n < SOURCES_MAX;) {
        char *comma = strchr(at, ',');
        if (comma != NULL) {
            *comma++ = '\0';
        }
        names[n++] = text_trim(at);
        at = comma;
    }
    return n;
}

static enum status none_usable(const struct ledger_copied *t, const char *list)
{
    LOG_ERROR("LABELS-NONE",
              "none of the %" PRIu64 " verdicts in %s can be used here: %" PRIu64
              " are of another goal, %" PRIu64 " of another environment, %" PRIu64
              " are no labels, %" PRIu64
              " are orders where ratings are read or the other way round",
              t->read, list, t->other_goal, t->other_environment, t->no_label,
              t->other_kind);
    return ST_INVALID;
}

static void tell(const struct ledger_copied *t, const char *list)
{
    LOG_INFO("LABELS-FROM",
             "took %" PRIu64 " labels from %s; not used: %" PRIu64
             " of another goal, %" PRIu64 " of another environment, %" PRIu64
             " that are no labels, %" PRIu64 " of the other kind, %" PRIu64
             " known already",
             t->taken, list, t->other_goal, t->other_environment, t->no_label,
             t->other_kind, t->known);
}

enum status ledger_copy_labels(struct ledger *to, const char *list,
                               const struct ledger_wanted *wanted,
                               struct ledger_copied *out)
{
    char done[OPTION_TEXT_MAX], names_of[OPTION_TEXT_MAX];
    const char *names[SOURCES_MAX];
    const char *note =
        wanted->question_kind == QUESTION_ORDER ? "orders-from" : "labels-from";
    struct copying c = {.to = to, .wanted = wanted};

    TRY(ledger_get_note(to, note, done, sizeof(done)));
    if (strcmp(done, list) == 0) {
        *out = (struct ledger_copied){0};
        return ST_OK;
    }
    (void)text_format(names_of, sizeof(names_of), "%s", list);
    enum status st = copy_sources(&c, names, split(names_of, names));
    if (st == ST_OK && c.told.taken + c.told.known == 0) {
        st = none_usable(&c.told, list);
    }
    // In the same transaction: what was taken is known to be, or nothing was taken.
    st = st == ST_OK ? ledger_put_note(to, note, list) : st;
    st = finish(&c, st, out);
    if (st == ST_OK) {
        tell(out, list);
    }
    return st;
}

bool ledger_copy_finds(const char *list)
{
    char names_of[OPTION_TEXT_MAX], path[1024];
    const char *names[SOURCES_MAX];
    bool found = true;

    (void)text_format(names_of, sizeof(names_of), "%s", list);
    const int count = split(names_of, names);
    for (int i = 0; i < count && found; i++) {
        found = ledger_source_find(names[i], path, sizeof(path)) == ST_OK;
    }
    return found;
}

struct checking {
    const struct ledger_wanted *wanted;
    struct ledger_copied told;
};

static bool find_usable(void *ctx, const struct ledger_entry *e)
{
    struct checking *c = ctx;

    c->told.read++;
    if (e->trains && hash_equal(e->goal_digest, c->wanted->goal_digest) &&
        is_of_kind(c->wanted, e)) {
        c->told.taken++;
    } else {
        count_unwanted(&c->told, c->wanted, e);
    }
    return c->told.taken == 0; // one is enough
}

static bool find_foreign(void *ctx, const struct ledger_entry *e)
{
    struct checking *c = ctx;

    (void)e;
    c->told.read++;
    c->told.other_environment++;
    return true;
}

enum status ledger_copy_check(const char *list, const char *environment,
                              const struct ledger_wanted *wanted)
{
    char names_of[OPTION_TEXT_MAX];
    const char *names[SOURCES_MAX];
    struct checking c = {.wanted = wanted};

    (void)text_format(names_of, sizeof(names_of), "%s", list);
    const int count = split(names_of, names);
    for (int i = 0; i < count; i++) {
        struct ledger_source *s = NULL;
        TRY(ledger_source_open(names[i], &s));
        const bool same =
            ledger_same_environment(ledger_source_environment(s), environment);
        const enum status st =
            ledger_source_scan(s, 1, 0, same ? find_usable : find_foreign, &c);
        ledger_source_close(s);
        TRY(st);
    }
    return c.told.taken > 0 ? ST_OK : none_usable(&c.told, list);
}
