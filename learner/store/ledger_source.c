#include "learner/store/ledger_source.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/option.h"
#include "learner/store/ledger_file.h"

struct ledger_source {
    char path[PATH_MAX_];
    struct ledger *ledger; // a directory; else NULL
    struct ledger_file *file;
    struct ledger_head head;
};

struct where {
    char store_dir[OPTION_TEXT_MAX];
};

static struct option where_table[] = {
    OPT(struct where, store_dir, "store-dir", OPT_TEXT, "", 0, 0, "see learner"),
    OPT_END,
};

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Where a ledger is looked for. */
struct search {
    char *path;
    size_t size;
    int refused; // errno of a place that could not be looked at, 0: none
};

static bool is_there(struct search *s, const char *probe)
{
    struct stat st;

    if (stat(probe, &st) == 0) {
        return true;
    }
    if (errno != ENOENT && errno != ENOTDIR) {
        s->refused = errno;
    }
    return false;
}

/* DIR/SUB/FILE is there: s->path is DIR/SUB, or the file itself. */
static bool look(struct search *s, const char *dir, const char *sub, const char *file,
                 bool itself)
{
    char probe[PATH_MAX_];

    if (!text_format(probe, sizeof(probe), "%s%s/%s", dir, sub, file) ||
        !is_there(s, probe)) {
        return false;
    }
    return itself ? text_format(s->path, s->size, "%s", probe)
                  : text_format(s->path, s->size, "%s%s", dir, sub);
}

/* A run's store may lie elsewhere; its config.ini knows. */
static void find_store(const char *dir, struct where *w)
{
    char config[PATH_MAX_];

    option_defaults(where_table, w);
    if (text_format(config, sizeof(config), "%s/config.ini", dir) &&
        file_exists(config) &&
        option_read_file(where_table, w, config, true) != ST_OK) {
        w->store_dir[0] = '\0';
    }
}

static bool find(struct search *s, const char *name)
{
    struct where w;

    if (!is_directory(name)) {
        return is_there(s, name) && text_format(s->path, s->size, "%s", name);
    }
    find_store(name, &w);
    // The ledger itself first; a copy as lines is behind it.
    return look(s, name, "/ledger", "data.mdb", false) ||
           (w.store_dir[0] != '\0' &&
            look(s, w.store_dir, "/ledger", "data.mdb", false)) ||
           look(s, name, "", "data.mdb", false) ||
           look(s, name, "/ledger", "verdicts.jsonl", true) ||
           look(s, name, "", "verdicts.jsonl", true);
}

enum status ledger_source_find(const char *name, char *path, size_t size)
{
    struct search s = {path, size, 0};

    return find(&s, name) ? ST_OK : ST_NOTFOUND;
}

static enum status open_at(struct ledger_source *s)
{
    if (!is_directory(s->path)) {
        TRY(ledger_file_open(s->path, &s->file));
        s->head = *ledger_file_head(s->file);
        return ST_OK;
    }
    TRY(ledger_open_read(s->path, &s->ledger));
    s->head.run = ledger_run(s->ledger);
    (void)text_format(s->head.environment, sizeof(s->head.environment), "%s",
                      ledger_environment(s->ledger));
    return ST_OK;
}

enum status ledger_source_open(const char *name, struct ledger_source **out)
{
    struct ledger_source *s = mem_new(1, sizeof(*s));
    struct search search = {s->path, sizeof(s->path), 0};
    enum status st = find(&search, name) ? open_at(s) : ST_NOTFOUND;

    if (st == ST_NOTFOUND && search.refused != 0) {
        LOG_ERROR("LEDGER-NONE", "the ledger at %s cannot be read: %s", name,
                  strerror(search.refused));
    } else if (st == ST_NOTFOUND) {
        LOG_ERROR("LEDGER-NONE",
                  "there is no ledger at %s: name a run directory, a ledger directory "
                  "or an exported .jsonl file",
                  name);
    }
    if (st != ST_OK) {
        ledger_source_close(s);
        return st;
    }
    *out = s;
    return ST_OK;
}

void ledger_source_close(struct ledger_source *s)
{
    if (s != NULL) {
        ledger_close(s->ledger);
        ledger_file_close(s->file);
        mem_free(s);
    }
}

const char *ledger_source_path(const struct ledger_source *s)
{
    return s->path;
}

uint64_t ledger_source_run(const struct ledger_source *s)
{
    return s->head.run;
}

const char *ledger_source_environment(const struct ledger_source *s)
{
    return s->head.environment;
}

static enum status scan_file(struct ledger_source *s, uint64_t from, uint64_t to,
                             bool (*each)(void *ctx, const struct ledger_entry *e),
                             void *ctx)
{
    struct ledger_entry e;
    enum status st = ST_OK;

    // From the beginning again: a source may be scanned twice.
    ledger_file_close(s->file);
    s->file = NULL;
    TRY(ledger_file_open(s->path, &s->file));
    for (;;) {
        st = ledger_file_next(s->file, &e);
        if (st != ST_OK) {
            break;
        }
        if (e.serial >= from && (to == 0 || e.serial <= to) && !each(ctx, &e)) {
            return ST_OK;
        }
    }
    if (st == ST_CORRUPT) {
        LOG_ERROR("LEDGER-LINE", "%s, line %" PRIu64 ": %s", s->path,
                  ledger_file_line(s->file), ledger_file_why(s->file));
    }
    return st == ST_NOTFOUND ? ST_OK : st;
}

enum status ledger_source_scan(struct ledger_source *s, uint64_t from, uint64_t to,
                               bool (*each)(void *ctx, const struct ledger_entry *e),
                               void *ctx)
{
    return s->ledger != NULL ? ledger_scan(s->ledger, from, to, each, ctx)
                             : scan_file(s, from, to, each, ctx);
}
