#include "learner/store/ledger_tools.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "learner/store/ledger_copy.h"
#include "learner/store/ledger_source.h"

/* A ledger to write to. A new one is made beside its name and gets it when it is whole. */
struct target {
    struct ledger *ledger;
    char path[PATH_MAX_], made[PATH_MAX_ + 16]; // made: "" where it was there
};

/* One that is there is opened as the run's that it is. */
static enum status open_present(struct target *t)
{
    struct ledger *l = NULL;

    TRY(ledger_open_read(t->path, &l));
    const uint64_t run = ledger_run(l);
    ledger_close(l);
    return ledger_open(t->path, run, &t->ledger);
}

static enum status open_target(struct target *t, const char *out, uint64_t run)
{
    char data[PATH_MAX_];

    *t = (struct target){0};
    if (ledger_source_find(out, t->path, sizeof(t->path)) == ST_OK &&
        text_format(data, sizeof(data), "%s/data.mdb", t->path) && file_exists(data)) {
        return open_present(t);
    }
    if (file_exists(out)) {
        fprintf(stderr, "--out: %s is there and holds no ledger\n", out);
        return ST_INVALID;
    }
    if (!text_format(t->path, sizeof(t->path), "%s", out)) {
        fprintf(stderr, "--out: %.60s...: too long\n", out);
        return ST_INVALID;
    }
    (void)text_format(t->made, sizeof(t->made), "%s.part", out);
    TRY(file_remove_tree(t->made)); // of one that was killed
    TRY(file_make_dirs(t->made));
    return ledger_open(t->made, run, &t->ledger);
}

static enum status close_target(struct target *t, enum status st)
{
    ledger_close(t->ledger);
    if (t->made[0] == '\0') {
        return st;
    }
    if (st == ST_OK && rename(t->made, t->path) != 0) {
        LOG_ERROR("LEDGER-MAKE", "cannot rename %s to %s, %s", t->made, t->path,
                  strerror(errno));
        st = ST_IO;
    }
    if (st != ST_OK && file_remove_tree(t->made) != ST_OK) {
        LOG_WARN("LEDGER-MAKE", "%s is left behind", t->made);
    }
    return st;
}

static void print_copied(const char *verb, const struct ledger_copied *c,
                         const struct target *t)
{
    printf("%s %" PRIu64 " of %" PRIu64 " verdicts into %s: %" PRIu64 " train, %" PRIu64
           " were known already\n",
           verb, c->taken, c->read, t->path, c->labels, c->known);
}

enum status ledger_tools_import(const char *source, const char *out)
{
    struct ledger_source *s = NULL;
    struct ledger_copied copied;
    struct target t;

    TRY(ledger_source_open(source, &s));
    const uint64_t run = ledger_source_run(s);
    ledger_source_close(s);
    enum status st = open_target(&t, out, run);
    if (st == ST_OK) {
        st = ledger_copy_exact(t.ledger, source, &copied);
    }
    st = close_target(&t, st);
    if (st == ST_OK) {
        print_copied("imported", &copied, &t);
    }
    return st;
}

/* A run id for what no run wrote: the same for the same sources. */
static enum status mix_runs(const char *const *source, int sources, uint64_t *run)
{
    uint64_t mixed = 0x6d696e6f73; // "minos"

    for (int i = 0; i < sources; i++) {
        struct ledger_source *s = NULL;
        TRY(ledger_source_open(source[i], &s));
        const uint64_t both[2] = {mixed, ledger_source_run(s)};
        mixed = hash_64(bytes_of(both, sizeof(both)));
        ledger_source_close(s);
    }
    *run = mixed != 0 ? mixed : 1;
    return ST_OK;
}

enum status ledger_tools_merge(const char *const *source, int sources, const char *out)
{
    struct ledger_copied copied;
    struct target t;
    uint64_t run = 0;

    TRY(mix_runs(source, sources, &run));
    enum status st = open_target(&t, out, run);
    if (st == ST_OK) {
        st = ledger_copy_all(t.ledger, source, sources, &copied);
    }
    st = close_target(&t, st);
    if (st == ST_OK) {
        print_copied("merged", &copied, &t);
    }
    return st;
}
